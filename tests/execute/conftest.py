"""A suite of small models for engines, and its cases measured in this process, one by one."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from pytest_robustness.execute.case import Request, needs_checks
from pytest_robustness.execute.measuring import Here
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.suite import Suite

IMAGES = 96
MODELS = ("first", "second", "third")
SUITE = """\
batch_size = 16

[images]
file = "images.npz"
unselected = "clean.npz"
labels = "predicted"

[attacks.fgsm]
attack = "FGSM"
eps = 0.02

[attacks.pgd]
attack = "PGD"
eps = 0.02
alpha = 0.004
steps = 12
stop = "full"

[attacks.mim]
attack = "MIFGSM"
eps = 0.02
alpha = 0.004
steps = 3

[attacks.ddn]
attack = "DDN"
steps = 40
"""


def write_suite(folder: Path, *models: str, more: str = "") -> Suite:
    """Write a suite of these models of faulty.py beside its images, and return it."""
    shutil.copy(Path(__file__).with_name("faulty.py"), folder)
    generator = np.random.default_rng(0)
    for name in ("images", "clean"):
        pixels = generator.integers(0, 256, (IMAGES, 8, 8, 3), dtype=np.uint8)
        arrays = {"images": pixels, "labels": np.zeros(IMAGES, np.int64), "ids": np.arange(IMAGES)}
        np.savez(folder / f"{name}.npz", **arrays)
    tables = "".join(f'\n[models.{name}]\nsource = "faulty:{name}"\n' for name in models)
    (folder / "engine.toml").write_text(SUITE + tables + more)
    return load_suite(folder / "engine.toml")


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder that Python, here and on workers, imports faulty.py from."""
    path = tmp_path_factory.mktemp("engine")
    sys.path.append(str(path))
    yield path
    sys.path.remove(str(path))


@pytest.fixture(scope="session")
def sound(folder):
    """Twelve cases, and each one's measurement in this process."""
    suite = write_suite(folder, *MODELS)
    here = Here()
    cases = list(suite.cases())
    request = Request(recording=True)
    return cases, {case.id: here.measure(case, lambda one: needs_checks(None, one, request)) for case in cases}
