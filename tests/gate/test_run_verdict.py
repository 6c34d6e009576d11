"""A run as a whole: every regular case is demanded, and what several cases say is added."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.errors import RobustnessError
from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.gate.model_verdict import judge_models
from pytest_robustness.gate.pairing import Lists, pair
from pytest_robustness.gate.run_verdict import NO_MEASUREMENT, SAME_OUTCOMES, judge_run, judge_together
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.run_record import CaseRecord, RunRecord, one_line
from pytest_robustness.records.verdict import Status
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.suite import Suite

from tests.gate.examples import images, measurement, refusal
from tests.gate.strategies import comparisons, modest

SUITE = """\
[images]
file = "nowhere/images.npz"

[models.a]
source = "m:a"
weights = "nowhere/a.pth"

[models.b]
source = "m:b"

[attacks.fgsm]
attack = "FGSM"
eps = 0.01

[attacks.pgd]
attack = "PGD"
eps = 0.01
alpha = 0.0025
steps = 10

[attacks.slow]
attack = "PGD"
eps = 0.01
alpha = 0.0025
steps = 100
on_request = true
"""
REGULAR = ("a/fgsm", "a/pgd", "b/fgsm", "b/pgd")
BEFORE = "!" * 10 + "." * 40
WORSE = "!" * 30 + "." * 20


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """Read by its rules: none of its files is there."""
    file = tmp_path_factory.mktemp("rules") / "s.toml"
    file.write_text(SUITE)
    assert "no such file" in refusal(lambda: load_suite(file))
    return load_suite(file, files=False)


def run_of(outcomes: dict[str, str] | str, **changes: object) -> dict[str, Measurement]:
    """The measurements of cases, from the outcomes of each, or of all regular ones."""
    each = dict.fromkeys(REGULAR, outcomes) if isinstance(outcomes, str) else outcomes
    return {case: measurement(one, case=case, **changes) for case, one in each.items()}


BASELINES = run_of(BEFORE, digest="before")


def test_the_same_outcomes_pass(suite: Suite) -> None:
    verdict = judge_run(suite, BASELINES, BASELINES.get, Lists())
    assert verdict.outcome == "passed"
    assert list(verdict.verdicts) == list(REGULAR)
    assert {one.status for one in verdict.verdicts.values()} == {Status.SAME}
    assert not verdict.failures
    assert not verdict.notes


@modest
@given(st.lists(comparisons(), min_size=4, max_size=4))
def test_each_case_and_all_together_are_what_they_are_alone(suite: Suite, outcomes: list[tuple[str, str]]) -> None:
    before, after = ({case: one[i] for case, one in zip(REGULAR, outcomes, strict=True)} for i in (0, 1))
    then, now = run_of(before), run_of(after, digest="another")
    verdict = judge_run(suite, now, then.get, Lists())
    for case in REGULAR:
        alone = judge(now[case], then[case], Rules.of(suite.case(case)))
        assert verdict.verdicts[case].metrics == alone.metrics
        assert verdict.verdicts[case].status == alone.status
        assert verdict.verdicts[case].passed == (alone.passed and alone.status != Status.NOT_JUDGED)
    pairs = {case: pair(then[case], now[case], Lists()) for case in REGULAR}
    assert verdict.together == judge_models(suite, pairs, Lists())
    assert len(verdict.failures) == sum(one.fails for one in verdict.together.values())
    together = judge_together(suite, now, then.get, Lists())
    assert (together.verdicts, together.failures) == (verdict.together, verdict.failures)


def test_what_is_sure_only_together_fails_the_run(suite: Suite) -> None:
    """Nine images each: 2^-9 is above a case's 0.005 x 0.4 / 2 / 6 and below what all say together."""
    strict = suite.model_copy(update={"alpha": 0.005})
    then, now = run_of("." * 60), run_of("!" * 9 + "." * 51, digest="another")
    verdict = judge_run(strict, now, then.get, Lists())
    assert {one.status for one in verdict.verdicts.values()} == {Status.INCONCLUSIVE}
    assert not verdict.failed
    named = ("{}/fgsm: success rate", "{}/fgsm: effort", "{}/pgd: success rate", "{}/pgd: effort")
    together = ("{} under 2 attacks", "{} under any of 2")
    expected = [name.format(model) for model in "ab" for name in named + together]
    assert list(verdict.together) == expected
    said = [
        (name.partition(":")[0], verdict.together[name].text) for name in expected
    ]  # the text begins with the metric
    assert verdict.failures == [f"{where}: {text}" for where, text in said]
    assert verdict.outcome == "failed"
    stricter = judge_run(suite.model_copy(update={"alpha": 0.0019}), now, then.get, Lists())
    assert not stricter.failures


