"""Attacks as a suite names them, against plain torchattacks and against PGD written out step by step."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
import torchattacks
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.attacks import registry
from pytest_robustness.evaluate.attacks.base import AttackSpec
from pytest_robustness.evaluate.attacks.registry import resolve
from pytest_robustness.evaluate.noise import noise_rate
from pytest_robustness.evaluate.runtime.seeding import seeded
from pytest_robustness.records.evidence import NOISE_DIGITS
from torch import Tensor, nn

from tests.evaluate import nets
from tests.evaluate.suites import (
    ATTACKS,
    BATCH,
    COUNT,
    MEAN,
    PGD,
    STD,
    as_tensor,
    case_of,
    labels_of,
    measure,
    pictures,
    rounds_of,
)

#: With this many steps some images are fooled by the last gradient, and some never.
STEPS = 6
SHORT = PGD | {"steps": STEPS}
EPS = {"eps": 0.1}


class Plain(nn.Module):
    """The tiny net as anybody would wrap it."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nets.tiny()

    def forward(self, images: Tensor) -> Tensor:
        return self.model((images - MEAN) / STD)


def batches() -> list[tuple[int, Tensor, Tensor]]:
    """Start, images and labels; the last batch is smaller than the row floor."""
    images, labels = as_tensor(pictures()), torch.from_numpy(labels_of(pictures()))
    return [(start, images[start : start + BATCH], labels[start : start + BATCH]) for start in range(0, COUNT, BATCH)]


@dataclass
class Reference:
    """PGD on whole batches, nothing left out.

    Attributes:
        effort: (N,) gradients before the first iterate that fools, the last one included; STEPS + 1 for never.
        first: (N, C, H, W) that iterate, for those who have one.
        last: (N, C, H, W) the last iterate.
        fooled_at_last: (N,) bool.
        correct: (N,) bool, when clean.
    """

    effort: Tensor
    first: Tensor
    last: Tensor
    fooled_at_last: Tensor
    correct: Tensor


def brute_force_pgd(*, eps: float, alpha: float, steps: int, seed: int = 0) -> Reference:
    model, parts = Plain().eval(), []
    for start, clean, labels in batches():
        with seeded(seed, start):
            x = (clean + torch.empty_like(clean).uniform_(-eps, eps)).clamp(0, 1)
        effort, first = torch.full_like(labels, steps + 1), clean.clone()
        for gradients in range(steps + 1):
            x.requires_grad_()
            logits = model(x)
            fooled = logits.argmax(1) != labels
            for row in (fooled & (effort > steps)).nonzero().squeeze(1):
                effort[row], first[row] = gradients, x[row].detach()
            if gradients < steps:
                (gradient,) = torch.autograd.grad(nn.functional.cross_entropy(logits, labels), x)
                moved = x.detach() + alpha * gradient.sign()
                x = (clean + (moved - clean).clamp(-eps, eps)).clamp(0, 1).detach()
        parts.append((effort, first, x.detach(), fooled, model(clean).argmax(1) == labels))
    return Reference(*(torch.cat(part) for part in zip(*parts, strict=True)))


@pytest.fixture(scope="module")
def reference() -> Reference:
    return brute_force_pgd(eps=SHORT["eps"], alpha=SHORT["alpha"], steps=STEPS)


@pytest.mark.parametrize(
    ("kind", "given"), [("FGSM", {"eps": 0.03}), ("PGD", {"eps": 0.03, "alpha": 0.0075, "steps": 10})]
)
def test_full_is_plain_torchattacks_to_the_bit(kind: str, given: Mapping[str, Any], tmp_path: Path) -> None:
    spied = rounds_of(case_of(tmp_path, {"attack": kind, "stop": "full", **given}))
    assert [len(one.correct) for one in spied] == [24, 24, 8]
    model = Plain().eval()
    for one, (start, clean, labels) in zip(spied, batches(), strict=True):
        with seeded(0, start):
            plain = getattr(torchattacks, kind)(model, **given)(clean, labels)
        inputs, _, _, returned = one.kept
        assert torch.equal(inputs, clean)
        assert torch.equal(returned, plain)


