"""A sequence of calls made short, and written as a C program."""

OPTION_CALLS = ("setsockopt", "getsockopt")


def shrink(calls, shows):
    """The fewest of `calls` for which `shows` still holds: delta debugging, the last call always stays."""
    size = max(len(calls) // 2, 1)
    while True:
        at, cut = 0, False
        while at < len(calls) - 1:
            fewer = calls[:at] + calls[min(at + size, len(calls) - 1) :]
            if shows(fewer):
                calls, cut = fewer, True
            else:
                at += size
        if size == 1 and not cut:
            return calls
        size = max(size // 2, 1)


def as_c(calls, theirs, ours):
    return "\n".join(f"    {call[:300]}" for call in calls)
