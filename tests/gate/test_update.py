"""An update run writes what changed and leaves the rest alone, so that a diff of baselines means something."""

from dataclasses import replace
from typing import Any

import pytest
from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.gate.pairing import Lists
from pytest_robustness.gate.update import Update, line, to_write
from pytest_robustness.records.image_list import ImageList
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.protocol import Batch
from pytest_robustness.suite.suite import Tolerances

from tests.gate.examples import FOOLED, WITHSTOOD, images, measurement, own_lists

RULES = Rules(Tolerances(), 0.05 / 6, clock=True)
HALF = FOOLED * 50 + WITHSTOOD * 50
ROUNDS = 5  # enough to judge time by
THEN = measurement(HALF, unselected="+" * 100, rounds=ROUNDS)


def update(now: Measurement, then: Measurement | None = THEN) -> Update:
    return Update(now, then, judge(now, then, RULES))


def changed(outcomes: str = HALF, **changes: Any) -> Measurement:
    return measurement(outcomes, **{"unselected": "+" * 100, "rounds": ROUNDS} | changes)


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
    "a baseline that was not timed": update(changed(), changed(units=None)),
    "a baseline of unsure time": update(changed(), changed(spread=0.5)),
}
NOT_DUE: dict[str, Update] = {
    "nothing": update(changed()),
    "success rate within tolerance": update(changed(FOOLED * 51 + WITHSTOOD * 49)),
    "other images, the same rate": update(changed(WITHSTOOD * 50 + FOOLED * 50)),
    "effort within tolerance": update(changed(efforts=[4] * 49 + [3] + [11] * 50)),
    "time within tolerance": update(changed(units=5.5)),
    "time on another device": update(changed(units=1.0, device="a GPU")),
    "time that rose": update(changed(units=50.0)),
    "unsure time": update(changed(spread=0.5)),
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
    assert noted.current.provenance.commit == "abc"
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


# --- sets that grow or shrink ------------------------------------------------------------------------------------

ACCEPTING = replace(RULES, accept_removed_images=True)


def of_sets(
    now: Measurement, then: Measurement = THEN, *, accepting: bool = False, known: tuple[ImageList, ...] = ()
) -> Update:
    lists = Lists([*own_lists(now, then), *known])
    return Update(now, then, judge(now, then, ACCEPTING if accepting else RULES, lists))


def refusal_of(one: Update, *, accepting: bool = False) -> str | None:
    return one.refusal(accept_removed_images=accepting)


GROWN = of_sets(changed(HALF + FOOLED * 12, unselected="+" * 103))
SHRUNK = of_sets(changed(HALF[:97], unselected="+" * 95))


def test_a_grown_set_is_recorded_whole() -> None:
    assert refusal_of(GROWN) is None
    assert list(to_write([GROWN])) == [GROWN]
    assert GROWN.with_commit("abc").current.evidence == GROWN.current.evidence
    assert line(GROWN).endswith("; 12 new images; 3 new unselected images")
    for one in (changed(HALF + "!"), changed(unselected="+" * 101)):
        assert list(to_write([of_sets(one)]))


def test_a_set_in_another_order_keeps_its_file() -> None:
    turned = images(range(99, -1, -1))
    now = changed(HALF[::-1], listed=turned)
    assert list(to_write([of_sets(now, known=(turned,))])) == []


@pytest.mark.parametrize(
    ("name", "change"),
    {
        "worse": {"outcomes": FOOLED * 70 + WITHSTOOD * 30},
        "better": {"outcomes": FOOLED * 30 + WITHSTOOD * 70},
        "perhaps worse": {"outcomes": FOOLED * 52 + WITHSTOOD * 48},
        "clean accuracy": {"unselected": "+" * 50 + "-" * 50},
    }.items(),
)
def test_a_set_does_not_grow_while_the_model_changes(name: str, change: dict[str, Any]) -> None:
    given = {"outcomes": HALF, "digest": name} | change
    for more, grown in (("!" * 5, ""), ("", "+" * 5)):
        outcomes, unselected = given["outcomes"] + more, given.get("unselected", "+" * 100) + grown
        said = refusal_of(of_sets(changed(outcomes, unselected=unselected, digest=name)))
        assert said is not None
        assert said.startswith("its images grew, and on those of the baseline ")
        assert " -> " in said
        assert said.endswith("record the changed model on the old set first, then let the set grow")
    assert refusal_of(update(changed(**given))) is None  # on the old set


def test_another_model_that_measures_the_same_may_come_with_new_images() -> None:
    assert refusal_of(of_sets(changed(HALF + "!", digest="another"))) is None


def test_a_time_that_fell_keeps_no_set_from_growing() -> None:
    assert refusal_of(of_sets(changed(HALF, unselected="+" * 101, units=1.0))) is None


def test_missing_images_are_recorded_only_where_that_is_accepted() -> None:
    said = refusal_of(SHRUNK)
    assert said is not None
    assert said.startswith("3 images and 5 unselected images of the baseline are missing (")
    assert said.endswith("restore them, or record without them by --accept-removed-images")
    accepted = of_sets(SHRUNK.current, accepting=True)
    assert refusal_of(accepted, accepting=True) is None
    assert list(to_write([accepted])) == [accepted]
    assert line(accepted).endswith("; 3 images removed; 5 unselected images removed")


def test_removed_images_are_counted_for_as_long_as_the_baseline_lives() -> None:
    first = of_sets(SHRUNK.current, accepting=True).with_commit(None)
    assert first.current.provenance.removed_images == 8
    second = of_sets(changed(HALF[:96], unselected="+" * 95), first.current, accepting=True).with_commit(None)
    assert second.current.provenance.removed_images == 9
    kept = of_sets(changed(HALF[:96], unselected="+" * 95, digest="new"), second.current).with_commit(None)
    assert kept.current.provenance.removed_images == 9
    other = of_sets(changed(HALF[:96], unselected="+" * 95, protocol={"seed": 3}), second.current).with_commit(None)
    assert other.current.provenance.removed_images == 9
    assert GROWN.with_commit(None).current.provenance.removed_images is None


def test_another_protocol_is_no_way_to_lose_images() -> None:
    then, now = (
        changed(HALF[:count], protocol={"batch": Batch(size=10, images=images(count).digest)}) for count in (100, 97)
    )
    assert "3 images of the baseline are missing" in (refusal_of(of_sets(now, then)) or "")
    other = of_sets(changed(HALF[:97], protocol={"seed": 1}))
    assert "3 images of the baseline are missing" in (refusal_of(other) or "")
    assert refusal_of(of_sets(then, now)) is None  # it grew


def test_a_baseline_of_an_earlier_version_is_replaced_whatever_its_images_were() -> None:
    old = changed(HALF, protocol={"version": 1})
    one = Update(changed(HALF[:50]), old, judge(changed(HALF[:50]), old, RULES))
    assert refusal_of(one) is None
    assert list(to_write([one])) == [one]


def test_images_of_other_pixels_are_recorded_anew() -> None:
    then, now = (changed(FOOLED * 100, pixels=[letter] * 50 + ["c"] * 50) for letter in "ab")
    one = update(now, then)
    assert refusal_of(one) is None
    assert list(to_write([one])) == [one]
    assert line(one).endswith("; 50 corrupted images of other pixels")
    nothing = update(changed(FOOLED * 100, pixels=["d"] * 100), then)
    assert list(to_write([nothing])) == [nothing]
