"""A suite that one run measured, and three shards of it; and what is done with the shards' files."""

from functools import partial

import numpy as np
import pytest
from pytest_robustness.cli.main import main
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.shard import Shard

OK, FAILED, USAGE = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR
UNMEASURED = 2
COUNT = 3
PARTS = [f"part{number}.json" for number in range(1, COUNT + 1)]
#: Costs more than all other cases together.
LONG = """
[attacks.long]
attack = "PGD"
eps = 0.01
alpha = 0.0005
steps = 30
random_start = true
stop = "full"
"""


@pytest.fixture(scope="module")
def kept():
    """Files that one test made for all."""
    return {}


@pytest.fixture
def sharded(project, kept):
    """Baselines of sound models; and of models one of which became weaker, one run and three shards of it."""
    if not kept:
        images = project.images()
        np.savez(project.path / "blind.npz", **{name: array[:25] for name, array in images.items()})
        project.edit("tiny.toml", 'file = "images.npz"', 'file = "images.npz"\nunselected = "blind.npz"')
        with (project.path / "tiny.toml").open("a") as suite:
            suite.write(LONG)
        project.record()
        even_out(project)
        project.behave(**{f"small_{attack}": "weak" for attack in ("fgsm", "pgd", "long")})
        one = project.run("--robustness-json", "one.json", "--robustness-run", "one.zip")
        assert one.ret == FAILED
        for number in range(1, COUNT + 1):
            assert measure(project, number).ret == OK
        found = (file for file in project.path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
        kept |= {file.relative_to(project.path): file.read_bytes() for file in found}
    for name, data in kept.items():
        (project.path / name).parent.mkdir(parents=True, exist_ok=True)
        (project.path / name).write_bytes(data)
    return project


def even_out(project):
    """Make costs depend on counted rows only: a clock would cut other cases on every machine."""
    for file in project.baselines.glob("tiny/*/*.json"):
        found = Measurement.from_json(file.read_text())
        timing = found.timing.model_copy(update={"attack_seconds": found.timing.rows / 1000})
        file.write_text(found.model_copy(update={"timing": timing}).to_json())


def measure(project, number, *arguments, count=COUNT):
    part = f"part{number}.json"
    return project.run(
        "-pno:benchmark", "--robustness-shard", f"{number}/{count}", "--robustness-json", part, *arguments
    )


@pytest.fixture
def command(sharded, capsys):
    """Runs a command: its exit status and the lines it says."""

    def run(*arguments):
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return status, (told.out + told.err).splitlines()

    return run


@pytest.fixture
def merge(command):
    return partial(command, "merge", "-o", "all.json")


def shard(project, number):
    return Shard.from_json((project.path / f"part{number}.json").read_text())


def edit(project, number, **changes):
    """Write a part anew, with some of it changed."""
    part = shard(project, number)
    changed = part.model_copy(update=changes)
    changed = changed.model_copy(update={"plan_digest": changed.plan.digest})
    (project.path / f"part{number}.json").write_text(changed.to_json())


def on_device(part, device):
    return part.model_copy(update={"provenance": part.provenance.model_copy(update={"device": device})})


def cut_shard(project):
    """A shard that has a part of a case whose model it did not measure."""
    for number in range(COUNT, 0, -1):
        one = shard(project, number)
        for place, part in enumerate(one.parts):
            if len(part.places) < part.images.count and part.case.partition("/")[0] not in one.models:
                return number, place
    raise AssertionError


def sharded_cases(project):
    return [f"{model}/{attack}" for model in ("small", "large") for attack in ("fgsm", "pgd", "long")]
