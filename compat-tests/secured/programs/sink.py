"""Takes numbered messages of many senders. It prints each sender's name at its every hundredth message, and at its last one
`NAME end COUNT LOST`."""

import zmq

socket = zmq.Context().socket(zmq.PULL)
print(socket.bind_to_random_port("tcp://*"), flush=True)
counts, lost = {}, {}
while True:
    name, number, more = socket.recv_string().split()
    # What is expected next is the number of those that came, as long as none is missing, twice or out of its place.
    lost[name] = lost.get(name, 0) + (int(number) != counts.get(name, 0))
    counts[name] = counts.get(name, 0) + 1
    if more == "end":
        print(name, more, counts[name], lost[name], flush=True)
    elif counts[name] % 100 == 0:
        print(name, flush=True)
