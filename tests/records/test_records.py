"""Measurements survive their file, and a file that is not as it was written is refused in one line."""

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pytest_robustness.errors import RobustnessError
from pytest_robustness.records.evidence import Aggregates, Evidence
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.protocol import Batch

from tests.gate.examples import evidence, measurement, refusal
from tests.gate.strategies import evidences, measurements, modest

SHIPPED = sorted(Path(__file__).parents[2].glob("baselines/*/*/*.json"))
SMALL = measurement(
    "-.!.!-!..!",
    unselected=".-..",
    top_5="....",
    distances=[None, None, 0.1, 0.5, 0.2, None, 0.3, None, None, 0.25],
    forwards=[None, 12, 4, 12, 5, None, 6, 12, 12, 7],
    gradients=[None, 11, 3, 11, 4, None, 5, 11, 11, 6],
)


@modest
@given(measurements())
def test_a_measurement_survives_its_file_exactly(one: Measurement) -> None:
    text = one.to_json()
    again = Measurement.from_json(text)
    assert again == one
    assert again.to_json() == text  # also tells True from 1 and 0.0 from -0.0


@modest
@given(measurements())
def test_a_file_is_laid_out_for_a_reviewer(one: Measurement) -> None:
    text = one.to_json()
    assert text.endswith("\n}\n")
    data = json.loads(text, parse_constant=pytest.fail)
    assert list(data)[:4] == ["schema", "case", "budget", "aggregates"]
    assert list(data)[-1] == "evidence"
    for section in ("aggregates", "images", "unselected", "timing", "protocol", "provenance", "evidence"):
        assert _sorted_throughout(data[section])
    lines = text.splitlines()
    for key, array in data["evidence"].items():
        assert f'    "{key}": {json.dumps(array)}' in [line.rstrip(",") for line in lines]
    assert not any("{" in line and "}" in line and "{}" not in line for line in _without_strings(lines))


def _sorted_throughout(table: object) -> bool:
    if not isinstance(table, dict):
        return True
    return list(table) == sorted(table) and all(map(_sorted_throughout, table.values()))


def _without_strings(lines: list[str]) -> Iterator[str]:
    return (re.sub(r'"(\\.|[^"\\])*"', '""', line) for line in lines)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_shipped_baselines_are_as_they_were_written(path: Path) -> None:
    text = path.read_bytes().decode()
    one = Measurement.from_json(text)
    if json.loads(text)["schema"] == one.schema_version:
        assert one.to_json() == text
    assert one.case == f"{path.parent.name}/{path.stem}"
    noise = json.loads(text, parse_float=Decimal)["evidence"]["noise"]
    assert min(value.as_tuple().exponent for value in noise if value is not None) >= -6


# --- files of an earlier version ---------------------------------------------------------------------------------

SCHEMA_1 = Path(__file__).with_name("schema_1.json").read_text()


def test_a_file_of_an_earlier_version_means_what_it_meant() -> None:
    one, stored = Measurement.from_json(SCHEMA_1), json.loads(SCHEMA_1)
    assert one.schema_version == 2
    assert one.evidence.model_dump() == stored["evidence"]
    assert one.aggregates.model_dump() == stored["aggregates"]
    assert (one.images.count, one.images.digest) == (10, "a" * 64)
    assert one.unselected is not None
    assert (one.unselected.count, one.unselected.digest) == (4, "b" * 64)
    assert (one.protocol.version, one.protocol.shape, one.protocol.attack) == (
        1,
        [3, 32, 32],
        "pytest_robustness.evaluate.attacks.cw:CW",
    )
    assert one.protocol.batch == Batch(size=100, images="a" * 64)
    assert one.provenance.row_floor == 16
    assert one.seconds == pytest.approx(8 * 0.002)
    assert Measurement.from_json(one.to_json()) == one


@pytest.mark.parametrize("key", ["images", "unselected", "batch_size", "row_floor"])
def test_a_file_of_an_earlier_version_that_lacks_something_is_refused(key: str) -> None:
    data = json.loads(SCHEMA_1)
    del data["protocol"][key]
    assert key in refusal(lambda: Measurement.from_json(json.dumps(data)))


@pytest.mark.parametrize("value", [None, 3, [], "text", {"count": 10}])
def test_a_file_of_an_earlier_version_that_is_damaged_is_refused(value: object) -> None:
    for keys in (("protocol",), ("protocol", "images"), ("timing",), ("provenance",)):
        data = json.loads(SCHEMA_1)
        _at(*keys, value=value)(data)
        refusal(lambda data=data: Measurement.from_json(json.dumps(data)))


# --- what is counted ---------------------------------------------------------------------------------------------


