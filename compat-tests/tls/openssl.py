"""One side of TLS by the OpenSSL inside of the PyPI package `cryptography`, which knows X25519MLKEM768. Arguments: the folder of
certificates, "connect" or "listen", the name of the server, and the port (0: any). Prints the group that was agreed on, and the first
bytes of the peer."""

import socket
import sys

from OpenSSL import SSL

PATIENCE_S = 30
SIGNATURE_BYTES = 10


def main(folder, role, name, port):
    context = SSL.Context(SSL.TLS_METHOD)
    context.load_verify_locations(f"{folder}/authority.pem")
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    own = "client" if role == "connect" else "server"
    context.use_certificate_chain_file(f"{folder}/{own}.pem")
    context.use_privatekey_file(f"{folder}/{own}.key.pem")
    if role == "connect":
        stream = socket.create_connection(("127.0.0.1", int(port)), PATIENCE_S)
    else:
        listener = socket.create_server(("127.0.0.1", int(port)))
        print(listener.getsockname()[1], flush=True)
        listener.settimeout(PATIENCE_S)
        stream, _ = listener.accept()
    # pyOpenSSL's calls do not wait on a socket that has a timeout.
    stream.settimeout(None)
    tls = SSL.Connection(context, stream)
    if role == "connect":
        tls.set_tlsext_host_name(name.encode())
        tls.set_connect_state()
    else:
        tls.set_accept_state()
    tls.do_handshake()
    said = b""
    while len(said) < SIGNATURE_BYTES:
        said += tls.recv(SIGNATURE_BYTES - len(said))
    print(tls.get_group_name(), said.hex(), flush=True)


main(*sys.argv[1:])
