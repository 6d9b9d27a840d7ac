"""Sockets with CURVE or QZMQ in one line each, over the stock pyzmq.

>>> from ferrozmq import secure
>>> context = secure.create_secure_context()
>>> server = secure.secure_server_socket(context.socket(zmq.REP), "server")
>>> client = secure.secure_client_socket(context.socket(zmq.REQ), "alice", server="server")

``SECURE_ZMQ=0`` in the environment leaves all sockets as they are. Keys come from a folder of certificates
(:mod:`ferrozmq.certificates`), which is looked at anew while servers run: a file that is added lets its owner in, and one that
is taken away keeps the owner out. ``python -m ferrozmq.secure hosts FOLDER NAME...`` makes the folders.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Set, Tuple, Type, TypeVar, Union, overload

import zmq

# The authenticator of earlier ones has no names of clients that can be chosen.
if zmq.pyzmq_version_info() < (25,):
    raise ImportError(f"ferrozmq.secure needs pyzmq 25 or newer, and this is {zmq.pyzmq_version()}")

from zmq.auth.thread import ThreadAuthenticator
from zmq.utils import z85

from .certificates import (
    SUITES,
    CertificateError,
    Certificates,
    KeyPair,
    StrPath,
    create_certificates,
    create_host_folders,
    known_keys,
)

__all__ = [
    "Authenticator",
    "CertificateError",
    "Certificates",
    "SecurityError",
    "create_certificates",
    "create_host_folders",
    "create_secure_context",
    "is_secured",
    "secure_client_socket",
    "secure_server_socket",
    "start_auth",
    "stop_auth",
]

#: The switch: 1 unless it is set.
SWITCH = "SECURE_ZMQ"
#: The ZAP domain of servers and authenticator. It never leaves the process.
DOMAIN = "secure"
#: How long an answer of the folder of clients holds.
FOLDER_AGE_S = 1.0
#: How long a context's second authenticator waits for the address of its first.
ADDRESS_FREE_S = 5.0
ON = ("1", "true", "yes", "on")
OFF = ("0", "false", "no", "off")

AnySocket = TypeVar("AnySocket", bound="zmq.Socket[Any]")
AnyContext = TypeVar("AnyContext", bound="zmq.Context[Any]")
Folder = Union[StrPath, Certificates]
_log = logging.getLogger("ferrozmq.secure")


class SecurityError(RuntimeError):
    """A socket or context would not be as secure as it was asked for; the text says what to do."""


def is_secured() -> bool:
    """Whether sockets are secured: unless ``SECURE_ZMQ`` is 0.

    :raises SecurityError: the variable is neither on nor off.
    """
    value = os.environ.get(SWITCH, "").strip().lower()
    if value in OFF:
        return False
    if value in ON or not value and SWITCH not in os.environ:
        return True
    raise SecurityError(f"{SWITCH}={value}: it takes 0 or 1")


class _Clients:
    """The clients that are let in: those that have a public key in a folder. Used by the authenticator's thread alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: Dict[bytes, str] = {}
        self._next_look = 0.0
        self._complaint = ""

    def callback(self, domain: str, key: bytes) -> bool:
        """pyzmq asks it for each client: whether this key, in Z85, is let in."""
        if time.monotonic() >= self._next_look:
            self._look()
            self._next_look = time.monotonic() + FOLDER_AGE_S
        return key in self.names

    def _look(self) -> None:
        """Reads the folder. One that cannot be read lets no client in."""
        complaint = ""
        try:
            self.names = known_keys(self.folder)
        except CertificateError as error:
            self.names, complaint = {}, str(error)
        # An exception that leaves the callback ends pyzmq's thread, and then each handshake and `stop_auth` wait for ever.
        except Exception as error:
            self.names, complaint = {}, f"{self.folder}: {error!r}"
        if complaint and complaint != self._complaint:
            _log.error("no client is let in: %s", complaint)
        self._complaint = complaint


class Authenticator(ThreadAuthenticator):
    """pyzmq's authenticator with a folder of clients that is looked at anew, at most once a second.

    The ``User-Id`` of a message is the client's name in the folder.
    """

    def __init__(self, context: zmq.Context[Any], clients: Path) -> None:
        super().__init__(context)
        self.clients = clients
        self._known = _Clients(clients)
        self.configure_curve_callback(DOMAIN, self._known)

    def curve_user_id(self, client_public_key: bytes) -> str:
        """The name of a client that was let in."""
        return self._known.names.get(z85.encode(client_public_key), "")


