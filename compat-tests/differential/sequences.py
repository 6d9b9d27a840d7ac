"""Random sequences of calls, each from its seed alone.

A sequence is a list of lines as interpreter.c reads them. It is a scene: options, patterns over inproc, connections, messages, and so on,
with calls strewn in that make no sense where they stand.
"""

import random
import struct

PAIR, PUB, SUB, REQ, REP, DEALER, ROUTER, PULL, PUSH, XPUB, XSUB, STREAM = range(12)
TYPES = range(12)
PARTNERS = [
    (PAIR, PAIR), (PUB, SUB), (XPUB, SUB), (XPUB, XSUB), (PUB, XSUB), (REQ, REP), (REQ, ROUTER), (DEALER, REP),
    (DEALER, ROUTER), (DEALER, DEALER), (ROUTER, ROUTER), (PUSH, PULL),
]
DONTWAIT, SNDMORE = 1, 2

# Number, and what its values are: an int with these as the interesting ones, or bytes.
INT_OPTIONS = {
    "RATE": 8, "RECOVERY_IVL": 9, "SNDBUF": 11, "RCVBUF": 12, "LINGER": 17, "RECONNECT_IVL": 18, "BACKLOG": 19,
    "RECONNECT_IVL_MAX": 21, "SNDHWM": 23, "RCVHWM": 24, "MULTICAST_HOPS": 25, "RCVTIMEO": 27, "SNDTIMEO": 28,
    "IPV4ONLY": 31, "ROUTER_MANDATORY": 33, "TCP_KEEPALIVE": 34, "TCP_KEEPALIVE_CNT": 35, "TCP_KEEPALIVE_IDLE": 36,
    "TCP_KEEPALIVE_INTVL": 37, "IMMEDIATE": 39, "XPUB_VERBOSE": 40, "ROUTER_RAW": 41, "IPV6": 42, "PLAIN_SERVER": 44,
    "CURVE_SERVER": 47, "PROBE_ROUTER": 51, "REQ_CORRELATE": 52, "REQ_RELAXED": 53, "CONFLATE": 54,
    "ROUTER_HANDOVER": 56, "TOS": 57, "IPC_FILTER_PID": 58, "IPC_FILTER_UID": 59, "IPC_FILTER_GID": 60,
    "HANDSHAKE_IVL": 66, "XPUB_NODROP": 69, "XPUB_MANUAL": 71, "STREAM_NOTIFY": 73, "INVERT_MATCHING": 74,
    "HEARTBEAT_IVL": 75, "HEARTBEAT_TTL": 76, "HEARTBEAT_TIMEOUT": 77, "XPUB_VERBOSER": 78, "CONNECT_TIMEOUT": 79,
    "TCP_MAXRT": 80, "MULTICAST_MAXTPDU": 84, "USE_FD": 89, "GSSAPI_SERVER": 62, "GSSAPI_PLAINTEXT": 65,
    "VMCI_CONNECT_TIMEOUT": 88, "GSSAPI_PRINCIPAL_NAMETYPE": 90, "GSSAPI_SERVICE_PRINCIPAL_NAMETYPE": 91,
    "RCVMORE": 13, "FD": 14, "EVENTS": 15, "TYPE": 16, "MECHANISM": 43, "THREAD_SAFE": 81,
}
LONG_OPTIONS = {"AFFINITY": 4, "MAXMSGSIZE": 22, "VMCI_BUFFER_SIZE": 85, "VMCI_BUFFER_MIN_SIZE": 86}
BYTES_OPTIONS = {
    "ROUTING_ID": 5, "SUBSCRIBE": 6, "UNSUBSCRIBE": 7, "PLAIN_USERNAME": 45, "PLAIN_PASSWORD": 46, "ZAP_DOMAIN": 55,
    "CONNECT_ROUTING_ID": 61, "SOCKS_PROXY": 68, "XPUB_WELCOME_MSG": 72, "BINDTODEVICE": 92, "GSSAPI_PRINCIPAL": 63,
    "GSSAPI_SERVICE_PRINCIPAL": 64, "LAST_ENDPOINT": 32, "TCP_ACCEPT_FILTER": 38,
}
KEY_OPTIONS = {"CURVE_PUBLICKEY": 48, "CURVE_SECRETKEY": 49, "CURVE_SERVERKEY": 50}
OPTION = INT_OPTIONS | LONG_OPTIONS | BYTES_OPTIONS | KEY_OPTIONS
NAMES = {number: name for name, number in OPTION.items()}
# Those that change what a connection in the same process does, so that its scene goes on as the seed meant.
HARMLESS = [
    "SNDHWM", "RCVHWM", "ROUTER_MANDATORY", "IMMEDIATE", "XPUB_VERBOSE", "XPUB_VERBOSER", "XPUB_NODROP", "XPUB_MANUAL",
    "REQ_CORRELATE", "REQ_RELAXED", "ROUTER_HANDOVER", "PROBE_ROUTER", "INVERT_MATCHING", "RCVTIMEO", "SNDTIMEO",
    "LINGER", "RECONNECT_IVL", "STREAM_NOTIFY",
]
INTS = [0, 1, 2, -1, -2, 3, 5, 10, 100, 1000, 65535, 65536, 6553599, 6553600, 2**31 - 1, -(2**31), 255, 256]
ENDPOINTS = [
    "", "x", "://", "tcp://", "tcp:", "tcp:/127.0.0.1:1", "tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://:1", "tcp://*",
    "tcp://127.0.0.1:x", "tcp://127.0.0.1:1x", "tcp://127.0.0.1:-1", "tcp://127.0.0.1:0", "tcp://*:*", "tcp://*:0",
    "tcp://127.0.0.1:*", "tcp://localhost:*", "tcp://lo:*", "tcp://nodevice0:*", "tcp://256.1.1.1:1",
    "tcp://[::1]:*", "tcp://[::1:*", "tcp://[]:1", "tcp://::1:*", "tcp://127.0.0.1:*;127.0.0.1:1",
    "tcp://127.0.0.1:0;127.0.0.1:9", "tcp://;127.0.0.1:9", "tcp://127.0.0.1;127.0.0.1:9", "tcp://127.0.0.1:9;",
    "tcp://a b:1", "tcp://-:1", "tcp://127.0.0.1:9/x", "tcp://lo:9", "tcp://192.0.2.1:*", "tcp://127.0.0.1:*:1",
    "TCP://127.0.0.1:*", "inproc://", "inproc:", "inproc", "inproc://a", "inproc://b", "inproc://" + "n" * 300,
    "inproc:// a", "inproc://*", "INPROC://a", "ipc://", "ipc://*", "ipc://q", "ipc://@q", "ipc://@", "ipc://nofolder/q",
    "ipc://" + "l" * 120, "ipc:///", "ipc://.", "udp://127.0.0.1:9", "udp://", "ws://127.0.0.1:*", "wss://127.0.0.1:*",
    "tipc://{1,2,3}", "vmci://1:2", "pgm://lo;239.1.1.1:1", "epgm://lo;239.1.1.1:1", "norm://1:2", "vsock://1:2",
    "gssapi://x", "http://127.0.0.1:1", "foo://bar", "tcp//127.0.0.1:1", "tcp://127.0.0.1:99",
]
CONTEXT_OPTIONS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 42, 70, -1, 99]
PROPERTIES = ["Socket-Type", "Identity", "Routing-Id", "User-Id", "Peer-Address", "X-a", "", "socket-type", "Resource"]
WORDS = [
    "ipc", "tcp", "inproc", "pgm", "norm", "curve", "gssapi", "vmci", "draft", "plain", "", "IPC", "CURVE", "x", "udp",
]


