"""Protocols: what must be equal, named where it is not."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_robustness.records.protocol import Batch, Protocol

from tests.gate.examples import measurement
from tests.gate.strategies import hexadecimals, modest

SMALL = measurement()


@st.composite
def protocols(draw: st.DrawFn) -> Protocol:
    """From so few that two are often equal; each key always of one type."""
    few = st.sampled_from
    batches = st.builds(Batch, size=few((10, 20)), images=few(("a" * 64, "b" * 64)))
    return Protocol(
        attack="A",
        parameters=draw(
            st.fixed_dictionaries({}, optional={"eps": few((0.01, 0.02)), "steps": few((1, 2)), "flag": st.booleans()})
        ),
        stop="full",
        shape=draw(few(([1, 2, 2], [3, 2, 2]))),
        distance=draw(few((None, "2"))),
        batch=draw(st.none() | batches),
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
    "batch.images": "c" * 64,
    "batch.size": 50,
    "distance": "inf",
    "dtype": "float64",
    "noise": "another definition",
    "parameters.alpha": 0.001,
    "parameters.eps": 0.02,
    "seed": 1,
    "shape": [1, 28, 28],
    "stop": "full",
    "version": 3,
}


#: With every key.
BOUND = SMALL.protocol.model_copy(update={"distance": "2", "batch": Batch(size=100, images="a" * 64)})


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
    before = BOUND.model_dump()
    for part in key.split("."):
        before = before[part]
    text = BOUND.first_difference(_with(BOUND, key))
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
    other = BOUND.model_copy(update={"stop": "a" * (length - 1) + "z"})
    assert BOUND.first_difference(other) == f'stop: "first-success" is now {shown}'


@given(st.lists(st.sampled_from(sorted(OTHER)), min_size=2, max_size=5, unique=True))
@modest
def test_of_several_differences_the_first_is_named(keys: list[str]) -> None:
    text = BOUND.first_difference(_with(BOUND, *keys))
    assert text is not None
    assert text.startswith(f"{min(keys)}: ")


@given(hexadecimals)
@modest
def test_a_batch_that_one_side_lacks_is_a_difference(digest: str) -> None:
    bound = BOUND.model_copy(update={"batch": Batch(size=7, images=digest)})
    free = BOUND.model_copy(update={"batch": None})
    assert (bound.first_difference(free) or "").startswith(f'batch.images: "{digest}" is now null')
    assert (free.first_difference(bound) or "").startswith(f'batch.images: null is now "{digest}"')
    assert bound.digest != free.digest
