"""The verdict in one sentence, whatever a run came to."""

import pytest
from pytest_robustness.report.sentence import sentence

from tests.report.examples import report

CASES = {
    "passed": ({}, "All 6 cases of zoo are no easier to attack than before."),
    "one": ({"only": ["vgg11/pgd"]}, "The one case of zoo that was run is no easier to attack than before."),
    "none": ({"only": []}, "No case was run."),
    "one regressed": (
        {"worse": {"vgg11/fgsm": 0.4}},
        "Robustness regressed: vgg11 is easier to attack than before, under fgsm; 5 other cases passed.",
    ),
    "two regressed": (
        {"worse": {"vgg11/fgsm": 0.4, "vgg11_bn/fgsm": 0.4}},
        "Robustness regressed: vgg11 and vgg11_bn are easier to attack than before, in 2 of 6 cases; "
        "4 other cases passed.",
    ),
    "trouble": (
        {"troubles": {"vgg11/fgsm": "crashed", "vgg11/pgd": "error", "vgg11/cw": "skipped"}},
        "1 case ended in an error; 1 case crashed; 4 other cases passed.",
    ),
    "all skipped": (
        {"only": ["vgg11/fgsm"], "troubles": {"vgg11/fgsm": "skipped"}},
        "Every case of zoo was skipped.",
    ),
    "together": (
        {"failures": ["vgg under 3 attacks"]},
        "No case failed, but 1 check of several cases together did.",
    ),
    "recording": ({"recording": "all"}, "Recorded, not judged: 6 cases of zoo measured."),
    "cut short": (
        {"complete": False},
        "All 6 cases of zoo are no easier to attack than before; the run was cut short.",
    ),
    "nothing, and a failure": ({"only": [], "failures": ["x"]}, "No case was run, and 1 check failed."),
}


@pytest.mark.parametrize(("run", "expected"), CASES.values(), ids=CASES)
def test_what_it_says(small, run, expected):
    assert report(small, **run).sentence == expected


@pytest.mark.parametrize("run", CASES.values(), ids=CASES)
def test_it_agrees_with_the_verdict(small, run):
    found = report(small, **run[0])
    bad = any(case.failed for case in found.cases) or found.failures or "cut short" in found.sentence
    assert found.passed is not bool(bad)


def test_many_models_are_counted(zoo):
    worse = {f"{model}/fgsm": 0.5 for model in zoo.models}
    assert "vgg11, vgg11_bn and 12 more models are easier to attack" in report(zoo, worse).sentence


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("drifted", "2 cases moved although the model did not"),
        ("no baseline", "2 cases have no baseline"),
        ("not comparable", "2 cases cannot be compared with their baseline"),
        ("over limit", "2 cases above max_success_rate"),
        ("inconclusive", "2 cases may have regressed, and the suite fails what is in doubt"),
    ],
)
def test_every_way_to_fail_is_named(small, word, said):
    cases = [case.model_copy(update={"word": word, "failed": True}) for case in report(small).cases[:2]]
    assert sentence("zoo", cases, [], recording="none") == f"{said}."
