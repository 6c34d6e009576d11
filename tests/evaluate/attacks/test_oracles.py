"""The core attacks against other people's, on the zoo.

What is slow was recorded by tests/oracles/record.py, with versions and seeds; ours runs here on the same images.
Contiguous memory format beside torchattacks, channels_last, the zoo's, beside what was recorded.
"""

from __future__ import annotations

import json
from math import comb, inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytest_robustness.evaluate.attacks.apgd import APGD
from pytest_robustness.evaluate.attacks.cw import CW
from pytest_robustness.evaluate.attacks.ddn import DDN
from pytest_robustness.evaluate.attacks.fgsm import FGSM
from pytest_robustness.evaluate.attacks.fmn import FMN
from pytest_robustness.evaluate.attacks.norms import norm_of
from pytest_robustness.evaluate.attacks.pgd import PGD
from pytest_robustness.evaluate.attacks.rows import Rows
from pytest_robustness.evaluate.attacks.square import Square
from pytest_robustness.evaluate.noise import noise_rate
from torch import Tensor

from tests.evaluate import zoo
from tests.evaluate.run_rows import Outcome, run

FOLDER = Path(__file__).parents[2] / "oracles"
BATCH, IMAGES = 64, 192  # torchattacks' mean over a power of two changes no bit of a gradient but its exponent
Run = dict[str, Any]


def recorded(name: str) -> list[Any]:
    """The runs of a file; those of full size are of `-m nightly`."""
    found = []
    for one in json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["runs"]:
        words = (one["attack"], one.get("norm"), one.get("eps"), one["model"], one.get("size"))
        marks = [pytest.mark.nightly] if one.get("size") == "full" else []
        found.append(pytest.param(one, id="-".join(str(word) for word in words if word is not None), marks=marks))
    return found


def attacked(one: Run, attack: Any, seed: int = 0) -> Outcome:
    images, labels = zoo.pixels(one["images"])
    with zoo.classifier(one["model"]) as model:
        return run(attack, model, images, labels, seed=seed, row_floor=zoo.ROW_FLOOR)


# --- torchattacks -------------------------------------------------------------------------------------------------


class From(PGD):
    """From starts that somebody else drew, by the image's place."""

    def __init__(self, starts: Tensor, **given: Any) -> None:
        super().__init__(**given)
        self.starts = starts

    def start(self, rows: Rows) -> None:
        rows["candidate"] = self.starts[rows["place"]]


def starts_of_torchattacks(images: Tensor, eps: float) -> Tensor:
    """As its PGD draws them, batch by batch."""
    torch.manual_seed(0)
    return torch.cat(
        [torch.clamp(x + torch.empty_like(x).uniform_(-eps, eps), min=0, max=1) for x in images.split(BATCH)]
    )


@pytest.mark.parametrize("model", zoo.MODELS)
@pytest.mark.parametrize(
    ("attack", "steps"), [("fgsm", 1), ("pgd", 2), pytest.param("pgd", 10, marks=pytest.mark.nightly)]
)
def test_every_pixel_is_torchattacks(attack: str, steps: int, model: str) -> None:
    torchattacks = pytest.importorskip("torchattacks")
    images, labels = zoo.pixels(IMAGES)
    eps = 0.01
    if attack == "fgsm":
        ours, build = FGSM(eps, loss="cross-entropy"), lambda classifier: torchattacks.FGSM(classifier, eps)
    else:
        starts = starts_of_torchattacks(images, eps)
        ours = From(starts, eps=eps, alpha=eps / 4, steps=steps, loss="cross-entropy")

        def build(classifier: Any) -> Any:
            return torchattacks.PGD(classifier, eps, eps / 4, steps, random_start=True)

    with zoo.classifier(model, torch.contiguous_format) as classifier:
        found = run(ours, classifier, images, labels, capacity=BATCH, row_floor=zoo.ROW_FLOOR, stops=False)
        torch.manual_seed(0)
        theirs = build(classifier)
        expected = torch.cat([theirs(*batch) for batch in zip(images.split(BATCH), labels.split(BATCH), strict=True)])
    assert int((found.adversarial != expected).flatten(1).any(1).sum()) == 0
    assert bool((found.forwards == steps + 1).all())
    assert bool(found.fooled.any())