def test_what_moved_and_fails_nothing_is_noted_with_its_outcome(suite: Suite) -> None:
    then, now = run_of("!" * 60), run_of("!" * 20 + "." * 40, digest="another")
    verdict = judge_run(suite, now, then.get, Lists())
    assert not verdict.failures
    (note,) = (note for note in verdict.notes if note.startswith("a under 2 attacks"))
    assert note.startswith("a under 2 attacks, improved: success rate -66.7 pp ")
    slightly = run_of("!" * 57 + "." * 3, digest="another")
    assert any(
        note.startswith("a under 2 attacks, inconclusive: success rate -5.0 pp ")
        for note in judge_run(suite, slightly, then.get, Lists()).notes
    )


@pytest.mark.parametrize("case", REGULAR)
def test_every_regular_case_is_demanded(suite: Suite, case: str) -> None:
    rest = {one: found for one, found in BASELINES.items() if one != case}
    verdict = judge_run(suite, rest, BASELINES.get, Lists())
    assert verdict.outcome == "unjudged"
    assert verdict.unjudged == [case]
    assert verdict.verdicts[case].reason == f"{case}: {NO_MEASUREMENT}"
    told = judge_run(suite, rest, BASELINES.get, Lists(), absent={case: (Status.CRASHED, "its worker died")})
    assert told.verdicts[case].status == Status.CRASHED
    assert told.verdicts[case].reason == f"{case}: its worker died"
    assert told.outcome == "unjudged"


def test_what_was_found_to_be_worse_comes_before_what_is_missing(suite: Suite) -> None:
    verdict = judge_run(suite, run_of({"a/fgsm": WORSE}, digest="another"), BASELINES.get, Lists())
    assert (verdict.outcome, verdict.failed, len(verdict.unjudged)) == ("failed", ["a/fgsm"], 3)


def test_every_image_of_a_baseline_is_demanded(suite: Suite) -> None:
    short = run_of(BEFORE[1:], listed=images(range(1, 50)))
    lists = Lists([images(50), images(range(1, 50))])
    verdict = judge_run(suite, short, BASELINES.get, lists)
    assert {one.status for one in verdict.verdicts.values()} == {Status.NOT_COMPARABLE}
    assert verdict.outcome == "unjudged"
    assert judge_run(suite, short, BASELINES.get, lists, accept_removed_images=True).outcome == "passed"


def test_a_case_without_a_baseline_or_with_a_damaged_one_is_not_judged(suite: Suite) -> None:
    def stored(case: str) -> Measurement | None:
        if case == "a/fgsm":
            raise RobustnessError("fgsm.json: damaged")
        return None if case == "a/pgd" else BASELINES[case]

    verdict = judge_run(suite, BASELINES, stored, Lists())
    assert verdict.verdicts["a/fgsm"].reason == "a/fgsm: fgsm.json: damaged"
    assert [verdict.verdicts[case].status for case in REGULAR[:2]] == [Status.ERROR, Status.NO_BASELINE]
    assert verdict.outcome == "unjudged"
    assert list(verdict.together) == ["b under 2 attacks", "b under any of 2"]


