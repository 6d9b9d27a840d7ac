"""System calls that fail. See matrix.c, which tries one case."""

import errno
import fnmatch
import platform
import random
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import programs
from harness import places
from harness.console import paint, say

# Each call, its number on x86-64, and the errnos that its manual page and networks have for it.
CALLS = {
    "socket": (41, "EACCES EAFNOSUPPORT EINVAL EMFILE ENFILE ENOBUFS ENOMEM EPROTONOSUPPORT EPERM"),
    "bind": (49, "EACCES EADDRINUSE EBADF EINVAL ENOTSOCK EADDRNOTAVAIL EFAULT ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EROFS"),
    "listen": (50, "EADDRINUSE EBADF ENOTSOCK EOPNOTSUPP"),
    "accept4": (
        288,
        "EAGAIN EBADF ECONNABORTED EFAULT EINTR EINVAL EMFILE ENFILE ENOBUFS ENOMEM ENOTSOCK EOPNOTSUPP EPERM EPROTO ENETDOWN"
        " ENOPROTOOPT EHOSTDOWN ENONET EHOSTUNREACH ENETUNREACH ENOSR ESOCKTNOSUPPORT EPROTONOSUPPORT ETIMEDOUT",
    ),
    "connect": (
        42,
        "EACCES EPERM EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EAGAIN EALREADY EBADF ECONNREFUSED EFAULT EINPROGRESS EINTR EISCONN"
        " ENETUNREACH EHOSTUNREACH ENOTSOCK EPROTOTYPE ETIMEDOUT ENOENT",
    ),
    "getsockopt": (55, "EBADF EFAULT EINVAL ENOPROTOOPT ENOTSOCK ENOBUFS"),
    "setsockopt": (54, "EBADF EFAULT EINVAL ENOPROTOOPT ENOTSOCK ENOMEM EDOM EISCONN EPERM"),
    "sendmsg": (
        46,
        "EACCES EAGAIN EALREADY EBADF ECONNRESET EDESTADDRREQ EFAULT EINTR EINVAL EISCONN EMSGSIZE ENOBUFS ENOMEM ENOTCONN ENOTSOCK"
        " EOPNOTSUPP EPIPE ENETDOWN ENETUNREACH EHOSTUNREACH ETIMEDOUT EPERM",
    ),
    "sendto": (
        44,
        "EACCES EAGAIN EALREADY EBADF ECONNRESET EDESTADDRREQ EFAULT EINTR EINVAL EISCONN EMSGSIZE ENOBUFS ENOMEM ENOTCONN ENOTSOCK"
        " EOPNOTSUPP EPIPE EHOSTUNREACH",
    ),
    "recvfrom": (
        45,
        "EAGAIN EBADF ECONNREFUSED EFAULT EINTR EINVAL ENOMEM ENOTCONN ENOTSOCK ECONNRESET ETIMEDOUT EHOSTUNREACH ENETDOWN",
    ),
    "recvmsg": (
        47,
        "EAGAIN EBADF ECONNREFUSED EFAULT EINTR EINVAL ENOMEM ENOTCONN ENOTSOCK ECONNRESET ETIMEDOUT EHOSTUNREACH ENETDOWN",
    ),
    "read": (0, "EAGAIN EBADF EFAULT EINTR EINVAL EIO EISDIR ECONNRESET"),
    "write": (1, "EAGAIN EBADF EDESTADDRREQ EDQUOT EFAULT EFBIG EINTR EINVAL EIO ENOSPC EPERM EPIPE"),
    "writev": (20, "EAGAIN EBADF EINVAL EIO EPIPE"),
    "epoll_create1": (291, "EINVAL EMFILE ENFILE ENOMEM"),
    "epoll_ctl": (233, "EBADF EEXIST EINVAL ELOOP ENOENT ENOMEM ENOSPC EPERM"),
    "epoll_wait": (232, "EBADF EFAULT EINTR EINVAL"),
    "epoll_pwait": (281, "EBADF EFAULT EINTR EINVAL"),
    "eventfd2": (290, "EINVAL EMFILE ENFILE ENODEV ENOMEM"),
    "futex": (202, "EAGAIN EINTR ETIMEDOUT EINVAL ENOSYS EFAULT EACCES"),
    "clone3": (435, "EAGAIN EINVAL ENOMEM EPERM EBUSY ENOSPC ENOSYS"),
    "mmap": (9, "EACCES EAGAIN EBADF EINVAL ENFILE ENODEV ENOMEM EPERM"),
    "munmap": (11, "EINVAL ENOMEM"),
    "mprotect": (10, "EACCES EINVAL ENOMEM"),
    "madvise": (28, "EACCES EAGAIN EBADF EINVAL EIO ENOMEM EPERM"),
    "getrandom": (318, "EAGAIN EFAULT EINTR EINVAL ENOSYS"),
    "fcntl": (72, "EACCES EAGAIN EBADF EFAULT EINVAL EMFILE EPERM"),
    "close": (3, "EBADF EINTR EIO"),
    "poll": (7, "EFAULT EINTR EINVAL ENOMEM"),
    "ppoll": (271, "EFAULT EINTR EINVAL ENOMEM"),
    "getsockname": (51, "EBADF EFAULT EINVAL ENOBUFS ENOTSOCK"),
    "getpeername": (52, "EBADF EFAULT EINVAL ENOBUFS ENOTSOCK ENOTCONN"),
    "unlink": (87, "EACCES EBUSY EIO EISDIR ELOOP ENOENT ENOMEM ENOTDIR EPERM EROFS"),
    "mkdir": (83, "EACCES EEXIST ENOSPC EROFS"),
    "rmdir": (84, "EBUSY ENOTEMPTY EROFS"),
    "clock_nanosleep": (230, "EFAULT EINTR EINVAL"),
    "statx": (332, "EACCES EINVAL ENOENT ENOMEM ENOSYS"),
    "newfstatat": (262, "EACCES ENOENT ENOMEM"),
    "openat": (257, "EACCES EMFILE ENFILE ENOENT ENOMEM"),
    "ioctl": (16, "EBADF EINVAL ENOTTY"),
    "shutdown": (48, "ENOTCONN EBADF ENOTSOCK"),
    "rt_sigprocmask": (14, "EFAULT EINVAL"),
    "prctl": (157, "EINVAL EPERM"),
    "sched_getaffinity": (204, "EINVAL ESRCH"),
    "sched_setaffinity": (203, "EINVAL EPERM"),
    "set_robust_list": (273, "EINVAL"),
    "rseq": (334, "EINVAL ENOSYS"),
}
# Which calls fail, and from when; see matrix.c.
MODES = ((1, "s"), (3, "s"), (57, "s"), (0, "s"), (57, "e"), (0, "e"), (0, "c"))
# The sample, which is the same in each run, has one of these for each errno of each call, for what is called once, and one of
# all others.
FIRST_MODES = ((1, "s"), (0, "s"))
LEAST_REACHED = 300
# Seconds after which a case hangs; it takes one where nothing is wrong.
LIMIT_S = 30
EXCUSED = programs.HERE / "excused.toml"


