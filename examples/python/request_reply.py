"""Request and reply with a timeout: a client that gives up waiting makes a new socket and asks again.

    python request_reply.py
"""

import threading
from concurrent.futures import Future

import zmq

TIMEOUT_MS = 5000
TRIES = 3


def serve(context, ready):
    with context.socket(zmq.REP) as socket:
        ready.set_result(f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}")
        while (question := socket.recv_string()) != "stop":
            socket.send_string(f"you said: {question}")
        socket.send_string("good bye")


def ask(context, endpoint, question):
    """The answer. A REQ whose server has gone waits for an answer that never comes, so each try has a socket of its own."""
    for _ in range(TRIES):
        with context.socket(zmq.REQ) as socket:
            socket.linger = 0
            socket.rcvtimeo = TIMEOUT_MS
            socket.connect(endpoint)
            socket.send_string(question)
            try:
                return socket.recv_string()
            except zmq.Again:
                print("no answer, asking again")
    raise TimeoutError(question)


def main():
    with zmq.Context() as context:
        ready = Future()
        server = threading.Thread(target=serve, args=(context, ready))
        server.start()
        endpoint = ready.result()
        for question in ("hello", "how are you", "stop"):
            print(ask(context, endpoint, question))
        server.join()


if __name__ == "__main__":
    main()
