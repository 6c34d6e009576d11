"""What flags of ``init`` become in a suite."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_robustness.errors import RobustnessError
from pytest_robustness.setup.flags import Flags, arguments_of
from pytest_robustness.setup.places import Places
from pytest_robustness.setup.repository import Repository


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    monkeypatch.chdir(tmp_path)
    return Places.of(Repository.of(tmp_path), Path("suites/mine.toml"), None)


@pytest.mark.parametrize(
    ("flags", "source", "table"),
    [
        (Flags(), "timm:resnet18", {}),
        (Flags(arguments="num_classes = 10, in_chans = 1"), "a:b", {"arguments": {"num_classes": 10, "in_chans": 1}}),
        (Flags(range=(0.0, 255.0)), "a:b", {"range": [0.0, 255.0]}),
        (Flags(output="1"), "a:b", {"output": 1}),
        (Flags(output="logits"), "a:b", {"output": "logits"}),
        (Flags(black_box="v1"), "a:b", {"black_box": True, "version": "v1"}),
        (Flags(like="timm:resnet18", channels="BGR"), "a:b", {"like": "timm:resnet18", "channels": "BGR"}),
    ],
)
def test_flags_are_keys_of_the_model(places: Places, flags: Flags, source: str, table: dict[str, object]) -> None:
    assert flags.table(source, None, places) == {"source": source, **table}


def test_a_black_box_in_a_file_has_the_file_s_digest_for_a_version(places: Places, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").touch()
    table = Flags(black_box="v1").table("model.onnx", None, places)
    assert table == {"source": "../model.onnx", "black_box": True}


def test_weights_of_a_file_are_relative_to_the_suite_and_a_name_stays(places: Places) -> None:
    assert Flags().table("timm:x", "w.pth", places)["weights"] == "../w.pth"
    assert Flags().table("timm:x", "a1_in1k", places)["weights"] == "a1_in1k"


@pytest.mark.parametrize("text", ["num_classes", "num_classes = ", "= 10", "a = 1, a = 2"])
def test_arguments_that_are_no_toml_are_told(text: str) -> None:
    with pytest.raises(RobustnessError, match=r"--arguments .*: should be 'num_classes = 10, in_chans = 1'"):
        arguments_of(text)


def test_half_of_what_goes_together_has_its_default() -> None:
    assert Flags(mean=(0.5,)).normalisation.std == (1.0,)
    assert Flags(std=(0.5,)).normalisation.mean == (0.0,)
    assert Flags().normalisation is None
    assert (Flags(crop=224).preprocessing.resize, Flags(crop=224, resize=232).preprocessing.resize) == (256, 232)
    with pytest.raises(RobustnessError, match="--resize 232: give --crop too"):
        _ = Flags(resize=232).preprocessing
