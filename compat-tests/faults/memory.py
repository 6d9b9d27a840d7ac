"""Allocations that fail, one after the other. See allocations.c and memory.c."""

import re
import subprocess
import tomllib
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import programs
from harness import places
from harness.console import paint, say

# Of so many cases one makes the sample; primes, so that it does not keep step with what repeats itself.
SAMPLED = {"start": 31, "connected": 13}
LIMIT_S = 70
# While a process starts up, so many cases in a hundred may end it, each of them in a place that excused-memory.toml names;
# once all is connected, none.
MOST_ENDED_PERCENT = 2
EXCUSED = programs.HERE / "excused-memory.toml"


def run(lib, sandbox, options):
    program = programs.build(lib, "memory", "memory.c")
    preload = programs.build_preload("allocations.so", "allocations.c")
    excused = tomllib.loads(EXCUSED.read_text())["excused"]
    counts = [0, 0, 0]
    with ThreadPoolExecutor(options.jobs) as pool:
        for when, step in SAMPLED.items():

            def attempt(number, when=when):
                settings = {"LD_PRELOAD": str(preload), "FAIL_NTH": str(number), "RUST_BACKTRACE": "1"}
                return number, sandbox.run([str(program), when], {**lib.environment(), **settings}, LIMIT_S)

            total = allocations(attempt(0)[1])
            numbers = range(1, total + 1, 1 if options.all else step)
            numbers = [number for number in numbers if options.only in f"{when} {number}"]
            sites = defaultdict(list)
            for number, outcome in pool.map(attempt, numbers):
                if outcome.verdict == "pass":
                    counts[0] += 1
                else:
                    sites[site(lib, outcome)].append(number)
            for name, found in sites.items():
                row = next((row for row in excused if when == "start" and row["place"] in name), None)
                counts[2 if row else 1] += len(found)
                say(f"{paint('skip', 'yellow') if row else paint('FAIL', 'red')}  memory  {when}: {name}; FAIL_NTH {found[:8]}")
            ended = sum(map(len, sites.values()))
            if when == "start" and ended * 100 > len(numbers) * MOST_ENDED_PERCENT:
                counts[1] += 1
                say(f"{paint('FAIL', 'red')}  memory  {when}: {ended} of {len(numbers)} end the process")
            say(f"      memory: {when}, {len(numbers)} of {total} allocations, {ended} not survived")
    return counts


def allocations(outcome):
    """How many there are, where none fails."""
    found = re.search(r"allocations (\d+) ", outcome.output)
    if outcome.verdict != "pass" or not found:
        raise places.Problem(f"memory: the workload fails by itself: {outcome.reason}: {outcome.output[-500:]}")
    return int(found[1])


def site(lib, outcome):
    """Why it was not survived, and the functions of ours that led there."""
    offsets = re.findall(r"^frame ([0-9a-f]+)$", outcome.output, re.M)
    if not offsets:
        return f"{outcome.reason} {' '.join(outcome.output.split())[-160:]}"
    command = ["addr2line", "-Cfie", str(lib.file), *(hex(int(offset, 16) - 1) for offset in offsets[:8])]
    lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    pairs = zip(lines[::2], lines[1::2])
    ours = [f"{re.sub('<.*', '', name)} {at[at.index('src/'):]}" for name, at in pairs if "/src/" in f"/{at}" and "rustc" not in at]
    ours = [one for one in ours if "library/" not in one and "registry/" not in one]
    return f"{outcome.reason} in {'; '.join(ours[:3]) or 'a place without a name'}"