# --- C&W as it was ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", recorded("cw"))
def test_cw_is_what_it_was_as_a_subclass_of_torchattacks(one: Run) -> None:
    """Exactly, where it was recorded; on another kind of CPU an image of a hundred may differ."""
    found = attacked(one, CW(**one["given"]))
    noise = noise_rate(zoo.pixels(one["images"])[0], found.adversarial).numpy().round(6)
    effort = torch.where(found.first < 0, one["budget"] + 1, found.first).numpy()
    allowed = one["images"] / 100
    assert (found.fooled.numpy() != np.array(one["success"], bool)).sum() <= allowed
    assert (effort != np.array(one["effort"])).sum() <= allowed
    assert (np.abs(noise - np.array(one["noise"])) > 1.5e-6).sum() <= allowed


# --- DDN and FMN beside adv-lib -------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", recorded("adv_lib"))
def test_the_mean_distance_is_adv_libs(one: Run) -> None:
    attack = DDN(**one["given"]) if one["attack"] == "ddn" else FMN(norm=one["norm"], **one["given"])
    found = attacked(one, attack)
    theirs = np.array(one["distance"], float)  # none where it found nothing
    ours = norm_of(found.adversarial - zoo.pixels(one["images"])[0], one["norm"]).numpy()
    assert int(found.fooled.sum()) >= int((~np.isnan(theirs)).sum())
    both = found.fooled.numpy() & ~np.isnan(theirs)
    assert ours[both].mean() == pytest.approx(theirs[both].mean(), rel=0.01)
    assert np.median(ours[both] / theirs[both]) == pytest.approx(1, abs=0.005)


# --- APGD and Square beside pyautoattack --------------------------------------------------------------------------

LOSSES = {"apgd-ce": "cross-entropy", "apgd-dlr": "dlr", "apgd-t": "targeted"}


def of_ours(one: Run) -> Any:
    if one["attack"] == "square":
        return Square(one["eps"], one["norm"], queries=one["given"]["n_queries"])
    return APGD(one["eps"], one["norm"], one["given"]["n_iter"], loss=LOSSES[one["attack"]])


def paired(ours: np.ndarray, theirs: np.ndarray) -> tuple[int, int, float]:
    """Images that only ours fooled, those that only theirs did, and the two-sided exact p of that split."""
    only = [int((one & ~other).sum()) for one, other in ((ours, theirs), (theirs, ours))]
    count = sum(only)
    tail = sum(comb(count, k) for k in range(min(only) + 1)) / 2**count
    return *only, min(1.0, 2 * tail)


@pytest.mark.parametrize("one", recorded("pyautoattack"))
def test_as_many_are_fooled_as_by_pyautoattack(one: Run, record_property: Any) -> None:
    """Or more: image by image over three seeds."""
    seeds = list(one["fooled"])
    theirs = np.array([[digit == "1" for digit in one["fooled"][seed]] for seed in seeds])
    ours = np.array([attacked(one, of_ours(one), int(seed)).fooled.numpy() for seed in seeds])
    more, fewer, p = paired(ours, theirs)
    shares = {"ours": float(ours.mean()), "theirs": float(theirs.mean())}  # a worker cannot send numpy's numbers
    record_property("paired", shares | {"more": more, "fewer": fewer, "p": p})
    assert 0.1 < theirs.mean() < 0.9
    assert p > 0.05 or more > fewer


def test_the_paired_p_is_exact() -> None:
    yes, no = np.ones(8, bool), np.zeros(8, bool)
    assert paired(yes, yes) == (0, 0, 1)
    assert paired(yes, no) == (8, 0, pytest.approx(2 / 2**8))
    assert paired(np.arange(8) < 7, np.arange(8) >= 7) == (7, 1, pytest.approx(2 * 9 / 2**8))
    assert paired(np.arange(8) < 4, np.arange(8) >= 4)[2] == 1 < inf
