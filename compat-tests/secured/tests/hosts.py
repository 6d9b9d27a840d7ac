"""Another host: a network namespace, with a cable to this one."""

import os
import subprocess

HERE, THERE = "10.77.0.1", "10.77.0.2"


class Unavailable(Exception):
    """Why this system does not have another host."""


class Host:
    """Programs run there with `prefix` before their command. It reaches this one at `HERE`."""

    def __init__(self):
        # The namespace is there for as long as this process.
        holder = ["unshare", "--net", "sh", "-c", "ip link set lo up && echo ready && exec cat"]
        self.holder = subprocess.Popen(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=plain())
        if self.holder.stdout.readline() != "ready\n":
            self.end()
            raise Unavailable("this system allows no second network namespace")
        namespace = str(self.holder.pid)
        self.prefix = ["nsenter", f"--net=/proc/{namespace}/ns/net", "--"]
        command("ip", "link", "add", "here", "type", "veth", "peer", "name", "there", "netns", namespace)
        for place, device, address in (([], "here", HERE), (self.prefix, "there", THERE)):
            command(*place, "ip", "address", "add", f"{address}/24", "dev", device)
            command(*place, "ip", "link", "set", device, "up")

    def end(self):
        """The cable goes with the namespace."""
        self.holder.kill()
        self.holder.communicate()


def command(*words):
    done = subprocess.run(words, capture_output=True, text=True, env=plain())
    if done.returncode:
        raise Unavailable(f"{' '.join(words)}: {done.stderr.strip()}")


def plain():
    """The system's programs need no library of ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith("LD_")}