@modest
@given(evidences())
@example(evidence(""))
@example(evidence("----", unselected=""))
@example(evidence("..."))
def test_aggregates_are_what_numpy_makes_of_the_evidence(seen: Evidence) -> None:
    found = Aggregates.of(seen)
    correct, success = np.array(seen.correct, dtype=int), np.array(seen.success, dtype=int)
    assert (found.images, found.attempts, found.successes) == (len(correct), correct.sum(), success.sum())

    def close(value: float | None, numerator: object, count: int) -> bool:
        if not count:
            return value is None
        exact = Fraction(str(numerator)) / count
        return value is not None and abs(Fraction(value) - exact) <= Fraction("5.00001e-7")

    noise = [Decimal(str(value)) for value in seen.noise if value is not None]
    effort = np.array([value for value in seen.effort or [] if value is not None], dtype=int)
    unselected = np.array(seen.unselected_correct or [], dtype=int)
    assert close(found.success_rate, success[correct == 1].sum(), int(correct.sum()))
    assert close(found.robust_accuracy, (correct & (1 - success)).sum(), len(correct))
    assert close(found.noise_rate, sum(noise), len(noise))
    assert close(found.effort, effort.sum(), len(effort))
    assert close(found.clean_accuracy, unselected.sum(), len(unselected))
    for name in ("forwards", "gradients"):
        work = [value for value in getattr(seen, name) or [] if value is not None]
        assert close(getattr(found, name), sum(work), len(work))
    distances = [value for value in seen.distance or [] if value is not None]
    assert found.distance == (pytest.approx(np.median(distances), rel=1e-5) if distances else None)


@modest
@given(measurements(), st.randoms(use_true_random=False))
def test_a_part_has_the_images_it_is_asked_for_in_their_order(one: Measurement, random: Random) -> None:
    count = one.images.count
    blind = 0 if one.unselected is None else one.unselected.count
    places, others = random.sample(range(count), random.randint(0, count)), random.sample(range(blind), blind)
    part = one.at(places, others)
    for name, values in one.evidence.model_dump().items():
        chosen = others if name.startswith("unselected") else places
        assert getattr(part.evidence, name) == (values and [values[i] for i in chosen])
    assert part.images.count == len(places)
    assert Measurement.from_json(part.to_json()) == part
    assert one.images.digest != part.images.digest  # nobody takes it for the whole


INCONSISTENT = {
    "arrays of different lengths": {"success": [0, 0]},
    "efforts of different length": {"effort": [None, 11]},
    "a success that was wrong when clean": {"success": [1, 1, 0], "noise": [0.1, 0.1, None]},
    "a success without a noise rate": {"noise": [None, None, None]},
    "a noise rate without success": {"noise": [None, 0.1, 0.1]},
    "an effort without an attempt": {"effort": [3, 4, 11]},
    "an attempt without an effort": {"effort": [None, 4, None]},
    "two for a bit": {"correct": [0, 1, 2]},
    "true for a bit": {"correct": [0, 1, True]},
    "a negative effort": {"effort": [None, -1, 11]},
    "a noise rate that is no number": {"noise": [None, float("nan"), None]},
    "an infinite noise rate": {"noise": [None, float("inf"), None]},
    "a noise rate above two": {"noise": [None, 2.000001, None]},
    "a success without a distance": {"distance": [None, None, 0.1]},
    "a negative distance": {"distance": [None, -0.1, None]},
    "distances of different length": {"distance": [None, 0.1]},
    "work without an attempt": {"forwards": [1, 1, 1]},
    "an attempt without work": {"gradients": [None, 3, None]},
    "negative work": {"gradients": [None, -1, 3]},
    "a member that fooled nobody": {"fooled_by": [None, 0, 1]},
    "a success by nobody": {"fooled_by": [None, None, None]},
    "pixels of an image that was not corrupted": {"pixels": ["a", "b", "c"]},
    "a corrupted image without pixels": {"pixels": [None, "b", None]},
    "a right answer that is not among the first five": {"unselected_correct": [0, 1], "unselected_top_5": [1, 0]},
}


@pytest.mark.parametrize("change", INCONSISTENT.values(), ids=INCONSISTENT)
def test_evidence_that_contradicts_itself_cannot_be_made(change: dict[str, object]) -> None:
    sound = evidence("-!.").model_dump()
    assert Evidence(**sound)
    with pytest.raises(ValidationError):
        Evidence(**sound | change)


@pytest.mark.parametrize("noise", [0.0, 1.0, 2.0])
def test_a_noise_rate_is_from_nothing_to_the_opposite_of_an_image(noise: float) -> None:
    """1 - SSIM, and SSIM is from -1 to 1."""
    assert evidence("-!.", noises=[None, noise, None]).noise[1] == noise


