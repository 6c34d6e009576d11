"""What ``evaluate`` says of a case: its evidence, its protocol, and what it computes only once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytest_robustness.evaluate import clean, loaded, work
from pytest_robustness.evaluate.images.image_set import load_images
from pytest_robustness.evaluate.measure import evaluate
from pytest_robustness.evaluate.models import identity
from pytest_robustness.evaluate.models.classifier import Classifier, row_floor
from pytest_robustness.evaluate.rounds import Round
from pytest_robustness.records.protocol import Batch
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.suite import Case

from tests.evaluate import nets
from tests.evaluate.suites import (
    ATTACKS,
    COUNT,
    CPU,
    MEAN,
    PGD,
    STD,
    as_tensor,
    case_of,
    labels_of,
    measure,
    pictures,
    write_images,
)


@pytest.mark.parametrize("attack", [PGD, PGD | {"stop": "full"}, ATTACKS["cw"], ATTACKS["square"], ATTACKS["ta-pgd"]])
def test_without_attempts_nothing_is_attacked(attack: Mapping[str, Any], tmp_path: Path) -> None:
    ran: list[Round] = []
    case = case_of(tmp_path, attack, labels=labels_of(pictures(), wrong=range(COUNT)))
    measurement = evaluate(case, device=CPU, run_rounds=ran.extend)
    assert ran == []
    assert measurement.evidence.correct == measurement.evidence.success == [0] * COUNT
    assert measurement.evidence.noise == [None] * COUNT
    assert measurement.evidence.effort in (None, [None] * COUNT)
    assert measurement.aggregates.success_rate is None
    assert measurement.timing.doubt == "no attempts"


def test_answers_of_one_colour_are_counted_out_and_told(tmp_path: Path) -> None:
    case = case_of(tmp_path, {"attack": "tests.evaluate.attacks.own:black"})
    told = rf"net/it: {COUNT - 3} answers of tests.evaluate.attacks.own:black are one colour all over, .*: not counted"
    with pytest.warns(UserWarning, match=told):
        assert measure(case).evidence.success == [0] * COUNT


def test_one_batch_without_attempts_leaves_the_others_alone(tmp_path: Path) -> None:
    usual = measure(case_of(tmp_path, PGD)).evidence
    labels = labels_of(pictures(), wrong=(3, *range(24, 48), 50))
    holed = measure(case_of(tmp_path, PGD, labels=labels)).evidence
    assert holed.success[24:48] == holed.correct[24:48] == [0] * 24
    for part in (slice(0, 24), slice(48, None)):
        assert holed.model_dump(include={"success"})["success"][part] == usual.success[part]
        assert holed.noise[part] == usual.noise[part]


def test_all_successes_are_a_result_like_any_other(tmp_path: Path) -> None:
    measurement = measure(case_of(tmp_path, PGD | {"eps": 1.0, "alpha": 0.25, "steps": 20}))
    assert measurement.aggregates.success_rate == 1
    assert measurement.aggregates.robust_accuracy == 0
    assert measurement.evidence.success == measurement.evidence.correct


@pytest.mark.parametrize(
    ("name", "expected"),
    [("pgd", [(27, 56), (51, 56), (56, 56)]), ("ta-pgd", [(26, 56), (49, 56), (56, 56)])],  # three are wrong when clean
)
def test_progress_counts_images_round_by_round(name: str, expected: list[tuple[int, int]], tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    measurement = evaluate(
        case_of(tmp_path, ATTACKS[name]),
        device=CPU,
        progress=lambda *images: done.append(images),
        time_unreliable_because="a reason",
    )
    assert done == expected
    assert measurement.timing.doubt == "a reason"
    assert measurement.timing.rounds == 3


class Counting:
    """Counts the forwards of clean images, of two of which digests are made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.digests = self.answers = 0
        digest, answers = identity.code_digest, clean.answers
        monkeypatch.setattr(identity, "code_digest", lambda *given: self._count("digests", digest(*given)))
        monkeypatch.setattr(work, "answers", lambda *given: self._count("answers", answers(*given)))

    def _count(self, name: str, result: Any) -> Any:
        setattr(self, name, getattr(self, name) + 1)
        return result


def test_a_models_clean_images_are_computed_once_for_all_of_its_cases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path / "blind.npz", pictures(seed=5), labels_of(pictures(seed=5)))
    alone = [measure(case_of(tmp_path, attack, unselected="blind.npz")) for attack in (PGD, ATTACKS["cw"])]
    counting, model_cache = Counting(monkeypatch), clean.ModelCache()
    together = [
        evaluate(case_of(tmp_path, attack, unselected="blind.npz"), device=CPU, model_cache=model_cache)
        for attack in (PGD, ATTACKS["cw"])
    ]
    assert (counting.digests, counting.answers) == (1, 2)  # of the attacked and of the unselected images
    for mine, theirs in zip(together, alone, strict=True):
        assert (mine.evidence, mine.provenance) == (theirs.evidence, theirs.provenance)


def test_what_is_remembered_is_of_these_weights_and_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counting, model_cache = Counting(monkeypatch), clean.ModelCache()
    weights = tmp_path / "net.pth"
    torch.save(nets.tiny().state_dict(), weights)
    first = evaluate(case_of(tmp_path, PGD, weights="net.pth"), device=CPU, model_cache=model_cache)
    changed = nets.tiny()
    with torch.no_grad():
        next(changed.parameters()).neg_()
    torch.save(changed.state_dict(), weights)
    second = evaluate(case_of(tmp_path, PGD, weights="net.pth"), device=CPU, model_cache=model_cache)
    assert second.provenance.weights_digest != first.provenance.weights_digest
    assert second.evidence.correct != first.evidence.correct
    others = pictures(seed=9)
    third = evaluate(case_of(tmp_path, PGD, weights="net.pth", images=others), device=CPU, model_cache=model_cache)
    assert third.evidence.correct != second.evidence.correct
    assert (counting.digests, counting.answers) == (2, 3)


