"""Sockets that are connected, and what goes between them."""

import struct

from scene import Scene
from vocabulary import (
    DEALER, DONTWAIT, OPTION, PARTNERS, PUB, REQ, ROUTER, SNDMORE, STREAM, SUB, XPUB, hexed,
)


class Connected(Scene):
    """A scene of sockets that know each other."""

    partners = PARTNERS

    def place(self, network):
        """An endpoint to bind to that nobody has yet."""
        self.fresh += 1
        if network:
            return self.pick(["tcp://127.0.0.1:*", "tcp://127.0.0.1:*", f"ipc://{self.name}-{self.fresh}", "ipc://*"])
        return f"inproc://{self.name}-{self.fresh}"

    def couple(self, network=False, pair=None, monitored=False):
        """Two or more sockets that fit each other, connected."""
        first, second = pair or self.pick(self.partners)
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
