"""Calls under construction: single calls, most of which make sense."""

import random
import struct

from vocabulary import (
    BYTES_OPTIONS, CONTEXT_OPTIONS, DONTWAIT, DRAFT_NUMBERS, ENDPOINTS, HARMLESS, INT_OPTIONS, INTS, KEY_OPTIONS,
    LONG_OPTIONS, OPTION, PROPERTIES, SNDMORE, TYPES, WORDS, hexed,
)


class Scene:
    """Calls under construction, and what a caller would know after them."""

    drafts = False
    # Whether frames are to fit a datagram.
    short = False
    types = TYPES

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
        if self.chance(0.02) and not self.short:
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
        if number in DRAFT_NUMBERS and not self.drafts:
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

    def descriptor(self):
        """An end of a pipe of the system's, or none."""
        return self.pick(["f0", "f0", "f1", "f2", "f3", "-1"])

    def items(self):
        """What is polled, and for what."""
        words = []
        for _ in range(self.random.randrange(0, 5)):
            events = self.pick([0, 1, 2, 3, 3, 3, 4, 7, 8, -1])
            words += [self.handle() if not self.chance(0.15) else self.descriptor(), events]
        return words

    def poll(self):
        if self.chance(0.1):
            self.fill_pipe()
        self.add("poll", self.pick([0, 0, 0, 1, 0]), *self.items())

    def fill_pipe(self):
        self.add(*self.pick([("fd_write", "f1", 3), ("fd_write", "f3", 1), ("fd_read", "f0"), ("fd_read", "f2"), ("fd_write", "f0", 2)]))

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
        choice = self.random.randrange(10)
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
        elif choice == 8 and self.chance(0.2):
            self.proxy_life()
        else:
            self.timers()

    def timers(self):
        if self.chance(0.1):
            self.add("timers_null")
            return
        words = []
        intervals = [60000, 120000, 600000, 1 << 32] if self.chance(0.8) else [20, 40, 90, 60000]
        for _ in range(self.random.randrange(1, 8)):
            words += [self.pick("aaaocirett"), self.random.randrange(4), self.pick(intervals)]
            # Far enough from the intervals, however busy the machine is.
            if intervals[0] == 20 and self.chance(0.4):
                words += ["s", 0, self.pick([30, 60]), "e", 0, 0]
        self.add("timers", *words)

    def proxy_life(self):
        sizes = [self.pick([0, 1, 10, 33, 34, 300, 4000, -1]) for _ in range(self.random.randrange(4))]
        kind, steered = self.random.randrange(3), self.pick([0, 1, 1, 2])
        # Of messages in several frames, statistics are told otherwise.
        sizes = [size for size in sizes if kind or size >= 0]
        self.add("proxy_life", kind, self.random.randrange(2), steered, *sizes)

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
