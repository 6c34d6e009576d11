"""A small suite that is sound, to be written beside its files, and read."""

from pathlib import Path

import pytest
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.suite import Suite

IMAGES = '[images]\nfile = "images.npz"\n'
MODEL = '[models.small]\nsource = "package.zoo:small"\n'
ATTACK = '[attacks.fgsm]\nattack = "FGSM"\neps = 0.01\n'
SOUND = IMAGES + MODEL + ATTACK


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that SOUND names, for a suite to be put beside."""
    (tmp_path / "images.npz").touch()
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "small.safetensors").touch()
    return tmp_path


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "suite.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def loaded(folder: Path, text: str) -> Suite:
    return load_suite(written(folder, text))
