"""An image is itself: whatever its set, its order, its batch and its mates, and wherever a case is cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.measure import evaluate, measure, measure_clean
from pytest_robustness.records.evidence import ATTACKED
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.part import Part, merge

from tests.evaluate.suites import CORE, COUNT, CPU, LIBRARY, case_of, labels_of, pictures, write_images

core = pytest.mark.parametrize("name", [name for name in CORE if name != "cw-full"])


def evidence_by_key(measurement: Measurement, keys: list[str]) -> dict[str, list[Any]]:
    evidence = measurement.evidence
    arrays = [getattr(evidence, name) for name in ATTACKED]
    return {key: [array and array[i] for array in arrays] for i, key in enumerate(keys)}


def measured(folder: Path, name: str, order: list[int], batch_size: int, **more: Any) -> dict[str, list[Any]]:
    folder.mkdir()
    images = pictures()
    labels = labels_of(images)
    case = case_of(folder, CORE[name], images=images[order], labels=labels[order], batch_size=batch_size, **more)
    from pytest_robustness.evaluate.images.load import attacked_images

    return evidence_by_key(evaluate(case, device=CPU), list(attacked_images(case).keys))


@core
def test_evidence_belongs_to_the_image_in_any_order_set_and_batch_size(name: str, tmp_path: Path) -> None:
    usual = measured(tmp_path / "usual", name, list(range(COUNT)), 24)
    assert any(one[1] for one in usual.values())  # some succeed
    backwards = measured(tmp_path / "backwards", name, list(reversed(range(COUNT))), 24)
    assert backwards == usual
    some = measured(tmp_path / "some", name, [50, 3, 41, *range(10, 30)], 24)
    assert some == {key: usual[key] for key in some}
    larger = measured(tmp_path / "larger", name, list(range(COUNT)), 41)
    assert larger == usual


@core
def test_a_case_may_be_cut_anywhere(name: str, tmp_path: Path) -> None:
    images = pictures(30, seed=5)
    write_images(tmp_path / "blind.npz", images, labels_of(images, wrong=(4,)))
    case = case_of(tmp_path, CORE[name], unselected="blind.npz")
    whole = evaluate(case, device=CPU)
    cuts = [range(17), range(17, 18), range(18, COUNT)]
    parts = [measure(case, rows, device=CPU) for rows in reversed(cuts)]
    sent = [Part.model_validate_json(part.model_dump_json()) for part in parts]
    merged = merge(sent, measure_clean(case, device=CPU))
    unlike = {"timing": whole.timing}
    assert merged.model_copy(update=unlike) == whole
    assert merged.timing.rounds == sum(part.timing.rounds for part in parts)
    needed = sum(row or 0 for row in whole.evidence.forwards or [])
    assert whole.timing.rows - whole.timing.padding == merged.timing.rows - merged.timing.padding == needed


def test_an_attack_on_whole_batches_is_cut_between_them_only(tmp_path: Path) -> None:
    case = case_of(tmp_path, LIBRARY["ta-difgsm"])
    whole = evaluate(case, device=CPU)
    parts = [measure(case, rows, device=CPU) for rows in (range(24), range(24, COUNT))]
    assert merge(parts).evidence == whole.evidence
    for wrong in (range(23), range(1, 24), range(24, 47)):
        with pytest.raises(RobustnessError, match=r"attacks\.it: images \d+ to \d+ are no whole batches of 24"):
            measure(case, wrong, device=CPU)


def test_work_is_counted_image_by_image(tmp_path: Path) -> None:
    """PGD until first success: a forward for each gradient and one more, and the look at the answer."""
    found = evaluate(case_of(tmp_path, CORE["pgd"]), device=CPU)
    evidence, budget = found.evidence, 3
    assert evidence.forwards
    assert evidence.gradients
    assert evidence.effort
    for i, effort in enumerate(evidence.effort):
        if effort is None:
            assert evidence.forwards[i] is evidence.gradients[i] is None
            continue
        noticed = effort < budget  # within the attack; at the last iterate only the look tells
        assert evidence.gradients[i] == min(effort, budget)
        assert evidence.forwards[i] == (effort + 2 if noticed else budget + 1)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[Part]:
    case = case_of(tmp_path_factory.mktemp("parts"), CORE["pgd"])
    return [measure(case, range(start, start + 8), device=CPU) for start in range(0, COUNT, 8)]


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(7)), left=st.integers(0, 6))
def test_parts_merge_in_any_order_and_only_if_all_are_there(order: list[int], left: int, parts: list[Part]) -> None:
    whole = merge(parts)
    merged = merge([parts[i] for i in order])
    assert merged.evidence == whole.evidence
    with pytest.raises(RobustnessError, match="8 of 56 images are missing"):
        merge([parts[i] for i in order if i != left])
    with pytest.raises(RobustnessError, match="an image is there twice"):
        merge([parts[i] for i in order] + [parts[left]])


def test_parts_whose_places_are_no_images_do_not_merge(parts: list[Part]) -> None:
    first, *others = parts
    for places in ([*first.places[:-1], 56], first.places[:-1]):
        with pytest.raises(RobustnessError, match="a part's places are not those of its images"):
            merge([first.model_copy(update={"places": places}), *others])
    with pytest.raises(RobustnessError, match="there are no parts"):
        merge([])


def test_parts_of_different_cases_sets_protocols_and_models_do_not_merge(parts: list[Part]) -> None:
    first, second = parts[:2]
    changed = {
        "with a part of a/b": {"case": "a/b"},
        "of another image set": {"images": first.images.model_copy(update={"digest": "0" * 64})},
        "another protocol: seed: 0 is now 1": {"protocol": first.protocol.model_copy(update={"seed": 1})},
        "of another model": {"provenance": first.provenance.model_copy(update={"weights_digest": "0" * 64})},
    }
    for said, update in changed.items():
        with pytest.raises(RobustnessError, match=said):
            merge([first, second.model_copy(update=update), *parts[2:]])


def test_sums_of_time_add_up(parts: list[Part]) -> None:
    merged = merge(parts).timing
    for name in ("attack_seconds", "rows", "gradient_rows", "padding", "rounds", "unit_seconds", "unit_rows"):
        assert getattr(merged, name) == pytest.approx(sum(getattr(part.timing, name) for part in parts))
    attempts = sum(sum(part.evidence.correct) for part in parts)
    assert merged.seconds_per_attempt == pytest.approx(merged.attack_seconds / attempts, abs=1e-9)


def test_an_image_that_is_there_twice_is_measured_twice_with_one_result(tmp_path: Path) -> None:
    images, labels = pictures(), labels_of(pictures())
    twice = np.concatenate([images, images[:5]]), np.concatenate([labels, labels[:5]])
    evidence = evaluate(case_of(tmp_path, CORE["pgd"], images=twice[0], labels=twice[1]), device=CPU).evidence
    assert evidence.noise[COUNT:] == evidence.noise[:5]
    assert evidence.effort[COUNT:] == evidence.effort[:5]
