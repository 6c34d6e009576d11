"""The table ``[engine]`` of a suite."""

import pytest
from pydantic import ValidationError
from pytest_robustness.errors import RobustnessError
from pytest_robustness.suite.engine import EngineTable
from pytest_robustness.suite.load import load_suite


def test_a_models_own_needs_come_before_those_of_all():
    table = EngineTable.model_validate(
        {"num_cpus": 2, "memory": "16 GB", "models": {"vit": {"memory": "1.5GB", "num_gpus": 0.5}}}
    )
    assert table.of("vit").model_dump() == {"num_cpus": 2.0, "num_gpus": 0.5, "memory": 1_500_000_000}
    assert table.of("vgg").model_dump() == {"num_cpus": 2.0, "num_gpus": None, "memory": 16_000_000_000}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("memory", "16"),
        ("memory", 16),
        ("memory", "0 GB"),
        ("num_cpus", 0),
        ("num_gpus", -1),
        ("workers", 0),
        ("cores", 1),
        ("models", {"a/b": {}}),
    ],
)
def test_what_cannot_be_is_refused(key, value):
    with pytest.raises(ValidationError):
        EngineTable.model_validate({key: value})


def test_needs_of_no_model_of_the_suite_are_refused(tmp_path):
    (tmp_path / "own.toml").write_text(
        '[images]\nfolder = "photographs"\n[models.a]\nsource = "timm:resnet18"\n[attacks.f]\nattack = "FGSM"\n'
        "[engine.models.b]\nnum_gpus = 1\n"
    )
    with pytest.raises(RobustnessError, match=r"engine\.models\.b: no model of this suite \(a\)"):
        load_suite(tmp_path / "own.toml")
