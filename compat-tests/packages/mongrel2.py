"""Fetches a page from mongrel2, a web server in C that hands requests on by ZeroMQ. The last line: which libzmq serves mongrel2.

With arguments: mongrel2 is started by the command that they are.
"""

import os
import subprocess
import sys
import tempfile

import zmq

PATIENCE_MS = 30_000
CONFIG = """
pages = Handler(send_spec='ipc://{0}/requests', send_ident='mongrel', recv_spec='ipc://{0}/answers', recv_ident='')
main = Server(uuid='main', chroot='/', access_log='{0}/access.log', error_log='{0}/error.log', pid_file='{0}/mongrel2.pid',
    default_host='localhost', name='main', port=6767, hosts=[Host(name='localhost', routes={{'/': pages}})])
settings = {{'server.daemonize': 0, 'control_port': 'ipc://{0}/control'}}
servers = [main]
"""


with tempfile.TemporaryDirectory() as folder, zmq.Context() as context:
    with open(f"{folder}/config", "w") as config:
        config.write(CONFIG.format(folder))
    subprocess.run(["m2sh", "load", "-config", f"{folder}/config", "-db", f"{folder}/db"], check=True, stdout=2)
    # mongrel2 binds a PUSH socket for requests and a SUB socket for answers.
    requests, answers = context.socket(zmq.PULL), context.socket(zmq.XPUB)
    server = subprocess.Popen([*sys.argv[1:], "mongrel2", f"{folder}/db", "main"], stdout=2)
    try:
        requests.connect(f"ipc://{folder}/requests")
        answers.connect(f"ipc://{folder}/answers")
        assert answers.poll(PATIENCE_MS) and answers.recv()[:1] == b"\x01", "mongrel2 does not subscribe"
        url = "http://localhost:6767/page"
        client = subprocess.Popen(["curl", "--silent", "--show-error", "--max-time", "30", url], stdout=subprocess.PIPE)
        assert requests.poll(PATIENCE_MS), "mongrel2 hands no request on"
        sender, identity, path, _ = requests.recv().split(b" ", 3)
        assert (sender, path) == (b"mongrel", b"/page"), (sender, path)
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nwelcome"
        answers.send(sender + b" %d:%s, " % (len(identity), identity) + answer)
        assert client.communicate()[0] == b"welcome" and client.returncode == 0
        process = f"/proc/{server.pid}"
        assert os.readlink(f"{process}/exe").endswith("/mongrel2")
        with open(f"{process}/maps") as maps:
            serving = sorted({line.split()[-1] for line in maps if "/libzmq" in line})
    finally:
        server.kill()
        server.wait()
        requests.close(0)
        answers.close(0)
print(*serving)