def test_full_counts_as_brute_force_does(reference: Reference, tmp_path: Path) -> None:
    evidence = measure(case_of(tmp_path, SHORT | {"stop": "full"})).evidence
    assert evidence.correct == reference.correct.int().tolist()
    assert evidence.success == (reference.fooled_at_last & reference.correct).int().tolist()
    assert evidence.effort == [
        effort if correct else None for effort, correct in zip(reference.effort.tolist(), evidence.correct, strict=True)
    ]


def test_first_success_fools_whom_full_ever_fools_and_as_soon(reference: Reference, tmp_path: Path) -> None:
    measurement = measure(case_of(tmp_path, SHORT))
    evidence = measurement.evidence
    ever = (reference.effort <= STEPS) & reference.correct
    assert measurement.budget == STEPS
    assert evidence.success == ever.int().tolist()
    assert evidence.effort == [
        effort if correct else None for effort, correct in zip(reference.effort.tolist(), evidence.correct, strict=True)
    ]
    # or the comparison above compares little: at the start, by the first gradient, by the last one, never
    assert {0, 1, STEPS, STEPS + 1} <= set(evidence.effort)
    assert 0 < sum(evidence.success) < sum(evidence.correct) < COUNT


def test_a_fooled_image_is_returned_as_it_was_first_fooled(reference: Reference, tmp_path: Path) -> None:
    spied = rounds_of(case_of(tmp_path, SHORT))
    kept = torch.cat([one.kept[2].adversarial for one in spied])
    seen = (reference.effort < STEPS) & reference.correct
    assert torch.equal(kept[seen], reference.first[seen])

    ever = (reference.effort <= STEPS) & reference.correct
    expected = noise_rate(torch.cat([clean for _, clean, _ in batches()])[ever], reference.first[ever])
    noise = torch.cat([one.outcome.noise for one in spied])
    assert torch.equal(noise[ever], expected)
    assert bool(noise[~ever].isnan().all())
    reported = measure(case_of(tmp_path, SHORT)).evidence.noise
    assert [value for value in reported if value is not None] == [round(x, NOISE_DIGITS) for x in expected.tolist()]


def test_frozen_rows_do_not_move_and_the_others_move_as_in_full(reference: Reference, tmp_path: Path) -> None:
    spied = rounds_of(case_of(tmp_path, SHORT))
    returned = torch.cat([one.kept[3] for one in spied])
    # torchattacks adds clean and perturbation again in every step: the last bit may flip
    seen = (reference.effort < STEPS) & reference.correct
    assert torch.allclose(returned[seen], reference.first[seen], rtol=0, atol=2**-23)
    going = (reference.effort >= STEPS) & reference.correct
    assert int(going.sum()) > 5
    assert torch.equal(returned[going], reference.last[going])


