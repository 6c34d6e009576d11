"""The pictures of a case show what was measured, chosen by rule, and a failing look fails nothing."""

import io
from base64 import b64decode

import numpy as np
import pytest
import torch
from PIL import Image
from pytest_robustness.evaluate import gallery
from pytest_robustness.evaluate.gallery import SHOWN, amplification, chosen, named
from pytest_robustness.evaluate.noise import noise_rate

from tests.evaluate.suites import ATTACKS, CPU, answers_of, as_tensor, case_of, measure, pictures
from tests.gate.examples import evidence


def pixels(png):
    """(H, W, C) uint8."""
    with Image.open(io.BytesIO(b64decode(png))) as image:
        return np.asarray(image)


@pytest.mark.parametrize("name", ["fgsm", "pgd", "pgd-full", "cw", "mifgsm", "ta-pgd", "ta-deepfool"])
def test_it_shows_what_was_measured(tmp_path, name):
    case = case_of(tmp_path, ATTACKS[name])
    found = measure(case)
    shown = gallery.attack_again(case, found, device=CPU)
    assert shown.problem is None
    assert len(shown.pictures) == 2 * SHOWN
    clean = pictures()
    answers = answers_of(case)
    for picture in shown.pictures:
        assert (pixels(picture.clean) == clean[picture.image]).all()
        assert picture.noise_rate == found.evidence.noise[picture.image]
        assert picture.before.label != picture.after.label
        assert picture.before.label == picture.label
        assert picture.before.truth == picture.before.confidence
        assert picture.after.truth <= picture.after.confidence  # DeepFool stops at the boundary
        inputs, adversarial = answers[picture.image]
        expected = adversarial.permute(1, 2, 0)
        assert (pixels(picture.adversarial) == (expected * 255).round().numpy().astype(np.uint8)).all()
        difference = (adversarial - inputs).permute(1, 2, 0)
        amplified = ((0.5 + shown.factor * difference).clamp(0, 1) * 255).round().numpy()
        assert (pixels(picture.perturbation) == amplified.astype(np.uint8)).all()
        if found.evidence.effort:
            assert picture.effort == found.evidence.effort[picture.image]


def test_what_it_saw_has_the_noise_that_was_measured(tmp_path):
    case = case_of(tmp_path, ATTACKS["pgd"])
    found = measure(case)
    seen = {}
    gallery.look_again(case, list(chosen(found.evidence)), gallery._collecting(seen), device=CPU)
    assert set(seen) == set(chosen(found.evidence))
    for image, one in seen.items():
        noise = noise_rate(one.clean.unsqueeze(0), one.adversarial.unsqueeze(0)).item()
        assert round(noise, 6) == found.evidence.noise[image]
        assert torch.equal(one.clean, as_tensor(pictures())[image])


@pytest.mark.parametrize("name", ["pgd", "ta-pgd"])
def test_only_the_images_to_be_shown_are_attacked(name, tmp_path, monkeypatch):
    case = case_of(tmp_path, ATTACKS[name])
    found = measure(case)
    some = [image for image, fooled in enumerate(found.evidence.success) if fooled]
    monkeypatch.setattr(gallery, "chosen", lambda *given: {some[0]: "worst", some[-1]: "typical"})
    shown = gallery.attack_again(case, found, device=CPU)
    assert sorted(picture.image for picture in shown.pictures) == [some[0], some[-1]]


def test_a_second_look_that_fails_is_told_and_nothing_else(tmp_path, monkeypatch):
    case = case_of(tmp_path, ATTACKS["fgsm"])
    found = measure(case)

    def broken(one):
        raise MemoryError("no room")

    monkeypatch.setattr(gallery, "_png", broken)
    assert gallery.attack_again(case, found, device=CPU).problem == "the second look failed: no room"


def test_classes_have_names_where_the_suite_names_them():
    assert [named(label, ["cat", "dog"]) for label in (0, 1, 2)] == ["cat", "dog", "class 2"]


@pytest.mark.parametrize(("largest", "factor"), [(0.01, 50), (0.01 + 3e-8, 50), (0.0025, 200), (0.3, 1), (0, 5e6)])
def test_a_perturbation_is_amplified_as_far_as_it_fits(largest, factor):
    assert amplification(largest) == factor


def test_the_worst_have_the_least_noise_and_the_typical_are_nearest_to_the_median():
    noises = [0.9, 0.1, 0.5, 0.2, 0.8, 0.3, 0.7, 0.6, 0.4]
    assert chosen(evidence("!" * 9, noises=noises)) == {
        2: "typical",
        8: "typical",
        7: "typical",
        1: "worst",
        3: "worst",
        5: "worst",
    }


def test_of_equal_noise_the_least_effort_is_worst():
    found = chosen(evidence("!!!!!", noises=[0.5] * 5, efforts=[4, 3, 2, 1, 0]))
    assert [image for image, why in found.items() if why == "worst"] == [4, 3, 2]


def test_few_successes_are_shown_once_and_none_is_said():
    assert chosen(evidence(".!-.")) == {1: "worst"}
    assert chosen(evidence("..-.")) == {}


def test_lost_and_won_come_first_and_are_shown_once():
    noises = [0.9, 0.1, 0.5, 0.2, 0.8, 0.3, 0.7, 0.6, None, None]
    found = chosen(evidence("!" * 8 + "..", noises=noises), lost=[1, 0, 2, 3], won=[9, 8])
    assert list(found.items())[:4] == [(1, "lost"), (0, "lost"), (2, "lost"), (9, "won")]
    assert set(list(found.values())[4:]) == {"worst", "typical"}
    assert len(found) == 2 * SHOWN
    assert [image for image, why in found.items() if why == "worst"] == [3]  # the next after those that are shown


def test_a_won_image_is_shown_as_it_withstood(tmp_path):
    case = case_of(tmp_path, ATTACKS["fgsm"])
    found = measure(case)
    withstood = next(
        i
        for i, (right, fooled) in enumerate(zip(found.evidence.correct, found.evidence.success, strict=True))
        if right and not fooled
    )
    fooled = found.evidence.success.index(1)
    shown = gallery.attack_again(case, found, lost=[fooled], won=[withstood], device=CPU)
    assert shown.problem is None
    pictures = {picture.why: picture for picture in shown.pictures}
    assert pictures["won"].noise_rate is None
    assert pictures["won"].after.label == pictures["won"].label
    assert pictures["lost"].noise_rate == found.evidence.noise[fooled]
