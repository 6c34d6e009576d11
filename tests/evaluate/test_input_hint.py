"""Labelled images tell that a model was trained on another order of channels, or another range."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.clean import ModelCache
from pytest_robustness.evaluate.images.load import attacked_images
from pytest_robustness.evaluate.input_hint import GOOD, input_hint
from pytest_robustness.evaluate.loaded import loaded_classifier
from pytest_robustness.evaluate.models.classifier import Classifier
from pytest_robustness.execute.case import Request, run_case
from pytest_robustness.execute.measuring import Here
from pytest_robustness.report import terminal
from pytest_robustness.suite.suite import Case
from scipy.stats import binomtest

from tests.evaluate import nets
from tests.evaluate.suites import CPU, MEAN, STD, as_tensor, case_of, pictures

PLAIN = {"normalisation": {"mean": [0.0] * 3, "std": [1.0] * 3}}


USUAL = {"mean": MEAN, "std": STD}
BGR = USUAL | {"order": "BGR"}
#: How the model was trained, what else its suite says, and what the suite should say instead.
WAYS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "BGR": (BGR, {}, 'channels = "BGR"'),
    "RGB": (USUAL, {"channels": "BGR"}, 'channels = "RGB"'),
    "bytes": ({"std": 1 / 255}, {}, "range = [0, 255], without normalisation"),
    "signed": ({"mean": 0.5, "std": 0.5}, PLAIN, "range = [-1, 1]"),
    "BGR bytes": ({"std": 1 / 255, "order": "BGR"}, PLAIN, 'channels = "BGR" and range = [0, 255]'),
    "shares": ({}, {"range": [0.0, 255.0], **PLAIN}, "no range"),
    "normalised shares": (
        USUAL,
        {"range": [0.0, 255.0], "normalisation": {"mean": [MEAN * 255] * 3, "std": [STD * 255] * 3}},
        "",  # which is the same, and right
    ),
}


def colours(images: np.ndarray) -> np.ndarray:
    """What every one of these models says of images that it gets as it was trained."""
    with torch.no_grad():
        return nets.by_colour()(as_tensor(images)).argmax(1).numpy()


def planted(folder: Path, trained: dict[str, Any], images: np.ndarray | None = None, **keys: Any) -> Case:
    images = pictures() if images is None else images
    keys = {"labels": colours(images), "arguments": trained} | keys
    return case_of(folder, images=images, source="tests.evaluate.nets:by_colour", **keys)


def hint_of(case: Any) -> str | None:
    with loaded_classifier(case, attacked_images(case), CPU) as classifier:
        return input_hint(case, classifier, ModelCache())


@pytest.mark.parametrize("name", WAYS)
def test_a_better_way_is_said(name: str, tmp_path: Path) -> None:
    trained, keys, said = WAYS[name]
    hint = hint_of(planted(tmp_path, trained, **keys))
    if not said:
        assert hint is None
        return
    assert hint is not None
    assert hint.startswith("net: clean accuracy is ")
    assert f" of 40 images; with {said} it would be 100% (" in hint
    won = int(hint.partition("(")[2].partition(" ")[0])
    assert f", 0 lost, p = {binomtest(won, won, alternative='greater').pvalue:.1g})" in hint


@pytest.mark.parametrize("order", ["random labels", "few images"])
def test_nothing_is_said_where_no_other_way_is_clearly_better(order: str, tmp_path: Path) -> None:
    images = pictures(6 if order == "few images" else 56)
    labels = np.random.default_rng(0).integers(0, nets.CLASSES, len(images))
    assert hint_of(planted(tmp_path, BGR, images, **({"labels": labels} if order == "random labels" else {}))) is None


def test_a_model_that_is_mostly_right_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = pictures()
    labels = colours(images)
    wrong = int(len(labels) * (1 - GOOD)) - 2
    labels[:wrong] = (labels[:wrong] + 1) % nets.CLASSES
    asked = []
    forward = Classifier.forward
    monkeypatch.setattr(Classifier, "forward", lambda self, images: asked.append(len(images)) or forward(self, images))
    assert hint_of(planted(tmp_path, USUAL, images, labels=labels, batch_size=40)) is None
    assert asked == [40]


def test_a_run_says_it_of_a_new_model_only_and_judges_as_before(tmp_path: Path) -> None:
    case = planted(tmp_path, BGR)
    first = run_case(case, None, Request(recording=True), measuring=Here(device=CPU))
    assert first.hint
    assert list(terminal.hints({"net/it": first, "net/other": first})) == [f"WARNING: {first.hint}"]
    again = run_case(case, first.measurement, Request(), measuring=Here(device=CPU))
    assert again.hint is None, "the model is the baseline's"
    assert again.verdict.passed
    trial = run_case(case, None, Request(limit=50), measuring=Here(limit=50, device=CPU))
    assert trial.hint == first.hint
    assert trial.measurement.findings is None


def test_it_stands_in_the_error_of_a_model_that_is_never_right(tmp_path: Path) -> None:
    images = pictures(200)
    flipped = np.ascontiguousarray(images[..., ::-1])
    never = images[colours(images) != colours(flipped)]
    with pytest.raises(RobustnessError, match=r'so nothing was attacked: .*; net: clean accuracy is 0%.*"BGR"'):
        run_case(planted(tmp_path, BGR, never), None, Request(), measuring=Here(device=CPU))
