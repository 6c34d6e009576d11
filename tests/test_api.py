"""The gate for programs: ``from pytest_robustness import attack, judge, measure, Baselines``."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_robustness
import torch
from pytest_robustness import Baselines, RobustnessError, attack, judge, measure
from pytest_robustness.evaluate.measure import evaluate
from pytest_robustness.records.measurement import Measurement
from torch import nn

from tests.evaluate import nets
from tests.evaluate.models.test_classifier import Picture
from tests.evaluate.suites import ATTACKS, CPU, MEAN, STD, as_tensor, case_of, labels_of, pictures, write_images

PICTURES = pictures()
IMAGES, LABELS = as_tensor(PICTURES), labels_of(PICTURES)
PGD = attack("PGD", eps=0.03, alpha=0.0075, steps=10)


def measured(model: nn.Module | None = None, images: Any = IMAGES, labels: Any = LABELS, **how: Any) -> Measurement:
    how = {
        "attack": PGD,
        "mean": [MEAN] * 3,
        "std": [STD] * 3,
        "name": "net/it",
        "device": "cpu",
        "batch_size": 24,
    } | how
    return measure(nets.tiny() if model is None else model, images, labels, **how)


@pytest.mark.parametrize("name", ["pgd", "fgsm", "cw", "square", "ta-pgd", "pgd-l2"])
def test_evidence_is_that_of_a_suite(name: str, tmp_path: Path) -> None:
    table = dict(ATTACKS[name])
    now, there = (
        measured(attack=attack(table.pop("attack"), **table)),
        evaluate(case_of(tmp_path, ATTACKS[name]), device=CPU),
    )
    assert now.evidence == there.evidence
    assert now.protocol == there.protocol
    assert now.images == there.images
    assert now.provenance.weights_digest == there.provenance.weights_digest
    assert now.provenance.code_digest == there.provenance.code_digest


@pytest.mark.parametrize(
    "given",
    [
        (IMAGES, torch.from_numpy(LABELS)),
        (IMAGES.numpy(), LABELS),
        (IMAGES.double().numpy(), LABELS.tolist()),
        (torch.from_numpy(PICTURES).permute(0, 3, 1, 2), LABELS.astype(np.int32)),
        (PICTURES.transpose(0, 3, 1, 2), LABELS),
    ],
)
def test_tensors_and_arrays_of_shares_and_levels_are_the_same_images(given: tuple[Any, Any]) -> None:
    usual, now = measured(), measured(None, *given)
    assert now.images == usual.images
    assert now.evidence == usual.evidence


def test_shares_of_no_level_are_attacked_as_they_are() -> None:
    between = (IMAGES + 0.3 / 255).clamp(0, 1)
    now = measured(images=between)
    assert now.images != measured().images
    assert now.aggregates.successes
    moved = measured(images=(between + 1e-6).clamp(0, 1))
    assert moved.images != now.images


def test_a_model_is_judged_by_its_baseline(tmp_path: Path) -> None:
    baselines = Baselines(tmp_path / "kept")
    now = measured()
    assert baselines.read("net/it") is None
    assert judge(now, None).status == "no baseline"
    file = baselines.write(now)
    assert file == tmp_path / "kept" / "net" / "it.json"
    assert baselines.names() == ["net/it"]
    assert baselines.read("net/it") == now
    same = judge(measured(), baselines.read("net/it"))
    assert same.passed
    assert same.status == "same"
    weak = measured(attack=attack("PGD", eps=0.03, alpha=0.0075, steps=10), model=weaker())
    verdict = judge(weak, baselines.read("net/it"))
    assert not verdict.passed
    assert verdict.status == "regressed"
    assert "images lost" in verdict.reason
    assert verdict.metrics[0].metric == "success rate"
    assert judge(
        weak, baselines.read("net/it"), tolerances={"success_rate": 1, "robust_accuracy": 1, "effort": 9}
    ).passed


def weaker() -> nn.Module:
    """A noisy copy of the tiny net, which is easier to fool."""
    model = nets.tiny()
    with torch.no_grad():
        model.first.weight.mul_(4)
        model.norm.running_var.mul_(16).add_(0)
        model.second.weight.add_(
            0.25 * torch.randn(model.second.weight.shape, generator=torch.Generator().manual_seed(1))
        )
    return model


def test_a_set_may_grow_and_what_is_gone_has_to_be_accepted(tmp_path: Path) -> None:
    baselines = Baselines(tmp_path)
    some, few = measured(images=IMAGES[:40], labels=LABELS[:40]), measured(images=IMAGES[:30], labels=LABELS[:30])
    baselines.write(some)
    before = baselines.read("net/it")
    assert judge(measured(), before).images.new == len(IMAGES) - 40
    assert judge(measured(), before).passed
    assert judge(few, before).status == "not comparable"
    assert judge(few, before, accept_removed_images=True).passed


def test_clean_accuracy_is_that_of_images_drawn_blindly(tmp_path: Path) -> None:
    blind = pictures(40, seed=1)
    labels = labels_of(blind, wrong=(1, 2))
    write_images(tmp_path / "blind.npz", blind, labels)
    now = measured(clean_images=as_tensor(blind), clean_labels=labels)
    there = evaluate(case_of(tmp_path, ATTACKS["pgd"] | {"steps": 10}, unselected="blind.npz"), device=CPU)
    assert now.evidence.unselected_correct == there.evidence.unselected_correct
    Baselines(tmp_path / "kept").write(now)
    assert judge(now, Baselines(tmp_path / "kept").read("net/it")).metric("clean accuracy") is not None


def test_the_model_comes_back_as_it_was() -> None:
    model = nets.tiny()
    before = Picture(model)
    measured(model)
    assert before.is_of(model)


def test_a_models_own_terms() -> None:
    now = measured(nets.other_terms(), channels="BGR", layout="NHWC", output="scores", head="softmax")
    assert now.evidence == measured().evidence


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"images": PICTURES}, "images: of (56, 12, 12, 3), not (N, 1 or 3, H, W): channels come first"),
        ({"images": IMAGES * 255}, "images: from 2 to 253, and should be in [0, 1], before any normalisation"),
        ({"images": IMAGES - 1}, "and should be in [0, 1]"),
        ({"images": IMAGES * torch.nan}, "images: from nan to nan, and should be in [0, 1]"),
        ({"labels": LABELS[:5]}, "labels: torch.int64 of (5,), not (56,) integers"),
        ({"labels": LABELS * 1.0}, "labels: torch.float64 of (56,), not (56,) integers"),
        ({"labels": LABELS - 1}, "labels: -1 is negative"),
        ({"labels": (LABELS + 1) % 10}, "measure(): net/it: none of the images is classified correctly"),
        ({"attack": attack("PGD", epsilon=0.1)}, "measure(): attacks.it.epsilon: "),
        ({"attack": attack("Nonesuch")}, "measure(): attacks.it.attack: "),
        ({"attack": attack("PGD", eps=8, alpha=2)}, "eps: 8 is beyond the range of a pixel"),
        ({"name": "net"}, "measure(): name: should be MODEL/ATTACK, not 'net'"),
        ({"mean": [104.0]}, "measure(): models.net.normalisation: mean: 104 is beyond the range of a pixel"),
        ({"channels": "GBR"}, "measure(): models.net.channels: input should be 'RGB' or 'BGR'"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(given: dict[str, Any], said: str) -> None:
    with pytest.raises(RobustnessError) as error:
        measured(**given)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_an_argument_that_there_is_not_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="no argument 'colours'"):
        measured(colours="RGB")


def test_importing_the_package_imports_neither_torch_nor_pytest() -> None:
    code = (
        "import sys, pytest_robustness as p; print(p.__version__, p.__all__); "
        "assert not {'torch', 'pytest', '_pytest', 'numpy', 'pydantic'} & set(sys.modules); "
        "from pytest_robustness import measure; assert 'torch' in sys.modules and 'pytest' not in sys.modules; "
        "assert set(p.__all__) <= set(dir(p))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    assert set(pytest_robustness.__all__) == {
        "Baselines",
        "RobustnessError",
        "__version__",
        "attack",
        "judge",
        "measure",
    }


def test_the_examples_of_the_docstrings_run() -> None:
    from pytest_robustness import api

    found = doctest.testmod(api)
    assert found.attempted
    assert not found.failed
