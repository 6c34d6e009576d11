"""A case is known without measuring when nothing that decides its evidence differs, and only then."""

import pytest
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.gate.unchanged import is_unchanged, judge_unchanged
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.protocol import Protocol
from pytest_robustness.records.provenance import Provenance
from pytest_robustness.records.verdict import Status
from pytest_robustness.suite.suite import Tolerances

from tests.gate.examples import FOOLED, WITHSTOOD, images, measurement

#: Of the provenance; of everything else evidence may depend.
MAY_DIFFER = {"device", "model", "commit", "architecture", "row_floor", "removed_images", "accepted_suspicious"}
THEN = measurement(FOOLED * 6 + WITHSTOOD * 4, unselected="+" * 10)


def changed(field: str) -> Provenance:
    value = getattr(THEN.provenance, field)
    return THEN.provenance.model_copy(update={field: f"{value}, another"})


def unchanged(then: Measurement, protocol: Protocol = THEN.protocol, provenance: Provenance = THEN.provenance) -> bool:
    return is_unchanged(then, protocol, provenance, THEN.images, THEN.unselected)


def test_the_same_again_is_known() -> None:
    assert unchanged(THEN)


@pytest.mark.parametrize("field", Provenance.model_fields)
def test_what_may_differ_and_what_may_not(field: str) -> None:
    assert unchanged(THEN, provenance=changed(field)) == (field in MAY_DIFFER)


@pytest.mark.parametrize("change", [{"seed": 1}, {"stop": "full"}, {"dtype": "float64"}, {"parameters": {"eps": 0.02}}])
def test_another_protocol_is_not_known(change: dict[str, object]) -> None:
    assert not unchanged(THEN, THEN.protocol.model_copy(update=change))


@pytest.mark.parametrize("which", ["images", "unselected"])
def test_another_image_set_is_not_known(which: str) -> None:
    """Not even the same images in another order: which images an attack saw together may decide."""
    usual = {"images": THEN.images, "unselected": THEN.unselected}
    other = usual | {which: images(range(9, -1, -1)).identity}
    assert is_unchanged(THEN, THEN.protocol, THEN.provenance, **usual)
    assert not is_unchanged(THEN, THEN.protocol, THEN.provenance, **other)


def test_code_that_cannot_be_followed_is_never_known() -> None:
    blind = THEN.model_copy(update={"provenance": THEN.provenance.model_copy(update={"code_digest": None})})
    assert not unchanged(blind, blind.protocol, blind.provenance)


def test_the_verdict_is_that_nothing_was_measured() -> None:
    verdict = judge_unchanged(THEN, Rules(Tolerances(), 0.01))
    assert verdict.passed
    assert verdict.status == Status.UNCHANGED
    assert verdict.metrics == []


def test_a_limit_holds_for_what_is_known_too() -> None:
    verdict = judge_unchanged(THEN, Rules(Tolerances(), 0.01, max_success_rate=0.5))
    assert not verdict.passed
    assert verdict.status == "over limit"
