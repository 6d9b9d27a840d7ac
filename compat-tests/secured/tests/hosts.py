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


class Switch:
    """Three hosts more, on a switch of their own: the first of them has it. Programs run at one with its prefix."""

    ADDRESSES = ("10.78.0.1", "10.78.0.2", "10.78.0.3")

    def __init__(self):
        self.holders, self.prefixes = [], []
        for _ in self.ADDRESSES:
            holder = ["unshare", "--net", "sh", "-c", "ip link set lo up && echo ready && exec cat"]
            holder = subprocess.Popen(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=plain())
            self.holders.append(holder)
            self.prefixes.append(["nsenter", f"--net=/proc/{holder.pid}/ns/net", "--"])
            if holder.stdout.readline() != "ready\n":
                self.end()
                raise Unavailable("this system allows no further network namespaces")
        if not self._lay_cables():
            self.end()
            raise Unavailable("this system allows no bridge, or no cables to it")

    @property
    def hosts(self):
        """Pairs of an address and a host."""
        return [(address, At(prefix)) for address, prefix in zip(self.ADDRESSES, self.prefixes)]

    def end(self):
        for holder in self.holders:
            holder.kill()
            holder.communicate()

    def _lay_cables(self):
        first, *others = self.prefixes
        commands = [[*first, "ip", "link", "add", "switch", "type", "bridge"]]
        for number, holder in enumerate(self.holders[1:], 1):
            port = f"port{number}"
            ends = [port, "type", "veth", "peer", "name", "cable", "netns", str(holder.pid)]
            commands.append([*first, "ip", "link", "add", *ends])
            commands.append([*first, "ip", "link", "set", port, "master", "switch", "up"])
        devices = ["switch", *["cable"] * len(others)]
        for prefix, device, address in zip(self.prefixes, devices, self.ADDRESSES):
            commands.append([*prefix, "ip", "address", "add", f"{address}/24", "dev", device])
            commands.append([*prefix, "ip", "link", "set", device, "up"])
        return all(subprocess.run(command, capture_output=True, env=plain()).returncode == 0 for command in commands)


class At:
    def __init__(self, prefix):
        self.prefix = prefix
