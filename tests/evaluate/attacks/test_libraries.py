"""Attacks of other libraries: each does through a meter what is said of it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.attacks import ball
from pytest_robustness.evaluate.attacks.registry import LIBRARIES, ResolvedAttack, attack_library, resolve
from pytest_robustness.evaluate.meter import UNFOOLED, Meter
from pytest_robustness.evaluate.models.classifier import Classifier
from pytest_robustness.evaluate.runtime.seeding import seeded
from torch import Tensor

from tests.evaluate import nets
from tests.evaluate.attacks.batches import needs, run
from tests.evaluate.attacks.library_attacks import ATTACKS, SLOW
from tests.evaluate.suites import MEAN, STD, as_tensor, case_of, labels_of, pictures

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning", "ignore::FutureWarning")
WATCHED = [
    name for name in ATTACKS if attack_library(name.partition(":")[0]).spec(name.partition(":")[2]).forwards != "other"
]
COUNTED = [name for name in ATTACKS if name not in WATCHED]


def known(path: str) -> Mapping[str, Any]:
    """The attack of a library as a suite has it; skips where the library is not installed."""
    needs(path.partition(":")[0])
    return ATTACKS[path]


def test_every_known_attack_is_tested_here() -> None:
    names = {f"{library}:{name}" for library in LIBRARIES for name in attack_library(library).specs}
    assert names == ATTACKS.keys() | SLOW
    assert len(names) == len(ATTACKS) + len(SLOW)


@pytest.mark.parametrize("path", WATCHED)
def test_a_watched_attack_is_seen_in_its_ball_all_the_way(path: str, tmp_path: Path) -> None:
    """Early success changes nothing but the work: who is fooled, and after how many gradients."""
    attack = known(path)
    full, early = run({**attack, "stop": "full"}, tmp_path), run(attack, tmp_path)
    for one in (full, early):
        assert one.meter.withdrawn == ""
        assert one.meter.gradients <= (one.resolved.budget(one.resolved.parameters()) or 0)
    assert full.meter.gradients == full.resolved.budget(full.resolved.parameters())
    assert torch.equal(early.effort, full.effort)
    assert torch.equal(early.fooled, full.fooled | (full.effort != UNFOOLED))
    assert early.meter.rows <= full.meter.rows
    assert 0 < int(early.fooled.sum()) < len(early.fooled)  # or little was compared
    if int((full.effort == UNFOOLED).sum()) < len(full.effort) - 1 and full.meter.forwards > 2:
        assert early.meter.rows < full.meter.rows
    untouched = ~early.fooled
    if "apgd" not in path.lower() and path != "adv_lib:pgd_linf":  # these answer the clean image where they fail
        assert bool((early.answer[untouched] != early.clean[untouched]).any())
    assert torch.equal(early.answer[untouched], full.answer[untouched])


@pytest.mark.parametrize("path", WATCHED)
def test_black_and_white_pixels_lead_no_watched_attack_out_of_its_ball(path: str, tmp_path: Path) -> None:
    assert run(known(path), tmp_path, edges=True).meter.withdrawn == ""


@pytest.mark.parametrize("path", COUNTED)
def test_an_attack_that_is_not_watched_runs_and_keeps_its_ball(path: str, tmp_path: Path) -> None:
    made = run(known(path), tmp_path, count=6 if path.startswith("art:") else 16)
    resolved = made.resolved
    assert (resolved.stop, resolved.freezes, resolved.watched) == ("full", False, False)
    assert resolved.budget(resolved.parameters()) is None
    assert made.meter.effort.tolist() == [UNFOOLED] * len(made.labels)
    assert (resolved.spec.norm is None) != resolved.bounded
    if resolved.distance_norm is not None and made.fooled.any():
        assert bool((made.distance > 0).all())


#: Of attacks that look for the smallest perturbation: between what the mean distance lies in their own norm.
#: In L-infinity it would be a tenth of that in L2.
NEAR = {
    "foolbox:L2CarliniWagnerAttack": (0.2, 0.45),
    "foolbox:L2DeepFoolAttack": (0.2, 0.45),
    "foolbox:LinfDeepFoolAttack": (0.01, 0.03),
    "foolbox:LInfFMNAttack": (0.01, 0.03),
    "adv_lib:carlini_wagner_l2": (0.2, 0.45),
    "adv_lib:carlini_wagner_linf": (0.01, 0.03),
    "adv_lib:df": (0.2, 0.45),
    "adv_lib:fab": (0.2, 0.45),
    "adv_lib:fmn": (0.2, 0.45),
    "adv_lib:ddn": (0.2, 0.9),
    "torchattacks:CW": (0.2, 0.45),
    "torchattacks:DeepFool": (0.2, 0.45),
    "art:CarliniL2Method": (0.2, 0.6),
    "art:DeepFool": (0.2, 0.45),
}


@pytest.mark.parametrize("path", NEAR)
def test_an_attack_for_the_smallest_perturbation_finds_a_small_one_in_its_own_norm(path: str, tmp_path: Path) -> None:
    made = run(known(path), tmp_path)
    assert int(made.fooled.sum()) >= 12
    low, high = NEAR[path]
    assert low < float(made.distance.mean()) < high


@pytest.mark.parametrize(
    ("path", "given", "norm"),
    [
        ("adv_lib:fmn", {"norm": "inf"}, "inf"),
        ("adv_lib:fmn", {"norm": 1}, "1"),
        ("adv_lib:alma", {"norm": "L1"}, "1"),
        ("adv_lib:tr", {"norm": "inf"}, "inf"),
        ("foolbox:HopSkipJumpAttack", {"norm": "Linf"}, "inf"),
        ("art:HopSkipJump", {"norm": "inf"}, "inf"),
    ],
)
def test_a_norm_that_is_chosen_is_the_distances(path: str, given: Mapping[str, Any], norm: str, tmp_path: Path) -> None:
    made = run({**known(path), **given}, tmp_path, count=6)
    assert made.resolved.distance_norm == norm
    assert made.resolved.parameters()["norm"] == norm
    assert made.resolved.spec.norm is None


@pytest.mark.parametrize(
    ("path", "norm", "eps"),
    [
        ("torchattacks:APGD", "L2", 0.4),
        ("torchattacks:FAB", "2", 0.4),
        ("adv_lib:apgd", 2, 0.4),
        ("adv_lib:apgd", 1.0, 6.0),
        ("pyautoattack:apgd-ce", "2", 0.4),
        ("pyautoattack:apgd-t", "L1", 6.0),
        ("art:ProjectedGradientDescent", "2", 0.4),
        ("art:FastGradientMethod", 2, 0.4),
    ],
)
def test_a_norm_that_is_chosen_is_the_balls(path: str, norm: Any, eps: float, tmp_path: Path) -> None:
    """In the library's ball it would be an error in ours: so large a radius holds nothing back there."""
    given = {**known(path), "norm": norm, "eps": eps}
    if "eps_step" in given:
        given["eps_step"] = eps / 4
    made = run(given, tmp_path)
    assert made.resolved.spec.norm == str(norm).removeprefix("L").removesuffix(".0")
    assert made.resolved.distance_norm is None
    assert int(made.fooled.sum()) > 0
    assert float(made.distance.max()) <= eps * 1.00001
    assert float((made.answer - made.clean).abs().max()) < eps  # in L-infinity it would be as far


