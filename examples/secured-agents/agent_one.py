"""The agent on the first host: it gathers readings from the others.

    CERTIFICATES=keys/one python agent_one.py tcp://*:5557 COUNT
"""

import sys

import secure
import zmq


def main(endpoint, count):
    with zmq.Context() as context:
        authenticator = secure.authenticator(context)
        with secure.server_socket(context, zmq.PULL, "one") as socket:
            socket.rcvtimeo = 20000
            socket.bind(endpoint)
            for _ in range(int(count)):
                sender, reading = socket.recv_multipart()
                print(f"{sender.decode()}: {reading.decode()}", flush=True)
        if authenticator:
            authenticator.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
