"""A suite so small that it runs in a moment: two models, two attacks, 40 images in two batches."""

import contextlib
import importlib
import importlib.util
import io
import itertools
import json
import os
import pkgutil
import re
import runpy
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_robustness
from pytest_robustness.records.evidence import Evidence
from pytest_robustness.records.measurement import Measurement

TINYZOO = Path(__file__).with_name("tinyzoo.py")
IMAGES = 40

SUITE = """\
batch_size = 20

[images]
file = "images.npz"

[tolerances]
time = 1e6              # batches this small cannot be timed

[models.small]
source = "tinyzoo:small"

[models.large]
source = "tinyzoo:large"

[attacks.fgsm]
attack = "FGSM"
eps = 0.01

[attacks.pgd]
attack = "PGD"
eps = 0.01
alpha = 0.005
steps = 3
random_start = true
"""

COUNTED = """
[attacks.counted]
attack = "tinyzoo:Counted"
norm = "inf"
eps = 0.01
"""

PROJECT = """\
[tool.pytest.ini_options]
xfail_strict = true
pythonpath = ["."]
# plugins that are slow to start, and not needed here
addopts = ["--strict-config", "--strict-markers", "-p", "no:hypothesispytest", "-p", "no:anyio"]
robustness_suite = "tiny.toml"
"""

TEST = """\
def test_robustness(robustness):
    robustness.check()
"""

#: Of the table at the end of a run.
HEADER = re.compile(r"model +attack +(baseline +)?success rate +noise rate +effort +time +change +verdict")
#: A list of images among baselines.
LIST = re.compile(r"^[^/]+/images-[0-9a-f]{16}\.json$")
#: What is no baseline among them: lists, and whose they are.
OURS = re.compile(r"^[^/]+/(images-[0-9a-f]{16}\.json|suite\.txt)$")
#: Set by CI, and by the run these tests are part of.
ENVIRONMENT = ("CI", "BUILD_NUMBER", "GITHUB_STEP_SUMMARY", "PYTEST_ADDOPTS", "COLUMNS", "FORCE_COLOR", "PY_COLORS")
#: A test that is made once in this process, and nightly once more by workers, which take seconds to start.
ALONE_AND_BY_WORKERS = pytest.mark.parametrize(
    "workers", [(), pytest.param(("-n2",), marks=pytest.mark.nightly)], ids=["alone", "workers"]
)


class Project:
    """Somebody's repository with a suite: files to change, and pytest to run in it.

    Runs are in this process, so that torch is imported once, unless they need a process of their own.
    """

    cases = ("small/fgsm", "small/pgd", "large/fgsm", "large/pgd")

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path = pytester.path
        self.baselines = self.path / "baselines"

    def run(self, *arguments: str | Path) -> pytest.RunResult:
        return self.pytester.runpytest_inprocess(*arguments)

    def run_command(self, command: str) -> pytest.RunResult:
        """Types a command line that starts with ``pytest``."""
        program, *arguments = shlex.split(command)
        assert program == "pytest"
        return self.run(*arguments)

    @staticmethod
    def table(result: pytest.RunResult) -> list[str]:
        """The rows of the table at the end of a run, as lines."""
        lines = iter(result.outlines)
        for line in lines:
            if HEADER.fullmatch(line):
                break
        return list(itertools.takewhile(re.compile(r"(small|large) +\w+ ").match, lines))

    @staticmethod
    def commands(result: pytest.RunResult) -> dict[str, str]:
        """The commands that the failures of a run advise, by case."""
        said = (line.partition("; record it: ") for line in result.outlines if not line.startswith("FAILED"))
        return {text.partition(": ")[0]: command for text, _, command in said if command}

    @staticmethod
    def advice(result: pytest.RunResult) -> str:
        """The command that the one failure of a run advises."""
        (line,) = (line for line in result.outlines if "; record it: " in line and not line.startswith("FAILED"))
        return line.partition("; record it: ")[2]

    def record(self, *arguments: str) -> None:
        """Baselines of all cases as they are now."""
        result = self.run("--update-baselines", "-p", "no:benchmark", *arguments)
        assert result.ret == pytest.ExitCode.OK, result.stdout.str()

    def behave(self, **cases: str) -> None:
        """What the models' factories do, by case: ``small_fgsm="weak"``. See tinyzoo.py."""
        behaviour = {case.replace("_", "/"): what for case, what in cases.items()}
        (self.path / "behaviour.json").write_text(json.dumps(behaviour))

    def edit(self, name: str, old: str, new: str) -> None:
        file = self.path / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def baseline(self, case: str, suite: str = "tiny") -> Path:
        return self.baselines / suite / f"{case}.json"

    def measurement(self, case: str) -> Measurement:
        return Measurement.from_json(self.baseline(case).read_text())

    def evidence(self) -> dict[str, Evidence]:
        """Of all cases that have a baseline, image by image."""
        return {case: self.measurement(case).evidence for case in self.cases if self.baseline(case).exists()}

    def files(self) -> dict[str, bytes]:
        """Every file below baselines/, hidden ones too, but the lists of images."""
        return {name: data for name, data in self._all_files().items() if not OURS.search(name)}

    def images(self) -> dict[str, Any]:
        """The arrays of the image set."""
        with np.load(self.path / "images.npz") as arrays:
            return dict(arrays)

    def choose(self, places: Sequence[int]) -> None:
        """Make these the attacked images, by their places among those there are now."""
        np.savez(self.path / "images.npz", **{name: array[list(places)] for name, array in self.images().items()})

    def grow(self, count: int = 1) -> None:
        """Attack more images: mirrored ones, before the others."""
        data = self.images()
        mirrored = data["images"][:count, :, ::-1]
        new = {"images": mirrored, "labels": data["labels"][:count], "ids": 10_000 + np.arange(count)}
        np.savez(self.path / "images.npz", **{name: np.concatenate([new[name], data[name]]) for name in data})

    def lists(self) -> dict[str, bytes]:
        """The lists of images that baselines are of."""
        return {name: data for name, data in self._all_files().items() if LIST.search(name)}

    def _all_files(self) -> dict[str, bytes]:
        paths = (path for path in self.baselines.rglob("*") if path.is_file())
        return {path.relative_to(self.baselines).as_posix(): path.read_bytes() for path in paths}

    def executed(self) -> list[str]:
        """The cases that were run since the last call, sorted, each as often as it was run."""
        return sorted(self._taken("executed.txt"))

    def attacked(self) -> list[str]:
        """The sizes of the batches that the attack ``counted`` was called with since the last call."""
        return self._taken("attacked.txt")

    def _taken(self, name: str) -> list[str]:
        log = self.path / name
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines


