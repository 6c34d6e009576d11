"""A model's cases, judged together at one level: what is pooled, the worst case, clean accuracy, slices, and groups."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_robustness.gate import joint_level
from pytest_robustness.gate.joint_level import Hypothesis, joint_p_values
from pytest_robustness.gate.judge import judge_pair
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.gate.model_verdict import judge_models
from pytest_robustness.gate.pairing import Lists, Pair, pair
from pytest_robustness.gate.statements import statements
from pytest_robustness.records.finding import Finding
from pytest_robustness.records.image_list import ImageList
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.suite import Suite, Tolerances

from tests.gate.examples import BUDGET, FOOLED, WITHSTOOD, WRONG, images, measurement
from tests.gate.strategies import comparisons

ONE = """\
[images]
file = "images.npz"
[models.small]
source = "a:b"
[attacks.fgsm]
attack = "FGSM"
eps = 0.01
"""
TWO = ONE + '[models.large]\nsource = "a:b"\n[attacks.pgd]\nattack = "PGD"\n[groups]\nboth = ["small", "large"]\n'
THEN = WITHSTOOD * 100
MASKED = Finding(check="gradients", passed=False, numbers="40 of 40 images", meaning="gradient masking", advice="BPDA")


def suite_of(folder: Path, text: str) -> Suite:
    """Read by its rules: none of its files is there."""
    (folder / "suite.toml").write_text(text)
    return load_suite(folder / "suite.toml", files=False)


def with_attacks(text: str, count: int) -> str:
    """A suite of so many attacks more."""
    return text + "".join(f'[attacks.more{i}]\nattack = "PGD"\neps = 0.01\n' for i in range(count))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    return suite_of(tmp_path_factory.mktemp("two"), TWO)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    return suite_of(tmp_path_factory.mktemp("one"), ONE)


def case(name: str, before: str, after: str, findings: list[Finding] | None = None, **seen: object) -> Pair:
    """A case's two runs; ``seen`` is given to the second one alone."""
    then, now = measurement(before, case=name), measurement(after, case=name, digest="another", **seen)
    return pair(then, now.model_copy(update={"findings": findings}), Lists([images(len(before))]))


def pairs(suite: Suite, **lost: int) -> dict[str, Pair]:
    """Every case, with as many images lost as its model says."""
    return {
        one.id: case(one.id, THEN, FOOLED * lost[one.model_name] + THEN[lost[one.model_name] :])
        for one in suite.cases()
    }


def of_fgsm(before: str, after: str, **seen: object) -> dict[str, Pair]:
    return {"small/fgsm": case("small/fgsm", before, after, **seen)}


# --- which models and groups -------------------------------------------------------------------------------------


def test_models_and_groups_are_judged_by_their_own_cases(two: Suite) -> None:
    verdicts = judge_models(two, pairs(two, small=10, large=0), Lists())
    assert list(verdicts) == [
        "small under 2 attacks",
        "small under any of 2",
        "large under 2 attacks",
        "large under any of 2",
        "both, 2 models under 2 attacks",
    ]
    # of the group the cases have a say in which an image changed
    assert [one.change for one in verdicts.values()] == pytest.approx([0.1, -0.1, 0.0, 0.0, 0.1])
    assert [one.outcome for one in verdicts.values()] == ["regressed", "regressed", "same", "same", "regressed"]
    assert {one.images for one in verdicts.values()} == {100}


def test_attacks_without_a_success_rate_are_not_counted(two: Suite) -> None:
    found = pairs(two, small=10, large=0)
    smallest = {"protocol": {"attack": "DDN", "parameters": {}, "distance": "2"}, "distances": [1.0] * 100}
    for name in [name for name in found if name.endswith("pgd")]:
        found[name] = pair(*(measurement(THEN, case=name, **smallest) for _ in range(2)), Lists())
    assert list(judge_models(two, found, Lists())) == [
        "small under 1 attack",
        "large under 1 attack",
        "both, 2 models under 1 attack",
    ]


SMALL = {"small under 2 attacks", "small under any of 2"}
LARGE = {"large under 2 attacks", "large under any of 2"}


@pytest.mark.parametrize(
    ("missing", "left"),
    [("small/fgsm", LARGE), ("large/pgd", SMALL), ("", SMALL | LARGE | {"both, 2 models under 2 attacks"})],
)
def test_what_is_not_complete_is_not_judged(two: Suite, missing: str, left: set[str]) -> None:
    found = {name: one for name, one in pairs(two, small=10, large=10).items() if name != missing}
    assert judge_models(two, found, Lists()).keys() == left
    assert judge_models(two, {}, Lists()) == {}


