"""What a file really is, by how it begins."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

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
}
SOUND = {
    "TOML": lambda: b"alpha = 0.05\n",
    "JSON": lambda: b'{"schema": 2}',
    "safetensors": lambda: save({"a": torch.ones(2)}),
    "an image": lambda: b"\x89PNG\r\n\x1a\n" + bytes(99),
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


@pytest.mark.parametrize("name", SOUND)
def test_what_is_nothing_of_the_kind_is_left_to_its_reader(name: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(SOUND[name]())
    assert (mistaken(path) or no_weights(path)) is None


@given(data=st.binary(max_size=300))
def test_no_bytes_make_it_fail(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(data)
    assert mistaken(path) is None or data[:1] in (b"", b"v", b"<", b"\xff", b"\xfe") or b"<" in data or b"PK" in data


def test_a_file_that_is_not_there_is_somebody_elses_business(tmp_path: Path) -> None:
    assert mistaken(tmp_path / "nowhere") is None
    assert mistaken(tmp_path) is None