def hexed(data):
    return "x" + (data.encode() if isinstance(data, str) else data).hex()


class Scene:
    """Calls under construction, and what a caller would know after them."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.name = f"q{seed}"
        self.calls = []
        self.sockets = {}
        self.bound = []
        self.fresh = 0

    def add(self, *words):
        self.calls.append(" ".join(map(str, words)))

    def chance(self, probability):
        return self.random.random() < probability

    def pick(self, values):
        return self.random.choice(values)

    def socket(self, kind, context=0):
        """A new socket in a free slot; its slot, or `None`."""
        free = [slot for slot in range(8) if slot not in self.sockets]
        if not free:
            return None
        self.sockets[free[0]] = kind
        self.add("socket", f"s{free[0]}", f"c{context}", kind)
        return free[0]

    def any(self):
        """Mostly a socket that is there."""
        if self.sockets and not self.chance(0.01):
            return self.pick(sorted(self.sockets))
        return "-"

    def handle(self):
        return f"s{self.any()}"

    def message_slot(self):
        return f"m{self.random.randrange(3)}"

    def body(self):
        """A frame, never as long as ids that are drawn at random."""
        size = self.pick([0, 1, 2, 3, 6, 7, 10, 32, 33, 34, 255, 256, 300])
        if self.chance(0.02):
            size = self.pick([8000, 8192, 8193, 20000])
        start = self.pick([b"", b"", b"a", b"b", b"ab", b"\0", b"\1", b"\1a", b"\0a"])
        return (start + bytes([self.random.randrange(97, 100)]) * size)[: max(size, len(start))]

    def topic(self):
        return self.pick([b"", b"a", b"b", b"ab", b"c", b"cc", b"\1", b"a" * 300 if self.chance(0.1) else b"aa"])

    def flags(self):
        if self.chance(0.03):
            return self.pick([4, 8, 0x80, -1, 3, 0])
        return DONTWAIT | (SNDMORE if self.chance(0.25) else 0)

    # ---- single calls

    def int_value(self):
        value = self.pick(INTS) if self.chance(0.8) else self.random.randrange(-5, 5000)
        return struct.pack("=i", value)

    def set_option(self, slot=None):
        target = self.handle() if slot is None else f"s{slot}"
        kind = self.random.random()
        if kind < 0.55:
            number, value = self.pick(list(INT_OPTIONS.values())), self.int_value()
        elif kind < 0.65:
            number = self.pick(list(LONG_OPTIONS.values()))
            value = struct.pack("=q", self.pick([0, -1, 1, 100, 2**63 - 1, -(2**63), 65536]))
        elif kind < 0.9:
            number, value = self.pick(list(BYTES_OPTIONS.values())), self.text()
        elif kind < 0.96:
            number = self.pick(list(KEY_OPTIONS.values()))
            value = self.pick([b"k" * 32, b"0" * 40, b"0" * 40 + b"\0", b"0" * 39, b"~" * 40, b"", b"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"])
        else:
            number, value = self.pick([0, 1, 2, 3, 10, 20, 26, 29, 30, 82, 83, 200, -1, 1000]), self.int_value()
        if self.chance(0.08):
            value = self.pick([b"", value[:1], value[:3], value + b"\0", value * 2])
        # NULL with a length makes the original read it.
        word = "-" if self.chance(0.03) else hexed(value)
        self.add("setsockopt", target, number, word)

    def text(self):
        return self.pick([
            b"", b"a", b"ab", b"name", b"127.0.0.1", b"127.0.0.1/8", b"::1", b"::1/64", b"1.2.3.4/33", b"x/y", b"lo",
            b"127.0.0.1:1080", b"with\0nul", b"e" * 15, b"f" * 16, b"g" * 17, b"h" * 255, b"i" * 256, b"\0", b"\0\1",
        ])

    def get_option(self):
        number = self.pick(list(OPTION.values())) if self.chance(0.95) else self.random.randrange(-1, 95)
        if number in DRAFT:
            number = 1
        size = 4 if number in INT_OPTIONS.values() else 8 if number in LONG_OPTIONS.values() else 256
        if number in KEY_OPTIONS.values():
            size = self.pick([32, 41])
        if self.chance(0.15):
            size = self.pick([0, 1, 2, 3, 4, 5, 8, 9, 16, 32, 40, 41, 42, 255, 256, 512])
        self.add("getsockopt", self.handle(), number, size)

    def pattern_option(self):
        """An option that changes how messages go, with a sound value most of the time."""
        name = self.pick(HARMLESS)
        value = self.pick([0, 1, 1, 2, 3, 5]) if not self.chance(0.1) else self.pick(INTS)
        if name in ("RCVTIMEO", "SNDTIMEO", "RECONNECT_IVL", "LINGER"):
            value = self.pick([0, 1, 5, -1])
        self.add("setsockopt", self.handle(), OPTION[name], hexed(struct.pack("=i", value)))

    def subscribe(self, slot):
        number = OPTION["SUBSCRIBE"] if self.chance(0.7) else OPTION["UNSUBSCRIBE"]
        self.add("setsockopt", f"s{slot}", number, hexed(self.topic()))

    def send(self):
        way, target = self.random.random(), self.handle()
        if way < 0.7:
            self.add("send", target, hexed(self.body()), self.flags())
        elif way < 0.8:
            slot = self.message_slot()
            self.add("msg_init_size", slot, self.pick([0, 1, 7, 33, 34, 300, 9000]))
            self.add("msg_send", slot, target, self.flags())
        elif way < 0.85:
            self.add("send_const", target, self.pick([0, 1, 3, 33, 50]), self.flags())
        elif way < 0.9:
            self.add("sendmsg", target, self.message_slot(), self.flags())
        elif way < 0.95:
            self.add("sendiov", target, self.pick([1, 2, 3, 0, 9]), self.flags())
        else:
            self.add("msg_send", self.message_slot(), target, self.flags())

    def receive(self):
        way, target = self.random.random(), self.handle()
        flags = DONTWAIT if not self.chance(0.03) else self.pick([0, 2, 3, 4, -1])
        if way < 0.4:
            self.add("recv_all", target)
        elif way < 0.7:
            self.add("recv", target, self.pick([0, 1, 2, 6, 300, 30000]), flags)
        elif way < 0.9:
            slot = self.message_slot()
            self.add("msg_recv", slot, target, flags)
            if self.chance(0.7):
                self.add("msg_look", slot)
        else:
            self.add("recviov", target, self.pick([1, 2, 3]))

    def reply(self):
        self.add("echo", self.handle())

    def look(self):
        if self.chance(0.6):
            number = self.pick([OPTION["EVENTS"], OPTION["RCVMORE"], OPTION["EVENTS"], OPTION["TYPE"]])
            self.add("getsockopt", self.handle(), number, 4)
        else:
            self.poll()

    def poll(self):
        words = []
        for _ in range(self.random.randrange(0, 5)):
            events = self.pick([0, 1, 2, 3, 3, 3, 4, 7, 8, -1])
            words += [self.handle() if not self.chance(0.05) else -1, events]
        self.add("poll", self.pick([0, 0, 0, 1, -1 if False else 0]), *words)

    def message_call(self):
        a, b = self.message_slot(), self.message_slot()
        choice = self.random.randrange(10)
        if choice == 0:
            self.add("msg_init", a)
        elif choice == 1:
            self.add("msg_init_size", a, self.pick([0, 1, 29, 30, 31, 32, 33, 34, 35, 100, 8191, 8192, 9000]))
        elif choice == 2:
            self.add("msg_init_data", a, self.pick([0, 1, 33, 34, 1000]))
        elif choice == 3:
            self.add("msg_close", a)
        elif choice in (4, 5) and a != b:
            self.add(self.pick(["msg_move", "msg_copy"]), a, b)
        elif choice == 6:
            self.add("msg_get", a, self.pick([0, 1, 2, 3, 4, 5, -1]))
        elif choice == 7:
            self.add("msg_set", a, self.pick([0, 1, 2, 3, -1]), self.pick([0, 1, -1]))
        elif choice == 8:
            self.add("msg_gets", a, hexed(self.pick(PROPERTIES)))
        else:
            self.add("msg_look", a)
        if self.chance(0.2):
            self.add("freed")

    def context_call(self):
        context = self.pick(["c0", "c0", "c0", "c1", "c-"])
        if self.chance(0.5):
            # 3 and 4 set the policy of threads, which needs rights; 7 and 8 the CPUs.
            option = self.pick([option for option in CONTEXT_OPTIONS if option not in (3, 4, 7, 8)])
            if option == 2 and not self.chance(0.3):
                value = self.pick([1, 3, 10, 100, 1023])
            else:
                value = self.pick([value for value in INTS if not (option == 1 and value > 10)])
            self.add("ctx_set", context, option, value)
        else:
            self.add("ctx_get", context, self.pick(CONTEXT_OPTIONS))

    def misc_call(self):
        choice = self.random.randrange(9)
        if choice == 0:
            self.add("z85_encode", hexed(self.random.randbytes(self.pick([0, 1, 3, 4, 8, 32, 33, 100]))))
        elif choice == 1:
            alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
            wild = alphabet if self.chance(0.6) else alphabet + " ~\\\"`;_|\x80'"
            size = self.pick([0, 5, 10, 40, 4, 6, 41, 100])
            self.add("z85_decode", hexed("".join(self.pick(wild) for _ in range(size))))
        elif choice == 2:
            key = "".join(self.pick("0123456789abcdefghij") for _ in range(self.pick([40] * 12 + [35, 0, 39])))
            self.add("curve_public", hexed(key))
        elif choice == 3:
            self.add("has", hexed(self.pick(WORDS)))
        elif choice == 4:
            base = 156384712
            self.add("strerror", self.pick([0, 11, 22, *range(base, base + 60), -1]))
        elif choice == 5:
            self.add("has", hexed(self.pick(WORDS).upper()))
        elif choice == 6:
            self.add("proxy", self.handle(), self.handle())
        elif choice == 7:
            self.add("poll_null", self.pick([0, 1, -1, 5]))
        else:
            self.timers()

    def timers(self):
        if self.chance(0.1):
            self.add("timers_null")
            return
        words = []
        for _ in range(self.random.randrange(1, 8)):
            words += [self.pick("aaacirett"), self.random.randrange(4), self.pick([60000, 120000, 600000, 1 << 32])]
        self.add("timers", *words)

    def endpoint(self):
        if self.bound and self.chance(0.3):
            return self.pick(self.bound)
        if self.sockets and self.chance(0.2):
            return f"@{self.pick(sorted(self.sockets))}"
        return hexed(self.pick(ENDPOINTS))

    def endpoint_call(self):
        name = self.pick(["bind", "bind", "connect", "connect", "unbind", "disconnect"])
        # NULL makes the original abort where it is to be bound or connected.
        word = "-" if name in ("unbind", "disconnect") and self.chance(0.02) else self.endpoint()
        self.add(name, self.handle(), word)
        if name in ("bind", "connect") and word not in self.bound:
            self.bound.append(word)
        if self.chance(0.4):
            self.add("getsockopt", self.handle(), OPTION["LAST_ENDPOINT"], 256)

    def close(self):
        slot = self.any()
        self.add("close", f"s{slot}")
        self.sockets.pop(slot, None)

    def oddity(self):
        """Something that has nothing to do with the scene."""
        self.pick([self.message_call, self.context_call, self.misc_call, self.endpoint_call, self.get_option, self.set_option])()

    # ---- what connects

    def place(self, network):
        """An endpoint to bind to that nobody has yet."""
        self.fresh += 1
        if network:
            return self.pick(["tcp://127.0.0.1:*", "tcp://127.0.0.1:*", f"ipc://{self.name}-{self.fresh}", "ipc://*"])
        return f"inproc://{self.name}-{self.fresh}"

    def couple(self, network=False, pair=None, monitored=False):
        """Two or more sockets that fit each other, connected."""
        first, second = pair or self.pick(PARTNERS)
        if self.chance(0.5):
            first, second = second, first
        server = self.socket(first)
        if server is None:
            return
        self.prepare(server)
        address = self.place(network)
        if monitored and self.chance(0.7):
            self.monitor(server)
        late = not network and self.chance(0.25)
        if not late:
            self.add("bind", f"s{server}", hexed(address))
        for _ in range(self.pick([1, 1, 2, 3])):
            client = self.socket(second)
            if client is None:
                break
            self.prepare(client)
            if monitored and self.chance(0.5):
                self.monitor(client)
            self.add("connect", f"s{client}", f"@{server}" if network else hexed(address))
            if second == SUB:
                self.subscribe(client)
        if late:
            self.add("bind", f"s{server}", hexed(address))
        if not network:
            self.bound.append(hexed(address))
        if first == SUB:
            self.subscribe(server)

    def prepare(self, slot):
        """Options that count only before a socket is connected."""
        target, kind = f"s{slot}", self.sockets[slot]
        while self.chance(0.3):
            name = self.pick(["SNDHWM", "RCVHWM", "ROUTING_ID", "IMMEDIATE", "pattern"])
            if self.chance(0.03):
                name = "CONFLATE"
            if name == "pattern":
                names = {
                    ROUTER: ["ROUTER_MANDATORY", "ROUTER_HANDOVER", "PROBE_ROUTER", "CONNECT_ROUTING_ID"],
                    DEALER: ["PROBE_ROUTER"], REQ: ["REQ_CORRELATE", "REQ_RELAXED", "PROBE_ROUTER"],
                    XPUB: ["XPUB_VERBOSE", "XPUB_VERBOSER", "XPUB_NODROP", "XPUB_MANUAL", "XPUB_WELCOME_MSG"],
                    PUB: ["XPUB_NODROP", "INVERT_MATCHING", "XPUB_WELCOME_MSG"], SUB: ["INVERT_MATCHING"],
                    STREAM: ["STREAM_NOTIFY", "CONNECT_ROUTING_ID"],
                }
                name = self.pick(names.get(kind, ["LINGER"]))
            if name in ("ROUTING_ID", "CONNECT_ROUTING_ID"):
                value = self.pick([b"A", b"B", b"peers", b"C" * 255, b"\0x"])
            elif name == "XPUB_WELCOME_MSG":
                value = self.pick([b"welcome", b"a", b""])
            elif name in ("SNDHWM", "RCVHWM"):
                value = struct.pack("=i", self.pick([1, 2, 3, 4, 0, 10]))
            else:
                value = struct.pack("=i", self.pick([1, 1, 0]))
            self.add("setsockopt", target, OPTION[name], hexed(value))

    def monitor(self, slot):
        self.fresh += 1
        self.add("monitor", f"s{slot}", hexed(f"inproc://m{self.fresh}"), self.pick([0xFFFF, 0xFFFF, 0x1080, 0x220]))

    def traffic(self, network=False):
        """One more call among sockets that are connected."""
        subscribers = [slot for slot, kind in self.sockets.items() if kind == SUB]
        actions = [(35, self.send), (30, self.receive), (8, self.reply), (8, self.look), (5, self.pattern_option), (2, self.oddity)]
        if subscribers:
            actions.append((6, lambda: self.subscribe(self.pick(subscribers))))
        routers = [slot for slot, kind in self.sockets.items() if kind in (ROUTER, STREAM)]
        if routers:
            actions.append((10, lambda: self.address(self.pick(routers))))
        actions.append((1.5, self.close))
        actions.append((1.5, self.endpoint_call if not network else self.rewire))
        weights = [weight for weight, _ in actions]
        self.random.choices([action for _, action in actions], weights)[0]()

    def address(self, slot):
        """A message to somebody by name."""
        name = self.pick([b"A", b"B", b"peers", b"nobody", b"", b"C" * 255])
        self.add("send", f"s{slot}", hexed(name), DONTWAIT | SNDMORE)
        if self.chance(0.5):
            self.add("send", f"s{slot}", "x", DONTWAIT | SNDMORE)
        self.add("send", f"s{slot}", hexed(self.body()), DONTWAIT)

    def rewire(self):
        slots = sorted(self.sockets)
        if not slots:
            return
        name = self.pick(["connect", "disconnect", "unbind", "connect"])
        self.add(name, f"s{self.pick(slots)}", f"@{self.pick(slots)}")


def scene_options(scene):
    for kind in scene.random.sample(TYPES, 4):
        scene.socket(kind)
    for _ in range(45):
        scene.random.choices([scene.set_option, scene.get_option, scene.oddity], [50, 45, 5])[0]()


def scene_inproc(scene):
    for _ in range(scene.pick([1, 1, 2])):
        scene.couple()
    for _ in range(45):
        scene.traffic()


def scene_network(scene):
    monitored = scene.chance(0.5)
    pair = (STREAM, STREAM) if scene.chance(0.1) else None
    scene.couple(network=True, pair=pair, monitored=monitored)
    for _ in range(25):
        scene.traffic(network=True)
        if monitored and scene.chance(0.15):
            scene.add("events", scene.handle())
    if monitored:
        for slot in scene.sockets:
            scene.add("events", f"s{slot}")


def scene_strangers(scene):
    """Sockets of types that do not fit; over the network, who of two refuses first is chance."""
    scene.couple(pair=(scene.pick(TYPES), scene.pick(TYPES)))
    for _ in range(30):
        scene.traffic()


def scene_unconnected(scene):
    for kind in scene.random.sample(TYPES, 5):
        scene.socket(kind)
    for _ in range(40):
        scene.pick([scene.send, scene.receive, scene.look, scene.pattern_option, scene.poll])()


def scene_endpoints(scene):
    for kind in scene.random.sample(TYPES, 3):
        scene.socket(kind)
    for _ in range(25):
        scene.endpoint_call()
        if scene.chance(0.1):
            scene.close()
            scene.socket(scene.pick(TYPES))


def scene_messages(scene):
    scene.couple(pair=(PAIR, PAIR))
    for _ in range(45):
        scene.random.choices([scene.message_call, scene.send, scene.receive], [80, 10, 10])[0]()


def scene_contexts(scene):
    scene.add("ctx_new", "c1")
    for _ in range(scene.random.randrange(10)):
        scene.context_call()
    for _ in range(4):
        scene.socket(scene.pick([*TYPES, 21, 22, -1, 99]) if scene.chance(0.7) else PAIR)
    for _ in range(25):
        choice = scene.random.random()
        if choice < 0.05:
            scene.add("ctx_shutdown", scene.pick(["c0", "c0", "c1", "c-"]))
        elif choice < 0.1:
            scene.add(scene.pick(["ctx_term", "ctx_destroy"]), scene.pick(["c1", "c-", "c1"]))
        elif choice < 0.15:
            scene.add("init", "c2", scene.pick([-1, 0, 1, 2]))
            scene.add("ctx_destroy", "c2")
        elif choice < 0.2:
            scene.socket(scene.pick(TYPES), scene.pick([0, 0, 1, 2, "-"]))
        elif choice < 0.5:
            scene.context_call()
        else:
            scene.pick([scene.send, scene.receive, scene.get_option, scene.look, scene.endpoint_call, scene.close])()


def scene_misc(scene):
    scene.socket(scene.pick(TYPES))
    for _ in range(30):
        scene.misc_call()


DRAFT = {83, 93, 94, 95, 96, 97, 98, 99, 100, 101, 102}
# How often each is played. Those that wait for the network take long.
SCENES = [
    (20, scene_options), (34, scene_inproc), (6, scene_network), (8, scene_strangers), (10, scene_unconnected),
    (5, scene_endpoints), (6, scene_messages), (6, scene_contexts), (4, scene_misc),
]


def sequence(seed, only=None):
    """The calls of one seed."""
    scene = Scene(seed)
    scene.add("ctx_new", "c0")
    scenes = [(weight, play) for weight, play in SCENES if only in (None, play.__name__.removeprefix("scene_"))]
    weights = [weight for weight, _ in scenes]
    scene.random.choices([play for _, play in scenes], weights)[0](scene)
    return scene.calls
