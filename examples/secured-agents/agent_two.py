"""The agent on the second host: it sends readings to agent one.

    CERTIFICATES=keys/two python agent_two.py tcp://HOST:5557 COUNT
"""

import sys

import secure
import zmq


def main(endpoint, count):
    with zmq.Context() as context, secure.client_socket(context, zmq.PUSH, "two", server="one") as socket:
        # The context waits for so long at the end until all has left.
        socket.linger = 20000
        socket.connect(endpoint)
        for number in range(int(count)):
            socket.send_multipart([b"two", f"reading {number}".encode()])


if __name__ == "__main__":
    main(*sys.argv[1:])
