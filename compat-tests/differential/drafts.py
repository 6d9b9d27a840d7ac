"""Sequences of the draft API: its socket types, groups, routing ids, options, versioned monitors and pollers."""

import struct

from connected import Connected
from vocabulary import (
    CHANNEL, CLIENT, DGRAM, DISH, DONTWAIT, DRAFT_BYTES_OPTIONS, DRAFT_INT_OPTIONS, DRAFT_PARTNERS, DRAFT_TYPES, OPTION,
    PARTNERS, PEER, PUB, RADIO, ROUTER, SERVER, SUB, TYPES, XPUB, XSUB, hexed,
)

GROUPS = [b"a", b"b", b"ab", b"g" * 15, b"h" * 255]
# Which draft options change what goes over a connection, and on which types.
EXTRAS = {
    "ROUTER_NOTIFY": {ROUTER}, "XPUB_MANUAL_LAST_VALUE": {XPUB}, "ONLY_FIRST_SUBSCRIBE": {XPUB, XSUB},
    "XSUB_VERBOSE_UNSUBSCRIBE": {XSUB}, "HELLO_MSG": {}, "DISCONNECT_MSG": {}, "HICCUP_MSG": {},
}


class Drafts(Connected):
    """A scene with the calls that only a draft build has."""

    drafts = True
    types = [*TYPES, *DRAFT_TYPES, *DRAFT_TYPES]
    partners = [*DRAFT_PARTNERS * 4, *PARTNERS]

    def __init__(self, seed):
        super().__init__(seed)
        self.groups = GROUPS
        self.versioned = set()
        self.pollers = set()
        # Where DGRAM sockets send to.
        self.places = {}

    def of(self, *kinds):
        return [slot for slot, kind in self.sockets.items() if kind in kinds]

    def couple(self, *arguments, **named):
        super().couple(*arguments, **named)
        for slot in self.of(DISH):
            while self.chance(0.7):
                self.add("join", f"s{slot}", hexed(self.pick(self.groups)))

    def prepare(self, slot):
        super().prepare(slot)
        while self.chance(0.2):
            fitting = [name for name, kinds in EXTRAS.items() if not kinds or self.sockets[slot] in kinds]
            self.extra(slot, self.pick(fitting))

    def extra(self, slot, name):
        if name in DRAFT_BYTES_OPTIONS:
            value = self.pick([b"hello", b"", b"\1a", b"A"])
        else:
            value = struct.pack("=i", self.pick([1, 1, 0, 2, 3]))
        self.add("setsockopt", f"s{slot}", OPTION[name], hexed(value))

    def traffic(self, network=False):
        if not self.chance(0.4):
            return super().traffic(network)
        actions = [(3, self.buffer), (2, self.option), (2, self.monitored), (2, self.draft_oddity), (2, self.poller_call)]
        if self.of(SERVER, PEER):
            actions += [(25, self.answer), (4, self.misroute)]
        if self.of(RADIO, DISH):
            actions += [(25, self.radiate), (8, self.membership), (12, self.listen)]
        if self.of(PEER):
            actions.append((10, self.peer))
        if self.of(ROUTER):
            actions.append((10, self.peer_state))
        if self.of(DGRAM):
            actions.append((25, self.datagram))
        self.random.choices([action for _, action in actions], [weight for weight, _ in actions])[0]()

    # ---- single calls

    def buffer(self):
        slot = self.message_slot()
        self.add("msg_init_buffer", slot, hexed(self.body()) if not self.chance(0.1) else "-")
        return slot

    def answer(self):
        """A message to the one from whom the last came."""
        slot, message = self.pick(self.of(SERVER, PEER)), self.message_slot()
        self.add("msg_recv", message, f"s{slot}", DONTWAIT)
        self.add("msg_routing_id", message)
        message = self.buffer()
        self.add("msg_set_routing_id", message, "last")
        self.add("msg_send", message, f"s{slot}", self.flags())

    def misroute(self):
        message = self.buffer()
        self.add("msg_set_routing_id", message, self.pick([0, 1, "last", "last", 4294967295]))
        self.add("msg_send", message, self.handle(), DONTWAIT)

    def peer(self):
        slot = self.pick(self.of(PEER))
        if self.chance(0.3):
            # Over the network, whether the peer is there in time is chance; so nobody is.
            self.add("connect_peer", f"s{slot}", self.endpoint() if self.chance(0.3) else f"@{self.any()}")
        message = self.buffer()
        self.add("msg_set_routing_id", message, f"s{slot}")
        self.add("msg_send", message, f"s{slot}", DONTWAIT)

    def radiate(self):
        message = self.buffer()
        if self.chance(0.95):
            self.add("msg_set_group", message, hexed(self.pick([*self.groups, b"", b"i" * 256 if not self.short else b"c"])))
        target = self.pick(self.of(RADIO) or self.of(DISH)) if self.chance(0.9) else self.any()
        self.add("msg_send", message, f"s{target}", self.flags())

    def membership(self):
        target = self.pick(self.of(DISH) or self.of(RADIO)) if self.chance(0.9) else self.any()
        group = hexed(self.pick([*self.groups, b"", b"i" * 256])) if not self.chance(0.1) else hexed(self.pick(self.groups))
        self.add(self.pick(["join", "join", "leave"]), f"s{target}", group)

    def listen(self):
        message = self.message_slot()
        self.add("msg_recv", message, f"s{self.pick(self.of(DISH) or self.of(RADIO))}", DONTWAIT)
        self.add("msg_group", message)
        self.add("msg_look", message)

    def peer_state(self):
        target = self.pick(self.of(ROUTER)) if self.chance(0.9) else self.any()
        self.add("peer_state", f"s{target}", hexed(self.pick([b"A", b"B", b"peers", b"nobody", b""])))

    def datagram(self):
        slot = self.pick(self.of(DGRAM))
        address = self.pick([self.places.get(slot, b"127.0.0.1:9")] * 4 + [b"x", b"", b"127.0.0.1:1"])
        self.add("send", f"s{slot}", hexed(address), DONTWAIT | 2)
        self.add("send", f"s{slot}", hexed(self.body()), DONTWAIT)

    def option(self):
        slot = self.any()
        if slot == "-":
            return
        if self.chance(0.3):
            self.add("getsockopt", f"s{slot}", OPTION["TOPICS_COUNT"], 4)
        else:
            fitting = [name for name, kinds in EXTRAS.items() if self.sockets[slot] in kinds] or list(EXTRAS)
            self.extra(slot, self.pick(fitting))

    def any_option(self):
        """A draft option on whatever socket."""
        target = self.handle()
        if self.chance(0.5):
            number = self.pick([*DRAFT_INT_OPTIONS.values(), *DRAFT_BYTES_OPTIONS.values(), *range(117, 125)])
            size = self.pick([4, 4, 256, 256, 0, 1, 3, 5, 8])
            return self.add("getsockopt", target, number, size)
        if self.chance(0.6):
            number, value = self.pick([*DRAFT_INT_OPTIONS.values(), *range(117, 125)]), self.int_value()
        else:
            number = self.pick(list(DRAFT_BYTES_OPTIONS.values()))
            value = self.text() if self.chance(0.6) else self.pick([b"X-a:b", b"X-a:", b":", b"X-a", b"Identity:x", b"X-" + b"k" * 300 + b":v"])
        if self.chance(0.08):
            value = self.pick([b"", value[:1], value[:3], value + b"\0", value * 2])
        self.add("setsockopt", target, number, "-" if self.chance(0.05) else hexed(value))

    def monitor(self, slot):
        if self.chance(0.4):
            return super().monitor(slot)
        self.fresh += 1
        version, kind = self.pick([1, 2, 2, 2]), self.pick([0, 0, 1, 8, 8])
        events = 0xFFFF if version == 1 else self.pick([0x1FFFF, 0xFFFF, 0x10000])
        self.add("monitor_versioned", f"s{slot}", hexed(f"inproc://m{self.fresh}"), events, version, kind)
        if version == 2:
            self.versioned.add(slot)

    def heard(self, slot):
        self.add("events2" if slot in self.versioned else "events", f"s{slot}")

    def monitored(self):
        slot = self.any()
        if slot == "-":
            return
        if self.chance(0.5):
            self.add("pipes_stats", f"s{slot}")
            self.heard(slot)
        elif self.chance(0.2):
            where = self.pick([f"inproc://n{self.fresh}", "tcp://127.0.0.1:*", "", "inproc://"])
            self.add("monitor_versioned", f"s{slot}", hexed(where), self.pick([0, 1, 0xFFFF]), self.pick([1, 1, 0, 3]), self.pick([0, 0, 1, 8, 2, 99]))

    def draft_oddity(self):
        self.pick([self.any_option, self.draft_message, self.context_ext])()

    def draft_message(self):
        message = self.message_slot()
        choice = self.random.randrange(5)
        if choice == 0:
            self.add("msg_set_group", message, hexed(self.pick([*self.groups, b"", b"i" * 256])))
        elif choice == 1:
            self.add("msg_group", message)
        elif choice == 2:
            self.add("msg_set_routing_id", message, self.pick([0, 1, 7, 4294967295]))
        elif choice == 3:
            self.add("msg_routing_id", message)
        else:
            self.buffer()

    def context_ext(self):
        context = self.pick(["c0", "c0", "c1", "c-"])
        # 3 and 4 set the policy of threads, which needs rights; 7 and 8 the CPUs.
        option = self.pick([1, 2, 5, 6, 9, 10, 42, 70, -1, 0, 99])
        if self.chance(0.5):
            value = self.pick([struct.pack("=i", self.pick([0, 1, 2, 10, 100, -1])), b"", b"name", b"a long name for a thread", b"1"])
            if option in (1, 2) and len(value) == 4:
                # Letters are a great many threads.
                value = struct.pack("=i", self.pick([0, 1, 2, 10, -1]) + (100 if option == 2 else 0))
            self.add("ctx_set_ext", context, option, "-" if self.chance(0.05) else hexed(value))
        else:
            self.add("ctx_get_ext", context, option, self.pick([4, 4, 8, 256, 256, 0, 3]))

    # ---- pollers

    def poller_call(self):
        poller = self.pick(["p0", "p0", "p0", "p1"]) if not self.chance(0.02) else "p-"
        if poller not in self.pollers and self.chance(0.8):
            self.pollers.add(poller)
            self.add("poller_new", poller)
        tag, events = self.random.randrange(1, 9), self.pick([1, 1, 1, 2, 3, 3, 0, 4, 8, 16, -1])
        choice = self.random.choices(range(8), [30, 8, 6, 10, 5, 35, 5, 1])[0]
        if choice == 0:
            self.add("poller_add", poller, self.handle(), tag, events)
        elif choice == 1:
            self.add("poller_modify", poller, self.handle(), events)
        elif choice == 2:
            self.add("poller_remove", poller, self.handle())
        elif choice == 3:
            self.add("poller_add_fd", poller, self.descriptor(), tag, events)
        elif choice == 4:
            self.add(*self.pick([("poller_modify_fd", poller, self.descriptor(), events), ("poller_remove_fd", poller, self.descriptor())]))
        elif choice == 5:
            self.wait(poller)
        elif choice == 6:
            self.add(self.pick(["poller_size", "poller_size", "poller_fd"]), poller)
        else:
            self.add(self.pick(["poller_destroy", "poller_null"]), *([poller] if self.chance(0.5) else ["p1"]))

    def wait(self, poller):
        if self.chance(0.3):
            self.fill_pipe()
        timeout = self.pick([0, 0, 0, 1, -1])
        if self.chance(0.3):
            self.add("poller_wait", poller, timeout)
        else:
            self.add("poller_wait_all", poller, self.pick([1, 2, 4, 6, 6, 6, 0]), timeout)

    def items(self):
        """Mostly such as the original polls as it does those without sockets of the draft types."""
        words = super().items()
        if self.chance(0.03):
            return words
        pairs = {word: int(events) & 7 for word, events in zip(words[::2], words[1::2]) if word not in ("s-", -1, "-1")}
        return [word for pair in pairs.items() for word in pair]

    def poll(self):
        if self.chance(0.3) and (self.chance(0.03) or not self.of(*DRAFT_TYPES)):
            self.add("ppoll", self.pick([0, 0, 1, 1000]), *self.items())
        else:
            super().poll()


