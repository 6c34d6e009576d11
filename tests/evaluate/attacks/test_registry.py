"""What a suite may name as an attack, and what is known of it before and after it is imported."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.attacks import registry
from pytest_robustness.evaluate.attacks.base import AttackSpec, norm_named
from pytest_robustness.evaluate.attacks.core import CORE
from pytest_robustness.evaluate.attacks.registry import ATTACKS, LIBRARIES, attack_library, resolve
from pytest_robustness.evaluate.attacks.rows import RowAttack
from pytest_robustness.evaluate.described import parameters_of
from pytest_robustness.evaluate.noise import noise_rate

from tests.evaluate import nets
from tests.evaluate.attacks.batches import needs, run
from tests.evaluate.suites import COUNT, as_tensor, case_of, measure, pictures

EPS = {"eps": 0.1}
#: Core attacks with what has no default.
NEEDED = {"BIM": {"alpha": 0.02}, "MIFGSM": {"alpha": 0.02}, "PGD": {"alpha": 0.02}}
OWN = "tests.evaluate.attacks.own"


def core(name: str) -> dict[str, Any]:
    return {"attack": name, **(EPS if CORE[name].norm else {}), **NEEDED.get(name, {})}


def test_reading_a_suite_imports_neither_torch_nor_a_library(tmp_path: Path) -> None:
    """Collecting stays fast."""
    suite = tmp_path / "suite.toml"
    attacks = ["PGD", "CW", "gaussian_noise", *(f"{one}:{next(iter(attack_library(one).specs))}" for one in LIBRARIES)]
    case_of(tmp_path, {"attack": "FGSM", "eps": 0.1})
    keys = {"eps": 0.1, "alpha": 0.1, "rel_stepsize": 0.1, "relative_step_size": 0.1}
    wanted = {"PGD": ("eps", "alpha"), "CW": (), "gaussian_noise": ()}
    text = suite.read_text().partition("[attacks.it]")[0]
    for number, name in enumerate(attacks):
        prefix, _, rest = name.partition(":")
        required = attack_library(prefix).spec(rest).required if rest else [(key,) for key in wanted[name]]
        text += f'[attacks.a{number}]\nattack = "{name}"\n'
        text += "".join(f"{group[0]} = {keys[group[0]]}\n" for group in required)
    suite.write_text(text.replace('attack = "gaussian_noise"\n', 'attack = "gaussian_noise"\nseverity = 3\n'))
    program = f"""
import sys
from pathlib import Path
from pytest_robustness.evaluate.attacks.registry import LIBRARIES, resolve
from pytest_robustness.suite.load import load_suite
for case in load_suite(Path({str(suite)!r})).cases():
    resolved = resolve(case)
    assert resolved.stop and resolved.spec.identity == case.attack.attack
    resolved.by_row, resolved.watched, resolved.freezes, resolved.distance_norm