@pytest.fixture(scope="session")
def imported() -> None:
    """All that runs in this process share: each forgets what it imported itself, and torch bears no second import."""
    own = (module.name for module in pkgutil.walk_packages(pytest_robustness.__path__, "pytest_robustness."))
    for module in ("torch", *(["scipy.stats"] if importlib.util.find_spec("scipy") else []), *own):
        if not module.endswith("__main__"):
            with contextlib.suppress(ModuleNotFoundError):  # of an extra that is not installed
                importlib.import_module(module)


@pytest.fixture(scope="session")
def tiny_images(imported: None, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An image set that each model gets right, weakened or not."""
    import torch

    tinyzoo = runpy.run_path(str(TINYZOO))
    build, half = tinyzoo["build"], tinyzoo["SIZE"] // 2

    generator = torch.Generator().manual_seed(0)
    blocks = torch.randint(0, 256, (400, 3, half, half), generator=generator, dtype=torch.uint8)
    pixels = blocks.repeat_interleave(2, 2).repeat_interleave(2, 3)
    with torch.no_grad():
        answers = torch.stack(
            [build(name, leak)(pixels / 255).argmax(1) for name in ("small", "large") for leak in (0.0, 1.0)]
        )
    agreed = (answers == answers[0]).all(0).nonzero().squeeze(1)[:IMAGES]
    labels = answers[0, agreed]
    assert len(labels) == IMAGES
    assert len(labels.unique()) > 1
    file = io.BytesIO()
    np.savez(file, images=pixels[agreed].permute(0, 2, 3, 1).numpy(), labels=labels.numpy(), ids=agreed.numpy())
    return file.getvalue()


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tiny_images: bytes) -> Project:
    """A repository with the tiny suite, and nothing recorded."""
    for name in (*ENVIRONMENT, *(name for name in os.environ if name.startswith("PYTEST_XDIST_"))):
        monkeypatch.delenv(name, raising=False)
    # two threads for a handful of numbers wait for each other, and for whatever else the machine does
    monkeypatch.setattr("pytest_robustness.evaluate.runtime.devices.available_cores", lambda: 1)
    (pytester.path / "images.npz").write_bytes(tiny_images)
    shutil.copy(TINYZOO, pytester.path)
    for name, text in {"tiny.toml": SUITE, "pyproject.toml": PROJECT, "test_robustness.py": TEST}.items():
        (pytester.path / name).write_text(text)
    return Project(pytester)


@pytest.fixture
def recorded(project: Project) -> Project:
    """The same with a baseline for each case."""
    project.record()
    project.executed()
    return project
