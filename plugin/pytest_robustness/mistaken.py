"""Files that are not what their names say: recognises them by their content and says what to do about each."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

#: How many bytes of a file are read to recognise it.
BEGINNING = 4096
POINTER = b"version https://git-lfs.github.com/spec/"
CONFLICT = b"<<<<<<< "
PAGES = (b"<!doctype html", b"<html")
#: What to do about a file that holds more than weights, or no weights.
REMEDY = "save the weights alone, by torch.save(model.state_dict(), ...)"
#: Recognises a kind of program by the name of a file in its archive.
PROGRAMS: dict[str, Callable[[str], bool]] = {
    "TorchScript": lambda name: name.endswith("/constants.pkl") or "/code/" in name,
    "torch.export": lambda name: "models/" in name or name.endswith("serialized_exported_program.json"),
}
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def mistaken(path: Path) -> str | None:
    """Return what a file that could not be read really is, and what to do about it.

    Returns None when it is nothing of this kind, or cannot be opened.
    """
    try:
        with path.open("rb") as file:
            return mistaken_content(file.read(BEGINNING))
    except OSError:
        return None


def mistaken_content(beginning: bytes) -> str | None:
    """Return the same of a file whose first bytes are given."""
    if not beginning:
        return "it is empty"
    if beginning.startswith(POINTER):
        return "it is a Git LFS pointer, and not the file itself: git lfs pull"
    if beginning.startswith(CONFLICT) or b"\n" + CONFLICT in beginning:
        return (
            "it has the marks of a merge conflict: take one side, by git checkout --ours or --theirs, or write it anew"
        )
    if beginning.lstrip().lower().startswith(PAGES):
        return "it is an HTML page, and not the file itself: what was downloaded is perhaps an error message"
    if beginning.startswith(UTF_16):
        return "it is UTF-16 text: save it as UTF-8"
    return None


def no_weights(path: Path) -> str | None:
    """Return what an archive of torch's holds besides tensors. Returns None when it is none, or of no known kind."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # besides its own errors zipfile raises OSError, ValueError, NotImplementedError and others
        return None
    program = next((kind for kind, told in PROGRAMS.items() if any(map(told, names))), None)
    if program is not None:
        return f"it is a {program} program, and no weights: {REMEDY}"
    if any(name.endswith("/data.pkl") for name in names):
        return f"it holds pickled objects beside tensors, which could run code and are not read: {REMEDY}"
    return None