sys.exit(", ".join({{"torch", "numpy", *LIBRARIES}} & sys.modules.keys()) or None)
"""
    done = subprocess.run([sys.executable, "-c", program], timeout=60, check=False, capture_output=True, text=True)
    assert (done.stderr.strip(), done.returncode) == ("", 0)


@pytest.mark.parametrize("name", CORE)
def test_what_is_said_of_a_core_attack_is_so(name: str, tmp_path: Path) -> None:
    spec = CORE[name]
    signature = inspect.signature(spec.load()).parameters
    assert set(signature) == set(spec.parameters or ())
    assert spec.identity == name
    resolved = resolve(case_of(tmp_path, core(name)))
    attack = resolved.build_rows()
    assert resolved.by_row
    assert isinstance(attack, RowAttack)
    assert getattr(attack, "minimises", False) == (spec.distance is not None)
    assert attack.norm == (resolved.distance_norm or resolved.spec.norm)
    assert ("norm" in signature) == bool(spec.norms)
    assert resolved.library() == "own"
    assert resolved.bounded == (spec.norm is not None)
    assert resolved.freezes == (spec.distance is None)
    assert resolved.watched


@pytest.mark.parametrize("name", [name for name, spec in CORE.items() if spec.norms])
@pytest.mark.parametrize("norm", ["inf", "2", 2, "L2", "Linf", float("inf")])
def test_a_norm_of_a_core_attack_is_its_balls_or_its_distances(name: str, norm: Any, tmp_path: Path) -> None:
    resolved = resolve(case_of(tmp_path, core(name) | {"norm": norm}))
    plain = "2" if "2" in str(norm) else "inf"
    assert resolved.parameters()["norm"] == plain
    assert resolved.build_rows().norm == plain
    if CORE[name].distance:
        assert (resolved.distance_norm, resolved.spec.norm) == (plain, None)
    else:
        assert (resolved.distance_norm, resolved.spec.norm) == (None, plain)


@pytest.mark.parametrize(
    ("attack", "budget"),
    [
        ({"attack": "FGSM", **EPS}, 1),
        ({"attack": "PGD", **EPS, "alpha": 0.02, "steps": 7}, 7),
        ({"attack": "PGD", **EPS, "alpha": 0.02, "steps": 7, "restarts": 3}, 21),
        ({"attack": "APGD", **EPS, "steps": 20}, 20),
        ({"attack": "APGD", **EPS, "steps": 20, "restarts": 2}, 40),
        ({"attack": "APGD", **EPS, "steps": 20, "loss": "targeted", "targets": 4}, 84),
        ({"attack": "CW", "steps": 12}, 12),
        ({"attack": "DDN"}, 20),
        ({"attack": "FMN", "steps": 9}, 9),
        ({"attack": "Square", **EPS}, None),
        ({"attack": "gaussian_noise", "severity": 3}, 0),
        ({"attack": "torchattacks:EOTPGD", **EPS, "alpha": 0.02, "steps": 5, "eot_iter": 3}, 15),
        ({"attack": "art:ProjectedGradientDescent", **EPS, "eps_step": 0.1, "max_iter": 5, "num_random_init": 3}, 15),
        ({"attack": "adv_lib:apgd", **EPS, "norm": "inf", "n_iter": 5, "best_loss": True}, None),
    ],
)
def test_a_budget_follows_from_the_parameters(attack: Mapping[str, Any], budget: int | None, tmp_path: Path) -> None:
    if ":" in attack["attack"]:
        needs(attack["attack"].partition(":")[0])
    resolved = resolve(case_of(tmp_path, attack))
    assert resolved.budget(resolved.parameters()) == budget


@pytest.mark.parametrize(
    "attack",
    [
        {"attack": "APGD", "eps": 0.002, "steps": 6},
        {"attack": "APGD", "eps": 0.002, "steps": 4, "loss": "targeted"},
        {"attack": "APGD", "eps": 0.002, "steps": 4, "loss": "targeted", "targets": 2, "restarts": 2},
        {"attack": "PGD", "eps": 0.002, "alpha": 0.001, "steps": 4, "restarts": 3},
        {"attack": "FGSM", "eps": 0.002},
        {"attack": "DDN", "steps": 6},
    ],
)
def test_an_image_that_is_never_fooled_costs_the_budget(attack: Mapping[str, Any], tmp_path: Path) -> None:
    case = case_of(tmp_path, attack)
    resolved, evidence = resolve(case), measure(case).evidence
    budget = resolved.budget(resolved.parameters())
    made = [
        gradients
        for gradients, fooled, right in zip(evidence.gradients, evidence.success, evidence.correct, strict=True)
        if right and (not fooled or attack["attack"] == "DDN")
    ]
    assert set(made) == {budget}
    assert len(made) > 5


@pytest.mark.parametrize(
    ("name", "identity"),
    [("MIFGSM", "MIFGSM"), ("MI-FGSM", "MIFGSM"), ("fog", "fog"), (f"{OWN}:Mine", f"{OWN}:Mine")],
)
def test_a_protocol_calls_an_attack_by_its_name(name: str, identity: str, tmp_path: Path) -> None:
    given = {"severity": 1} if name == "fog" else {"eps": 0.02, "norm": "inf"} if ":" in name else EPS
    given = given | ({"alpha": 0.02} if name.startswith("MI") else {})
    case = case_of(tmp_path, {"attack": name, **given})
    assert resolve(case).spec.identity == identity


def test_every_attack_of_this_package_has_a_name_that_does_not_say_where_it_lies() -> None:
    assert [name for name, spec in ATTACKS.items() if spec.identity != name] == []
    assert all(spec.path.startswith("pytest_robustness.") for spec in ATTACKS.values())


@pytest.mark.parametrize(
    ("attack", "stop", "others"),
    [
        ({"attack": "PGD", **EPS, "alpha": 0.02}, "first-success", ["full"]),
        ({"attack": "Square", **EPS}, "first-success", ["full"]),
        ({"attack": "CW"}, "patience", ["full"]),
        ({"attack": "FMN"}, "full", []),
        ({"attack": "DDN"}, "full", []),
        ({"attack": "torchattacks:PGD", **EPS, "alpha": 0.02}, "first-success", ["full"]),
        ({"attack": "torchattacks:CW"}, "full", []),
        ({"attack": "foolbox:LinfPGD", **EPS, "rel_stepsize": 0.1}, "first-success", ["full"]),
        ({"attack": f"{OWN}:brighter", **EPS, "norm": "inf"}, "full", []),
        ({"attack": f"{OWN}:Darker", **EPS, "norm": "inf"}, "first-success", ["full"]),
        ({"attack": f"{OWN}:Dimmest"}, "full", []),
        ({"attack": "tests.evaluate.nets:Answer", **EPS, "norm": "inf"}, "full", []),
    ],
)
def test_the_stopping_rules_of_an_attack(
    attack: Mapping[str, Any], stop: str, others: list[str], tmp_path: Path
) -> None:
    if ":" in attack["attack"] and not attack["attack"].startswith("tests."):
        needs(attack["attack"].partition(":")[0])
    resolved = resolve(case_of(tmp_path, attack))
    assert resolved.stop == stop
    for rule in ("first-success", "patience", "full"):
        case = case_of(tmp_path, {**attack, "stop": rule})
        if rule in (stop, *others):
            other = resolve(case)
            other.parameters()
            assert (other.stop, other.freezes) == (rule, rule == "first-success")
        else:
            with pytest.raises(RobustnessError, match=f"stop: {rule!r} is not one of "):
                resolve(case).parameters()


def test_every_step_of_cw_means_no_patience(tmp_path: Path) -> None:
    cw = resolve(case_of(tmp_path, {"attack": "CW", "lr": 0.02}))
    assert cw.parameters() == {"c": 1, "kappa": 0, "steps": 50, "lr": 0.02, "patience": 3}
    full = resolve(case_of(tmp_path, {"attack": "CW", "stop": "full"}))
    assert full.parameters()["patience"] == 0
    assert full.build_rows().patience == 0
    bounded = resolve(case_of(tmp_path, {"attack": "CW", "eps": 0.5}))
    assert (bounded.bounded, bounded.spec.norm, bounded.distance_norm) == (True, None, "2")


@pytest.mark.parametrize(
    ("name", "given", "rows", "distance", "parameters"),
    [
        ("brighter", {**EPS, "norm": "inf", "share": 0.5}, False, None, {"eps": 0.1, "share": 0.5}),
        ("anything", {"by": 2}, False, None, {"by": 2}),
        ("Darker", {**EPS, "norm": "inf"}, True, None, {"eps": 0.1, "steps": 2}),
        ("Dimmest", {}, True, "inf", {"norm": "inf", "kind": "even"}),
        ("Dimmest", {"norm": "2"}, True, "2", {"norm": "2", "kind": "even"}),
        ("Mine", {"norm": "inf"}, True, None, {"eps": 0.02}),
    ],
)
def test_ones_own_attack_is_a_function_a_class_or_one_that_goes_image_by_image(
    name: str,
    given: Mapping[str, Any],
    rows: bool,
    distance: str | None,
    parameters: Mapping[str, Any],
    tmp_path: Path,
) -> None:
    case = case_of(tmp_path, {"attack": f"{OWN}:{name}", **given})
    resolved = resolve(case)
    assert (resolved.by_row, resolved.distance_norm) == (rows, distance)
    assert resolved.parameters() == parameters
    assert resolved.library() == "tests"
    protocol = measure(case).protocol
    assert protocol.parameters == parameters
    assert (protocol.batch is None) == rows
    if name == "brighter":
        made = run(resolved, tmp_path)
        assert torch.allclose(made.answer, (made.clean + 0.05).clamp(0, 1))


@pytest.mark.parametrize(
    ("answer", "norm", "said"),
    [
        ("LeavesBall", "inf", "left its Linf ball: 0.1001 is 0.0001 more than eps = 0.1"),
        ("LeavesBall", "2", "left its L2 ball"),
        ("NotFinite", "none", "not finite"),
        ("NotFinite", "inf", "not finite"),
        ("WrongShape", "none", "the attack returned (24, 3, 11, 12), not images of (24, 3, 12, 12)"),
        ("NoTensor", "none", "the attack returned tuple"),
        ("TooBright", "inf", "outside [0, 1]"),
    ],
)
def test_a_breach_of_contract_is_an_error_and_no_result(
    answer: str, norm: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    eps = 0.5 if answer == "TooBright" else 0.1 if norm != "2" else 0.05
    if (answer, norm) == ("LeavesBall", "2"):
        monkeypatch.setattr(nets.LeavesBall, "answer", lambda self, images, labels: (images + 0.04).clamp(0, 1))
    with pytest.raises(RobustnessError) as error:
        measure(case_of(tmp_path, {"attack": f"tests.evaluate.nets:{answer}", "eps": eps, "norm": norm}))
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


@pytest.mark.parametrize(
    ("value", "norm"), [("l2", "2"), ("L1", "1"), (True, None), ("3", None), (0, None), (3.5, None)]
)
def test_a_norm_by_any_name(value: Any, norm: str | None) -> None:
    assert norm_named(value) == norm


@pytest.mark.parametrize("answer", ["MovesCleanImages", "ChangesLabels"])
def test_an_attack_cannot_move_the_goal_posts(answer: str, tmp_path: Path) -> None:
    """One that works in place would be inside any ball, at no noise at all."""
    case = case_of(tmp_path, {"attack": f"tests.evaluate.nets:{answer}", "eps": 0.1, "norm": "inf"})
    if answer == "MovesCleanImages":
        with pytest.raises(RobustnessError, match="left its Linf ball"):
            measure(case)
    else:
        assert measure(case).aggregates.successes == 0


def test_rounding_is_no_breach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clean plus epsilon minus clean is not epsilon in single precision."""
    monkeypatch.setattr(nets.Answer, "answer", lambda self, images, labels: (images + self.eps).clamp(0, 1))
    case = case_of(tmp_path, {"attack": "tests.evaluate.nets:Answer", "eps": 0.1, "norm": "inf"})
    assert measure(case).aggregates.attempts == COUNT - 3


