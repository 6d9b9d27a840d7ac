"""What the files of packages hold, and what they do not."""

import gzip
import os
import re
from pathlib import Path

from .places import PROJECT, TARGET, Problem

# The name that packaging/reproducible gives to the folder of crates. There are panics in each file that name it.
CRATES_NAME = b"/usr/src/cargo/registry/"
# The names that it gives to folders, also to one that lies there itself.
GIVEN_NAMES = {"/usr/src/ferrozmq", "/usr/src/cargo"}
GIVEN = re.compile(rb"/usr/src/(ferrozmq|cargo)(?![\w.@+-])")
# What may stand before the beginning of a path: nothing that a path has, but the end of another one.
BEGINS = rb"(?:(?<![\w.@+-])|(?<=\.rs)|(?<=\.[chS]))"
# Of the crates of the library and of the tool, one each that asks for its text to go along, and words of that.
CRATES = ("ring", "clap")
WORDS = ("Permission is hereby granted", "Apache License")
# Of the parts of Rust's own library, one, and words of the notice that another one asks for.
OF_RUST = (r"gimli \d\S*: ", r"UNICODE LICENSE V3")
# What packaging/dist/sbom says of such a part where it knows no licence.
UNKNOWN = "of the Rust that built this says under which licences these are"


def has_licences(file):
    """Fails where the file, which may be compressed, is not the list of licences that packaging/dist/sbom makes."""
    if not file.is_file():
        raise Problem(f"no {file}")
    bytes_ = file.read_bytes()
    text = (gzip.decompress(bytes_) if file.suffix == ".gz" else bytes_).decode()
    missing = [name for name in CRATES if not re.search(rf"(?m)^{name} \d\S*: ", text)]
    missing += [words for words in WORDS if words not in text]
    missing += [pattern for pattern in OF_RUST if not re.search(rf"(?m)^{pattern}", text)]
    if UNKNOWN in text:
        raise Problem(f"{file} has parts of Rust's library without a licence: rust_library.py does not know them")
    if missing:
        raise Problem(f"{file} has no {missing}")


def names_no_folder(file):
    """Fails where the file names a folder of this machine: those of the project, of what is built, of cargo, and of the user."""
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    folders = {str(folder.resolve()) for folder in (home, Path.home(), PROJECT, TARGET)} - {"/", *GIVEN_NAMES}
    bytes_ = file.read_bytes()
    # A project in /src, or in /usr/src, is not what those names tell of.
    others = GIVEN.sub(rb"\1", bytes_)
    found = sorted(folder for folder in folders if re.search(BEGINS + re.escape(f"{folder}/".encode()), others))
    if found or CRATES_NAME not in bytes_:
        raise Problem(f"{file} names {found}, or no folder of crates: packaging/reproducible has not built it")
