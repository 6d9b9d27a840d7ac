"""Certificates of CURVE and QZMQ as files: made, loaded, and laid out for several hosts.

The files are those of pyzmq (``zmq.auth``) and czmq. A folder of certificates has two folders::

    private/NAME.key_secret    a key pair of this host, readable for its owner alone
    public/NAME.key            the public keys of all: clients that a server lets in, servers that a client knows

A folder without ``private`` and ``public`` holds all files itself.
"""

from __future__ import annotations

import os
import stat
import struct
import subprocess
import tempfile
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Tuple, Union

import zmq.auth
from zmq.utils import z85

from ._library import library_path, tool_path

StrPath = Union[str, "os.PathLike[str]"]

#: Names the folder of certificates, which is ``certificates`` otherwise.
FOLDER_VARIABLE = "SECURE_ZMQ_CERTIFICATES"
#: Kinds of keys, as of ``ferrozmq keygen --suite``; those but ``curve`` need ferrozmq under pyzmq.
SUITES = ("curve", "x-wing", "ml-kem-1024")
#: Characters of a key of CURVE, and of a fingerprint.
CURVE_KEY_CHARACTERS = 40


class CertificateError(ValueError):
    """A certificate cannot be used; the text names the file and says what to do."""


@dataclass(frozen=True)
class KeyPair:
    """Keys in Z85. Its text does not show the secret one."""

    public: bytes
    secret: bytes = field(repr=False)

    @property
    def is_qzmq(self) -> bool:
        """Whether the keys are of QZMQ, the post-quantum mechanism."""
        return len(self.public) != CURVE_KEY_CHARACTERS


@dataclass(frozen=True)
class Certificates:
    """A folder of certificates.

    :param folder: where it is. :meth:`default` takes it from the environment.
    """

    folder: Path

    @classmethod
    def default(cls) -> Certificates:
        """The folder that ``SECURE_ZMQ_CERTIFICATES`` names, else ``certificates`` in the current one."""
        return cls(Path(os.environ.get(FOLDER_VARIABLE) or "certificates"))

    @property
    def private(self) -> Path:
        """The folder of this host's own key pairs."""
        return self._part("private")

    @property
    def public(self) -> Path:
        """The folder of all public keys."""
        return self._part("public")

    def key_pair(self, name: str) -> KeyPair:
        """The key pair of `name`.

        :raises CertificateError: there is none, it has no secret key, or other users may read it.
        """
        path = self.private / f"{_checked(name)}.key_secret"
        public, secret = _load(path)
        if secret is None or not _is_key(secret):
            raise CertificateError(f"{path}: no secret key in it")
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise CertificateError(f"{path}: other users may read it: chmod 600 {path}")
        return KeyPair(public, secret)

    def public_key(self, name: str) -> bytes:
        """The public key of `name`.

        :raises CertificateError: there is none.
        """
        return _load(self.public / f"{_checked(name)}.key")[0]

    def _part(self, name: str) -> Path:
        part = self.folder / name
        return part if part.is_dir() else self.folder


def create_certificates(
    folder: StrPath, name: str, *, suite: str = "curve", metadata: Optional[Mapping[str, str]] = None
) -> Tuple[Path, Path]:
    """Makes a key pair as ``NAME.key`` and ``NAME.key_secret``.

    The secret file is readable for its owner alone from its first byte, whatever the umask. No file is overwritten.

    :param folder: where the files go; made, for its owner alone, where it is not there.
    :param name: of the files.
    :param suite: one of :data:`SUITES`.
    :param metadata: goes into the secret file with CURVE, into both with QZMQ.
    :returns: the file with the public key, and the one with both.
    :raises CertificateError: the suite is unknown, or the keys cannot be made.
    :raises FileExistsError: one of the files is there already.
    """
    folder = Path(folder)
    if suite not in SUITES:
        raise CertificateError(f"{suite}: no such suite among {', '.join(SUITES)}")
    if any(set("\r\n") & set(f"{key}{value}") for key, value in (metadata or {}).items()):
        raise CertificateError("metadata is of one line each")
    names = [f"{_checked(name)}.key", f"{name}.key_secret"] + ([f"{name}.fingerprint.key"] if suite != "curve" else [])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file in names:
        if (folder / file).exists():
            raise FileExistsError(f"{folder / file} is there already")
    # Folders of mkdtemp are for their owner alone, so no other user sees a file before its mode is right.
    with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as place:
        if suite == "curve":
            zmq.auth.create_certificates(place, name, dict(metadata or {}))
        else:
            _make_qzmq(place, name, suite, metadata or {})
        for file in names:
            os.chmod(Path(place, file), 0o600 if file.endswith("_secret") else 0o644)
        _link_all(Path(place), folder, names)
    return folder / names[0], folder / names[1]