@pytest.mark.parametrize("path", [*ATTACKS, *SLOW])
def test_every_parameter_is_in_the_protocol(path: str, tmp_path: Path) -> None:
    """By plain names, with the library's default, and none that is the model's or the batch's own matter."""
    needs(path.partition(":")[0])
    resolved = resolve(case_of(tmp_path, ATTACKS.get(path) or {"attack": path, **SLOW[path]}))
    found = resolved.parameters()
    assert all(name.isascii() and name.isidentifier() for name in found)
    for value in found.values():
        assert isinstance(value, bool | int | str) or abs(value) < float("inf")
    assert not found.keys() & {"targeted", "verbose", "batch_size", "device", "n_classes", "num_classes"}
    assert dict(resolved.given).items() <= found.items()
    signature = inspect.signature(resolved.spec.load()).parameters
    assert next(iter(signature)) == "model"
    if resolved.spec.norm is not None:
        assert signature["eps"].default is inspect.Parameter.empty
    elif resolved.distance_norm is not None:
        assert signature["eps"].default is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("torchattacks:PGD", {"eps": 0.03, "alpha": 0.008, "steps": 5, "random_start": True}),
        ("foolbox:LinfPGD", {"eps": 0.03, "rel_stepsize": 0.25, "steps": 5, "random_start": True}),
        (
            "adv_lib:pgd_linf",
            {
                "eps": 0.03,
                "relative_step_size": 0.25,
                "steps": 5,
                "random_init": True,
                "restarts": 1,
                "loss_function": "ce",
            },
        ),
        (
            "adv_lib:fmn",
            {
                "norm": "2",
                "steps": 8,
                "alpha_init": 1.0,
                "gamma_init": 0.05,
                "gamma_final": 0.001,
                "binary_search_steps": 10,
            },
        ),
        (
            "pyautoattack:apgd-ce",
            {
                "eps": 0.03,
                "norm": "inf",
                "n_iter": 5,
                "n_restarts": 1,
                "eot_iter": 1,
                "rho": 0.75,
                "use_largereps": False,
            },
        ),
        (
            "art:ProjectedGradientDescent",
            {"eps": 0.03, "norm": "inf", "eps_step": 0.008, "max_iter": 5, "num_random_init": 0},
        ),
    ],
)
def test_parameters_of_one_attack_of_each_library(path: str, expected: Mapping[str, Any], tmp_path: Path) -> None:
    assert resolve(case_of(tmp_path, known(path))).parameters() == expected


