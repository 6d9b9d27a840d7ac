"""Builds the worker: against the library under test, or against one with a sanitizer in it."""

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness import library, places

HERE = Path(__file__).resolve().parent
FLAGS = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-g", "-DZMQ_BUILD_DRAFT_API=1", "-pthread"]
# A report of a sanitizer ends the process with this, which is none of the worker's own.
SANITIZER_STATUS = 66


@dataclass(frozen=True)
class Worker:
    name: str
    program: Path
    environment: dict
    # By how much everything takes longer.
    slowness: float


def worker(lib):
    """Against a library as it is."""
    program = places.WORK / "torture" / "worker"
    compile_to(program, [f"-L{lib.folder}", "-l:libzmq.so.5"])
    return Worker(str(lib.file), program, lib.environment(), 1)


def sanitized(kind):
    """Against ours, built anew with AddressSanitizer or ThreadSanitizer. The flag is one of unstable Rust, which any toolchain
    takes that is told to. AddressSanitizer does with the toolchain's standard library. ThreadSanitizer does not: it would not see
    how `Arc` and its like order memory, so the standard library is built with it."""
    host = f"{platform.machine()}-unknown-linux-gnu"
    target = places.TARGET / f"sanitizer-{kind}"
    settings = {
        **os.environ,
        "RUSTC_BOOTSTRAP": "1",
        "RUSTFLAGS": f"-Zsanitizer={kind} -Cunsafe-allow-abi-mismatch=sanitizer",
        "CARGO_TARGET_DIR": str(target),
        "CARGO_PROFILE_RELEASE_LTO": "off",
        "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
        "CARGO_PROFILE_RELEASE_OPT_LEVEL": "1",
    }
    command = ["cargo", "rustc", "--release", "--locked", "--quiet", "--lib", "--crate-type", "cdylib", "--target", host]
    if kind == "thread":
        if not Path(sysroot(), "lib", "rustlib", "src", "rust", "library").is_dir():
            raise places.Problem("ThreadSanitizer needs the source of the standard library: rustup component add rust-src")
        command += ["-Zbuild-std=std,panic_unwind"]
    if subprocess.run(command, cwd=places.PROJECT, env=settings).returncode:
        raise places.Problem(f"the library does not build with the sanitizer for {kind}")
    folder = target / "library"
    folder.mkdir(exist_ok=True)
    link = folder / "libzmq.so.5"
    link.unlink(missing_ok=True)
    link.symlink_to(target / host / "release" / "libzmq.so")
    program = places.WORK / "torture" / f"worker-{kind}"
    runtime = runtime_of(kind, host)
    compile_to(
        program,
        [f"-L{folder}", "-l:libzmq.so.5", "-Wl,--whole-archive", str(runtime), "-Wl,--no-whole-archive", "-rdynamic"]
        + ["-lm", "-ldl", "-lrt", "-lpthread", "-lgcc_s", "-no-pie"],
    )
    name = {"address": "ASAN_OPTIONS", "thread": "TSAN_OPTIONS"}[kind]
    rules = [f"exitcode={SANITIZER_STATUS}", "halt_on_error=1"]
    rules += ["detect_leaks=0"] if kind == "address" else [f"suppressions={HERE / 'tsan.supp'}", "report_bugs=1"]
    environment = {**library.plain_environment(), "LD_LIBRARY_PATH": str(folder), name: ":".join(rules)}
    return Worker(f"the library with the sanitizer for {kind}", program, environment, {"address": 3, "thread": 8}[kind])


def runtime_of(kind, host):
    """The sanitizer's own code, as the toolchain has it."""
    short = {"address": "asan", "thread": "tsan"}[kind]
    found = sorted(Path(sysroot(), "lib", "rustlib", host, "lib").glob(f"librustc-*_rt.{short}.a"))
    if not found:
        raise places.Problem(f"this toolchain has no sanitizer for {kind}")
    return found[0]


def sysroot():
    command = ["rustc", "--print", "sysroot"]
    return subprocess.run(command, cwd=places.PROJECT, capture_output=True, text=True, check=True).stdout.strip()


def compile_to(program, arguments):
    program.parent.mkdir(parents=True, exist_ok=True)
    sources = sorted(map(str, HERE.glob("*.c")))
    command = ["gcc", *FLAGS, f"-I{places.OUR_HEADER.parent}", *sources, *arguments, "-o", str(program)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise places.Problem(f"{program.name} does not compile:\n{result.stderr[-3000:]}")
