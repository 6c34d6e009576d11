"""Weights that a library names: missing ones end a run before it starts, and only where they are needed."""

from __future__ import annotations

import pytest
from pytest_robustness.evaluate.models.libraries import hub, timm, torchvision

from tests.cli.conftest import ALONE_AND_BY_WORKERS, Project

#: A run in this process forgets what it imported, but torch's operators can be registered once only: these stay.
IMPORTED = (timm, torchvision)

LIBRARY = """
[models.mobile]
source = "torchvision:mobilenet_v3_small"
weights = "IMAGENET1K_V1"

[models.residual]
source = "timm:test_resnet"
weights = "r160_in1k"
"""


@pytest.fixture
def offline(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Two models whose weights are nowhere, and no network."""
    project.edit("tiny.toml", "[attacks.fgsm]", LIBRARY + "[attacks.fgsm]")
    monkeypatch.setattr(hub, "cache", lambda: project.path / "cache")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *args: None)
    monkeypatch.setattr(hub, "_problem", lambda scheme, host: f"{host} cannot be reached (no network here)")
    return project


@ALONE_AND_BY_WORKERS
def test_missing_weights_are_a_usage_error_that_names_files_and_places(offline: Project, workers: tuple[str]) -> None:
    result = offline.run(*workers)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = (line for line in result.errlines if line.startswith("ERROR: "))
    assert line == (
        f"ERROR: {offline.path / 'tiny.toml'}: weights: no mobilenet_v3_small-047dcff4.pth "
        "(https://download.pytorch.org/models/mobilenet_v3_small-047dcff4.pth) and 1 more "
        f"(test_resnet.r160_in1k.safetensors) in {offline.path / 'weights'} or {offline.path / 'cache'}, and "
        "download.pytorch.org cannot be reached (no network here); put the files into one of them"
    )
    assert offline.executed() == []


def test_models_that_do_not_run_need_no_weights(offline: Project) -> None:
    offline.record("-k", "small or large")
    assert offline.run("--collect-only", "-q").ret == pytest.ExitCode.OK
    (offline.path / "weights").mkdir()
    (offline.path / "weights" / "test_resnet.r160_in1k.safetensors").write_bytes(b"")
    result = offline.run("-k", "residual and fgsm")  # the file is there; what is in it, the case says
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    said = "*residual/fgsm: *models.residual.weights: *test_resnet.r160_in1k.safetensors: cannot be read*"
    result.stdout.fnmatch_lines(said)