def test_a_step_size_takes_the_place_of_the_other_ones_default(tmp_path: Path) -> None:
    attack = {key: value for key, value in known("foolbox:LinfPGD").items() if key != "rel_stepsize"}
    found = resolve(case_of(tmp_path, {**attack, "abs_stepsize": 0.01})).parameters()
    assert "rel_stepsize" not in found
    assert found["abs_stepsize"] == 0.01


@pytest.mark.parametrize(
    ("path", "coarse", "fine"),
    [
        ("torchattacks:PGD", {"alpha": 0.008}, {"alpha": 0.0005}),
        ("foolbox:LinfPGD", {"rel_stepsize": 0.25}, {"rel_stepsize": 0.01}),
        ("foolbox:LinfPGD", {"rel_stepsize": 0.25}, {"abs_stepsize": 0.0003}),
        ("adv_lib:pgd_linf", {"relative_step_size": 0.25}, {"absolute_step_size": 0.0003}),
        ("art:ProjectedGradientDescent", {"eps_step": 0.008}, {"eps_step": 0.0003}),
    ],
)
def test_a_step_size_reaches_the_library(
    path: str, coarse: Mapping[str, Any], fine: Mapping[str, Any], tmp_path: Path
) -> None:
    steps = {"rel_stepsize", "abs_stepsize", "relative_step_size", "absolute_step_size", "eps_step", "alpha"}
    attack = {key: value for key, value in known(path).items() if key not in steps}
    large, small = (run({**attack, **step}, tmp_path) for step in (coarse, fine))
    assert int(large.fooled.sum()) > int(small.fooled.sum()) + 3


def test_an_answer_is_bit_equal_to_the_librarys_own(tmp_path: Path) -> None:
    needs("torchattacks")
    import torchattacks

    made = run({**ATTACKS["torchattacks:PGD"], "stop": "full"}, tmp_path)
    with Classifier(nets.tiny(), mean=[MEAN], std=[STD]) as classifier, seeded(0, 0):
        plain = torchattacks.PGD(classifier, eps=0.03, alpha=0.008, steps=5)(made.clean.clone(), made.labels)
    assert torch.equal(made.answer, plain)


def test_foolboxs_clipped_answer_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("foolbox")
    import foolbox

    monkeypatch.setattr(foolbox.attacks.LinfPGD, "run", lambda self, model, inputs, *rest, **more: inputs * 0 + 1)
    made = run({**ATTACKS["foolbox:LinfPGD"], "stop": "full"}, tmp_path)
    assert torch.allclose(made.answer, (made.clean + 0.03).clamp(0, 1))


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("foolbox:L2CarliniWagnerAttack", {"steps": 5, "binary_search_steps": 1, "initial_const": 1e-9}),
        ("foolbox:EADAttack", {"steps": 5, "binary_search_steps": 1, "initial_const": 1e-9}),
        ("foolbox:BinarySearchContrastReductionAttack", {"binary_search_steps": 3}),
    ],
)
def test_where_foolbox_finds_nothing_its_answer_is_of_one_colour(
    path: str, given: Mapping[str, Any], tmp_path: Path
) -> None:
    """Some models call a black image something else, and that would be a success."""
    known(path)
    made = run({"attack": path, **given}, tmp_path)
    assert bool(ball.is_constant(made.answer, made.clean).all())
    assert not bool(ball.is_constant(made.clean, made.clean).any())