def create_host_folders(folder: StrPath, *names: str, suite: str = "curve") -> List[Path]:
    """Makes, or keeps in step, a folder of certificates for each host: ``FOLDER/NAME`` is what goes to host NAME.

    It has the host's own key pair, and the public keys of all hosts. Hosts that are there already keep their keys, and get the
    public keys of those that are new. So the same call with one name more is how a host is added.

    :returns: the folders of the hosts that were named.
    :raises CertificateError: a host's folder has another public key than the host's own.
    """
    top = Path(folder)
    for name in names:
        if not (top / _checked(name) / "private" / f"{name}.key_secret").exists():
            create_certificates(top / name / "private", name, suite=suite)
    own = {path.stem: path.read_bytes() for path in sorted(top.glob("*/private/*.key")) if _is_host(path)}
    for host in own:
        public = top / host / "public"
        public.mkdir(mode=0o700, exist_ok=True)
        for name, key in own.items():
            path = public / f"{name}.key"
            if path.exists() and path.read_bytes() != key:
                raise CertificateError(f"{path}: it is not the key in {top / name}: take it away, and try again")
            path.write_bytes(key)
    return [top / name for name in names]


def known_keys(folder: StrPath) -> Dict[bytes, str]:
    """The keys of a folder's ``*.key`` files, as an authenticator is asked for them, and the names of their owners.

    A key of CURVE is asked for as it is, and one of QZMQ by its fingerprint. The name is the certificate's ``name``, else
    that of its file. Files that cannot be read as certificates are left out.

    :raises CertificateError: the folder is not there, or all users may write to it.
    """
    folder = Path(folder)
    try:
        _check_writers(folder)
        files = sorted(folder.glob("*.key"))
    except OSError as error:
        raise CertificateError(f"{folder}: {error.strerror}") from error
    found: Dict[bytes, str] = {}
    for path in files:
        try:
            _check_writers(path)
            # Before its owner is looked for: only this tells a file from a named pipe.
            key = asked_key(_load(path)[0])
            found[key] = _owner(path)
        except (ValueError, OSError):
            continue
    return found


def asked_key(public: bytes) -> bytes:
    """What an authenticator gets to see of a public key in Z85: itself with CURVE, its fingerprint with QZMQ."""
    if len(public) == CURVE_KEY_CHARACTERS:
        return public
    return bytes(z85.encode(sha256(z85.decode(public)).digest()))


def _make_qzmq(place: str, name: str, suite: str, metadata: Mapping[str, str]) -> None:
    command = [str(tool_path()), "keygen", "--qzmq", "--suite", suite, "--name", name, "--out", place]
    for key, value in metadata.items():
        command += ["--metadata", f"{key}={value}"]
    environment = {"FERROZMQ_LIBRARY": str(library_path()), **os.environ}
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise CertificateError(f"the keys of {name} cannot be made: {made.stderr.strip()}")


def _link_all(place: Path, folder: Path, names: List[str]) -> None:
    """Puts the files into the folder: all, or where that fails none."""
    linked: List[Path] = []
    try:
        for file in names:
            # A link fails where another process was faster, and a rename would overwrite.
            os.link(place / file, folder / file)
            linked.append(folder / file)
    except BaseException:
        # A public key alone keeps its name taken, and goes to other hosts as if its owner had the secret one.
        for path in linked:
            path.unlink(missing_ok=True)
        raise


def _load(path: Path) -> Tuple[bytes, Optional[bytes]]:
    # Opening a named pipe would wait for its writer.
    if path.exists() and not path.is_file():
        raise CertificateError(f"{path}: no regular file")
    try:
        public, secret = zmq.auth.load_certificate(path)
    # The last is of pyzmq where a line ends before its `=`.
    except (OSError, ValueError, IndexError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "no certificate"
        raise CertificateError(f"{path}: {'no such file' if not path.exists() else why}") from error
    if not _is_key(public):
        raise CertificateError(f"{path}: no certificate")
    return public, secret


def _is_key(text: bytes) -> bool:
    """Whether it is Z85, as a key in a certificate has to be."""
    try:
        return bool(z85.decode(text))
    # pyzmq raises all three: for the length, for a character, and for five of them that make more than four bytes.
    except (ValueError, KeyError, struct.error):
        return False


def _owner(path: Path) -> str:
    """The name in a certificate's metadata, else that of the file."""
    for line in path.read_text("utf-8", "replace").splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "name" and value.strip():
            return value.strip().strip("\"'")
    return path.stem


def _is_host(path: Path) -> bool:
    """Whether a public key is that of the host in whose folder it lies."""
    return path.stem == path.parent.parent.name


def _check_writers(path: Path) -> None:
    if path.stat().st_mode & stat.S_IWOTH:
        raise CertificateError(f"{path}: all users may write to it: chmod o-w {path}")


def _checked(name: str) -> str:
    """A name that stays in its folder."""
    if not name or name.startswith(".") or "/" in name or "\0" in name:
        raise CertificateError(f"{name!r} is no name for a certificate")
    return name
