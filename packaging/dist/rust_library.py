"""What Rust's own library is made of, which is linked into everything, and the notices that it asks for.

rustc brings them in COPYRIGHT-library.html. Of the crates in that page those count that lie compiled beside rustc.
"""

import html
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

PAGE = "COPYRIGHT-library.html"
# Where packages of distributions put it that are not rustup's.
ELSEWHERE = ("/usr/share/doc/rust", "/usr/share/doc/rustc", "/usr/share/licenses/rust")
# Rust's own crates, which are licensed as Rust is.
OWN = re.compile(r"(alloc|core|proc_macro|std|std_detect|sysroot|test|unwind|panic_\w+|profiler_builtins|rustc_std_workspace_\w+)")
# Crates that the page leaves out, and what they say of themselves. Each may be used under Apache 2.0, or asks for nothing in a
# program: memchr is in the public domain by its first choice, and the exception of LLVM is for just that.
LEFT_OUT = {
    "addr2line": "Apache-2.0 OR MIT",
    "adler2": "0BSD OR MIT OR Apache-2.0",
    "compiler_builtins": "MIT AND Apache-2.0 WITH LLVM-exception AND (MIT OR Apache-2.0)",
    "memchr": "Unlicense OR MIT",
    "miniz_oxide": "MIT OR Zlib OR Apache-2.0",
    "object": "Apache-2.0 OR MIT",
}
# Licences of Rust's own, whose texts go along anyway.
OF_RUST = {"Apache-2.0", "MIT"}
CRATE = re.compile(r"<h3>\S+ (\S+?)-(\d\S*)</h3>")
LICENCE = re.compile(r"<b>License:</b> (.*?)</p>")
NOTICE = re.compile(r"<summary><code>(.*?)</code></summary>\s*<pre>\n?(.*?)</pre>", re.DOTALL)
COPYRIGHT = re.compile(r"<b>Copyright:</b> (.*?)</p>")
FILES = re.compile(r"<b>File/Directory:</b> <code>(.*?)</code>")


@dataclass
class Part:
    """A crate or some files of another author."""

    name: str
    version: str
    licence: str
    copyrights: list
    # Names and texts.
    notices: list


def version():
    return _said("release")


def host():
    """Rust's name of this machine."""
    return _said("host")


def parts():
    """The parts of others, and the names of crates of which no licence is known."""
    page = _page()
    described = _crates(page.read_text()) if page else {}
    found, unknown = _files(page) if page else [], []
    for name in _compiled():
        if name in described:
            found.append(described[name])
        elif name in LEFT_OUT:
            found.append(Part(name, "", LEFT_OUT[name], [], []))
        else:
            unknown.append(name)
    return found, unknown


def _said(what):
    return re.search(rf"^{what}: (\S+)", _output("rustc", "-vV"), re.MULTILINE)[1]


def _output(*command):
    return subprocess.check_output(command, text=True)


def _page():
    sysroot = Path(_output("rustc", "--print", "sysroot").strip())
    folders = [sysroot / "share" / "doc" / "rust", *map(Path, ELSEWHERE)]
    return next((folder / PAGE for folder in folders if (folder / PAGE).is_file()), None)


def _compiled():
    """The crates of others that lie beside rustc, ready to be linked."""
    folder = Path(_output("rustc", "--print", "target-libdir").strip())
    names = {re.sub(r"-[0-9a-f]+$", "", file.stem.removeprefix("lib")) for file in folder.glob("lib*.rlib")}
    # Crates for programs that test themselves, or that are macros.
    return sorted(name for name in names - {"getopts", "rustc_literal_escaper"} if not OWN.fullmatch(name))


def _crates(page):
    """The crates that the page describes, by the names of their files."""
    found = {}
    starts = [*CRATE.finditer(page)]
    for start, end in zip(starts, [one.start() for one in starts[1:]] + [len(page)]):
        text = page[start.end() : end]
        notices = [(html.unescape(name), html.unescape(notice).strip()) for name, notice in NOTICE.findall(text)]
        licence = _licence(text)
        found[start[1].replace("-", "_")] = Part(start[1], start[2], licence, [], notices)
    return found


def _licence(text):
    return html.unescape(LICENCE.search(text)[1]).replace("/", " OR ")


def _files(page):
    """Files in Rust's library itself that others wrote."""
    found = []
    text = page.read_text()
    starts = [*FILES.finditer(text[: CRATE.search(text).start()])]
    for start, end in zip(starts, [one.start() for one in starts[1:]] + [CRATE.search(text).start()]):
        if start[1] == ".":
            continue
        piece = text[start.end() : end]
        licence = _licence(piece)
        named = sorted(set(re.findall(r"[\w.-]*\d[\w.-]*", licence)) - OF_RUST)
        files = [page.parent / "licenses" / f"{name}.txt" for name in named]
        notices = [(file.name, file.read_text().strip()) for file in files if file.is_file()]
        copyrights = [html.unescape(one) for one in COPYRIGHT.findall(piece)]
        found.append(Part(html.unescape(start[1]), "", licence, copyrights, notices))
    return found
