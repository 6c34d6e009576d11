"""Files that are not what their names say: recognises them by their content and says what to do about each."""

from __future__ import annotations

import codecs
import json
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
ARRAYS = "it holds NumPy's arrays: save them as tensors, by torch.save"
PICKLE = (
    "it is a pickle that ends too early, or of more than tensors, which could run code and is not read: fetch or copy "
    f"it again, or {REMEDY}"
)
EARLY = "it ends too early, or is damaged: fetch or copy it again"
#: Of formats that are told by how they begin: what such a file is, and what to do about it.
FORMATS = {
    b"\x1f\x8b": "it is packed by gzip: unpack it",
    b"\x89HDF\r\n": f"it is an HDF5 file, as Keras writes: load it into the model in torch, and {REMEDY}",
    b"\x93NUMPY": ARRAYS,
    **{bytes((0x80, protocol)): PICKLE for protocol in range(2, 6)},
}
#: Recognises what an archive is for by the names of the files in it.
ARCHIVES: dict[str, Callable[[list[str]], bool]] = {
    f"it is a TorchScript program, and no weights: {REMEDY}": lambda names: _any_ends(names, "/constants.pkl"),
    f"it is a torch.export program, and no weights: {REMEDY}": lambda names: _any_ends(
        names, "archive_format", "serialized_exported_program.json"
    ),
    f"it holds pickled objects beside tensors, which could run code and are not read: {REMEDY}": lambda names: (
        _any_ends(names, "/data.pkl")
    ),
    ARRAYS: lambda names: _any_ends(names, ".npy"),
    "it is a zip archive of other files: unpack it, and name the file of weights that is in it": lambda names: True,
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
    """Return what a file is that is not read as weights, and what to do about it.

    Returns None when it is of no known kind, or a whole safetensors file, or cannot be opened.
    """
    try:
        with path.open("rb") as file:
            beginning = file.read(BEGINNING)
    except OSError:
        return None
    if beginning[4:9] == b"\0\0\0\0{":  # comes first: the length before it can look like another format
        return None if _is_whole(path) else EARLY
    if beginning.startswith(b"PK"):
        return _archive(path)
    text = _text(beginning)
    if text:
        return f"it is a text file, and begins with {text[:99]!r}: download it again"
    return next((said for begin, said in FORMATS.items() if beginning.startswith(begin)), None)


def _is_whole(path: Path) -> bool:
    """Tell whether a safetensors file has as many bytes as its header says."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(length, size)))
        ends = (value["data_offsets"][1] for name, value in header.items() if name != "__metadata__")
        return bool(size == 8 + length + max(ends, default=0))
    except Exception:  # of any kind, by what is damaged
        return False


def _archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # besides its own errors zipfile raises OSError, ValueError, NotImplementedError and others
        return EARLY
    return next(said for said, told in ARCHIVES.items() if told(names))


def _any_ends(names: list[str], *ends: str) -> bool:
    return any(name.endswith(ends) for name in names)


def _text(beginning: bytes) -> str | None:
    """Return a text in one line. Returns None for what is none."""
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(beginning)  # its last character may be cut
    except UnicodeDecodeError:
        return None
    line = " ".join(text.split())
    return line if line.isprintable() else None