@pytest.mark.parametrize("stop", ["first-success", "full"])
def test_only_full_judges_the_attack_by_its_answer(stop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that looks at brighter images and answers with the clean ones."""
    watched = AttackSpec("tests.evaluate.nets:ComesBack", ("eps",), "candidates", "inf", ("first-success", "full"))
    monkeypatch.setitem(registry.ATTACKS, "ComesBack", watched)
    evidence = measure(case_of(tmp_path, {"attack": "ComesBack", "eps": 0.2, "stop": stop})).evidence
    clean = as_tensor(pictures())
    noise = noise_rate(clean, (clean + 0.2).clamp(0, 1)).tolist()
    assert (sum(evidence.success) > 0) == (stop == "first-success")
    for found, expected in zip(evidence.noise, noise, strict=True):
        assert found is None or found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        ({"attack": "PDG"}, "attack: unknown attack 'PDG' (known: FGSM, BIM"),
        (
            {"attack": "DeepFool"},
            "attack: unknown attack 'DeepFool'; torchattacks' is torchattacks:DeepFool (known: ",
        ),
        ({"attack": "TPGD", "eps": 0.1}, "attack: unknown attack 'TPGD'; torchattacks' is torchattacks:TPGD (known: "),
        ({"attack": "foolbox:LinfPDG"}, "attack: foolbox has no attack 'LinfPDG' (similar: LinfPGD, "),
        ({"attack": "adv_lib:FMN"}, "attack: adv_lib has no attack 'FMN' (similar: fmn"),
        ({"attack": "pyautoattack:apgd"}, "attack: pyautoattack has no attack 'apgd' (similar: apgd-t, apgd-ce"),
        ({"attack": "art:PGD"}, "attack: art has no attack 'PGD' (similar: "),
        ({"attack": "torchattacks:"}, "attack: torchattacks has no attack '' (similar: FGSM, "),
        (
            {"attack": "PGD", "epsilon": 0.1},
            "epsilon: unknown key (parameters: eps, alpha, steps, norm, random_",
        ),
        ({"attack": "PGD", "eps": 0.1}, "alpha: missing, and PGD has no default for it"),
        ({"attack": "PGD", "alpha": 0.1}, "eps: missing, and PGD has no default for it"),
        (
            {"attack": "PGD", "eps": 0.1, "alpha": 0.1, "loss": "hinge"},
            "loss: 'hinge' is not one of scale-free, ",
        ),
        ({"attack": "PGD", "eps": 0.1, "alpha": 0.1, "norm": "1"}, "norm: '1' is not one of inf, 2"),
        ({"attack": "FGSM", "eps": 0.1, "norm": "2"}, "norm: unknown key (parameters: eps, loss)"),
        ({"attack": "FMN", "norm": "sup"}, "norm: 'sup' is not one of inf, 2"),
        ({"attack": "PGD", "stop": "patience"}, "stop: 'patience' is not one of first-success, full"),
        ({"attack": "CW", "stop": "first-success"}, "stop: 'first-success' is not one of patience, full"),
        ({"attack": "PGD", "eps": -0.1}, "eps: -0.1 is not a number of at least 0"),
        ({"attack": "PGD", "eps": "0.1"}, "eps: '0.1' is not a number of at least 0"),
        ({"attack": "CW", "patience": -1}, "patience: -1 is not a whole number of at least 0"),
        ({"attack": "PGD", "eps": float("nan")}, "eps: nan is not a number"),
        ({"attack": "PGD", "eps": float("inf")}, "eps: inf is not a number"),
        ({"attack": "PGD", "steps": 1.5}, "steps: 1.5 is not"),
        ({"attack": "PGD", "restarts": True}, "restarts: True is not a whole number"),
        ({"attack": "torchattacks:PGD", "alpha": 0.1}, "eps: missing: the radius of the ball that torchattacks:PGD"),
        ({"attack": "torchattacks:PGD", "eps": 0.1}, "alpha: missing: torchattacks:PGD has to be told the size of its"),
        (
            {"attack": "foolbox:LinfPGD", "eps": 0.1},
            "rel_stepsize: missing: foolbox:LinfPGD has to be told the size of its steps (rel_stepsize or abs_",
        ),
        (
            {"attack": "foolbox:LinfPGD", "eps": 0.1, "rel_stepsize": 0.1, "abs_stepsize": 0.1},
            "abs_stepsize: beside rel_stepsize: give one of them",
        ),
        ({"attack": "adv_lib:pgd_linf", "eps": 0.1}, "relative_step_size: missing: "),
        ({"attack": "adv_lib:fmn"}, "norm: missing: adv_lib:fmn has no default for it (inf, 2, 1)"),
        ({"attack": "art:ProjectedGradientDescent", "eps": 0.1}, "eps_step: missing: "),
        ({"attack": "pyautoattack:apgd-ce", "eps": 0.1, "norm": "0"}, "norm: '0' is not one of inf, 2, 1"),
        ({"attack": "tests.evaluate.nowhere:PGD"}, "attack: cannot import tests.evaluate.nowhere:PGD: "),
        ({"attack": "tests.evaluate.nets:Nothing"}, "attack: no 'Nothing' in tests.evaluate.nets"),
        (
            {"attack": "tests.evaluate.nets:CLASSES"},
            "attack: tests.evaluate.nets:CLASSES is neither a class nor a",
        ),
        ({"attack": f"{OWN}:Dimmest", "kind": "prime"}, "kind: 'prime' is not one of even, odd"),
        ({"attack": f"{OWN}:brighter", "eps": 0.1, "norm": "inf", "by": 1}, "by: not a parameter of"),
        (core("FGSM") | {"eps": 8}, "eps: 8 is beyond the range of a pixel, which is [0, 1]: 0.03137 was probably"),
        (core("PGD") | {"alpha": 2.0}, "alpha: 2 is beyond the range of a pixel, which is [0, 1]: 0.007843 was"),
        ({"attack": f"{OWN}:brighter", "eps": 16, "norm": "inf"}, "eps: 16 is beyond"),
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
    ],
)
def test_a_mistake_in_an_attack_names_file_and_key(attack: Mapping[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(RobustnessError) as error:
        case = case_of(tmp_path, attack)
        parameters_of(case, resolve(case))
    assert str(error.value).startswith(f"{tmp_path / 'suite.toml'}: attacks.it.{said}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        ({"attack": "torchattacks:PGD", "eps": 0.1, "alpha": 0.1, "epsilon": 0.1}, "epsilon: not a parameter of torch"),
        ({"attack": "torchattacks:PGD", "eps": 0.1, "alpha": 0.1, "targeted": True}, "targeted: not a parameter of "),
        ({"attack": "foolbox:LinfPGD", "eps": 0.1, "rel_stepsize": 0.1, "norm": "2"}, "norm: not a parameter of fool"),
        ({"attack": "foolbox:L2CarliniWagnerAttack", "init_attack": "x"}, "init_attack: not a parameter of foolbox:"),
    ],
)
def test_a_librarys_parameter_that_there_is_none_of(attack: Mapping[str, Any], said: str, tmp_path: Path) -> None:
    needs(attack["attack"].partition(":")[0])
    with pytest.raises(RobustnessError) as error:
        measure(case_of(tmp_path, attack))
    assert str(error.value).startswith(f"{tmp_path / 'suite.toml'}: attacks.it.{said}")


def test_an_attack_of_a_library_that_is_in_no_table_has_to_say_its_ball(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer version's, or one nobody has looked at: it is counted only."""
    needs("torchattacks")
    import torchattacks

    monkeypatch.setattr(torchattacks, "New", torchattacks.PGD, raising=False)
    with pytest.raises(RobustnessError, match="norm: missing: the attack has an eps; say which ball"):
        resolve(case_of(tmp_path, {"attack": "torchattacks:New", "eps": 0.03}))
    case = case_of(tmp_path, {"attack": "torchattacks:New", "eps": 0.03, "norm": "inf"})
    resolved = resolve(case)
    assert (resolved.watched, resolved.stop, resolved.spec.norm) == (False, "full", "inf")
    assert resolved.parameters() == {"eps": 0.03, "alpha": 2 / 255, "steps": 10, "random_start": True}
    assert resolved.library() == f"torchattacks {version('torchattacks')}"
    assert measure(case).protocol.attack == "torchattacks:New"


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_measurement_names_the_version_of_the_library(library: str, tmp_path: Path) -> None:
    needs(library)
    known = attack_library(library)
    name = next(iter(known.specs))
    given = {group[0]: 0.1 for group in known.spec(name).required}
    resolved = resolve(case_of(tmp_path, {"attack": f"{library}:{name}", **given}))
    assert resolved.library() == f"{known.distribution} {version(known.distribution)}"


def test_a_class_of_a_library_by_its_whole_path_is_ones_own_attack(tmp_path: Path) -> None:
    needs("torchattacks")
    resolved = resolve(case_of(tmp_path, {"attack": "torchattacks.attacks.pgd:PGD", "eps": 0.03, "norm": "inf"}))
    assert (resolved.by_row, resolved.watched, resolved.stop) == (False, False, "full")
    assert resolved.library() == f"torchattacks {version('torchattacks')}"
    assert resolved.parameters()["alpha"] == 2 / 255