def test_what_is_not_comparable_is_left_out_and_no_error(two: Suite) -> None:
    found = pairs(two, small=10, large=10)
    then, now = found["small/pgd"].baseline, found["small/pgd"].current
    other = now.model_copy(update={"protocol": now.protocol.model_copy(update={"seed": 1})})
    found["small/pgd"] = pair(then, other, Lists())
    assert judge_models(two, found, Lists()).keys() == LARGE


def test_missing_images_are_left_out_where_that_is_accepted(one: Suite) -> None:
    lists = Lists([images(100), images(120)])
    found = {"small/fgsm": pair(measurement("." * 120), measurement("!" * 30 + "." * 70, case="small/fgsm"), lists)}
    assert judge_models(one, found, lists) == {}
    accepted = judge_models(one, found, lists, accept_removed_images=True)["small under 1 attack"]
    assert (accepted.outcome, accepted.images) == ("regressed", 100)


# --- the level ---------------------------------------------------------------------------------------------------


def test_where_nothing_else_is_said_the_level_is_the_whole_alpha(tmp_path: Path) -> None:
    """Five images lost everywhere: of one statement's twins, and the weights of the others are given back."""
    for alpha, outcome in ((0.0315, "regressed"), (0.0310, "inconclusive")):
        suite = suite_of(tmp_path, f"alpha = {alpha}\n" + TWO.partition("[groups]")[0])
        found = judge_models(suite, pairs(suite, small=5, large=0), Lists())
        assert found["small under 2 attacks"].outcome == outcome
        assert found["small under 2 attacks"].family_p_value == pytest.approx(2**-5)


def test_groups_take_their_share_of_their_models(tmp_path: Path) -> None:
    for alpha, own, of_group in ((0.0348, "regressed", 5), (0.0346, "inconclusive", 5), (0.04, "regressed", 8)):
        suite = suite_of(tmp_path, f"alpha = {alpha}\n" + TWO)  # 2^-5 is 0.9 x 0.0347, and 2^-8 is 0.1 x 0.039
        found = judge_models(suite, pairs(suite, small=of_group, large=of_group), Lists())
        assert found["small under 2 attacks"].outcome == own
        group = found["both, 2 models under 2 attacks"]
        assert group.p_value == pytest.approx(2**-of_group)
        assert group.outcome == ("regressed" if of_group == 8 else "inconclusive")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joint_level, "FLIPS", 2**13 - 1)


LISTED = ImageList(keys=[f"{number:064}" for number in range(80)], labels=[number % 4 for number in range(80)])
WEIGHTS = [5, 50, 45]  # of images wrong, withstanding, fooled


def exchanged(random: Random, attacks: Sequence[str]) -> dict[str, Pair]:
    """Two models, image by image in either order: what nothing happened to. Attacks fail on much the same images."""
    count = len(LISTED.keys)
    kinds = [[WRONG, WITHSTOOD, FOOLED], WEIGHTS]
    usual = [[random.choices(*kinds)[0] for _ in range(2)] for _ in range(count)]
    orders = [random.choice((1, -1)) for _ in range(count)]
    blind = [random.choice(("++", "--", "+-", "-+")) for _ in range(count)]
    found = {}
    for name in attacks:
        sides: list[dict[str, list[object]]] = [
            {"outcomes": [], "efforts": [], "noises": [], "forwards": []} for _ in range(2)
        ]
        for each, order in zip(usual, orders, strict=True):
            outcomes = [FOOLED if one == WITHSTOOD and random.random() < 0.2 else one for one in each]
            for side, outcome in zip(sides[::order], outcomes, strict=True):
                values = {WRONG: None, WITHSTOOD: BUDGET + 1, FOOLED: random.randint(1, BUDGET)}
                side["outcomes"].append(outcome)
                side["efforts"].append(values[outcome])
                side["noises"].append(random.randint(10, 99) / 1000 if outcome == FOOLED else None)
                side["forwards"].append(None if outcome == WRONG else random.randint(1, 9))
        then, now = (
            measurement(
                "".join(map(str, side["outcomes"])),
                case=f"small/{name}",
                listed=LISTED,
                digest=str(which),
                **{key: side[key] for key in ("efforts", "noises", "forwards")},
                gradients=side["efforts"],
                unselected="".join(one[which] for one in blind),
            )
            for which, side in enumerate(sides)
        )
        found[f"small/{name}"] = pair(then, now, Lists())
    return found


