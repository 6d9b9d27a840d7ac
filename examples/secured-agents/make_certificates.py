"""Makes a key pair for each agent, in a folder for each host.

    python make_certificates.py FOLDER NAME...

FOLDER/NAME is what goes to the host of agent NAME, as its CERTIFICATES: its own secret key, and the public keys of all.
"""

import os
import sys
from pathlib import Path

import zmq.auth


def main(folder, *names):
    # Before anything is written: no other user may read a secret key.
    os.umask(0o077)
    public = {}
    for name in names:
        private = Path(folder, name, "private")
        private.mkdir(parents=True)
        key, _ = zmq.auth.create_certificates(private, name)
        public[name] = Path(key).read_bytes()
    for name in names:
        known = Path(folder, name, "public")
        known.mkdir()
        for other, key in public.items():
            (known / f"{other}.key").write_bytes(key)
        print(f"{Path(folder, name)}: for the host of {name}")


if __name__ == "__main__":
    main(*sys.argv[1:])
