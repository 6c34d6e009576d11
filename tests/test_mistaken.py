"""What a file really is, by how it begins."""

from __future__ import annotations

import gzip
import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.mistaken import mistaken, no_weights
from safetensors.torch import save


def written(save_to: Callable[[io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    save_to(file)
    return file.getvalue()


def program() -> bytes:
    return written(
        lambda file: torch.export.save(torch.export.export(torch.nn.Linear(2, 2), (torch.ones(1, 2),)), file)
    )


def zipped(*names: str) -> bytes:
    def save_to(file: io.BytesIO) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            for name in names:
                archive.writestr(name, "a")

    return written(save_to)


def of_header(length: int) -> bytes:
    """A safetensors file whose header has this length: its first bytes may be those of another format."""
    return save({"a": torch.ones(2)}, {"note": "n" * (length - len(save({"a": torch.ones(2)}, {"note": ""})) + 16)})


STATE = {"a": torch.ones(500)}
ARCHIVE = written(lambda file: torch.save(STATE, file))
LEGACY = written(lambda file: torch.save(STATE, file, _use_new_zipfile_serialization=False))
SAFE = save(STATE)
EARLY = "it ends too early, or is damaged: fetch or copy it again"
KINDS = {
    "nothing": (lambda: b"", "it is empty"),
    "a pointer": (lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "it is a Git LFS pointer"),
    "a conflict": (lambda: b"a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> d\n", "it has the marks of a merge conflict"),
    "a page": (lambda: b"\n  <!DOCTYPE HTML>\n<html>", "it is an HTML page"),
    "UTF-16": (lambda: "a".encode("utf-16"), "it is UTF-16 text"),
    "TorchScript": (
        lambda: written(lambda file: torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), file)),
        "it is a TorchScript program",
    ),
    "an exported program": (program, "it is a torch.export program"),
    "a pickled model": (
        lambda: written(lambda file: torch.save(torch.nn.Linear(2, 2), file)),
        "it holds pickled objects",
    ),
    "JSON": (lambda: b'{"error":\n "no"}', 'it is a text file, and begins with \'{"error": "no"}\': download it again'),
    "XML": (
        lambda: b"<?xml version='1.0'?><Error>",
        "it is a text file, and begins with \"<?xml version='1.0'?><Error>",
    ),
    "a text with a mark": (lambda: b"\xef\xbb\xbfno", "it is a text file, and begins with 'no'"),
    "a long text": (lambda: b"n" + "é".encode() * 9999, "it is a text file, and begins with 'né"),
    "gzip": (lambda: gzip.compress(ARCHIVE), "it is packed by gzip: unpack it"),
    "HDF5": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(99), "it is an HDF5 file, as Keras writes"),
    ".npy": (lambda: written(lambda file: np.save(file, np.ones(3))), "it holds NumPy's arrays"),
    ".npz": (lambda: written(lambda file: np.savez(file, a=np.ones(3))), "it holds NumPy's arrays"),
    "a pickle": (lambda: pickle.dumps({"a": np.ones(3)}), "it is a pickle"),
    "an old pickle, cut": (lambda: LEGACY[:200], "it is a pickle"),
    "a .zip": (lambda: zipped("code/a.py", "models/a.json", "a.pth"), "it is a zip archive of other files: unpack it"),
    "an empty .zip": (zipped, "it is a zip archive of other files"),
    "half an archive": (lambda: ARCHIVE[: len(ARCHIVE) // 2], EARLY),
    "an archive's begin": (lambda: ARCHIVE[:4], EARLY),
    "an archive without its end": (lambda: ARCHIVE[:-5], EARLY),
    "half of safetensors": (lambda: SAFE[: len(SAFE) // 2], EARLY),
    "half of a safetensors header": (lambda: SAFE[:20], EARLY),
    "safetensors and more": (lambda: SAFE + b"x", EARLY),
    "safetensors that begin as gzip does": (lambda: of_header(0x8B1F + 1)[:-1], EARLY),
    "safetensors that begin as a pickle does": (lambda: of_header(0x0280)[:-1], EARLY),
}
SOUND = {
    "TOML": lambda: b"alpha = 0.05\n",
    "JSON": lambda: b'{"schema": 2}',
}
#: Of no known kind, or whole: what is wrong with it, its reader says.
UNKNOWN = {
    "safetensors": lambda: save({"a": torch.ones(2)}),
    "safetensors of nothing": lambda: save({}),
    "an image": lambda: b"\x89PNG\r\n\x1a\n" + bytes(99),
    "blanks": lambda: b" \n",
    "no pickle": lambda: b"\x80\x81",
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", KINDS)
def test_what_is_mistaken_for_something_else_is_named(name: str, tmp_path: Path) -> None:
    make, said = KINDS[name]
    path = tmp_path / "file"
    path.write_bytes(make())
    found = mistaken(path) or no_weights(path)
    assert found is not None
    assert found.startswith(said)
    assert "\n" not in found


@pytest.mark.parametrize("name", SOUND | UNKNOWN)
def test_what_is_nothing_of_the_kind_is_left_to_its_reader(name: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes((SOUND | UNKNOWN)[name]())
    assert mistaken(path) is None
    assert no_weights(path) is None or name in SOUND


@given(data=st.binary(max_size=300) | st.binary(max_size=99).map(SAFE[:9].__add__) | st.binary().map(b"PK".__add__))
def test_no_bytes_make_it_fail(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(data)
    assert mistaken(path) is None or data[:1] in (b"", b"v", b"<", b"\xff", b"\xfe") or b"<" in data or b"PK" in data
    assert "\n" not in (no_weights(path) or "")


def test_a_file_that_is_not_there_is_somebody_elses_business(tmp_path: Path) -> None:
    assert mistaken(tmp_path / "nowhere") is None
    assert mistaken(tmp_path) is None
    assert no_weights(tmp_path / "nowhere") is None
