"""Measurements survive their file, and a file that is not as it was written is refused in one line."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pytest_robustness.errors import RobustnessError
from pytest_robustness.records.evidence import Aggregates, Evidence
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.protocol import ImageSetId, Protocol

from tests.gate.examples import evidence, measurement, refusal
from tests.gate.strategies import evidences, hexadecimals, measurements, modest

SHIPPED = sorted(Path(__file__).parents[2].glob("baselines/*/*/*.json"))
SMALL = measurement("-.!.!-!..!", unselected=".-..", top_5="....")


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
    for section in ("aggregates", "timing", "protocol", "provenance", "evidence"):
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
    assert one.to_json() == text.replace('"pytest_robustness.evaluate.attacks.cw:CW"', '"CW"')
    assert one.case == f"{path.parent.name}/{path.stem}"
    noise = json.loads(text, parse_float=Decimal)["evidence"]["noise"]
    assert min(value.as_tuple().exponent for value in noise if value is not None) >= -6


def _former_digest(stored: str) -> str:
    """As it was made of what is stored, without any name."""
    canonical = json.dumps(json.loads(stored)["protocol"], sort_keys=True, separators=(",", ":"))
    return sha256(canonical.encode()).hexdigest()


def test_an_attack_stored_by_the_path_of_its_class_is_read_by_its_name() -> None:
    """Baselines recorded before attacks had names still compare with what is measured now."""
    stored = SMALL.to_json().replace(json.dumps(SMALL.protocol.attack), '"pytest_robustness.evaluate.attacks.cw:CW"')
    one = Measurement.from_json(stored)
    assert one.protocol.attack == "CW"
    assert one.protocol.digest == _former_digest(stored)  # pages that show it still agree
    assert one.protocol.first_difference(SMALL.protocol.model_copy(update={"attack": "CW"})) is None


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
    data["protocol"]["unselected"] = data["protocol"]["unselected"] if data["evidence"]["unselected_correct"] else None
    message = refusal(lambda: Measurement.from_json(json.dumps(data)))
    assert message.endswith("top-5 and top-1 answers are not of the same unselected images")


def test_seconds_are_those_of_all_attempts() -> None:
    assert measurement("-.!-").seconds == pytest.approx(2 * 0.002)  # each
    timing = SMALL.timing.model_copy(update={"seconds_per_attempt": None})
    assert SMALL.model_copy(update={"timing": timing}).seconds is None


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
    for key in ("correct", "success", "effort", "noise"):
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
    "an image dropped": _drop,
    "an image dropped from one array": lambda arrays, i: arrays["success"].pop(i),
    "an image of clean accuracy flipped": _set("unselected_correct", lambda bit: 1 - bit),
    "an image of clean accuracy dropped": lambda arrays, i: arrays["unselected_correct"].pop(i),
}


def _edited(text: str, edit: Edit, i: int) -> str | None:
    data = json.loads(text)
    try:
        edit(data["evidence"], i)
    except (TypeError, IndexError):  # no value there
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
    "a newer schema": (_at("schema", value=2), "schema: 2"),
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
    "a time in words": (_at("timing", "gradients", value="10"), "timing.gradients"),
    "no batch size": (_at("protocol", "batch_size", value=0), "protocol.batch_size"),
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


@st.composite
def protocols(draw: st.DrawFn) -> Protocol:
    """From so few that two are often equal; each key always of one type."""
    few = st.sampled_from
    sets = st.builds(ImageSetId, count=few((4, 5)), digest=few(("a" * 64, "b" * 64)), shape=few(([1, 2, 2], [3, 2, 2])))
    return Protocol(
        attack="A",
        parameters=draw(
            st.fixed_dictionaries({}, optional={"eps": few((0.01, 0.02)), "steps": few((1, 2)), "flag": st.booleans()})
        ),
        stop="full",
        images=draw(sets),
        unselected=draw(st.none() | sets),
        batch_size=draw(few((10, 20))),
        row_floor=16,
        seed=0,
        dtype="float32",
    )


@settings(max_examples=300, deadline=None)
@given(protocols(), protocols())
def test_protocols_have_one_digest_exactly_if_they_are_equal(one: Protocol, other: Protocol) -> None:
    assert (one.digest == other.digest) == (one == other)
    assert (one.first_difference(other) is None) == (one == other)
    assert one.digest == Protocol.model_validate(copy.deepcopy(one.model_dump())).digest


def test_the_order_of_parameters_is_no_difference() -> None:
    given_order = SMALL.protocol.parameters
    turned = SMALL.protocol.model_copy(update={"parameters": dict(reversed(given_order.items()))})
    assert list(turned.parameters) != list(given_order)
    assert turned.digest == SMALL.protocol.digest


#: Every key of a protocol in alphabetical order, and another value of it.
OTHER: dict[str, object] = {
    "attack": "torchattacks:BIM",
    "batch_size": 50,
    "dtype": "float64",
    "images.count": 9,
    "images.digest": "c" * 64,
    "images.shape": [1, 28, 28],
    "noise": "another definition",
    "parameters.alpha": 0.001,
    "parameters.eps": 0.02,
    "row_floor": 8,
    "seed": 1,
    "stop": "full",
    "unselected.digest": "d" * 64,
    "version": 2,
}


def _with(protocol: Protocol, *keys: str) -> Protocol:
    data = protocol.model_dump()
    for key in keys:
        *outer, last = key.split(".")
        table = data
        for part in outer:
            table = table[part]
        table[last] = OTHER[key]
    return Protocol.model_validate(data)


@pytest.mark.parametrize("key", OTHER)
def test_the_difference_of_protocols_is_named_with_both_values(key: str) -> None:
    before = SMALL.protocol.model_dump()
    for part in key.split("."):
        before = before[part]
    text = SMALL.protocol.first_difference(_with(SMALL.protocol, key))
    assert text is not None
    assert text.startswith(f"{key}: ")
    old, new = text.removeprefix(f"{key}: ").split(" is now ")
    for shown, value in ((old, before), (new, OTHER[key])):
        whole = json.dumps(value)
        assert shown == whole or (len(whole) > 40 and whole.startswith(shown.split("...")[0]))
    assert old != new


@pytest.mark.parametrize(("length", "shown"), [(38, f'"{"a" * 37}z"'), (39, f'"{"a" * 11}...aaz"')])
def test_a_value_of_more_than_forty_characters_is_shortened(length: int, shown: str) -> None:
    """The quotes are counted too."""
    other = SMALL.protocol.model_copy(update={"stop": "a" * (length - 1) + "z"})
    assert SMALL.protocol.first_difference(other) == f'stop: "first-success" is now {shown}'


@given(st.lists(st.sampled_from(sorted(OTHER)), min_size=2, max_size=5, unique=True))
@modest
def test_of_several_differences_the_first_is_named(keys: list[str]) -> None:
    text = SMALL.protocol.first_difference(_with(SMALL.protocol, *keys))
    assert text is not None
    assert text.startswith(f"{min(keys)}: ")


@given(hexadecimals)
@modest
def test_an_image_set_that_one_side_lacks_is_a_difference(digest: str) -> None:
    with_set = SMALL.protocol
    without = with_set.model_copy(update={"unselected": None})
    assert (with_set.first_difference(without) or "").startswith("unselected.count: 4 is now null")
    assert (without.first_difference(with_set) or "").startswith("unselected.count: null is now 4")
    assert with_set.digest != without.digest