@pytest.mark.parametrize(
    "others", [{"unselected_top_5": [1]}, {"unselected_top_5": [1] * 5}, {"unselected_correct": None}]
)
def test_both_answers_are_of_the_same_unselected_images(others: dict[str, object]) -> None:
    data = json.loads(SMALL.to_json())
    data["evidence"] |= others
    data["unselected"] = data["unselected"] if data["evidence"]["unselected_correct"] else None
    message = refusal(lambda: Measurement.from_json(json.dumps(data)))
    assert message.endswith("top-5 and top-1 answers are not of the same unselected images")


def test_seconds_are_those_of_all_attempts() -> None:
    assert measurement("-.!-").seconds == pytest.approx(2 * 0.002)  # each
    timing = SMALL.timing.model_copy(update={"seconds_per_attempt": None})
    assert SMALL.model_copy(update={"timing": timing}).seconds is None


@pytest.mark.parametrize(
    ("outcomes", "of_images", "timing", "units"),
    [
        ("!.", {"forwards": [3, 6], "gradients": [3, 6]}, {"gradient_units": 7.0}, 7),
        ("!.", {"forwards": [3, 6], "gradients": [3, 6]}, {"rows": 99, "gradient_rows": 99}, 4.5),
        ("!.", {"forwards": [3, 6], "gradients": [0, 0]}, {}, 1.5),
        ("!.-", {}, {"rows": 40, "gradient_rows": 10}, 10),
        ("!.", {}, {}, None),
        ("--", {}, {"rows": 40}, None),
    ],
)
def test_time_is_in_gradient_units_as_timed_else_as_counted(
    outcomes: str, of_images: dict[str, list[int]], timing: dict[str, float], units: float | None
) -> None:
    """A backward costs two forwards."""
    one = measurement(outcomes, units=None, **of_images)
    assert one.model_copy(update={"timing": one.timing.model_copy(update=timing)}).gradient_units == units


Edit = Callable[[dict[str, list], int], None]


def _set(key: str, change: Callable[[object], object]) -> Edit:
    def edit(arrays: dict[str, list], i: int) -> None:
        arrays[key][i] = change(arrays[key][i])

    return edit


def _fool(arrays: dict[str, list], i: int) -> None:
    """Flipped with everything that goes with it."""
    arrays["success"][i] = 1 - arrays["success"][i]
    arrays["noise"][i] = 0.005 if arrays["success"][i] else None


def _drop(arrays: dict[str, list], i: int) -> None:
    for key in ("correct", "success", "effort", "noise", "distance", "forwards", "gradients"):
        del arrays[key][i]


#: Applied at every image for which it changes something that exists.
EDITS: dict[str, Edit] = {
    "a success flipped": _set("success", lambda bit: 1 - bit),
    "a success flipped with its noise": _fool,
    "an attempt flipped": _set("correct", lambda bit: 1 - bit),
    "an effort raised": _set("effort", lambda value: value + 1),
    "an effort lowered": _set("effort", lambda value: value - 1),
    "an effort removed": _set("effort", lambda value: None if value is not None else 3),
    "a noise rate raised": _set("noise", lambda value: value + 0.0001),
    "a noise rate removed": _set("noise", lambda value: None if value is not None else 0.1),
    "a distance raised": _set("distance", lambda value: value + 0.1),
    "a distance removed": _set("distance", lambda value: None if value is not None else 0.1),
    "a forward more": _set("forwards", lambda value: value + 1),
    "a gradient less": _set("gradients", lambda value: value - 1),
    "an image dropped": _drop,
    "an image dropped from one array": lambda arrays, i: arrays["success"].pop(i),
    "an image of clean accuracy flipped": _set("unselected_correct", lambda bit: 1 - bit),
    "an image of clean accuracy dropped": lambda arrays, i: arrays["unselected_correct"].pop(i),
}


def _edited(text: str, edit: Edit, i: int) -> str | None:
    data = json.loads(text)
    try:
        edit(data["evidence"], i)
    except (TypeError, IndexError, KeyError):  # no value there
        return None
    return json.dumps(data)


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_no_image_can_be_edited_by_hand(edit: Edit) -> None:
    text = SMALL.to_json()
    edited = [changed for i in range(10) if (changed := _edited(text, edit, i)) is not None]
    assert len(edited) >= 4
    for changed in edited:
        refusal(lambda changed=changed: Measurement.from_json(changed))


@settings(max_examples=25, deadline=None)
@given(
    path=st.sampled_from(SHIPPED),
    name=st.sampled_from([name for name in EDITS if "noise rate raised" not in name]),
    i=st.integers(0, 999),
)
def test_one_image_of_a_thousand_cannot_be_edited_by_hand(path: Path, name: str, i: int) -> None:
    changed = _edited(path.read_text(), EDITS[name], i)
    if changed is not None:
        refusal(lambda: Measurement.from_json(changed))


AGGREGATE_EDITS: dict[str, Callable[[object], object]] = {
    "raised": lambda value: value + 1,
    "lowered a little": lambda value: value - 0.000001,
    "removed": lambda value: None,
    "quoted": str,
    "wrapped": lambda value: [value],
}


