"""Diagnoses: each rule has a planted case, and no sentence says more than the evidence holds."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import comb
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.gate.diagnosis.facts import tail
from pytest_robustness.gate.diagnosis.rules import RULES
from pytest_robustness.gate.moved_images import moved_images
from pytest_robustness.gate.pairing import Lists, pair
from pytest_robustness.gate.run_verdict import RunVerdict, judge_run
from pytest_robustness.records.diagnosis import Diagnosis
from pytest_robustness.records.finding import Finding
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.suite import Suite

from tests.gate.examples import SUITE as TWO_ATTACKS
from tests.gate.examples import images, measurement
from tests.gate.strategies import modest

SUITE = (
    TWO_ATTACKS
    + """
[attacks.fmn]
attack = "FMN"
norm = "inf"
steps = 10
"""
)
COUNT = 200
FMN = {"attack": "FMN", "parameters": {"steps": 10}, "distance": "inf"}
#: Ten images of each class are fooled and ten withstand, of which three more are fooled in ``WORSE``.
BEFORE = "".join("!" if i // 10 % 2 else "." for i in range(COUNT))
WORSE = "".join("!" if i // 10 % 2 or (i % 10 + i // 20) % 10 < 3 else "." for i in range(COUNT))
RIGHT, FEWER = "!" * 160 + "-" * 40, "!" * 100 + "-" * 100
FAILS = Finding(check="gradients", passed=False, numbers="40 of 40", meaning="masking", advice="Look")


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    file = tmp_path_factory.mktemp("rules") / "s.toml"
    file.write_text(SUITE)
    return load_suite(file, files=False)


def case(attack: str, outcomes: str = BEFORE, scale: float = 1.0, **more: object) -> Measurement:
    """A case of the model. Under fmn each image has a distance, ``scale`` times the usual one."""
    if attack == "fmn":
        distances = [round(scale * (i + 1) / 1000, 6) for i in range(COUNT)]
        return measurement("!" * COUNT, case="a/fmn", distances=distances, protocol=FMN, **more)
    return measurement(outcomes, case=f"a/{attack}", budget=1 if attack == "fgsm" else 10, **more)


def judged(
    suite: Suite,
    now: Mapping[str, Measurement],
    then: Mapping[str, Measurement] | None = None,
    listed: bool = True,
) -> RunVerdict:
    before = then or {one.case: case(one.case[2:], digest="before") for one in now.values()}
    lists = Lists([images(COUNT), images(COUNT, "unselected")] if listed else [])
    return judge_run(suite, {one.case: one for one in now.values()}, before.get, lists)


def of(found: RunVerdict, case: str) -> Diagnosis:
    return next(one for one in found.diagnoses if one.case == case)


def everywhere(outcomes: str = WORSE, *attacks: str, **more: object) -> dict[str, Measurement]:
    return {f"a/{attack}": case(attack, outcomes, **more) for attack in attacks or ("fgsm", "pgd")}


def with_clean(before: str, after: str) -> tuple[dict[str, Measurement], dict[str, Measurement]]:
    """Both attacks worse, and clean accuracy from one to the other."""
    then = everywhere(BEFORE, unselected=before, digest="before")
    return everywhere(WORSE, unselected=after), then


def concentrated() -> dict[str, Measurement]:
    """All ten images of class 3 that withstood are lost under both attacks, and of the others none."""
    lost = "".join("!" if i // 10 % 2 or i % 10 == 3 else "." for i in range(COUNT))
    return everywhere(lost)


def planted(rule: str) -> tuple[dict[str, Measurement], dict[str, Measurement] | None]:
    """What is measured now, and the baselines where they are not the usual ones."""
    usual = everywhere(BEFORE)
    sooner = {"efforts": [2 if one == "!" else 11 for one in BEFORE]}
    quieter = {"noises": [0.001 if one == "!" else None for one in BEFORE]}
    with_findings = {name: one.model_copy(update={"findings": [FAILS]}) for name, one in everywhere().items()}
    return {
        "environment": (everywhere(digest="before"), None),
        "nothing right": (everywhere("-" * COUNT), None),
        "masked": (with_findings, None),
        "accuracy fell": with_clean(RIGHT, FEWER),
        "accuracy rose": with_clean(FEWER, RIGHT),
        "one slice": (concentrated(), None),
        "nearer": ({**everywhere(), "a/fmn": case("fmn", scale=0.8)}, None),
        "one step only": ({**usual, "a/fgsm": case("fgsm", WORSE)}, None),
        "several steps only": ({**usual, "a/pgd": case("pgd", WORSE)}, None),
        "sooner": ({**usual, "a/pgd": case("pgd", **sooner)}, None),
        "less noise": ({**usual, "a/fgsm": case("fgsm", **quieter)}, None),
        "every attack": (everywhere(), None),
        "one attack": (
            {"a/pgd": case("pgd", WORSE), "a/other": case("other"), "a/fgsm": case("fgsm")},
            None,
        ),
        "other": ({"a/pgd": case("pgd", WORSE)}, None),
    }[rule]


@pytest.mark.parametrize("rule", [rule.name for rule in RULES])
def test_each_rule_fits_its_planted_case(suite: Suite, rule: str) -> None:
    if rule == "one attack":  # a third attack, of several steps as well
        suite = suite.model_copy(update={"attacks": {**suite.attacks, "other": suite.attacks["pgd"]}})
    found = judged(suite, *planted(rule))
    assert {one.rule for one in found.diagnoses} == {rule}, [one.paragraph for one in found.diagnoses]
    for one in found.diagnoses:
        row = next(row for row in RULES if row.name == rule)
        assert (one.pattern, one.causes) == (row.pattern, list(row.causes))
        assert len(one.causes) == 3
        assert one.paragraph.startswith(f"{one.case}: {one.pattern}. ")
        assert all(sentence.endswith(".") for sentence in [*one.of_model, *one.facts])


def test_what_did_not_regress_has_no_diagnosis(suite: Suite) -> None:
    assert judged(suite, everywhere(BEFORE)).diagnoses == []
    better = "".join("!" if i % 10 == 0 else "." for i in range(COUNT))
    assert judged(suite, everywhere(better)).diagnoses == []


def test_the_numbers_are_those_of_the_evidence(suite: Suite) -> None:
    now = {**everywhere(), "a/fmn": case("fmn", scale=0.8)}
    pgd = of(judged(suite, now), "a/pgd")
    lost = sum(a == "." and b == "!" for a, b in zip(BEFORE, WORSE, strict=True))
    assert "Regressed under all 3 attacks that were compared: fgsm, pgd, fmn." in pgd.of_model
    assert "Clean accuracy was not compared." in pgd.of_model
    assert any(line.startswith("Distance under fmn -20.0% ") for line in pgd.of_model)
    assert any(
        "median 0.1 -> 0.0804: nearer." in line or "median 0.101 -> 0.0804: nearer." in line for line in pgd.of_model
    )
    assert pgd.facts[0] == (
        f"{lost} of {BEFORE.count('.')} images that could be are lost; first at places 0 (0), 1 (1), 2 (2) of the set."
    )
    assert "No slice has more of them than chance explains." in pgd.facts
    fmn = of(judged(suite, now), "a/fmn")
    assert fmn.facts[0].startswith(f"{COUNT} of {COUNT} images that could be are nearer by more than the tolerance;")


def test_clean_accuracy_is_told_whichever_way_it_moved(suite: Suite) -> None:
    for sides, said in (
        ((RIGHT, RIGHT), "Clean accuracy is 80.0% as before."),
        ((RIGHT, FEWER), "Clean accuracy 80.0% -> 50.0% (-30.0 pp ["),
    ):
        (found, *_) = judged(suite, *with_clean(*sides)).diagnoses
        assert any(line.startswith(said) for line in found.of_model)


def test_the_slice_is_named_with_its_share(suite: Suite) -> None:
    found = of(judged(suite, concentrated()), "a/pgd")
    assert any(
        line.startswith("10 of 10 of them are of class 3, which has 10 of the 100 that could be (")
        for line in found.facts
    )


def test_without_lists_no_slice_is_claimed_and_no_class_named(suite: Suite) -> None:
    found = of(judged(suite, concentrated(), listed=False), "a/pgd")
    assert found.rule == "every attack"
    assert "No slice of the images has enough of them, or their list is not known." in found.facts
    assert "first at places 3, 23, 43 of the set." in found.facts[0]


def test_images_that_are_wrong_now_are_counted_apart(suite: Suite) -> None:
    some_wrong = "".join("-" if i % 20 == 1 else one for i, one in enumerate(WORSE))
    found = of(judged(suite, everywhere(some_wrong)), "a/pgd")
    assert "Of the attacked images, 10 were classified correctly before and are not now." in found.of_model


def test_a_case_that_is_sure_only_together_is_diagnosed_too(suite: Suite) -> None:
    """Six more images of two hundred: no case alone is sure of it at its share of alpha, all together are."""
    few = "".join("!" if i // 10 % 2 or i in (0, 21, 42, 63, 84, 105) else "." for i in range(COUNT))
    found = judged(suite, {**everywhere(few), "a/fmn": case("fmn")})
    late = [name for name, one in found.together.items() if one.outcome == "regressed" and name.startswith("a/")]
    own = [name for name, one in found.verdicts.items() if one.status == "regressed"]
    assert {one.case for one in found.diagnoses} == {*own, *(name.partition(":")[0] for name in late)}
    assert late
    assert not own


@given(st.integers(1, 30), st.data())
def test_the_chance_is_the_hypergeometric_tail(count: int, data: st.DataObject) -> None:
    special, drawn = (data.draw(st.integers(0, count)) for _ in range(2))
    found = data.draw(st.integers(0, min(special, drawn)))
    exact = sum(
        Fraction(comb(special, k) * comb(count - special, drawn - k), comb(count, drawn))
        for k in range(found, min(special, drawn) + 1)
    )
    assert tail(found, special, drawn, count) == pytest.approx(float(exact), abs=1e-9)


outcomes = st.lists(st.sampled_from("!.-"), min_size=1, max_size=30).map("".join)


@modest
@given(outcomes, st.data())
def test_lost_and_won_are_what_flipped_the_least_noise_first(before: str, data: st.DataObject) -> None:
    after = data.draw(st.text("!.-", min_size=len(before), max_size=len(before)))
    noises = data.draw(st.permutations(range(1, len(before) + 1)))

    def one(letters: str) -> Measurement:
        return measurement(
            letters, noises=[noise / 100 if x == "!" else None for x, noise in zip(letters, noises, strict=True)]
        )

    paired = pair(one(before), one(after), Lists())
    lost, won = moved_images(paired)

    def flipped(there: str, here: str) -> Sequence[int]:
        places = [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if (a, b) == (there, here)]
        return sorted(places, key=noises.__getitem__)

    assert (lost, won) == (flipped(".", "!"), flipped("!", "."))


def test_nothing_moved_where_nothing_can_be_compared() -> None:
    other = measurement(protocol={"seed": 1})
    assert moved_images(pair(measurement(), other, Lists())) == ([], [])


def test_every_rule_is_documented_with_its_causes() -> None:
    told = (Path(__file__).parents[2] / "docs" / "evidence.md").read_text(encoding="utf-8")
    for rule in RULES:
        assert f"| {rule.name} |" in told, rule.name


def test_the_same_model_is_of_its_environment_also_where_only_cases_together_are_sure(suite: Suite) -> None:
    """A model with the digests of its baseline did not become weaker, however its cases add up."""
    few = "".join("!" if i // 10 % 2 or i in (0, 21, 42, 63, 84, 105) else "." for i in range(COUNT))
    now = {**everywhere(few, digest="before"), "a/fmn": case("fmn", digest="before")}
    found = judged(suite, now)
    assert "regressed" in {one.outcome for name, one in found.together.items() if name.startswith("a/")}
    assert {found.verdicts[one.case].status for one in found.diagnoses} == {"drifted"}
    assert {one.rule for one in found.diagnoses} == {"environment"}
