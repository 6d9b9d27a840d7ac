"""Publish and subscribe in asyncio: the event loop waits on the sockets' descriptors (ZMQ_FD).

    python event_loop.py
"""

import asyncio

import zmq
import zmq.asyncio


async def publish(socket):
    """Begins at the first subscription: what is published before that goes to no subscriber."""
    way, *topic = await socket.recv()
    assert way == 1, topic
    for number in range(5):
        await socket.send_multipart([b"tick", str(number).encode()])
    await socket.send_multipart([b"tick", b"end"])


async def subscribe(socket):
    socket.subscribe("tick")
    while True:
        _, text = await asyncio.wait_for(socket.recv_multipart(), timeout=5)
        print(text.decode())
        if text == b"end":
            return


async def main():
    context = zmq.asyncio.Context()
    publisher, subscriber = context.socket(zmq.XPUB), context.socket(zmq.SUB)
    subscriber.connect(f"tcp://127.0.0.1:{publisher.bind_to_random_port('tcp://127.0.0.1')}")
    await asyncio.gather(publish(publisher), subscribe(subscriber))
    context.destroy(linger=0)


if __name__ == "__main__":
    asyncio.run(main())