def test_a_list_that_cannot_be_read_leaves_its_cases_unjudged(suite: Suite) -> None:
    verdict = judge_run(suite, run_of(BEFORE + "."), BASELINES.get, Lists())
    assert {one.status for one in verdict.verdicts.values()} == {Status.ERROR}
    assert verdict.outcome == "unjudged"


def test_a_case_in_which_nothing_was_attacked_does_not_pass(suite: Suite) -> None:
    nothing = run_of("-" * 50, digest="another")
    verdict = judge_run(suite, nothing, BASELINES.get, Lists())
    assert verdict.outcome != "passed"
    assert judge_run(suite, nothing, nothing.get, Lists()).outcome == "unjudged"


def test_cases_on_request_are_judged_where_they_can_be(suite: Suite) -> None:
    more = BASELINES | run_of({"a/slow": WORSE, "b/slow": WORSE}, digest="another")
    stored = BASELINES | run_of({"a/slow": BEFORE})
    verdict = judge_run(suite, more, stored.get, Lists())
    assert verdict.failed == ["a/slow"]
    assert "b/slow: measured on request, and not judged: it has no baseline" in verdict.notes


def test_cases_of_no_suite_are_named(suite: Suite) -> None:
    verdict = judge_run(suite, BASELINES | run_of({"c/fgsm": WORSE}), BASELINES.get, Lists())
    assert verdict.outcome == "passed"
    assert verdict.notes == ["no cases of the suite, and not judged: c/fgsm"]


def test_a_model_that_changed_without_another_outcome_is_called_out(suite: Suite) -> None:
    forged = judge_run(suite, run_of(BEFORE, digest="another"), BASELINES.get, Lists())
    assert forged.notes == [f"a: {SAME_OUTCOMES}", f"b: {SAME_OUTCOMES}"]
    assert forged.outcome == "passed"
    one_moved = run_of(BEFORE, digest="another") | run_of({"a/pgd": "." + BEFORE[1:]}, digest="another")
    assert judge_run(suite, one_moved, BASELINES.get, Lists()).notes[-1:] == [f"b: {SAME_OUTCOMES}"]
    reordered = run_of(BEFORE[::-1], digest="another", listed=images(range(49, -1, -1)))
    lists = Lists([images(50), images(range(49, -1, -1))])
    assert len(judge_run(suite, reordered, BASELINES.get, lists).notes) == 2  # the same images in another order


def test_code_that_changed_counts_as_the_model(suite: Suite) -> None:
    changed = run_of(BEFORE, digest="before", code="another")
    assert len(judge_run(suite, changed, BASELINES.get, Lists()).notes) == 2


# --- what a run says of itself -----------------------------------------------------------------------------------


@given(st.text(max_size=2000))
def test_a_problem_is_kept_as_one_line(text: str) -> None:
    record = RunRecord(
        suite="s", complete=False, plugin="1", cases={"a/b": CaseRecord(status="error", problem=one_line(text))}
    )
    assert RunRecord.from_json(record.to_json()) == record
    assert len(one_line(text).splitlines()) <= 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "no object"),
        ('{"schema": 2}', "schema: 2 is not 1"),
        ('{"schema": 1, "suite": "s", "plugin": "1"}', "complete: Field required"),
        ('{"schema": 1, "suite": "s", "plugin": "1", "complete": 1}', "complete: "),
        ('{"schema": 1, "suite": "s", "plugin": "1", "complete": true, "more": 1}', "more: "),
    ],
)
def test_a_record_of_something_else_is_refused(text: str, said: str) -> None:
    assert said in refusal(lambda: RunRecord.from_json(text))


def test_a_suite_read_by_its_rules_still_has_to_be_sound(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(SUITE.replace("steps = 10\n", "steps = 10\nbatch_size = 0\n"))
    assert "attacks.pgd.batch_size" in refusal(lambda: load_suite(tmp_path / "s.toml", files=False))
