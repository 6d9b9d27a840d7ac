"""PUSH/PULL over tcp through pyzmq, on the libzmq that LD_PRELOAD names. Prints what `zmqbench throughput` prints."""

import json
import multiprocessing
import os
import sys
import time

import zmq


def main():
    options = dict(word.split("=", 1) for word in sys.argv[1:])
    size, seconds = int(options["size"]), float(options["seconds"])
    ours, theirs = multiprocessing.Pipe()
    stop = multiprocessing.RawValue("i", 0)
    # Started before this process has a context: a context does not survive a fork.
    sender = multiprocessing.get_context("fork").Process(target=send, args=(theirs, stop, size), daemon=True)
    sender.start()
    with zmq.Context() as context, context.socket(zmq.PULL) as socket:
        ours.send(socket.bind_to_random_port("tcp://127.0.0.1"))
        figures = measure(socket, sender.pid, size, seconds)
        stop.value = 1
        socket.linger = 0
    sender.kill()
    print(json.dumps(figures))


def send(pipe, stop, size):
    data = b"x" * size
    with zmq.Context() as context, context.socket(zmq.PUSH) as socket:
        socket.linger = 0
        socket.connect(f"tcp://127.0.0.1:{pipe.recv()}")
        while not stop.value:
            socket.send(data)


def measure(socket, sender, size, seconds):
    count = receive(socket, seconds / 5)
    count = int(count * 5) + 1
    used, begin = cpu(sender), time.monotonic()
    for _ in range(count):
        socket.recv()
    elapsed = time.monotonic() - begin
    used = cpu(sender) - used
    rate = count / elapsed
    return {"messages_per_s": rate, "mib_per_s": rate * size / 2**20, "cpu_s_per_million": used / count * 1e6}


def receive(socket, seconds):
    socket.recv()
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        socket.recv()
        count += 1
    return count


def cpu(sender):
    """Processor time of both sides, in seconds."""
    with open(f"/proc/{sender}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return time.process_time() + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
