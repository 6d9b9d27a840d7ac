"""What a package says of the licences of what is linked."""

import gzip
import re

from .places import Problem

# Of the crates of the library and of the tool, one each that asks for its text to go along, and words of that.
CRATES = ("ring", "clap")
WORDS = ("Permission is hereby granted", "Apache License")


def has_licences(file):
    """Fails where the file, which may be compressed, is not the list of licences that packaging/dist/sbom makes."""
    if not file.is_file():
        raise Problem(f"no {file}")
    bytes_ = file.read_bytes()
    text = (gzip.decompress(bytes_) if file.suffix == ".gz" else bytes_).decode()
    missing = [name for name in CRATES if not re.search(rf"(?m)^{name} \d\S*: ", text)]
    missing += [words for words in WORDS if words not in text]
    if missing:
        raise Problem(f"{file} has no {missing}")
