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
        ready = self.holder.stdout.readline() == "ready\n"
        self.prefix = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", "--"]
        if not ready or not self._lay_cable():
            self._leave()
            raise Unavailable("this system allows no second network namespace, or no cable to it")
        for place, device, address in (([], "here", HERE), (self.prefix, "there", THERE)):
            subprocess.run([*place, "ip", "address", "add", f"{address}/24", "dev", device], check=True, env=plain())
            subprocess.run([*place, "ip", "link", "set", device, "up"], check=True, env=plain())

    def end(self):
        # The namespace takes it along as well, but some time later.
        subprocess.run(["ip", "link", "delete", "here"], check=True, env=plain())
        self._leave()

    def _leave(self):
        self.holder.kill()
        self.holder.communicate()

    def _lay_cable(self):
        ends = ["here", "type", "veth", "peer", "name", "there", "netns", str(self.holder.pid)]
        return subprocess.run(["ip", "link", "add", *ends], capture_output=True, env=plain()).returncode == 0


def plain():
    """The system's programs need no library of ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith("LD_")}