@pytest.mark.parametrize("key", Aggregates.model_fields)
@pytest.mark.parametrize("change", AGGREGATE_EDITS.values(), ids=AGGREGATE_EDITS)
def test_no_aggregate_can_be_edited_by_hand(key: str, change: Callable[[object], object]) -> None:
    data = json.loads(SMALL.to_json())
    data["aggregates"][key] = change(data["aggregates"][key])
    assert "evidence and aggregates disagree" in refusal(lambda: Measurement.from_json(json.dumps(data)))


@pytest.mark.parametrize(
    "change",
    [lambda _: {}, lambda table: table | {"extra": 1}, lambda _: None, lambda _: [1]],
    ids=["empty", "extra", "null", "array"],
)
def test_aggregates_are_all_there_and_nothing_else_is(change: Callable[[dict], object]) -> None:
    data = json.loads(SMALL.to_json())
    data["aggregates"] = change(data["aggregates"])
    assert "evidence and aggregates disagree" in refusal(lambda: Measurement.from_json(json.dumps(data)))


def _at(*path: str, value: object) -> Callable[[dict], None]:
    def edit(data: dict) -> None:
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = value

    return edit


#: Of a file: what is edited, and what the refusal must name.
DAMAGE: dict[str, tuple[Callable[[dict], object], str]] = {
    "a newer schema": (_at("schema", value=3), "schema: 3"),
    "no schema that there was": (_at("schema", value=0), "schema: 0"),
    "a schema in words": (_at("schema", value="1"), "schema: '1'"),
    "no schema": (lambda data: data.pop("schema"), "schema: None"),
    "no aggregates": (lambda data: data.pop("aggregates"), "aggregates"),
    "no evidence": (lambda data: data.pop("evidence"), "evidence"),
    "no case": (lambda data: data.pop("case"), "case"),
    "a case that is a number": (_at("case", value=3), "case"),
    "a key too many": (_at("surplus", value=1), "surplus"),
    "a key too many in timing": (_at("timing", "surplus", value=1), "timing.surplus"),
    "a key too many in the protocol": (_at("protocol", "surplus", value=1), "protocol.surplus"),
    "a key too many in the evidence": (_at("evidence", "surplus", value=[]), "evidence.surplus"),
    "a time that is no number": (_at("timing", "gradient_units", value=float("nan")), "timing.gradient_units"),
    "an infinite time": (_at("timing", "gradient_units", value=float("inf")), "timing.gradient_units"),
    "a time in words": (_at("timing", "attack_seconds", value="10"), "timing.attack_seconds"),
    "no batch size": (_at("protocol", "batch", value={"size": 0, "images": "a"}), "protocol.batch.size"),
    "no image set": (lambda data: data.pop("images"), "images"),
    "a set of fewer images": (_at("images", "count", value=9), "evidence of 10 images, not 9"),
    "a parameter that is a list": (_at("protocol", "parameters", "eps", value=[1]), "protocol.parameters.eps"),
    "evidence that is a list": (_at("evidence", value=[]), "evidence"),
    "a negative budget": (_at("budget", value=-1), "budget"),
}


@pytest.mark.parametrize(("edit", "named"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_refused_by_name(edit: Callable[[dict], object], named: str) -> None:
    data = json.loads(SMALL.to_json())
    edit(data)
    assert named in refusal(lambda: Measurement.from_json(json.dumps(data)))


@pytest.mark.parametrize("text", ["", "[]", "null", "1", '"text"', "NaN", "{", "\ufeff{}", "{}", "<<<<<<< HEAD\n{}\n"])
def test_what_is_not_a_measurement_is_refused(text: str) -> None:
    refusal(lambda: Measurement.from_json(text))


def test_a_file_cut_off_anywhere_is_refused() -> None:
    text = SMALL.to_json()
    for end in range(len(text) - 1):  # without its last newline it is whole
        refusal(lambda end=end: Measurement.from_json(text[:end]))


TOKENS = ["NaN", "-Infinity", "1e999", "-1", "0", "2", "true", "null", "{}", "[]", '""', '"x": 1,', ",", ":", "[[[["]


def _accepted(text: str) -> bool:
    """Whether it is read; anything but a RobustnessError goes on."""
    try:
        Measurement.from_json(text)
    except RobustnessError:
        return False
    return True


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_a_damaged_file_is_refused_in_one_line_or_sound(data: st.DataObject) -> None:
    text = SMALL.to_json()
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        length = data.draw(st.integers(0, 12))
        new = data.draw(st.sampled_from(TOKENS) | st.text('0123456789.,:[]{}"-+eE \n\t\x00é', max_size=6))
        text = text[:start] + new + text[start + length :]
    assert _accepted(text) or refusal(lambda: Measurement.from_json(text))
