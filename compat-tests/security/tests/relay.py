"""A relay between client and server that keeps all that passes."""

import contextlib
import socket
import threading


class Relay:
    """Passes connections on to a server and listens in."""

    def __init__(self, endpoint):
        host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
        self.server = host, int(port)
        self.to_server, self.to_client = bytearray(), bytearray()
        self.connections = 0
        self._streams = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def wire(self):
        """All bytes of either direction."""
        return bytes(self.to_server), bytes(self.to_client)

    def cut(self):
        """Ends all connections; new ones are still taken."""
        with self._lock:
            streams, self._streams = self._streams, []
        for stream in streams:
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)
            stream.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(self.server)
                except OSError:
                    client.close()
                    continue
                self.connections += 1
                with self._lock:
                    self._streams += [client, server]
                for pair in ((client, server, self.to_server), (server, client, self.to_client)):
                    threading.Thread(target=self._pass, args=pair, daemon=True).start()

    @staticmethod
    def _pass(source, target, record):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                # Kept before it is passed on: who has received it finds it here.
                record.extend(data)
                target.sendall(data)
        for stream in (source, target):
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
