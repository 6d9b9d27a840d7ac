"""A node of a market: it publishes prices and takes orders, hears the prices of other nodes, and orders from each. It prints what it
has heard of each the first time, and how its orders ended. Arguments: its name, its address, a folder of certificates for each
mechanism with keys of its own and of the others, and the others as NAME=ADDRESS."""

import sys
import threading
import time

import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator

PRICES_PORT, ORDERS_PORT = 5556, 5557
CURVE_BESIDE_QZMQ, CURVE_FALLBACK = 0x46000050, 0x46000051
name, address, *words = sys.argv[1:]
peers = dict(word.split("=") for word in words if "=" in word)
folders = [word for word in words if "=" not in word]
context = zmq.Context()
authenticator = ThreadAuthenticator(context)
authenticator.start()
authenticator.configure_curve(domain="*", location=f"{folders[0]}/let-in")


def socket(kind, peer=None):
    """A server, or a client of a peer."""
    made = context.socket(kind)
    made.linger, made.reconnect_ivl = 0, 50
    if len(folders) > 1:
        made.setsockopt(CURVE_FALLBACK if peer else CURVE_BESIDE_QZMQ, 1)
    for folder in folders:
        made.curve_publickey, made.curve_secretkey = zmq.auth.load_certificate(f"{folder}/{name}.key_secret")
        if peer:
            made.curve_serverkey, _ = zmq.auth.load_certificate(f"{folder}/{peer}.key")
    if not peer:
        made.curve_server = True
    return made


def say(line):
    """In one piece: several threads say something at a time."""
    print(f"{line}\n", end="", flush=True)


def publish(prices):
    turn = 0
    while True:
        prices.send_multipart([name.encode(), str(turn).encode()])
        turn += 1
        time.sleep(0.02)


def take(orders):
    while True:
        order = orders.recv(copy=False)
        orders.send_string(f"{order.bytes.decode()} sold to {order['User-Id']}")


def order(peer):
    orders = socket(zmq.REQ, peer)
    orders.connect(f"tcp://{peers[peer]}:{ORDERS_PORT}")
    orders.send_string(f"a hundred of {peer}")
    say(f"order {peer} {orders.recv_string()}")


for kind, port, work in ((zmq.PUB, PRICES_PORT, publish), (zmq.REP, ORDERS_PORT, take)):
    bound = socket(kind)
    bound.bind(f"tcp://{address}:{port}")
    threading.Thread(target=work, args=(bound,), daemon=True).start()
say("ready")
# The others are there once a line comes.
sys.stdin.readline()
heard, poller = {}, zmq.Poller()
for peer in peers:
    prices = socket(zmq.SUB, peer)
    prices.subscribe(peer.encode())
    prices.connect(f"tcp://{peers[peer]}:{PRICES_PORT}")
    poller.register(prices, zmq.POLLIN)
    threading.Thread(target=order, args=(peer,), daemon=True).start()
while True:
    for prices, _ in poller.poll():
        peer, turn = prices.recv_multipart()
        if int(turn) >= heard.setdefault(peer, int(turn)) + 10:
            poller.unregister(prices)
            say(f"prices {peer.decode()}")
