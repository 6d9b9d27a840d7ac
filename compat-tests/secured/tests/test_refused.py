"""Clients that are not let in, and endpoints that are not opened."""

import pytest
import zmq

from conftest import DEFAULT, ask, ending, refusal


def test_a_client_without_a_key(place, context):
    [server] = place.serve("rep.py", security=place.security())
    assert refusal(context, server) == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL


def test_a_client_whose_key_is_not_in_the_folder(place, context):
    [server] = place.serve("rep.py", security=place.security())
    public, _ = place.key("server")
    assert refusal(context, server, place.key("bob"), public) == zmq.EVENT_HANDSHAKE_FAILED_AUTH
    assert refusal(context, server, place.key("alice"), public) == zmq.EVENT_HANDSHAKE_SUCCEEDED


def test_a_key_is_withdrawn_while_others_go_on(place, context):
    place.let_in("bob")
    [server] = place.serve("rep.py", security=place.security())
    public, _ = place.key("server")
    client = place.run("req.py", server, security=place.security())
    asked = 0

    def goes_on():
        nonlocal asked
        for _ in range(20):
            asked += 1
            assert ask(client, str(asked)) == f"the answer to {asked}"

    goes_on()
    assert refusal(context, server, place.key("bob"), public) == zmq.EVENT_HANDSHAKE_SUCCEEDED
    place.keep_out("bob")
    # The folder is looked at once a second.
    while refusal(context, server, place.key("bob"), public) == zmq.EVENT_HANDSHAKE_SUCCEEDED:
        goes_on()
    goes_on()


def test_the_servers_key_changes_while_clients_go_on(place, context):
    place.create("next")
    [server] = place.serve("rep.py", security=place.security(client="server"))
    (old, _), (new, _) = place.key("server"), place.key("next")
    client = place.run("req.py", server, security=place.security())
    assert ask(client, "before") == "the answer to before"
    assert refusal(context, server, place.key("alice"), new) != zmq.EVENT_HANDSHAKE_SUCCEEDED
    both = DEFAULT.replace('"server.key_secret"', '["next.key_secret", "server.key_secret"]')
    place.security(both, client="server")
    while refusal(context, server, place.key("alice"), new) != zmq.EVENT_HANDSHAKE_SUCCEEDED:
        assert ask(client, "meanwhile") == "the answer to meanwhile"
    assert refusal(context, server, place.key("alice"), old) == zmq.EVENT_HANDSHAKE_SUCCEEDED
    place.security(DEFAULT.replace('"server.key_secret"', '"next.key_secret"'), client="server")
    while refusal(context, server, place.key("alice"), old) == zmq.EVENT_HANDSHAKE_SUCCEEDED:
        assert ask(client, "meanwhile") == "the answer to meanwhile"
    assert refusal(context, server, place.key("alice"), new) == zmq.EVENT_HANDSHAKE_SUCCEEDED
    assert ask(client, "after") == "the answer to after"


PLAIN = """
[default]
mechanism = "plain"
users = "users"
username = "{client}"
password_file = "password"
"""
# A cheap hash of "password", made by the reference implementation of Argon2.
HASH = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"


def test_users_with_passwords(place, context):
    place.write_secret("users", f"alice:{HASH}\n")
    place.write_secret("password", "password\n")
    [server] = place.serve("rep.py", security=place.security(PLAIN))
    client = place.run("req.py", server, security=place.security(PLAIN))
    assert ask(client, "hello") == "the answer to hello"

    def of_bob():
        socket = context.socket(zmq.DEALER)
        socket.plain_username, socket.plain_password = b"bob", b"password"
        return ending(socket, server)

    assert of_bob() == zmq.EVENT_HANDSHAKE_FAILED_AUTH
    place.write_secret("users", f"alice:{HASH}\nbob:{HASH}\n")
    while of_bob() != zmq.EVENT_HANDSHAKE_SUCCEEDED:
        assert ask(client, "meanwhile") == "the answer to meanwhile"


@pytest.mark.parametrize(
    "text, reason, line",
    [
        ('[default]\nmechanism = "null"\nnull_off_loopback = "refuse"\n', "Permission denied", "null_off_loopback"),
        ('[default]\nalow = "any"\n', "Invalid argument", 'security-server.toml:2: there is no setting "alow" here: did you mean "allow"?'),
        ('[default]\nserver_key = "gone"\nallow = "any"\n', "Invalid argument", "there is no such file"),
        ('[default]\nserver_key = "server.key"\nallow = "any"\n', "denied|argument", "server.key"),
    ],
)
def test_a_server_that_listens_on_all_interfaces_does_not_begin(place, text, reason, line):
    server = place.run("rep.py", security=place.security(text.replace("{", "{{").replace("}", "}}"), client="server"))
    _, errors = server.communicate()
    assert server.returncode != 0
    assert any(word in errors for word in reason.split("|")) and "ZMQError" in errors
    assert [text for text in errors.splitlines() if text.startswith("ferrozmq: zmq_bind") and line in text]


def test_a_file_that_is_not_there(place):
    server = place.run("rep.py", security=place.folder / "none.toml")
    _, errors = server.communicate()
    assert server.returncode != 0 and "none.toml: there is no such file" in errors
