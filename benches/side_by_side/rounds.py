"""Runs the cells on each library in turn, round after round."""

import json
import os
import platform
import subprocess
import time
from datetime import datetime, timezone

from harness.console import say
from harness.places import Problem

from . import libraries

RAW = "raw"
NULL = "null"
UNSUPPORTED = 3
LONGEST_RUN_S = 200
# A round that took no longer than that is measured anew where the machine has moved its processors meanwhile.
LONGEST_ROUND_S = 10
# No cell asks for longer runs in a quick table.
LEAST_WHEN_QUICK_S = 0.3
# Between two measurements of the same distance.
SAME_DISTANCE = 1.5


class Bench:
    def __init__(self, program, compared, interpreter, seconds, quick=False):
        """`compared`: the two libraries that are compared, the one that the other is held to first, and further ones.
        `interpreter` may be missing. `quick`: rounds are measured once, and runs are short."""
        self.program = program
        self.compared = compared
        self.interpreter = interpreter
        self.seconds = seconds
        self.most_tries = 1 if quick else 4
        self.quick = quick

    def identities(self):
        """What each library says of itself. Fails where the loader took another file than was meant."""
        found = {}
        for library in self.compared:
            said = self._run([str(self.program), "which"], library)
            if libraries.Path(said["file"]).resolve() != library.file:
                raise Problem(f"{library.name}: the loader took {said['file']}, not {library.file}")
            found[library.name] = {"version": said["version"]}
        return found

    def measure(self, cells, rounds):
        """A run's record: for each cell what zmqbench printed, per library and round."""
        record = {cell.name: {} for cell in cells}
        begin = time.monotonic()
        for number in range(rounds):
            # Every other round backwards: who comes first must not matter.
            pair = self.compared[:2] if number % 2 == 0 else self.compared[1::-1]
            for place, cell in enumerate(cells):
                self._show(number, rounds, place, cells, begin)
                for name, run in self._round(cell, pair).items():
                    record[cell.name].setdefault(name, []).append(run)
        say(f"Measured in {time.monotonic() - begin:.0f} s")
        return record

    def _show(self, number, rounds, place, cells, begin):
        if place % 20 == 0:
            passed = f"{time.monotonic() - begin:.0f} s"
            say(f"round {number + 1} of {rounds}, cell {place + 1} of {len(cells)}, {passed}: {cells[place].name}")

    def _round(self, cell, pair):
        """What each library printed. Processors of a virtual machine are moved about, now onto one core, now onto two without a
        cache in common: what was measured at different distances between them is not to be compared."""
        for _ in range(self.most_tries):
            begin, runs, distances = time.monotonic(), {}, [self._distance()]
            for library in pair:
                runs[library.name] = self._cell(cell, library)
                distances.append(self._distance())
            if cell.raw:
                runs[RAW] = self._figures(cell, list(cell.raw), self.compared[0])
                distances.append(self._distance())
            if cell.null:
                runs[NULL] = self._figures(cell, list(cell.null), self.compared[1])
                distances.append(self._distance())
            for run in runs.values():
                run["line_ns"] = round(max(distances))
                run["moved"] = max(distances) > SAME_DISTANCE * min(distances)
            if not run["moved"] or time.monotonic() - begin > LONGEST_ROUND_S:
                break
        for library in self.compared[2:]:
            runs[library.name] = self._cell(cell, library)
        return runs

    def _distance(self):
        """ns that a line of memory takes from one processor to the other and back."""
        return self._run([str(self.program), "line"], self.compared[0]).get("line_ns", 0)

    def _cell(self, cell, library):
        if cell.program == "pyzmq":
            return self._through_python(cell, library)
        differs = cell.theirs and library is self.compared[0]
        return self._figures(cell, list(cell.theirs if differs else cell.command), library)

    def _figures(self, cell, words, library):
        least = min(cell.at_least_s, LEAST_WHEN_QUICK_S) if self.quick else cell.at_least_s
        seconds = [f"seconds={max(self.seconds, least):g}"] if cell.timed else []
        return self._run([str(self.program), *words, *seconds], library)

    def _through_python(self, cell, library):
        if self.interpreter is None:
            return {"missing": "no pyzmq"}
        script = libraries.BENCHES / "pyzmq_rate.py"
        words = [str(self.interpreter), str(script), *cell.command, f"seconds={max(self.seconds, 0.3):g}"]
        return self._run(words, library, preload=True)

    def _run(self, words, library, preload=False):
        """What the program printed; `missing` with the reason where it failed."""
        name = "LD_PRELOAD" if preload else "LD_LIBRARY_PATH"
        environment = {**os.environ, name: str(library.file if preload else library.folder)}
        try:
            result = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=LONGEST_RUN_S)
        except subprocess.TimeoutExpired:
            return self._missing(words, library, "did not end")
        if result.returncode == UNSUPPORTED:
            return {"missing": "unsupported"}
        if result.returncode != 0:
            return self._missing(words, library, result.stderr.strip() or f"status {result.returncode}")
        return json.loads(result.stdout)

    def _missing(self, words, library, reason):
        say(f"{library.name}: {' '.join(words[1:])}: {reason}")
        return {"missing": reason}


def machine():
    """Where and when: figures of different machines are not to be compared."""
    cpus = [line.partition(":")[2].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    with open("/proc/meminfo") as file:
        memory_kib = int(file.readline().split()[1])
    return {
        "processor": cpus[0] if cpus else platform.machine(),
        "cpus": os.cpu_count(),
        "memory_mib": memory_kib // 1024,
        "kernel": platform.release(),
        "when": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    }


def fitting(cells):
    """Those whose memory this machine can spare."""
    with open("/proc/meminfo") as file:
        available = next(int(line.split()[1]) // 1024 for line in file if line.startswith("MemAvailable"))
    for cell in cells:
        if cell.memory_mib > available:
            say(f"left out: {cell.name} needs {cell.memory_mib} MiB")
    return [cell for cell in cells if cell.memory_mib <= available]