@pytest.mark.usefixtures("quick")
def test_of_models_that_nothing_happened_to_no_more_than_alpha_alarm(tmp_path: Path) -> None:
    """By any of its cases, alone or together, with four slices under each of two attacks, whatever the tolerances."""
    none = "[tolerances]\n" + "".join(f"{name} = 0\n" for name in Tolerances.model_fields)
    alpha, runs, alarms, random = 0.2, 200, 0, Random(11)
    suite = suite_of(tmp_path, f"alpha = {alpha}\n" + with_attacks(ONE, 1) + none)
    attacks = suite.regular_attacks
    for _ in range(runs):
        found = exchanged(random, attacks)
        alone = [judge_pair(one, one.current, Rules.of(suite.case(name))) for name, one in found.items()]
        verdicts = judge_models(suite, found, Lists([LISTED]))
        assert "small, clean" in verdicts
        alarms += any(one.outcome == "regressed" for one in verdicts.values()) or not all(one.passed for one in alone)
    error = (alpha * (1 - alpha) / runs) ** 0.5
    assert alpha / 3 < alarms / runs <= alpha + 3 * error  # and it is no dead test


# --- what a case and the model say of one change -----------------------------------------------------------------


@pytest.mark.usefixtures("quick")
@settings(max_examples=30, deadline=None)
@given(comparisons(lost=(5, 20), won=(0, 4)), comparisons(lost=(0, 20)), st.randoms(use_true_random=False))
def test_what_a_case_regressed_alone_is_regressed_together_as_well(
    two: Suite, first: tuple[str, str], second: tuple[str, str], random: Random
) -> None:
    count = min(len(first[0]), len(second[0]))
    chosen = {"small/fgsm": first, "small/pgd": second}
    found = {name: case(name, before[:count], after[:count]) for name, (before, after) in chosen.items()}
    lists = Lists([images(count)])
    made = statements(two, "small", list(found.values()), lists)
    known = joint_p_values([Hypothesis(each.name, each.weight, each.differences) for each in made])
    verdicts = judge_models(two, found, lists)
    for name, paired in found.items():
        for metric in judge_pair(paired, paired.current, Rules.of(two.case(name))).metrics:
            key = f"{name}: {metric.metric}"
            if metric.metric == "clean accuracy" or metric.p_value is None:
                continue
            if metric.outcome == "regressed":
                assert known[key].worse.family <= two.alpha_of("small")
                assert key not in verdicts  # its own verdict says it
            assert (key in verdicts) == (
                metric.outcome != "regressed"
                and metric.worse
                and metric.moved
                and known[key].worse.family <= two.alpha_of("small")
            )


def test_what_a_case_could_not_be_sure_of_alone_is_told_once_it_is_sure(tmp_path: Path) -> None:
    """Nine images: 2^-9 is above a case's 0.05 x 0.4 / 13 / 6, and no other case says anything."""
    suite = suite_of(tmp_path, with_attacks(ONE, 12))
    found = {each.id: case(each.id, THEN, THEN) for each in suite.cases()}
    found["small/fgsm"] = case("small/fgsm", THEN, FOOLED * 9 + THEN[9:])
    alone = judge_pair(found["small/fgsm"], found["small/fgsm"].current, Rules.of(suite.case("small/fgsm")))
    assert (alone.status, alone.passed) == ("inconclusive", True)
    verdicts = judge_models(suite, found, Lists())
    late = verdicts["small/fgsm: success rate"]
    assert (late.outcome, late.fails, late.change) == ("regressed", True, pytest.approx(0.09))
    assert late.family_p_value == pytest.approx(2**-9)
    assert "joint p = 0.002" in late.text
    assert not any(name.startswith("small/more") for name in verdicts)


def test_what_is_settled_asks_for_no_more_images(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, with_attacks(ONE, 12))
    found = {each.id: case(each.id, THEN, THEN) for each in suite.cases()}
    found["small/fgsm"] = case("small/fgsm", THEN, FOOLED * 9 + THEN[9:])
    verdicts = judge_models(suite, found, Lists())
    assert verdicts["small/fgsm: success rate"].outcome == "regressed"
    assert not [name for name, one in verdicts.items() if one.outcome == "regressed" and "would settle" in one.text]


# --- clean accuracy, the worst case, and what is not believed ------------------------------------------------------