def scene_inproc(scene):
    for _ in range(scene.pick([1, 1, 2])):
        scene.couple()
    for _ in range(40):
        scene.traffic()


def scene_network(scene):
    monitored = scene.chance(0.5)
    scene.couple(network=True, monitored=monitored)
    for _ in range(22):
        scene.traffic(network=True)
        if monitored and scene.chance(0.15):
            scene.heard(scene.pick(sorted(scene.sockets) or [0]))
    if monitored:
        for slot in scene.sockets:
            scene.heard(slot)


def scene_datagrams(scene):
    """RADIO, DISH and DGRAM over UDP, with ports of this scene's own."""
    # The original dies of what does not fit a datagram.
    scene.short, scene.groups = True, [b"a", b"b", b"ab"]
    port = 20000 + int(scene.name[1:]) % 10000
    for at in range(2):
        kind = scene.pick([DISH, DGRAM])
        slot = scene.socket(kind)
        address = f"127.0.0.1:{port + at}"
        scene.add("bind", f"s{slot}", hexed(f"udp://{address}"))
        if kind == DGRAM:
            for other in range(8):
                scene.places.setdefault(other, address.encode())
        else:
            scene.membership()
            scene.membership()
            radio = scene.socket(RADIO)
            scene.add("connect", f"s{radio}", hexed(f"udp://{address}"))
    for _ in range(15):
        scene.traffic(network=True)