def test_unselected_images_give_clean_accuracy_only(tmp_path: Path) -> None:
    images = pictures(30, seed=5)
    write_images(tmp_path / "blind.npz", images, labels_of(images, wrong=(0, 1, 29)))
    plain, blind = (measure(case_of(tmp_path, PGD, unselected=name)) for name in (None, "blind.npz"))
    assert blind.evidence.unselected_correct == [0, 0, *[1] * 27, 0]
    assert blind.aggregates.clean_accuracy == 0.9
    assert plain.evidence == blind.evidence.model_copy(update={"unselected_correct": None})


def test_the_protocol_says_what_was_done(tmp_path: Path) -> None:
    measurement = measure(case_of(tmp_path, PGD, batch_size=20, row_floor=8, seed=3))
    protocol = measurement.protocol
    assert measurement.case == "net/it"
    assert (protocol.batch, protocol.seed, protocol.dtype) == (None, 3, "float32")
    assert (protocol.attack, protocol.stop, protocol.distance) == ("PGD", "first-success", None)
    assert protocol.parameters == {
        "eps": 0.03,
        "alpha": 0.0075,
        "steps": 10,
        "norm": "inf",
        "random_start": True,
        "restarts": 1,
        "loss": "scale-free",
    }
    assert protocol.shape == [3, nets.SIZE, nets.SIZE]
    assert measurement.images.count == COUNT
    assert measurement.provenance.row_floor == 8


def test_the_protocol_of_an_attack_on_whole_batches_has_the_set_and_the_size(tmp_path: Path) -> None:
    measurement = measure(case_of(tmp_path, ATTACKS["ta-pgd"], batch_size=20))
    assert measurement.protocol.batch == Batch(size=20, images=measurement.images.digest)


def test_another_memory_format_is_another_protocol(tmp_path: Path) -> None:
    plain, other = (measure(case_of(tmp_path, PGD, memory_format=name)) for name in ("contiguous", "channels_last"))
    assert "memory_format" not in plain.protocol.model_dump()  # what was stored before there was a choice stays valid
    assert other.protocol.first_difference(plain.protocol) == 'memory_format: "channels_last" is now null'
    assert other.evidence.correct == plain.evidence.correct


def test_a_floor_of_rows_keeps_the_other_memory_format_bit_equal_too(tmp_path: Path) -> None:
    """Active sets of any size against whole batches: efforts and successes would differ by rounding alone."""
    active, whole = (
        measure(case_of(tmp_path, PGD | {"stop": stop}, memory_format="channels_last")).evidence
        for stop in ("first-success", "full")
    )
    assert (active.success, active.effort) == (whole.success, whole.effort)


def told(case: Case, line: str) -> Case:
    """The case of the same suite with a line more about its images."""
    path = case.suite.path
    path.write_text(path.read_text().replace("[images]\n", f"[images]\n{line}\n"))
    return load_suite(path).case(case.id)


def test_where_labels_are_what_the_model_says_every_image_is_an_attempt(tmp_path: Path) -> None:
    said, wrong = (labels_of(pictures(), wrong=which) for which in ((), range(0, COUNT, 2)))
    given = measure(case_of(tmp_path, PGD, labels=said)).evidence
    predicted = measure(told(case_of(tmp_path, PGD, labels=wrong), 'labels = "predicted"'))
    assert predicted.evidence == given
    assert predicted.evidence.correct == [1] * COUNT
    assert predicted.protocol.labels == "predicted"


def test_top_5_counts_labels_among_the_five_largest_logits(tmp_path: Path) -> None:
    images = pictures(30, seed=5)
    labels = np.arange(30) % nets.CLASSES
    write_images(tmp_path / "blind.npz", images, labels)
    evidence = measure(told(case_of(tmp_path, ATTACKS["fgsm"], unselected="blind.npz"), "top_5 = true")).evidence
    with torch.no_grad():
        ranked = nets.tiny().eval()((as_tensor(images) - MEAN) / STD).argsort(1, descending=True).tolist()
    places = [order.index(label) for order, label in zip(ranked, labels.tolist(), strict=True)]
    assert {0, 4, 5} <= set(places)
    assert evidence.unselected_correct == [int(place == 0) for place in places]
    assert evidence.unselected_top_5 == [int(place < 5) for place in places]


def test_clean_images_too_are_computed_in_batches_of_the_floor_at_least(tmp_path: Path) -> None:
    """So that what is right when clean is what an attack sees, to the last bit."""
    case, model, sizes = case_of(tmp_path, ATTACKS["fgsm"]), nets.tiny(), list[int]()
    model.register_forward_pre_hook(lambda module, given: sizes.append(len(given[0])))
    with Classifier(model) as classifier:
        clean.answers(classifier, load_images(tmp_path / "images.npz"), case, 16)
    assert sizes == [24, 24, 16]


def test_on_a_gpu_every_forward_is_as_large_as_a_batch(tmp_path: Path) -> None:
    case = case_of(tmp_path, row_floor=8, batch_size=24)
    assert row_floor(case, torch.device("cuda", 0)) == 24
    assert row_floor(case, CPU) == 8


def test_on_a_gpu_memory_is_laid_out_as_usual(tmp_path: Path) -> None:
    """torch's gradients of channels_last were wrong there."""
    case = case_of(tmp_path, memory_format="channels_last")
    assert loaded._memory_format(case, torch.device("cuda", 0)) is torch.contiguous_format
    assert loaded._memory_format(case, CPU) is torch.channels_last
