"""An ensemble: later attacks see only what earlier ones left standing."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.clean import ModelCache
from pytest_robustness.evaluate.measure import evaluate
from pytest_robustness.evaluate.rounds import run_in_order
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.suite import Suite

from tests.evaluate.suites import COUNT, CPU, case_of

EPS = 0.02
WEAK = {"attack": "FGSM", "eps": EPS}
TABLES = """
[attacks.strong]
attack = "PGD"
eps = 0.02
alpha = 0.005
steps = 8

[ensembles.worst]
eps = 0.02
attacks = ["it", "strong", "apgd-t"]
"""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    path = case_of(tmp_path, WEAK).suite.path
    path.write_text(path.read_text() + TABLES)
    return load_suite(path)


def test_an_image_falls_to_the_first_member_that_fools_it(suite: Suite) -> None:
    cases = {name: evaluate(suite.case(f"net/{name}"), device=CPU).evidence for name in ("it", "strong")}
    found = evaluate(suite.case("net/worst"), device=CPU)
    worst = found.evidence
    assert worst.fooled_by
    assert {0, 1} <= set(worst.fooled_by)
    for i in range(COUNT):
        first = next((n for n, name in enumerate(("it", "strong")) if cases[name].success[i]), None)
        if first is not None:
            assert worst.fooled_by[i] == first
            assert worst.success[i] == 1
            assert worst.noise[i] == (cases["it"], cases["strong"])[first].noise[i]
        elif worst.correct[i]:
            assert worst.fooled_by[i] in (2, None)
    assert found.aggregates.robust_accuracy is not None
    assert found.budget is None


def test_work_is_that_of_all_members_an_image_met(suite: Suite) -> None:
    weak, strong, worst = (
        evaluate(suite.case(f"net/{name}"), device=CPU).evidence for name in ("it", "strong", "worst")
    )
    assert weak.forwards
    assert strong.forwards
    assert worst.forwards
    assert worst.fooled_by
    for i, member in enumerate(worst.fooled_by):
        if member == 0:
            assert worst.forwards[i] == weak.forwards[i]
        elif member == 1:
            assert worst.forwards[i] == weak.forwards[i] + strong.forwards[i]


def test_what_was_measured_of_a_member_is_used_and_not_measured_again(suite: Suite) -> None:
    cache, computed = ModelCache(), []
    alone = evaluate(suite.case("net/worst"), device=CPU)
    evaluate(suite.case("net/it"), device=CPU, model_cache=cache)

    def run(rounds):  # type: ignore[no-untyped-def]
        run_in_order(rounds)
        computed.extend(type(inner).__name__ for one in rounds for inner in getattr(one, "used", []))

    together = evaluate(suite.case("net/worst"), device=CPU, model_cache=cache, run_rounds=run)
    assert together.evidence == alone.evidence
    assert computed[0] == "ReusedRound"
    assert set(computed[1:]) == {"RowRound"}


def test_the_protocol_names_every_parameter_of_every_member(suite: Suite) -> None:
    protocol = evaluate(suite.case("net/worst"), device=CPU).protocol
    assert protocol.attack == "ensemble"
    assert protocol.parameters["attacks"] == "it, strong, apgd-t"
    assert protocol.parameters["strong.alpha"] == 0.005
    assert protocol.parameters["apgd-t.loss"] == "targeted"
    assert protocol.batch is None


def test_an_ensemble_is_a_case_of_every_model(suite: Suite) -> None:
    assert [case.id for case in suite.cases()] == ["net/it", "net/strong", "net/worst"]
    assert suite.regular_attacks == ["it", "strong", "worst"]


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ('eps = 0.02\nattacks = ["nobody"]', r"ensembles: worst\.attacks: no attack 'nobody' \(known: it, pgd, "),
        ('eps = 0.01\nattacks = ["it"]', r"ensembles: worst\.eps: 0\.01, but 0\.02 in attacks\.it"),
        ('eps = 0.02\nattacks = ["it", "it"]', r"ensembles\.worst\.attacks: an attack is named twice"),
        ("eps = 0.02\nattacks = []", r"ensembles\.worst\.attacks: "),
        ('attacks = ["it"]', r"ensembles\.worst\.eps: field required"),
    ],
)
def test_an_ensemble_that_cannot_be_is_refused_in_one_line(tables: str, said: str, tmp_path: Path) -> None:
    path = case_of(tmp_path, WEAK).suite.path
    path.write_text(path.read_text() + f"\n[ensembles.worst]\n{tables}\n")
    with pytest.raises(RobustnessError, match=said) as error:
        load_suite(path)
    assert "\n" not in str(error.value)