# One for each context that has one, by process and address: asyncio's contexts may be shadows of others.
_authenticators: Dict[Tuple[int, int], Authenticator] = {}
# Contexts whose authenticator was stopped.
_stopped: Set[Tuple[int, int]] = set()
_lock = threading.RLock()


def start_auth(
    context: Optional[zmq.Context[Any]] = None, *, certificates: Optional[Folder] = None
) -> Optional[Authenticator]:
    """Starts the authenticator of a context, on a thread of its own. Clients with a key in the folder ``public`` are let in.

    Where one runs already it is returned. Sockets of asyncio are served as well, and no event loop needs to run.

    :param context: ``zmq.Context.instance()`` unless given.
    :param certificates: the folder of certificates, or a path to it.
    :returns: the authenticator; ``None`` where ``SECURE_ZMQ`` is 0.
    :raises SecurityError: one runs already, for another folder; or the context has another authenticator.
    """
    if not is_secured():
        return None
    context = zmq.Context.instance() if context is None else context
    clients = _certificates(certificates).public
    with _lock:
        running = _authenticators.get(_key(context))
        if running is not None:
            if running.clients != clients:
                raise SecurityError(f"the authenticator of this context lets in those of {running.clients}: stop_auth first")
            return running
        # Mistakes are told of here, and not to each client.
        known_keys(clients)
        _authenticators[_key(context)] = started = _started(context, clients)
        return started


def stop_auth(context: Optional[zmq.Context[Any]] = None) -> None:
    """Stops the authenticator of a context, if one runs: before the context ends, which would wait for it.

    Servers that are still open let no client in from then on.

    :param context: ``zmq.Context.instance()`` unless given.
    """
    context = zmq.Context.instance() if context is None else context
    with _lock:
        running = _authenticators.pop(_key(context), None)
        if running is not None:
            _stopped.add(_key(context))
    if running is not None:
        running.stop()


def _started(context: zmq.Context[Any], clients: Path) -> Authenticator:
    """A new authenticator that runs."""
    deadline = time.monotonic() + ADDRESS_FREE_S
    while True:
        started = Authenticator(context, clients)
        try:
            started.start()
            return started
        except zmq.ZMQError as error:
            started.stop()
            if error.errno != zmq.EADDRINUSE or _key(context) not in _stopped or time.monotonic() > deadline:
                raise SecurityError(f"this context has an authenticator of its own ({error}): use one of both") from error
            # libzmq frees the address of a socket some time after it is closed.
            time.sleep(0.01)


class _StopsAuth:
    """What a context of :func:`create_secure_context` does besides: it stops its authenticator before it ends."""

    def term(self) -> None:
        """As of ``zmq.Context``."""
        _stop_if_open(self)
        super().term()  # type: ignore[misc]

    def destroy(self, linger: Optional[int] = None) -> None:
        """As of ``zmq.Context``."""
        _stop_if_open(self)
        super().destroy(linger)  # type: ignore[misc]


def _stop_if_open(context: Any) -> None:
    if not context.closed:
        stop_auth(context)


_classes: Dict[type, type] = {}


@overload
def create_secure_context(*, certificates: Optional[Folder] = None, io_threads: int = 1) -> zmq.SyncContext: ...


@overload
def create_secure_context(
    context_class: Type[AnyContext], *, certificates: Optional[Folder] = None, io_threads: int = 1
) -> AnyContext: ...


def create_secure_context(
    context_class: Type[zmq.Context[Any]] = zmq.Context, *, certificates: Optional[Folder] = None, io_threads: int = 1
) -> zmq.Context[Any]:
    """A context whose authenticator runs. It stops when the context ends, by ``term``, ``destroy`` or ``with``.

    :param context_class: ``zmq.Context``, or ``zmq.asyncio.Context``.
    :param certificates: the folder of certificates, or a path to it.
    :param io_threads: as of ``zmq.Context``.
    :raises SecurityError: see :func:`start_auth`.
    """
    if context_class not in _classes:
        _classes[context_class] = type(f"Secure{context_class.__name__}", (_StopsAuth, context_class), {})
    context: zmq.Context[Any] = _classes[context_class](io_threads)
    try:
        start_auth(context, certificates=certificates)
    except BaseException:
        context.term()
        raise
    return context