def scene_strangers(scene):
    scene.couple(pair=(scene.pick(scene.types), scene.pick(scene.types)))
    for _ in range(30):
        scene.traffic()


def scene_unconnected(scene):
    # The original dies of sending with a DGRAM that has no endpoint.
    for kind in scene.random.sample([kind for kind in range(21) if kind != DGRAM], 6):
        scene.socket(kind)
    for _ in range(40):
        scene.pick([scene.send, scene.receive, scene.look, scene.poll, scene.draft_message, scene.traffic, scene.any_option])()


def scene_options(scene):
    for kind in scene.random.sample(range(21), 6):
        scene.socket(kind)
    for _ in range(45):
        scene.random.choices([scene.any_option, scene.set_option, scene.get_option, scene.oddity], [60, 15, 15, 5])[0]()


def scene_pollers(scene):
    for _ in range(scene.pick([1, 2])):
        scene.couple()
    for _ in range(45):
        scene.random.choices([scene.poller_call, scene.send, scene.receive, scene.traffic, scene.fill_pipe], [65, 12, 8, 10, 5])[0]()


def scene_messages(scene):
    scene.couple(pair=scene.pick([(CHANNEL, CHANNEL), (SERVER, CLIENT), (RADIO, DISH), (PUB, SUB)]))
    for _ in range(45):
        scene.random.choices([scene.draft_message, scene.message_call, scene.traffic], [45, 25, 30])[0]()


def scene_contexts(scene):
    scene.add("ctx_new", "c1")
    for _ in range(15):
        scene.pick([scene.context_ext, scene.context_ext, scene.context_call])()
    scene.couple()
    for _ in range(20):
        scene.pick([scene.context_ext, scene.traffic])()


# How often each is played.
SCENES = [
    (34, scene_inproc), (6, scene_network), (3, scene_datagrams), (6, scene_strangers), (8, scene_unconnected),
    (14, scene_options), (14, scene_pollers), (10, scene_messages), (5, scene_contexts),
]
