"""An image is compared with itself wherever it lies: sets may grow and be rearranged, and must not shrink."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.gate.pairing import Lists, match, pair
from pytest_robustness.records.evidence import Evidence
from pytest_robustness.records.image_list import ImageList
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.protocol import Batch
from pytest_robustness.records.verdict import SetChange, Verdict
from pytest_robustness.suite.suite import Tolerances

from tests.gate.examples import FOOLED, WITHSTOOD, WRONG, images, measurement, own_lists, refusal
from tests.gate.strategies import image_lists, modest, runs

RULES = Rules(Tolerances(), 0.05 / 6)
ACCEPTING = replace(RULES, accept_removed_images=True)
HALF = FOOLED * 50 + WITHSTOOD * 50


def listed(one: ImageList) -> list[tuple[str, int]]:
    return list(zip(one.keys, one.labels, strict=True))


@modest
@given(image_lists, image_lists)
def test_a_match_is_what_counting_says(before: ImageList, after: ImageList) -> None:
    found, then, now = match(before, after), listed(before), listed(after)
    shared = Counter(then) & Counter(now)
    assert [then[place] for place in found.before] == [now[place] for place in found.after]
    assert Counter(then[place] for place in found.before) == shared
    assert (found.missing, found.new) == (len(then) - shared.total(), len(now) - shared.total())
    assert list(found.before) == sorted(set(found.before))
    for image in shared:  # the first of equal ones is the first
        places = [place for place in found.after if now[place] == image]
        assert places == [place for place, one in enumerate(now) if one == image][: len(places)]
        mine = [place for place in found.before if then[place] == image]
        assert mine == [place for place, one in enumerate(then) if one == image][: len(mine)]


def test_an_image_with_another_label_is_another_image() -> None:
    one = images(3)
    relabelled = ImageList(keys=one.keys, labels=[0, 1, 7])
    found = match(one, relabelled)
    assert (found.before, found.after, found.missing, found.new) == ([0, 1], [0, 1], 1, 1)
    assert found.named == [f"{one.keys[2][:12]} of class 2"]


# --- what is the same, whatever the order and however many are new -----------------------------------------------


def arranged(
    one: Measurement, attacked: Sequence[int], blind: Sequence[int], extra: Evidence | None = None
) -> tuple[Measurement, Lists]:
    """The measurement with its images in another order, ``extra`` ones after them; and the lists to pair it by.

    Places from the measurement's number of images on are those of ``extra``.
    """
    seen = one.evidence.model_dump()
    if extra is not None:
        more = extra.model_dump()
        seen = {key: values if values is None else values + (more.get(key) or []) for key, values in seen.items()}
    moved = {
        key: values if values is None else [values[i] for i in (blind if key.startswith("unselected") else attacked)]
        for key, values in seen.items()
    }
    lists = images(tuple(attacked)), images(tuple(blind), "unselected")
    update = {
        "evidence": Evidence(**moved),
        "images": lists[0].identity,
        "unselected": lists[1].identity if one.unselected else None,
    }
    return one.model_copy(update=update), Lists([*lists, *own_lists(one)])


def order(count: int, random: Random) -> list[int]:
    places = list(range(count))
    random.shuffle(places)
    return places


@modest
@given(runs() | runs(moved=True), st.randoms(use_true_random=False))
def test_a_set_in_another_order_is_the_same_set(pair: tuple[Measurement, Measurement], random: Random) -> None:
    then, now = pair
    sizes = now.images.count, now.unselected.count
    mixed, lists = arranged(now, *(order(size, random) for size in sizes))
    assert judge(mixed, then, RULES, lists) == judge(now, then, RULES)
    before, lists = arranged(then, *(order(size, random) for size in sizes))
    found, straight = judge(now, before, RULES, lists), judge(now, then, RULES)
    assert (found.status, found.passed, found.images) == (straight.status, straight.passed, SetChange())
    for one, other in zip(found.metrics, straight.metrics, strict=True):
        assert (one.outcome, one.p_value, one.images, one.lost) == (
            other.outcome,
            other.p_value,
            other.images,
            other.lost,
        )
        assert one.change == pytest.approx(other.change)


def told(verdict: Verdict) -> list[object]:
    """All that is said of metrics; time apart, which is of whole runs."""
    return [one for one in verdict.metrics if one.metric != "time"]


@modest
@given(runs() | runs(moved=True), runs(), st.randoms(use_true_random=False))
def test_new_images_change_no_verdict(
    pair: tuple[Measurement, Measurement], others: tuple[Measurement, Measurement], random: Random
) -> None:
    then, now = pair
    extra = others[1].evidence
    count, blind = now.images.count, now.unselected.count
    new, new_blind = len(extra.correct), len(extra.unselected_correct or ())
    grown, lists = arranged(now, order(count + new, random), order(blind + new_blind, random), extra)
    rules = Rules(Tolerances(time=1e6), RULES.level)  # of other images no time is judged
    found, straight = judge(grown, then, rules, lists), judge(now, then, rules)
    assert (found.passed, found.changes) == (straight.passed, straight.changes)
    assert told(found) == told(straight)
    assert found.images == SetChange(new=new, new_unselected=new_blind)
    time = found.metric("time")
    assert time is not None
    if new:
        assert time.outcome == "not judged"
        assert f"{new} new image" in found.reason
        assert "not in the baseline" in found.reason
        assert "not compared" in found.reason


@modest
@given(runs() | runs(moved=True), st.randoms(use_true_random=False), st.integers(1, 9), st.integers(0, 9))
def test_without_what_was_removed_a_verdict_is_that_of_the_others(
    pair: tuple[Measurement, Measurement], random: Random, gone: int, blind_gone: int
) -> None:
    then, now = pair
    count, blind = now.images.count, now.unselected.count
    gone = min(gone, count - 1)
    if gone < 1:
        return
    left, blind_left = sorted(order(count, random)[gone:]), sorted(order(blind, random)[blind_gone:])
    shrunk, lists = arranged(now, left, blind_left)
    refused = judge(shrunk, then, RULES, lists)
    assert (refused.passed, refused.status, refused.metrics) == (False, "not comparable", [])
    accepted = judge(shrunk, then, ACCEPTING, lists)
    reduced, _ = arranged(then, left, blind_left)
    assert told(accepted) == told(judge(shrunk, reduced, RULES, lists))
    assert accepted.images.removed == gone + blind_gone
    assert "missing, which was accepted" in accepted.reason


def test_missing_images_are_counted_named_and_said_what_to_do_about() -> None:
    then, lists = measurement("!!..!", unselected="+++"), images((0, 2))
    now = measurement("!.", digest="other", unselected="+++", listed=lists)
    reason = judge(now, then, RULES, Lists([lists, images(5)])).reason
    named = ", ".join(f"{images(5).keys[i][:12]} of class {i}" for i in (1, 3, 4))
    assert reason == (
        f"vgg11/pgd: not comparable: 3 images of the baseline are missing ({named}): "
        "restore them, or accept it by --accept-removed-images"
    )
    one = judge(measurement("!!!!"), measurement("!!!!!"), RULES, Lists([images(4), images(5)])).reason
    assert "1 image of the baseline is missing (" in one
    five = judge(measurement("!"), measurement("!!!!!!"), RULES, Lists([images(1), images(6)])).reason
    assert "5 images of the baseline are missing (" in five
    assert ", ...)" in five


def test_a_missing_unselected_image_is_missing_too() -> None:
    then, now = measurement("!.", unselected="+++"), measurement("!.", unselected="++")
    verdict = judge(now, then, RULES, Lists(own_lists(then, now)))
    assert verdict.status == "not comparable"
    assert "1 unselected image of the baseline is missing (" in verdict.reason
    assert judge(now, then, ACCEPTING, Lists(own_lists(then, now))).passed


def test_a_set_that_a_suite_gave_up_is_missing_and_one_it_did_not_have_is_new() -> None:
    with_set, without = measurement("!.", unselected="+++"), measurement("!.")
    gone = judge(without, with_set, RULES)
    assert "3 unselected images of the baseline are missing: restore them" in gone.reason
    accepted = judge(without, with_set, ACCEPTING)
    assert accepted.passed
    assert accepted.metric("clean accuracy") is None
    added = judge(with_set, without, RULES)
    assert added.passed
    assert added.images == SetChange(new_unselected=3)
    assert "3 new unselected images, not in the baseline, are not compared" in added.reason


def test_where_nothing_is_left_nothing_can_be_accepted() -> None:
    other = images((7, 8))
    now = measurement("!!", listed=other)
    verdict = judge(now, measurement("!!"), ACCEPTING, Lists([other, images(2)]))
    assert (verdict.passed, verdict.status) == (False, "not comparable")
    assert "no image of the baseline is left" in verdict.reason


def test_a_limit_is_of_all_that_was_attacked() -> None:
    """New images are not compared, but an absolute limit has nothing to do with a baseline."""
    now, then = measurement("..!!!!", digest="other"), measurement("..")
    limited = replace(RULES, max_success_rate=0.5)
    verdict = judge(now, then, limited, Lists([images(6), images(2)]))
    assert (verdict.status, verdict.passed) == ("over limit", False)
    assert "66.7% is above max_success_rate" in verdict.reason


def test_a_model_that_moved_on_the_old_images_drifted_whatever_the_new_ones_say() -> None:
    now, then = measurement(WITHSTOOD * 100 + FOOLED * 50), measurement(HALF)
    verdict = judge(now, then, RULES, Lists([images(150), images(100)]))
    assert verdict.status == "drifted"
    assert "50 new images" in verdict.reason


# --- lists -------------------------------------------------------------------------------------------------------


def test_equal_sets_need_no_lists_and_others_do() -> None:
    assert judge(measurement("!."), measurement("!."), RULES).passed
    said = refusal(lambda: judge(measurement("!."), measurement("!.."), RULES, Lists([images(2)])))
    assert said.startswith(f"images {images(3).digest[:16]}: ")


def test_a_stored_list_is_read_once_and_only_when_it_is_needed() -> None:
    read: list[str] = []

    def stored(digest: str) -> ImageList:
        read.append(digest)
        return images(3)

    lists = Lists([images(2)], stored)
    assert judge(measurement("!."), measurement("!."), RULES, lists).passed
    assert read == []
    for _ in range(3):
        judge(measurement("!."), measurement("!.."), RULES, lists)
    assert read == [images(3).digest]


# --- protocols that cannot be compared ---------------------------------------------------------------------------


def test_a_set_is_part_of_the_protocol_of_an_attack_that_is_called_with_whole_batches() -> None:
    then, now = (
        measurement(
            "!" * count,
            protocol={"attack": "torchattacks:PGD", "batch": Batch(size=10, images=images(count).digest)},
        )
        for count in (4, 5)
    )
    lists = Lists([images(4), images(5)])
    grown = judge(now, then, RULES, lists)
    assert grown.status == "not comparable"
    assert "the baseline's protocol differs in batch.images" in grown.reason
    assert grown.images == SetChange(new=1)  # an update still knows
    shrunk = judge(then, now, RULES, lists)
    assert "1 image of the baseline is missing" in shrunk.reason
    assert "batch.images" in judge(then, now, ACCEPTING, lists).reason


def test_of_a_baseline_of_an_earlier_version_the_version_is_said_and_no_list_is_looked_for() -> None:
    then = measurement("!!..", protocol={"version": 1, "seed": 5})
    for now in (measurement("!!.."), measurement("!!")):
        verdict = judge(now, then, RULES)
        assert verdict.status == "not comparable"
        assert "the baseline's protocol differs in version: 1 is now 2" in verdict.reason
        assert verdict.images == SetChange()


# --- corrupted pixels --------------------------------------------------------------------------------------------


def corrupted(outcomes: str, pixels: str, digest: str = "after", **more: object) -> Measurement:
    """``pixels`` are a letter an image."""
    known = [None if one == WRONG else letter for one, letter in zip(outcomes, pixels, strict=True)]
    return measurement(outcomes, pixels=known, digest=digest, **more)


def test_images_with_other_pixels_are_left_out_and_counted() -> None:
    then = corrupted(WITHSTOOD * 60, "a" * 60, "before")
    now = corrupted(FOOLED * 12 + WITHSTOOD * 48, "b" * 12 + "a" * 48)
    verdict = judge(now, then, RULES)
    success = verdict.metric("success rate")
    assert success is not None
    assert (verdict.passed, success.images, success.change) == (True, 48, 0.0)
    assert "not comparable: 12 corrupted images have other pixels: another Pillow or platform" in verdict.reason
    assert verdict.images == SetChange(other_pixels=12)
    assert judge(corrupted(FOOLED * 12 + WITHSTOOD * 48, "a" * 60), then, RULES).status == "regressed"


@pytest.mark.parametrize("outcomes", ["!!..", "-!..", "!!.-", "--.."])
def test_where_all_have_other_pixels_there_is_nothing_to_compare(outcomes: str) -> None:
    """Images that are wrong when clean were not corrupted: they do not make a comparison."""
    verdict = judge(corrupted(outcomes, "bbbb"), corrupted(outcomes, "aaaa", "before"), RULES)
    attempts = 4 - outcomes.count(WRONG)
    assert (verdict.passed, verdict.status) == (False, "not comparable")
    assert f"all {attempts} corrupted images have other pixels: another Pillow or platform" in verdict.reason


def test_an_image_that_is_no_attempt_any_more_has_no_other_pixels() -> None:
    then, now = corrupted("!!..", "aaaa", "before"), corrupted("!-..", "aaaa")
    assert judge(now, then, RULES).images == SetChange()


def test_pixels_are_of_the_image_not_of_its_place() -> None:
    turned = images((2, 1, 0))
    then, now = corrupted("!..", "abc", "before"), corrupted("..!", "cba", listed=turned)
    paired = pair(then, now, Lists([turned, images(3)]))
    assert paired.change == SetChange()
    assert paired.current.evidence.success == [1, 0, 0]
    assert list(paired.places) == [2, 1, 0]