def secure_server_socket(
    socket: AnySocket, name: str = "server", *, certificates: Optional[Folder] = None
) -> AnySocket:
    """Makes a socket the server of its connections, before it binds or connects: with the key pair of `name`.

    It lets in clients that the context's authenticator knows, and none while no authenticator runs.

    :param socket: of pyzmq, also of ``zmq.asyncio``.
    :param name: the key pair is ``private/NAME.key_secret``.
    :param certificates: the folder of certificates, or a path to it.
    :returns: the socket.
    :raises SecurityError: no authenticator runs, the socket is bound or connected already, or its library has no such keys.
    :raises CertificateError: there is no such key pair, or other users may read it.
    """
    if not is_secured():
        return socket
    _check_unused(socket)
    with _lock:
        if _key(socket.context) not in _authenticators:
            raise SecurityError("no authenticator runs in this socket's context: call start_auth(context) first")
    _set_keys(socket, _certificates(certificates).key_pair(name))
    socket.curve_server = True
    # Both: without a domain libzmq lets every client in where the authenticator has gone.
    socket.setsockopt(zmq.ZAP_DOMAIN, DOMAIN.encode())
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
    return socket


def secure_client_socket(
    socket: AnySocket, name: str = "client", server: str = "server", *, certificates: Optional[Folder] = None
) -> AnySocket:
    """Makes a socket a client, before it binds or connects: with the key pair of `name`, of the server that has the key of `server`.

    :param socket: of pyzmq, also of ``zmq.asyncio``.
    :param name: the key pair is ``private/NAME.key_secret``.
    :param server: its public key is ``public/NAME.key``.
    :param certificates: the folder of certificates, or a path to it.
    :returns: the socket.
    :raises SecurityError: the socket is bound or connected already, or its library has no such keys.
    :raises CertificateError: a key is not there, or other users may read the secret one.
    """
    if not is_secured():
        return socket
    _check_unused(socket)
    folder = _certificates(certificates)
    keys, server_key = folder.key_pair(name), folder.public_key(server)
    if len(server_key) != len(keys.public):
        raise CertificateError(f"the keys of {name} and {server} are of two kinds: make both with the same suite")
    _set_keys(socket, keys)
    socket.curve_serverkey = server_key
    return socket


def _set_keys(socket: zmq.Socket[Any], keys: KeyPair) -> None:
    try:
        socket.curve_secretkey = keys.secret
        socket.curve_publickey = keys.public
    except zmq.ZMQError as error:
        if not keys.is_qzmq:
            raise
        line = "these keys are of QZMQ, which the libzmq under pyzmq does not have: call ferrozmq.activate() before `import zmq`"
        raise SecurityError(line) from error


def _check_unused(socket: zmq.Socket[Any]) -> None:
    # Options of security hold for endpoints that come after them, so this one would stay open.
    if socket.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0"):  # type: ignore[union-attr]
        raise SecurityError("the socket is bound or connected already: secure it first")


def _certificates(given: Optional[Folder]) -> Certificates:
    if given is None:
        return Certificates.default()
    return given if isinstance(given, Certificates) else Certificates(Path(given))


def _key(context: zmq.Context[Any]) -> Tuple[int, int]:
    return os.getpid(), int(context.underlying)


def main(arguments: Optional[List[str]] = None) -> int:
    """``python -m ferrozmq.secure``."""
    parser = argparse.ArgumentParser(prog="python -m ferrozmq.secure", description="Certificates for secured sockets.")
    commands = parser.add_subparsers(dest="command", required=True)
    hosts = commands.add_parser("hosts", help="make a folder of certificates for each host, or add hosts to those that are there")
    hosts.add_argument("folder", help="where the folders of the hosts are; keep it where no host is")
    hosts.add_argument("names", nargs="+", metavar="NAME", help="a host")
    hosts.add_argument("--suite", choices=SUITES, default="curve", help="kind of the keys (default: curve)")
    options = parser.parse_args(arguments)
    try:
        for made in create_host_folders(options.folder, *options.names, suite=options.suite):
            print(f"{made}: for the host {made.name}")
    except (CertificateError, OSError) as error:
        print(f"ferrozmq.secure: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
