"""Programs that set no mechanism speak CURVE. That the eyes used here are open is seen without the file."""

import os
import subprocess
from pathlib import Path

import pytest
from conftest import PROGRAMS, ask
from relay import Relay

SECRET = "the question nobody may read"


@pytest.fixture(params=[True, False], ids=["secured", "as it is"])
def security(request, place):
    return place.security() if request.param else None


def check(relay, security, *texts):
    to_server, to_client = relay.wire
    mechanism = b"CURVE" if security else b"NULL"
    assert mechanism in to_server[:64] and mechanism in to_client[:64]
    for text in texts:
        assert (text.encode() in to_server + to_client) == (not security)


def test_request_and_reply(place, security):
    [server] = place.serve("rep.py", security=security)
    with Relay(server) as relay:
        client = place.run("req.py", relay.endpoint, security=security)
        assert ask(client, SECRET) == f"the answer to {SECRET}"
        check(relay, security, SECRET, "the answer to")


def test_what_is_published(place, security):
    [server] = place.serve("pub.py", security=security)
    with Relay(server) as relay:
        subscriber = place.run("sub.py", relay.endpoint, security=security)
        assert subscriber.stdout.readline().startswith("news to keep quiet about")
        check(relay, security, "keep quiet")


def test_a_broker_between_clients_and_workers(place, security):
    clients, workers = place.serve("broker.py", security=security)
    with Relay(clients) as front, Relay(workers) as back:
        place.run("worker.py", back.endpoint, security=security)
        client = place.run("req.py", front.endpoint, security=security)
        assert ask(client, SECRET) == f"the answer to {SECRET}"
        check(front, security, SECRET)
        check(back, security, SECRET)


def test_a_program_in_c(place, security):
    library, program = Path(os.environ["SECURED_LIBRARY"]), place.folder / "req"
    include = PROGRAMS.parents[2] / "include"
    compiler = ["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{include}", PROGRAMS / "req.c", "-o", program]
    subprocess.run([*compiler, f"-L{library}", "-l:libzmq.so.5"], check=True, env={**os.environ, "LD_PRELOAD": ""})
    [server] = place.serve("rep.py", security=security)
    with Relay(server) as relay:
        process = place.run(str(program), relay.endpoint, security=security)
        assert process.stdout.readline().strip() == "the answer to a question in C"
        check(relay, security, "a question in C")
