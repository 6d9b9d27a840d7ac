"""The key schedule of a handshake: the transcript `h` and the chain `C`."""

from .suites import KEY_BYTES, NONCE_BYTES, expand, extract


class Schedule:
    def __init__(self, kem, greetings, public, psk=None, refused=b"", asked=b""):
        """`greetings` are the client's and then the server's; `psk` is there when resuming. `refused` is a HELLO whose ticket was
        refused, and the RETRY that said so; `asked` are ASK and CERTIFICATE."""
        self.kem = kem
        self.h = kem.hash(kem.protocol)
        self.absorb(greetings)
        for said in (asked, refused):
            if said:
                self.absorb(said)
        self.absorb(public)
        zeros = bytes(kem.hash_bytes)
        self.chain = extract(kem, zeros, psk or zeros)

    def absorb(self, text):
        self.h = self.kem.hash(self.h, text)

    def mix(self, secret):
        self.chain = extract(self.kem, self.derive("derived"), secret)

    def seal(self, name, text, suite):
        box = suite.seal(*self._box_keys(name), self.h, text)
        self.absorb(box)
        return box

    def open(self, name, box, suite):
        text = suite.open(*self._box_keys(name), self.h, box)
        self.absorb(box)
        return text

    def derive(self, label):
        return expand(self.kem, self.chain, label.encode(), self.h, self.kem.hash_bytes)

    def _box_keys(self, name):
        key = expand(self.kem, self.chain, f"{name} key".encode(), self.h, KEY_BYTES)
        return key, expand(self.kem, self.chain, f"{name} iv".encode(), self.h, NONCE_BYTES)
