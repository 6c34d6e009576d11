"""An update run writes what changed and leaves the rest alone, so that a diff of baselines means something."""

from typing import Any

import pytest
from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.gate.update import Update, line, to_write
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.suite.suite import Tolerances

from tests.gate.examples import FOOLED, WITHSTOOD, measurement

RULES = Rules(Tolerances(), 0.05 / 6)
HALF = FOOLED * 50 + WITHSTOOD * 50
FIVE_BATCHES = {"batch_size": 20}  # enough to judge time by
THEN = measurement(HALF, unselected="+" * 100, protocol=FIVE_BATCHES)


def update(now: Measurement, then: Measurement | None = THEN) -> Update:
    return Update(now, then, judge(now, then, RULES))


def changed(outcomes: str = HALF, **changes: Any) -> Measurement:
    protocol = FIVE_BATCHES | changes.pop("protocol", {})
    return measurement(outcomes, **{"unselected": "+" * 100, "protocol": protocol} | changes)


DUE: dict[str, Update] = {
    "no baseline": update(changed(), None),
    "another protocol": update(changed(protocol={"seed": 1})),
    "another parameter": update(changed(protocol={"parameters": {"eps": 0.02}})),
    "another model": update(changed(digest="another digest")),
    "success rate up": update(changed(FOOLED * 70 + WITHSTOOD * 30)),
    "success rate down": update(changed(FOOLED * 30 + WITHSTOOD * 70)),
    "success rate up, inconclusive": update(changed(FOOLED * 52 + WITHSTOOD * 48)),
    "effort": update(changed(efforts=[1] * 100)),
    "effort, inconclusive": update(changed(efforts=[0] * 3 + [4] * 47 + [0] * 3 + [11] * 47)),
    "noise rate": update(changed(noises=[0.1] * 50 + [None] * 50)),
    "clean accuracy": update(changed(unselected="+" * 50 + "-" * 50)),
    "time that fell": update(changed(units=1.0)),
}
NOT_DUE: dict[str, Update] = {
    "nothing": update(changed()),
    "success rate within tolerance": update(changed(FOOLED * 51 + WITHSTOOD * 49)),
    "other images, the same rate": update(changed(WITHSTOOD * 50 + FOOLED * 50)),
    "effort within tolerance": update(changed(efforts=[4] * 49 + [3] + [11] * 50)),
    "time within tolerance": update(changed(units=5.5)),
    "time on another device": update(changed(units=1.0, device="a GPU")),
    "time that rose": update(changed(units=50.0)),
    "doubtful time": update(changed(units=1.0, doubt="several workers share a GPU")),
    "another version of a library": update(changed(torch="2.15.0")),
}


@pytest.mark.parametrize("result", DUE.values(), ids=DUE)
def test_what_changed_is_written(result: Update) -> None:
    assert list(to_write([result])) == [result]


@pytest.mark.parametrize("result", NOT_DUE.values(), ids=NOT_DUE)
def test_what_did_not_change_keeps_its_file(result: Update) -> None:
    assert list(to_write([result])) == []


def test_of_many_only_those_that_changed_are_written_in_their_order() -> None:
    mixed = [one for pair in zip(DUE.values(), NOT_DUE.values(), strict=False) for one in pair]
    assert list(to_write(mixed)) == mixed[::2]
    assert list(to_write([])) == []


def test_a_baseline_notes_the_commit_it_was_measured_at_and_nothing_else_of_it_changes() -> None:
    noted = DUE["effort"].with_commit("abc")
    assert noted.now.provenance.commit == "abc"
    assert noted.with_commit(None) == DUE["effort"]


def test_a_first_baseline_is_called_recorded() -> None:
    assert line(DUE["no baseline"]) == "vgg11/pgd: recorded"


def test_another_protocol_is_said_and_no_values_are_compared() -> None:
    text = line(DUE["another protocol"])
    assert text.startswith("vgg11/pgd: ")
    assert "not comparable" in text
    assert " -> " not in text


@pytest.mark.parametrize(
    ("name", "marked"),
    [
        ("success rate up", ["success rate", "effort"]),  # images fooled at last need fewer gradients than never
        ("effort", ["effort"]),
        ("effort, inconclusive", ["effort"]),
        ("clean accuracy", ["clean accuracy"]),
        ("time that fell", ["time"]),
    ],
)
def test_moves_for_the_worse_are_marked_each_by_itself(name: str, marked: list[str]) -> None:
    parts = line(DUE[name]).removeprefix("vgg11/pgd: ").split("; ")
    assert len(parts) == 5
    for metric in ("success rate", "effort", "noise rate", "time", "clean accuracy"):
        (part,) = (part for part in parts if part.startswith(metric))
        assert part.endswith(" WORSE") == (metric in marked)


@pytest.mark.parametrize("name", ["success rate down", "noise rate", "another model"])
def test_what_did_not_get_worse_is_not_marked(name: str) -> None:
    assert "WORSE" not in line(DUE[name])


def test_a_line_has_old_and_new_of_every_metric() -> None:
    now = changed(
        FOOLED * 70 + WITHSTOOD * 30,
        efforts=[1] * 100,
        noises=[0.001] * 70 + [None] * 30,
        units=1.0,
        unselected="+" * 50 + "-" * 50,
    )
    text = line(update(now)).replace(" %", "%")
    for numbers in (
        "success rate 50.0% -> 70.0%",
        "effort 7.50 -> 1.00",
        "noise rate 0.00500 -> 0.00100",
        "time 5.00 -> 1.00",
        "clean accuracy 100.0% -> 50.0%",
    ):
        assert numbers in text
    assert text.count("WORSE") == 5
    assert len(text.splitlines()) == 1