@pytest.mark.parametrize("path", ["adv_lib:ddn", "foolbox:LInfFMNAttack", "torchattacks:CW", "art:DeepFool"])
def test_an_attack_for_the_smallest_perturbation_is_never_frozen(path: str, tmp_path: Path) -> None:
    """Of frozen rows it knows no more than that they were fooled once: DDN's mean L2 norm would be 1.05, not 0.78."""
    with pytest.raises(RobustnessError, match="stop: 'first-success' is not one of full"):
        resolve(case_of(tmp_path, {**known(path), "stop": "first-success"}))
    resolved = resolve(case_of(tmp_path, known(path)))
    assert not resolved.freezes
    assert not resolved.bounded
    assert resolve(case_of(tmp_path, {**known(path), "eps": 0.5})).bounded


def test_a_radius_neither_stops_foolboxs_search_nor_clips_its_answer(tmp_path: Path) -> None:
    plain, bounded = (run({**known("foolbox:DDNAttack"), **given}, tmp_path) for given in ({}, {"eps": 0.05}))
    assert torch.equal(plain.answer, bounded.answer)


def test_arts_saliency_map_is_given_no_label_to_aim_at(tmp_path: Path) -> None:
    """It takes labels for targets: with the image's own it has nothing to do."""
    assert int(run(known("art:SaliencyMapMethod"), tmp_path).fooled.sum()) > 0


@pytest.mark.parametrize("path", ["adv_lib:pgd_linf", "adv_lib:apgd", "torchattacks:APGD", "pyautoattack:apgd-ce"])
def test_a_restart_of_some_rows_ends_the_watching_and_costs_no_success(path: str, tmp_path: Path) -> None:
    key = "restarts" if path == "adv_lib:pgd_linf" else "n_restarts"
    once, twice = run(known(path), tmp_path), run({**known(path), key: 2}, tmp_path)
    assert once.resolved.budget(once.resolved.parameters()) is not None
    assert twice.resolved.budget(twice.resolved.parameters()) is None  # whose gradients these were nobody knows
    assert twice.meter.withdrawn.endswith("images in a batch of 16")
    assert bool((twice.fooled | ~once.fooled).all())


