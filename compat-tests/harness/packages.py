"""The Debian packages these programs need, and what for."""

import importlib.util
import os
import shutil
import subprocess

from .console import say
from .places import WORK, Problem, held

NEEDED = {
    "libzmq5": "the original libzmq that everything is compared with",
    "libzmq3-dev": "the original's header, for programs built against it",
    "libczmq-dev": "reads the certificates that the tool makes, and makes a server that is secured from outside",
    "libsodium-dev": "libzmq's own test of CURVE links it",
    "libpgm-dev": "the feature pgm links it",
    "libnorm-dev": "the feature norm links it",
    "libkrb5-dev": "the feature gssapi links it",
    "krb5-kdc": "a Kerberos realm to test GSSAPI with",
    "krb5-admin-server": "puts principals into that realm",
    "g++": "compiles libzmq's own test programs",
    "pkg-config": "finds an installed libzmq, as programs' builds do",
    "openssl": "makes certificates, and speaks TLS with tls://",
    "cmake": "checks find_package(ZeroMQ)",
    "mandoc": "checks the manual pages",
    "iproute2": "brings up the devices of a test's network namespaces",
    "python3-venv": "a private place for pyzmq",
    "python3-dev": "pyzmq is built from its sources, too",
    "gdb": "shows where the threads of a process stand that does not end",
    "tmux": "a terminal for ferrozmq top, whose screen is read",
    "abigail-tools": "compares the library with Debian's, symbol by symbol",
    "debhelper": "builds the Debian packages",
    "lintian": "checks the Debian packages",
    "mmdebstrap": "makes the small Debian that the packages are installed in",
    "rpm": "builds packages by the recipe for rpm",
    "rpmlint": "checks that recipe",
    "ruby": "reads the recipe for Homebrew",
    "shellcheck": "checks the scripts of the packages",
    "valgrind": "counts the instructions that benches/budgets.toml bounds, and looks for leaks",
}
# What a test does without, and says so, where it is not to be had.
WELCOME = {
    "bpftrace": "reads the lines on docs/observability.md, and counts with them",
    "systemd": "reads the units that ferrozmq-service makes; it comes without an init, and nothing of it is started",
}
# Two of these programs may want something at the same time, and the second one waits.
# By env: sudo drops what is in the environment.
APT = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=300")
# For those who want less than the tests: the demo and the benchmark compile a C program and run pyzmq.
PURPOSES = {
    "demo": ("libzmq5", "libzmq3-dev", "g++", "python3-venv"),
    "bench": ("libzmq5", "libzmq3-dev", "g++", "python3-venv"),
    "test": tuple(NEEDED),
}


def missing(names=None):
    """Those of `names` (all by default) that are not installed."""
    if shutil.which("dpkg-query") is None:
        return []
    return [name for name in names or NEEDED if not _installed(name)]


def demand(*names):
    """Fails with the way out where one of `names` is missing."""
    lacking = missing(names)
    if lacking:
        lines = "".join(f"\n  {name}: {NEEDED[name]}" for name in lacking)
        raise Problem(f"missing Debian packages (`make deps` installs them):{lines}")


def demand_venv():
    """Fails with the way out where this Python makes no virtual environments: Debian has a part of it in a package of its own."""
    if importlib.util.find_spec("ensurepip") is None:
        raise Problem(f"missing Debian package (`make deps` installs it):\n  python3-venv: {NEEDED['python3-venv']}")


def install(purpose="test"):
    """Installs what is missing for a purpose, saying what and why. Needs root or sudo where something is."""
    if purpose == "test" and (welcome := missing(WELCOME)):
        with held(WORK / "apt"):
            _try_to_install(welcome)
    lacking = missing(PURPOSES[purpose])
    if not lacking:
        return
    say("Installing Debian packages:")
    for name in lacking:
        say(f"  {name}: {NEEDED[name]}")
    root = [] if os.geteuid() == 0 else ["sudo"]
    if root and shutil.which("sudo") is None:
        raise Problem(f"run as root: apt-get install {' '.join(lacking)}")
    apt = [*root, *APT]
    command = [*apt, "install", "--no-install-recommends", "-y", *lacking]
    if subprocess.run(command, stdout=subprocess.DEVNULL).returncode != 0:
        # The usual reason on a fresh machine: the package lists are not there yet.
        subprocess.run([*apt, "update"], check=False)
        if subprocess.run(command).returncode != 0:
            raise Problem("apt-get failed")


def programs(wanted):
    """Whether all programs that `wanted` names, each with its packages, are here; tries to install those that are not. Only
    for what a test can do without."""
    if not _lacking(wanted) or shutil.which("apt-get") is None:
        return not _lacking(wanted)
    # apt waits for another one that installs, and not for one that fetches the lists.
    with held(WORK / "apt"):
        if lacking := _lacking(wanted):
            _try_to_install(lacking)
    return not _lacking(wanted)


def _lacking(wanted):
    return [name for program, names in wanted.items() if shutil.which(program) is None for name in names.split()]


def _try_to_install(names):
    say(f"Installing Debian packages: {', '.join(names)}")
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    apt = [*root, *APT]
    install = [*apt, "install", "--no-install-recommends", "-y", *names]
    try:
        if subprocess.run(install, **quiet).returncode != 0:
            subprocess.run([*apt, "update"], **quiet)
            subprocess.run(install, **quiet)
    except OSError:
        pass


def _installed(name):
    status = subprocess.run(
        ["dpkg-query", "-W", "-f=${db:Status-Status}", name], capture_output=True, text=True
    )
    return "installed" in status.stdout.split("not-installed")[0].split()
