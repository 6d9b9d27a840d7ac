"""A small Debian in a folder, in which packages are installed as a user would, without touching this system."""

import hashlib
import os
import shutil
import stat
import subprocess

from .console import say
from .places import WORK, Problem

# What it has: programs of Debian's that are linked with libzmq5, and what compiles others.
CONTENT = ("python3-zmq", "libczmq4", "mongrel2-core", "curl", "gcc", "libc6-dev", "pkg-config", "dpkg-dev")
# Debian's own, to be installed without a network. The second one is not installed, but all that it depends on is.
ORIGINALS = ("libzmq5", "libzmq3-dev")
# Made anew by apt, dpkg and ldconfig whenever they run.
FLEETING = ("dev", "proc", "repository", "run", "tmp", "var/cache", "var/lib/apt", "var/lib/dpkg", "var/log")
# Loopback and processes of its own: no port of this system is used, and none of the internet.
_ENTER = 'ip link set lo up && exec chroot "$@"'


class Root:
    """One that is thrown away."""

    def __init__(self, folder, packages):
        """Copies the one that is kept. `packages` (files) are those that apt finds, beside Debian's own `ORIGINALS`."""
        self.path = folder / "root"
        _copy(_kept(), self.path)
        for package in packages:
            # Not with its permissions: apt reads it as a user of its own.
            shutil.copyfile(package, self.path / "repository" / package.name)
        index = subprocess.run(
            ["dpkg-scanpackages", "--multiversion", "."], cwd=self.path / "repository", capture_output=True, text=True
        )
        if index.returncode != 0:
            raise Problem(index.stderr)
        (self.path / "repository/Packages").write_text(index.stdout)
        self.do("apt-get", "-qq", "update")

    def do(self, *command, text=None):
        """Runs `command` in it; what it prints on either stream."""
        result = self.attempt(*command, text=text)
        if result.returncode != 0:
            raise Problem(f"{' '.join(map(str, command))}\n{result.stdout}")
        return result.stdout

    def attempt(self, *command, text=None):
        """The same for a command that may fail; its outcome."""
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LC_ALL": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
        }
        spaces = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", f"--mount-proc={self.path / 'proc'}"]
        return subprocess.run(
            [*spaces, "sh", "-c", _ENTER, "sh", self.path, *map(str, command)],
            input=text or "",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            timeout=300,
        )

    def apt(self, *words):
        """apt-get as a user types it, with all questions answered."""
        return self.do("apt-get", "-qq", "-y", "-o", "Dpkg::Use-Pty=0", "--no-install-recommends", *words)

    def write(self, name, text):
        file = self.path / name.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def files(self):
        """All that is in it but the `FLEETING`: what each is, and what it holds."""
        found = {}
        for folder, folders, files in os.walk(self.path):
            place = os.path.relpath(folder, self.path)
            folders[:] = [name for name in folders if os.path.normpath(f"{place}/{name}") not in FLEETING]
            for name in (*folders, *files):
                path = os.path.join(folder, name)
                found[os.path.normpath(f"{place}/{name}")] = _what(path)
        return found

    def installed(self):
        """Names and versions of what dpkg knows to be installed."""
        words = self.do("dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${binary:Package} ${Version}\\n")
        return sorted(line for line in words.splitlines())


def _what(path):
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        return f"link to {os.readlink(path)}"
    about = f"mode {status.st_mode:o}, owner {status.st_uid}:{status.st_gid}"
    if not stat.S_ISREG(status.st_mode):
        return about
    with open(path, "rb") as file:
        return f"{about}, {hashlib.file_digest(file, 'sha1').hexdigest()}"


def _kept():
    """The one that is kept below the target folder; made where it is not there."""
    key = hashlib.sha256(" ".join((_suite(), *CONTENT, *ORIGINALS)).encode()).hexdigest()[:12]
    kept = WORK / "packages" / f"root-{key}"
    if kept.is_dir():
        return kept
    say(f"Making a small Debian in {kept}, once: it downloads some 150 MB")
    kept.parent.mkdir(parents=True, exist_ok=True)
    unfinished = kept.with_suffix(".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    steps = f"mkdir /repository && cd /repository && apt-get -qq download {' '.join(ORIGINALS)} && dpkg --purge {ORIGINALS[1]}"
    command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--include={','.join((*CONTENT, *ORIGINALS))}"]
    command += ["--skip=cleanup/apt/lists", f'--customize-hook=chroot "$1" sh -c "{steps}"', _suite(), unfinished]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise Problem(f"mmdebstrap: {result.stderr}")
    for source in (unfinished / "etc/apt").rglob("*.sources"), (unfinished / "etc/apt").rglob("*.list"):
        for file in source:
            file.unlink()
    (unfinished / "etc/apt/sources.list").write_text("deb [trusted=yes] file:/repository ./\n")
    shutil.rmtree(unfinished / "var/lib/apt/lists")
    unfinished.rename(kept)
    return kept


def _copy(kept, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    result = subprocess.run(["cp", "-a", "--reflink=auto", kept, path], capture_output=True, text=True)
    if result.returncode != 0:
        raise Problem(result.stderr)


def _suite():
    """Debian's version here: what is built here may ask for its glibc."""
    for line in open("/etc/os-release"):
        name, _, value = line.strip().partition("=")
        if name == "VERSION_CODENAME":
            return value
    raise Problem("no Debian here: /etc/os-release names no version")
