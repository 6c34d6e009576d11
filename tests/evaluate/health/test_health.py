"""Health checks: each notices the defect it is for, none minds a sound model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.attacks.base import AttackSpec
from pytest_robustness.evaluate.attacks.registry import ResolvedAttack
from pytest_robustness.evaluate.health import CHECKS, Subject, cheap, examine, heavy, masking
from pytest_robustness.evaluate.health.comparison import compare
from pytest_robustness.evaluate.health.finding import Check
from torch import Tensor
from torch.nn import functional

from tests.evaluate.plants import (
    GREY,
    STRIPED,
    Before,
    Bright,
    Flat,
    Misleading,
    Rough,
    Saturated,
    attack,
    bent,
    ours,
    subject,
    theirs,
    wavy,
)
from tests.evaluate.suites import CPU, case_of, labels_of, pictures

#: The check that notices, the defect, and a word of what is said of it.
PLANTS: dict[str, tuple[Check, Callable[[], Subject], str]] = {
    "wrong normalisation": (cheap.accuracy, lambda: subject(Bright(), right=7), "wrong normalisation"),
    "dropout left on": (
        cheap.deterministic,
        lambda: subject(Before(lambda images: functional.dropout(images, 0.1, training=True))),
        "dropout left on",
    ),
    "noise inside": (
        cheap.deterministic,
        lambda: subject(Before(lambda images: images + 0.01 * torch.randn_like(images))),
        "noise inside",
    ),
    "batch norm in train mode": (
        cheap.batch_mates,
        lambda: subject(
            Before(lambda images: functional.batch_norm(images, None, None, training=True)),
            images=torch.linspace(0.1, 0.9, 40).view(-1, 1, 1, 1).expand(-1, 3, 8, 8),
        ),
        "left in train mode",
    ),
    "softmax head": (cheap.logits, lambda: subject(Bright(head=lambda z: z.softmax(1))), "a softmax head"),
    "log-softmax head": (cheap.logits, lambda: subject(Bright(head=lambda z: z.log_softmax(1))), "a log-softmax head"),
    "quantised input": (
        masking.gradients,
        lambda: subject(Before(lambda images: (images * 8).round() / 8)),
        "gradient masking",
    ),
    "no way back": (masking.gradients, lambda: subject(Before(lambda images: images.detach())), "gradient masking"),
    "gradient of NaN": (
        masking.gradients,
        lambda: subject(Before(lambda images: images + (images - images).sqrt())),
        "gradient masking",
    ),
    "logits times 10,000": (masking.gradients, lambda: subject(Bright(head=lambda z: z * 1e4)), "a saturated loss"),
    "rounding with a gradient of its own": (
        masking.gradient_agreement,
        lambda: subject(Before(lambda images: images + ((images * 32).round() / 32 - images).detach())),
        "gradient masking",
    ),
    "logits too flat": (
        masking.margin_loss,
        lambda: subject(Flat()),
        "looks at all classes alike",
    ),
    "logits flat at all": (masking.flat_logits, lambda: subject(Flat()), "logits so flat that cross-entropy"),
    "logits of unlike slopes": (masking.even_logits, lambda: subject(Flat()), "flattens the largest"),
    "a stripe detached": (
        masking.random_directions,
        lambda: subject(Before(lambda images: torch.cat([images[..., :1].detach(), images[..., 1:]], 3))),
        "a part of the gradient is lost",
    ),
    "half of the image detached": (
        masking.random_directions,
        lambda: subject(Before(lambda images: torch.cat([images[..., :4].detach(), images[..., 4:]], 3))),
        "a part of the gradient is lost",
    ),
    "only another model's images fool it": (
        masking.transfer,
        lambda: dataclasses.replace(subject(Bright(lambda t: 0.5 * t)), transferred=torch.ones(40).bool()),
        "gradient masking",
    ),
    "a detector with one answer": (
        masking.same_answers,
        lambda: subject(
            Bright(head=lambda z: torch.where(z[:, 1:] > z[:, :1], torch.tensor([0.0, 5.0]), z)),
            images=GREY + torch.linspace(-0.002, 0.002, 40).view(-1, 1, 1, 1),
        ),
        "a detector that turns images away",
    ),
    "a valley before the cliff": (
        masking.fgsm_below_pgd,
        lambda: subject(Bright(bent((0, 0), (0.3, 0.5), (0.8, -0.5), (0.9, 2), (1, 2)))),
        "gradient masking",
    ),
    "a gap that large steps skip": (
        masking.larger_balls,
        lambda: subject(
            Bright(bent((0, 0), (0.66, 0.9), (0.68, 1.2), (0.82, 1.2), (0.84, 0.9), (2.2, -1), (3, 0), (5, 3)))
        ),
        "steps that suit the larger ball are too large",
    ),
    "nothing in reach": (
        masking.unbounded,
        lambda: subject(Bright(lambda t: 0.5 * t / (1 + t.abs()))),
        "no model can classify an image that is free to become another",
    ),
    "pixels of another range": (cheap.noise, lambda: subject(Rough(), images=STRIPED), "wrong normalisation"),
    "logits that lose their digits": (masking.scaled, lambda: subject(Saturated()), "a saturated loss"),
    "misleading gradients": (
        heavy.black_box,
        lambda: subject(Before(Misleading.apply)),
        "gradient masking",
    ),
    "a gap that needs small steps": (
        heavy.more_effort,
        lambda: subject(
            Bright(bent((0, 0), (0.345, 0.9), (0.355, 1.2), (0.385, 1.2), (0.395, 0.9), (2.2, -1), (3, 0), (5, 3)))
        ),
        "a surface too rugged",
    ),
    "torchattacks' C&W": (heavy.shifted, lambda: subject(Bright(), attacks=[theirs()]), "attack0"),
    "an attack of two steps that says one": (
        heavy.kept,
        lambda: subject(Bright(), attacks=[attack()]),
        "attack0: 2 gradient evaluations, not 1",
    ),
    "an attack that leaves its ball": (
        heavy.kept,
        lambda: subject(Bright(), attacks=[attack(steps=1, high=1.01)]),
        "attack0: the attack left its Linf ball",
    ),
}
EVERY = [*CHECKS["cheap"], *CHECKS["heavy"]]
#: Defects that show in other checks too: gradients that lead nowhere spoil every attack that follows them.
ALONE = set(PLANTS) - {
    "dropout left on", "noise inside", "batch norm in train mode", "softmax head", "quantised input", "no way back",
    "gradient of NaN", "logits times 10,000", "misleading gradients", "nothing in reach", "logits too flat",
    "logits flat at all", "logits of unlike slopes",
    "logits that lose their digits", "rounding with a gradient of its own",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _few_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heavy, "QUERIES", 400)


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_defect_is_noticed_and_explained(name: str) -> None:
    check, plant, said = PLANTS[name]
    finding = check(plant())
    assert not finding.passed
    assert said in str(finding)
    assert finding.meaning in str(finding)
    assert finding.advice in str(finding)
    assert "\n" not in str(finding)


@pytest.mark.parametrize("name", sorted(ALONE))
def test_no_other_check_would_notice(name: str) -> None:
    check, plant, _ = PLANTS[name]
    found = [other(plant()) for other in CHECKS["cheap"] if other is not check]
    assert [finding.check for finding in found if finding is not None and not finding.passed] == []


@pytest.mark.parametrize("check", EVERY, ids=lambda check: check.__name__)
def test_a_sound_model_passes_every_check(check: Check) -> None:
    sound = subject(Bright(), attacks=[attack(steps=1), ours()])
    finding = check(dataclasses.replace(sound, transferred=torch.ones(40).bool()))
    assert finding is not None
    assert finding.passed, str(finding)
    assert finding.meaning not in str(finding)


SECANT = Subject.secant
#: A check, and the length of waves of which its secant has more than one.
ROUGH = {"gradient_agreement": 0.02, "random_directions": 0.002}


@pytest.mark.parametrize("check", ROUGH)
def test_a_rough_model_with_a_gradient_of_its_own_is_not_accused(check: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rough = subject(Bright(wavy(ROUGH[check])))
    finding = getattr(masking, check)(rough)
    assert finding.passed, str(finding)
    monkeypatch.setattr(Subject, "secant", lambda self, signs, finely=False: SECANT(self, signs))
    assert not getattr(masking, check)(rough).passed, "a single gradient would accuse it"


@pytest.mark.parametrize(
    ("check", "lost"),
    [
        ("gradient_agreement", lambda images: images + ((images * 32).round() / 32 - images).detach()),
        ("random_directions", lambda images: torch.cat([images[..., :4].detach(), images[..., 4:]], 3)),
    ],
)
def test_a_rough_model_that_loses_its_gradient_is_noticed(check: str, lost: Callable[[Tensor], Tensor]) -> None:
    rough = Before(lost)
    rough.g = wavy(ROUGH[check])
    assert not getattr(masking, check)(subject(rough)).passed


@pytest.mark.parametrize("seen", [0.0, 1e-6])
def test_pixels_at_which_a_model_hardly_looks_change_its_margin_by_rounding_only(seen: float) -> None:
    weights = torch.ones(8)
    weights[0] = seen
    assert masking.random_directions(subject(Before(lambda images: images * weights))).passed


@pytest.mark.parametrize(
    ("classes", "scale", "passes"), [(10, 1, True), (1000, 1, True), (10, 0.1, False), (1000, 0.1, False)]
)
def test_among_more_classes_the_nearest_is_expected_to_have_less(classes: int, scale: float, passes: bool) -> None:
    logits = scale * torch.cat(
        [torch.full((40, 1), 9.0), torch.randn((40, classes - 1), generator=torch.Generator().manual_seed(0)) * 2], 1
    )
    found = dataclasses.replace(subject(Bright()), classifier=lambda images: logits)
    assert masking.flat_logits(found).passed == passes


@pytest.mark.parametrize("check", [masking.margin_loss, masking.even_logits])
@pytest.mark.parametrize(
    ("more", "fewer", "passes"), [(6, 4, True), (6, 2, True), (6, 0, False), (3, 0, True), (0, 6, True), (12, 4, False)]
)
def test_images_that_only_one_of_two_attacks_fools_count_against_each_other(
    check: Check, more: int, fewer: int, passes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = torch.arange(40) < 20
    own = both | ((torch.arange(40) >= 20) & (torch.arange(40) < 20 + fewer))
    other = both | (torch.arange(40) >= 40 - more)
    monkeypatch.setattr(Subject, "pgd", own)
    monkeypatch.setattr(Subject, "ascended", lambda *_, **__: other)
    assert check(subject(Bright())).passed == passes


@pytest.mark.parametrize(
    ("first", "others", "attacked", "gain"),
    [
        ((6, 2), [(3, 0)], 80, 7 / 80),  # in doubt, then sure
        ((6, 2), [(6, 6), (9, 0)], 80, 0.0),  # in doubt, then within the limit: no further look
        ((10, 6), [(8, 5), (9, 5)], 120, 0.0),  # in doubt to the last
        ((6, 0), [(0, 6)], 40, 6 / 40),
        ((2, 0), [(9, 0)], 40, 0.0),
    ],
)
def test_where_a_gain_may_be_chance_more_images_are_looked_at(
    first: tuple[int, int], others: list[tuple[int, int]], attacked: int, gain: float
) -> None:
    def of(more: int, fewer: int, draw: Callable[[], list[Subject]] = list) -> Subject:
        one = dataclasses.replace(subject(Bright()), draw_more=draw)
        one.__dict__["pgd"] = torch.arange(40) < 20 + fewer
        one.__dict__["other"] = (torch.arange(40) < 20) | (torch.arange(40) >= 40 - more)
        return one

    found = compare(of(*first, lambda: [of(*one) for one in others]), lambda one: one.__dict__["other"], 0.075)
    assert (found.images, found.gain) == (attacked, pytest.approx(gain))


def test_another_look_is_at_other_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Subject] = []
    monkeypatch.setitem(CHECKS, "masking", (lambda first: seen.extend([first, *first.others]),))
    case = case_of(tmp_path)
    assert examine(case.suite, case.model_name, device=CPU, level="masking") == []
    first, *others = seen
    drawn = torch.cat([one.images.flatten(1) for one in seen])
    assert len(first) == 40
    assert len(drawn) == 53  # all that are classified correctly, each once
    assert len(drawn.unique(dim=0)) == 53
    assert not any(one.others for one in others)


def test_what_is_not_known_of_an_attack_is_said_to_be_unchecked() -> None:
    unknown = ResolvedAttack(AttackSpec("tests.evaluate.nets:Noise"), "full", {"eps": 0.01})
    finding = heavy.kept(subject(Bright(), attacks=[attack(steps=1), unknown]))
    assert finding.passed
    assert str(finding).endswith("not known, so not checked: the ball of attack1 and the budget of attack1")
    assert "in [0, 1]: attack0, attack1; in their ball: attack0; within their budget: attack0; not" in str(finding)
    assert "not checked" not in str(heavy.kept(subject(Bright(), attacks=[attack(steps=1)])))


def test_a_check_that_cannot_be_made_has_not_passed() -> None:
    assert masking.transfer(subject(Bright())) is None


def test_every_check_has_a_defect_that_it_notices() -> None:
    assert {check for check, _, _ in PLANTS.values()} == set(EVERY)


@pytest.mark.parametrize("level", ["cheap", "heavy"])
def test_a_model_of_a_suite_is_examined_on_images_it_gets_right(
    level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heavy, "QUERIES", 20)
    case = case_of(tmp_path)
    findings = examine(case.suite, case.model_name, device=CPU, level=level)
    assert len(findings) == len(CHECKS[level]) - (level == "cheap")  # there is no other model to transfer from
    assert all(finding.meaning and finding.advice for finding in findings)
    if level == "cheap":
        assert findings[0].numbers.startswith("53 of 56 clean images classified correctly")
    again = examine(case.suite, case.model_name, device=CPU, level=level)
    assert again == findings


def test_a_model_that_gets_nothing_right_is_one_finding(tmp_path: Path) -> None:
    images = pictures()
    case = case_of(tmp_path, images=images, labels=(labels_of(images, wrong=()) + 1) % 10)
    (finding,) = examine(case.suite, case.model_name, device=CPU, level="heavy")
    assert (finding.check, finding.passed) == ("accuracy", False)
    assert np.all(labels_of(images, wrong=()) < 10)


def test_a_model_that_is_no_classifier_costs_one_line(tmp_path: Path) -> None:
    case = case_of(tmp_path, source="tests.evaluate.nets:vector_logits")
    with pytest.raises(RobustnessError, match="the model returned a tensor of"):
        examine(case.suite, case.model_name, device=CPU, level="cheap")