@pytest.mark.parametrize("stop", ["first-success", "full"])
def test_only_full_judges_the_attack_by_its_answer(stop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = AttackSpec("tests.evaluate.nets:ComesBack", ("eps",), "candidates", "inf", ("first-success", "full"))
    monkeypatch.setitem(registry.ATTACKS, "ComesBack", kind)
    spied = rounds_of(case_of(tmp_path, {"attack": "ComesBack", "eps": 0.2, "stop": stop}))
    fooled = torch.cat([one.kept[2].fooled for one in spied])
    success = torch.cat([one.outcome.success for one in spied])
    noise = torch.cat([one.outcome.noise for one in spied])
    assert 0 < int(fooled.sum()) < COUNT - 3
    if stop == "full":
        assert not bool(success.any())
    else:
        clean = torch.cat([one.kept[0] for one in spied])
        assert torch.equal(success, fooled)
        assert torch.equal(noise[success], noise_rate(clean, (clean + 0.2).clamp(0, 1))[success])


def test_an_answer_is_judged_in_a_batch_of_the_floor_at_least(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the last bit of a logit would depend on how many attempts the batch has."""
    model, sizes = nets.tiny(), list[int]()
    model.register_forward_pre_hook(lambda module, given: sizes.append(len(given[0])))
    monkeypatch.setattr(nets, "tiny", lambda: model)
    case = case_of(tmp_path, {"attack": "FGSM", "eps": 0.03, "stop": "full"})
    sizes.clear()
    rounds_of(case)
    clean, attack, unit, answer = (sizes[place::4] for place in range(4))
    assert clean == attack == unit == [24, 24, 8]
    assert answer == [23, 23, 16]  # one of each batch is no attempt


def test_fgsm_has_a_budget_of_one_gradient(tmp_path: Path) -> None:
    evidence = measure(case_of(tmp_path, {"attack": "FGSM", "eps": 0.03})).evidence
    assert evidence.effort == [
        None if not correct else 1 if success else 2
        for correct, success in zip(evidence.correct, evidence.success, strict=True)
    ]
    assert {1, 2} <= set(evidence.effort)


def test_never_fooled_is_one_more_than_the_budget_when_the_attack_gives_up_early(tmp_path: Path) -> None:
    measurement = measure(case_of(tmp_path, {"attack": "CW", "stop": "torchattacks", "steps": 20, "lr": 0.05}))
    assert measurement.timing.gradients < 20
    evidence = measurement.evidence
    never = [
        effort
        for effort, success, correct in zip(evidence.effort, evidence.success, evidence.correct, strict=True)
        if correct and not success
    ]
    assert len(never) > 0
    assert set(never) == {21}


def test_an_attack_that_fools_all_at_once_stops(tmp_path: Path) -> None:
    """Without a gradient, and with every image as it was then."""
    measurement = measure(case_of(tmp_path, {"attack": "PGD", "eps": 1.0, "alpha": 0.25, "steps": 50}))
    assert measurement.aggregates.success_rate == 1
    assert max(effort for effort in measurement.evidence.effort if effort is not None) < 50
    assert measurement.timing.gradients < 50


def test_the_seed_and_the_place_decide_on_the_random_start(tmp_path: Path) -> None:
    starts = PGD | {"steps": 0}
    first, again, other = (
        [one.kept[3] - one.kept[0] for one in rounds_of(case_of(tmp_path, starts, seed=seed))] for seed in (0, 0, 1)
    )
    assert all(torch.equal(mine, yours) for mine, yours in zip(first, again, strict=True))
    assert float((first[0] - other[0]).abs().median()) > PGD["eps"] / 10
    assert float((first[0][:8] - first[1][:8]).abs().median()) > PGD["eps"] / 10


#: Attacks whose identity in a protocol is a name of this package's.
NAMED = {"cw": "CW", "cw-full": "CW", "fmn": "FMN", "ddn": "DDN"}


@pytest.mark.parametrize("name", ATTACKS)
def test_every_known_attack_runs_and_keeps_its_promises(name: str, tmp_path: Path) -> None:
    case = case_of(tmp_path, ATTACKS[name])
    measurement = measure(case)
    kind, evidence = resolve(case).spec, measurement.evidence
    assert measurement.protocol.attack == NAMED.get(name, kind.path)
    own = "own" if name in ("fmn", "ddn") else f"torchattacks {version('torchattacks')}"
    assert measurement.provenance.attacks == own
    assert sum(evidence.correct) == COUNT - 3
    assert (evidence.effort is None) == (kind.forwards == "other")
    if kind.budget:
        assert measurement.budget == kind.budget(measurement.protocol.parameters)


def test_no_known_attack_is_left_out() -> None:
    assert {attack["attack"] for attack in ATTACKS.values()} == set(registry.ATTACKS)


@pytest.mark.parametrize(
    ("answer", "norm", "said"),
    [
        ("LeavesBall", "inf", "left its Linf ball: 0.1001 is more than eps = 0.1"),
        ("LeavesBall", "2", "left its L2 ball"),
        ("NotFinite", None, "not finite"),
        ("NotFinite", "inf", "not finite"),
        ("WrongShape", None, "the attack returned (24, 3, 11, 12), not images of (24, 3, 12, 12)"),
        ("NoTensor", None, "the attack returned tuple"),
        ("TooBright", None, "outside [0, 1]"),
    ],
)
def test_a_breach_of_contract_is_an_error_and_no_result(
    answer: str, norm: registry.Norm | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    eps = 0.5 if answer == "TooBright" else 0.1 if norm != "2" else 0.05
    if (answer, norm) == ("LeavesBall", "2"):
        monkeypatch.setattr(nets.LeavesBall, "answer", lambda self, images, labels: (images + 0.04).clamp(0, 1))
    monkeypatch.setitem(registry.ATTACKS, answer, AttackSpec(f"tests.evaluate.nets:{answer}", norm=norm))
    with pytest.raises(RobustnessError) as error:
        measure(case_of(tmp_path, {"attack": answer, "eps": eps}))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("norm", "eps", "said"),
    [
        ("inf", 0.01, "the attack left its Linf ball: 0.29"),
        ("2", 1.0, "the attack left its L2 ball: "),
        ("2", 10.0, None),
        ("none", 0.01, None),
    ],
)
def test_an_attack_of_ones_own_is_held_to_the_ball_it_declares(
    norm: str, eps: float, said: str | None, tmp_path: Path
) -> None:
    case = case_of(tmp_path, {"attack": "tests.evaluate.nets:Noise", "eps": eps, "norm": norm})
    if said is None:
        assert measure(case).protocol.parameters == {"eps": eps}  # what is declared is no parameter of the attack
        return
    with pytest.raises(RobustnessError) as error:
        measure(case)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("norm", "ball"),
    [("inf", "inf"), (float("inf"), "inf"), ("2", "2"), (2, "2"), (2.0, "2"), ("1", "1"), ("none", None)],
)
def test_a_ball_is_declared_as_a_word_or_a_number(norm: Any, ball: str | None, tmp_path: Path) -> None:
    resolved = resolve(case_of(tmp_path, {"attack": "tests.evaluate.nets:Answer", "eps": 0.1, "norm": norm}))
    assert resolved.spec.norm == ball
    assert resolved.parameters() == {"eps": 0.1}


@pytest.mark.parametrize(("norm", "ball"), [("Linf", "inf"), ("L2", "2"), ("L1", "1")])
def test_a_class_with_a_norm_of_its_own_is_told_it(norm: str, ball: str, tmp_path: Path) -> None:
    """Such attacks were recorded with it: their protocol keeps it."""
    case = case_of(tmp_path, {"attack": "torchattacks:FAB", "eps": 1.0, "steps": 2, "norm": norm})
    resolved = resolve(case)
    assert resolved.spec.norm == ball
    assert resolved.parameters()["norm"] == norm
    assert resolved.build(torch.nn.Identity()).norm == norm
    if norm == "L2":
        assert measure(case).protocol.parameters["norm"] == "L2"


def test_every_attack_of_this_package_has_a_name_that_does_not_say_where_it_lies() -> None:
    unnamed = [spec.path for spec in registry.ATTACKS.values() if spec.path.startswith("pytest_") and not spec.name]
    assert unnamed == []


@pytest.mark.parametrize(("norm", "ball"), [(None, "inf"), ("Linf", "inf"), ("L2", "2")])
def test_a_librarys_own_norm_is_its_parameter_and_says_the_ball(norm: str | None, ball: str, tmp_path: Path) -> None:
    attack = {"attack": "APGD", "eps": 0.1} | ({} if norm is None else {"norm": norm})
    resolved = resolve(case_of(tmp_path, attack))
    assert resolved.parameters()["norm"] == (norm or "Linf")
    assert resolved.spec.norm == ball


@pytest.mark.parametrize("answer", ["MovesCleanImages", "ChangesLabels"])
def test_an_attack_cannot_move_the_goal_posts(answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that works in place would be inside any ball, at no noise at all."""
    monkeypatch.setitem(registry.ATTACKS, answer, AttackSpec(f"tests.evaluate.nets:{answer}", norm="inf"))
    case = case_of(tmp_path, {"attack": answer, "eps": 0.1})
    if answer == "MovesCleanImages":
        with pytest.raises(RobustnessError, match="left its Linf ball"):
            measure(case)
    else:
        assert measure(case).aggregates.successes == 0


def test_rounding_is_no_breach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clean plus epsilon minus clean is not epsilon in single precision."""
    monkeypatch.setattr(nets.Answer, "answer", lambda self, images, labels: (images + self.eps).clamp(0, 1))
    monkeypatch.setitem(registry.ATTACKS, "Answer", AttackSpec("tests.evaluate.nets:Answer", norm="inf"))
    assert measure(case_of(tmp_path, {"attack": "Answer", "eps": 0.1})).aggregates.attempts == COUNT - 3


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        ({"attack": "PDG"}, "attack: unknown attack 'PDG' (known: FGSM, PGD"),
        ({"attack": "PGD", "epsilon": 0.1}, "epsilon: unknown key (parameters: eps, alpha, steps, random_start)"),
        ({"attack": "MIFGSM", "epsilon": 0.1}, "epsilon: not a parameter of torchattacks:MIFGSM"),
        ({"attack": "CW", "stop": "torchattacks", "patience": 3}, "patience: not a parameter of torchattacks:CW"),
        ({"attack": "PGD", "stop": "patience"}, "stop: 'patience' is not one of first-success, full"),
        ({"attack": "CW", "stop": "first-success"}, "stop: 'first-success' is not one of patience, full, torchattacks"),
        ({"attack": "MIFGSM", "stop": "first-success"}, "stop: 'first-success' is not one of full"),
        ({"attack": "PGD", "eps": -0.1}, "eps: -0.1 is not a number of at least 0"),
        ({"attack": "PGD", "eps": "0.1"}, "eps: '0.1' is not a number of at least 0"),
        ({"attack": "CW", "patience": -1}, "patience: -1 is not a whole number of at least 0"),
        ({"attack": "tests.evaluate.nowhere:PGD"}, "attack: cannot import tests.evaluate.nowhere:PGD: "),
        ({"attack": "tests.evaluate.nets:Nothing"}, "attack: no 'Nothing' in tests.evaluate.nets"),
        ({"attack": "tests.evaluate.nets:CLASSES"}, "attack: tests.evaluate.nets:CLASSES is not a class"),
        ({"attack": "PGD", "eps": float("nan")}, "eps: nan is not a number"),
        ({"attack": "PGD", "eps": float("inf")}, "eps: inf is not a number"),
        ({"attack": "PGD", "steps": 1.5}, "steps: 1.5 is not"),
        (
            {"attack": "tests.evaluate.nets:Answer", "eps": 0.1},
            "norm: missing: the attack has an eps; say which ball of",
        ),
        (
            {"attack": "tests.evaluate.nets:Answer"},
            "norm: missing: tests.evaluate.nets:Answer has an eps; say which ball",
        ),
        (
            {"attack": "tests.evaluate.nets:Answer", "eps": 0.1, "norm": "3"},
            'norm: \'3\' is not one of "inf", "2", "1"',
        ),
        ({"attack": "tests.evaluate.nets:Answer", "norm": True}, "norm"),
        (
            {"attack": "tests.evaluate.nets:NoNumber"},
            "norm: missing: tests.evaluate.nets:NoNumber has an eps; say which",
        ),
        (
            {"attack": "tests.evaluate.nets:NoNumber", "norm": "2"},
            "eps: missing: norm = '2' says a ball, and this is its",
        ),
        ({"attack": "tests.evaluate.nets:ByName", "norm": "2"}, "eps: missing, and tests.evaluate.nets:ByName has no"),
        (
            {"attack": "tests.evaluate.nets:NoRadius", "norm": "2"},
            "norm: a ball needs a radius, and tests.evaluate.nets:",
        ),
        ({"attack": "PGD", "norm": "2"}, "norm: unknown key (parameters: eps, alpha, steps, random_start)"),
    ],
)
def test_a_mistake_in_an_attack_names_file_and_key(attack: Mapping[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(RobustnessError) as error:
        measure(case_of(tmp_path, attack))
    assert str(error.value).startswith(f"{tmp_path / 'suite.toml'}: attacks.it.{said}")
    assert "\n" not in str(error.value)


def test_parameters_are_all_of_them_with_the_librarys_defaults(tmp_path: Path) -> None:
    resolved = resolve(case_of(tmp_path, {"attack": "PGD", "eps": 0.1}))
    assert resolved.parameters() == {"eps": 0.1, "alpha": 2 / 255, "steps": 10, "random_start": True}
    assert (resolved.stop, resolved.freezes, resolved.watched) == ("first-success", True, True)
    cw = resolve(case_of(tmp_path, {"attack": "CW", "lr": 0.02}))
    assert cw.parameters() == {"c": 1, "kappa": 0, "steps": 50, "lr": 0.02, "patience": 3}
    full = resolve(case_of(tmp_path, {"attack": "CW", "stop": "full"}))
    assert full.parameters()["patience"] == 0
    own = resolve(case_of(tmp_path, {"attack": "tests.evaluate.nets:Trains", "norm": "inf"}))
    assert own.parameters() == EPS
    assert (own.stop, own.freezes, own.watched, own.library()) == ("full", False, False, "tests")


def test_a_plan_needs_no_torch() -> None:
    """Collecting stays fast."""
    program = "import sys, pytest_robustness.evaluate.attacks.registry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0