@pytest.mark.parametrize(
    "path",
    ["torchattacks:AutoAttack", "pyautoattack:apgd-ce", "foolbox:LinfPGD", "adv_lib:apgd", "torchattacks:APGD"],
)
def test_draws_follow_from_the_suites_seed(path: str, tmp_path: Path) -> None:
    first, again, other = (run(known(path), tmp_path, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.answer, again.answer)
    if path == "torchattacks:APGD":  # it has a seed of its own, which is a parameter
        assert first.resolved.parameters()["seed"] == 0
        other = run({**known(path), "seed": 1}, tmp_path)
    assert not torch.equal(first.answer, other.answer)


@pytest.mark.parametrize(
    "path", ["torchattacks:APGDT", "torchattacks:FAB", "pyautoattack:apgd-t", "pyautoattack:fab-t", "art:DeepFool"]
)
def test_the_number_of_classes_is_the_models(path: str, tmp_path: Path) -> None:
    given = {key: value for key, value in known(path).items() if key != "n_target_classes"}
    if "eps" in given:  # some images stand, and all classes are tried on them
        given["eps"] = 0.005
    made = run(given, tmp_path, net=nets.four_classes())
    assert int(made.fooled.sum()) > 0
    assert int(made.fooled.sum()) < len(made.fooled) or path == "art:DeepFool"
    assert "n_classes" not in made.resolved.parameters()


@pytest.mark.parametrize("path", [*WATCHED, "art:CarliniL0Method", "adv_lib:fmn", "foolbox:L2DeepFoolAttack"])
def test_an_answer_has_the_images_precision(path: str, tmp_path: Path) -> None:
    """Some libraries work in another one."""
    given = {**known(path)}
    steps = {"steps", "n_iter", "max_iter"} & given.keys()
    made = run({**given, **dict.fromkeys(steps, 2)}, tmp_path, count=4, dtype=torch.float64)
    assert made.answer.dtype == torch.float64


@pytest.mark.parametrize("path", [*WATCHED, "torchattacks:PGDRSL2", "foolbox:DDNAttack", "adv_lib:ddn", "art:DeepFool"])
def test_the_models_memory_format_is_its_own_matter(path: str, tmp_path: Path) -> None:
    """torchattacks' PGDL2 takes a view of its gradients, which in channels_last there is none of."""
    made = run(known(path), tmp_path, count=4, memory_format=torch.channels_last)
    assert made.meter.gradients > 0


def test_the_tracing_of_a_debugger_or_of_coverage_goes_on(tmp_path: Path) -> None:
    attack, seen = known("pyautoattack:standard"), []
    before = sys.gettrace()
    tracer = lambda frame, event, argument: seen.append(frame.f_code.co_name)  # noqa: E731
    sys.settrace(tracer)
    try:
        run(attack, tmp_path, count=4)
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("library", LIBRARIES)
def test_without_the_library_one_line_says_what_installs_it(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is said before it is needed: a suite may have cases that run on request only."""
    _hide(library, monkeypatch)
    path = next(name for name in ATTACKS if name.startswith(f"{library}:"))
    resolved = resolve(case_of(tmp_path, ATTACKS[path]))
    assert resolved.stop
    with pytest.raises(RobustnessError) as error:
        resolved.parameters()
    extra = attack_library(library).extra
    assert str(error.value) == f"attack: {library} is not installed: pip install 'pytest-robustness[{extra}]'"


def test_without_visdom_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("adv_lib")
    for name in [name for name in sys.modules if name.split(".")[0] == "adv_lib"]:
        monkeypatch.delitem(sys.modules, name)
    _hide("visdom", monkeypatch)
    with pytest.raises(RobustnessError) as error:
        resolve(case_of(tmp_path, ATTACKS["adv_lib:fmn"])).parameters()
    assert str(error.value) == "attack: adv_lib imports visdom: pip install visdom"


def _hide(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)


#: What an attack of each library is made to answer, and what is said of it.
BREACHES = {
    "beyond the ball": (lambda images: (images + 0.04).clamp(0, 1), "the attack left its Linf ball: 0.04 is 0.01 more"),
    "beyond the box": (lambda images: images + 1, "outside [0, 1]"),
    "not finite": (lambda images: images * torch.nan, "not finite"),
    "of whole numbers": (lambda images: images.round().long(), "images of torch.int64, not of torch.float32"),
    "complex": (lambda images: images.to(torch.complex64), "images of torch.complex64"),
    "cut": (lambda images: images[:, :, 1:], "not images of (16, 3, 12, 12)"),
}
METHODS = {
    "torchattacks:PGD": ("torchattacks", "PGD.forward"),
    "foolbox:LinfPGD": ("foolbox.attacks", "LinfPGD.__call__"),
    "adv_lib:pgd_linf": ("adv_lib.attacks", "pgd_linf"),
    "pyautoattack:apgd-ce": ("pyautoattack.autopgd_base", "APGDAttack.perturb"),
}


@pytest.mark.parametrize("breach", BREACHES)
@pytest.mark.parametrize("path", METHODS)
def test_a_planted_breach_is_blamed_on_the_attack(
    path: str, breach: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attack = known(path)
    answer, said = BREACHES[breach]
    module, method = METHODS[path]

    def planted(*arguments: Any, **more: Any) -> Any:
        images = next(one for one in arguments if isinstance(one, Tensor))
        return (None, answer(images), None) if path.startswith("foolbox") else answer(images)

    if path == "adv_lib:pgd_linf":  # its signature is looked at
        planted.__signature__ = inspect.signature(getattr(sys.modules[module], method))  # type: ignore[attr-defined]
    monkeypatch.setattr(f"{module}.{method}", planted)
    with pytest.raises(RobustnessError) as error:
        run({**attack, "stop": "full"}, tmp_path)
    assert said in str(error.value)
    assert str(error.value).startswith("the attack ")
    assert "\n" not in str(error.value)


def test_a_meter_that_is_on_no_graph_is_fine(tmp_path: Path) -> None:
    """foolbox asks without gradients; nothing is counted then."""
    resolved: ResolvedAttack = resolve(case_of(tmp_path, known("foolbox:LinfAdditiveUniformNoiseAttack")))
    clean, labels = as_tensor(pictures(4)), torch.from_numpy(labels_of(pictures(4), wrong=()))
    with Classifier(nets.tiny(), mean=[MEAN], std=[STD]) as classifier:
        meter = Meter(
            classifier,
            clean,
            labels,
            labels >= 0,
            candidates=False,
            freeze=False,
            ball=lambda candidates, images: labels >= 0,
            row_floor=1,
        )
        resolved.build(meter)(clean.clone(), labels)
    assert (meter.forwards, meter.gradients) == (1, 0)