def test_clean_accuracy_is_judged_once_for_all_cases(two: Suite) -> None:
    found = {
        each.id: pair(
            measurement(THEN, case=each.id, unselected="+" * 100),
            measurement(THEN, case=each.id, digest="another", unselected="+" * 80 + "-" * 20),
            Lists(),
        )
        for each in two.cases()
    }
    verdicts = judge_models(two, found, Lists([images(100), images(100, "unselected")]))
    clean = verdicts["small, clean"]
    assert (clean.metric, clean.outcome, clean.fails, clean.lost) == ("clean accuracy", "regressed", True, 20)
    assert [name for name, each in verdicts.items() if each.fails] == ["small, clean", "large, clean"]


def test_without_unselected_images_a_model_that_was_wrong_about_some_is_judged_on_the_attacked(two: Suite) -> None:
    """Where the baseline's model is right about all, they were chosen by it: then any other looks worse."""
    right, wrong = FOOLED * 90, "-" * 10
    blind = {each.id: case(each.id, right + wrong, FOOLED * 70 + "-" * 20 + wrong) for each in two.cases()}
    clean = judge_models(two, blind, Lists())["small, clean"]
    assert (clean.metric, clean.outcome, clean.lost) == ("clean accuracy", "regressed", 20)
    chosen = {each.id: case(each.id, FOOLED * 100, FOOLED * 80 + "-" * 20) for each in two.cases()}
    assert "small, clean" not in judge_models(two, chosen, Lists())


def test_of_the_worst_case_an_image_is_lost_by_any_attack(two: Suite) -> None:
    """Each attack loses ten images and wins ten; of what withstands all attacks twenty are gone."""
    before = FOOLED * 20 + WITHSTOOD * 80
    found = pairs(two, small=0, large=0)
    found["small/fgsm"] = case("small/fgsm", before, WITHSTOOD * 10 + FOOLED * 10 + FOOLED * 10 + WITHSTOOD * 70)
    found["small/pgd"] = case("small/pgd", before, FOOLED * 10 + WITHSTOOD * 20 + FOOLED * 10 + WITHSTOOD * 60)
    verdicts = judge_models(two, found, Lists())
    assert (verdicts["small under 2 attacks"].outcome, verdicts["small under 2 attacks"].change) == ("same", 0.0)
    worst = verdicts["small under any of 2"]
    assert (worst.before, worst.after, worst.lost, worst.won) == (0.8, 0.6, 20, 0)
    assert (worst.metric, worst.outcome) == ("robust accuracy", "regressed")


@pytest.mark.parametrize(("word", "fails"), [("fail", True), ("warn", False)])
def test_what_improved_is_suspicious_where_a_masking_check_fails(one: Suite, word: str, fails: bool) -> None:
    suite = one.model_copy(update={"suspicious": word})
    better, worse = FOOLED * 40 + WITHSTOOD * 60, FOOLED * 90 + WITHSTOOD * 10
    verdict = judge_models(suite, of_fgsm(worse, better, findings=[MASKED]), Lists())["small under 1 attack"]
    assert (verdict.outcome, verdict.fails) == ("suspicious", fails)
    assert "suspicious: gradients: 40 of 40 images, usually gradient masking" in verdict.text
    assert judge_models(suite, of_fgsm(worse, better), Lists())["small under 1 attack"].outcome == "improved"
    lost = judge_models(suite, of_fgsm(better, worse, findings=[MASKED]), Lists())["small under 1 attack"]
    assert (lost.outcome, lost.fails) == ("regressed", True)


@pytest.mark.parametrize("masked", ["small", "large"])
def test_a_group_is_not_believed_where_any_of_its_models_is_masked(two: Suite, masked: str) -> None:
    found = {
        each.id: case(each.id, FOOLED * 90 + WITHSTOOD * 10, FOOLED * 40 + WITHSTOOD * 60, findings)
        for each in two.cases()
        for findings in [[MASKED] if each.model_name == masked else None]
    }
    assert judge_models(two, found, Lists())["both, 2 models under 2 attacks"].outcome == "suspicious"


def test_policies_are_those_of_the_suite(one: Suite) -> None:
    found = of_fgsm(THEN, FOOLED * 2 + THEN[2:])
    doubtful = judge_models(one, found, Lists())["small under 1 attack"]
    assert (doubtful.outcome, doubtful.fails) == ("inconclusive", False)
    strict = one.model_copy(update={"inconclusive": "fail"})
    assert judge_models(strict, found, Lists())["small under 1 attack"].fails
    assert not judge_models(strict, of_fgsm(FOOLED * 2 + THEN[2:], THEN), Lists())["small under 1 attack"].fails
    plain = judge_models(one.model_copy(update={"policy": "tolerance"}), found, Lists())["small under 1 attack"]
    assert (plain.outcome, plain.fails) == ("regressed", True)