@dataclass(frozen=True)
class Case:
    call: str
    errno: str
    which: int
    when: str

    @property
    def name(self):
        return f"{self.call} {self.errno} {self.which}:{self.when}"


def run(lib, sandbox, options):
    if platform.machine() != "x86_64":
        say("the numbers of system calls are those of x86-64: the matrix is left out")
        return 0, 0, 1
    program = programs.build(lib, "matrix", "matrix.c", "workload.c")
    excused = tomllib.loads(EXCUSED.read_text())["excused"]
    wanted = [case for case in cases(options.all) if options.only in case.name]

    def attempt(case):
        number, code = CALLS[case.call][0], getattr(errno, case.errno)
        words = [str(program), str(number), str(code), str(case.which), case.when, str(LIMIT_S)]
        return sandbox.run(words, lib.environment(), LIMIT_S + 60)

    def judged(case):
        """The outcome, failed only where it fails twice: a machine with much to do is no fault."""
        outcome = attempt(case)
        for _ in range(2 if outcome.status not in (0, 2, 3) else 0):
            again = attempt(case)
            if again.status == 0:
                outcome = again
                break
        return case, outcome

    counts, reached, never = [0, 0, 0], 0, {case.call for case in wanted}
    with ThreadPoolExecutor(options.jobs) as pool:
        for case, outcome in pool.map(judged, wanted):
            if outcome.status != 2:
                never.discard(case.call)
                reached += 1
            at, line = place(case, outcome, excused)
            counts[at] += outcome.status != 2
            if line or options.verbose:
                say(f"{line or paint('pass', 'green')}  matrix  {case.name:<36} {' '.join(outcome.output.split())[:300]}")
    if never:
        say(f"      never made by the workload: {' '.join(sorted(never))}")
    if not options.only and reached < LEAST_REACHED:
        say(f"{paint('FAIL', 'red')}  matrix  only {reached} cases were reached")
        counts[1] += 1
    say(f"      matrix: {reached} of {len(wanted)} cases reached, {counts[1]} failed, {counts[2]} excused")
    return counts


def cases(everything):
    """In a random order that is always the same, so that cases of one kind do not run side by side."""
    chance = random.Random(1)
    chosen = []
    for call, (_, errnos) in CALLS.items():
        for name in errnos.split():
            others = [mode for mode in MODES if mode not in FIRST_MODES]
            modes = MODES if everything else (chance.choice(FIRST_MODES), chance.choice(others))
            chosen += [Case(call, name, *mode) for mode in modes]
    chance.shuffle(chosen)
    return chosen


def place(case, outcome, excused):
    """Which of the three sums a case counts for, and what is to be said of it."""
    row = next((row for row in excused if matches(row, case)), None)
    if row and outcome.status not in (0, 2) and row["said"] not in outcome.output:
        row = None
    if outcome.status in (0, 2):
        if row and outcome.status == 0 and not row.get("races"):
            return 1, paint("FAIL", "red") + f" passes, though excused: {row['reason']}"
        return 0, ""
    if outcome.status == 3:
        raise places.Problem(f"matrix: {outcome.output.strip()}")
    return (2, paint("skip", "yellow")) if row else (1, paint("FAIL", "red"))


def matches(row, case):
    """Whether a row of excused.toml is about a case."""
    modes = row.get("modes", ["*"])
    return (
        row["call"] == case.call
        and any(fnmatch.fnmatch(case.errno, name) for name in row["errnos"])
        and any(fnmatch.fnmatch(f"{case.which}:{case.when}", mode) for mode in modes)
    )
