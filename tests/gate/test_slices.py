"""Parts of the images under each attack: the worst one is named, and nothing that others did hides it."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from pytest_robustness.gate.judge import judge_pair
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.gate.model_verdict import judge_models
from pytest_robustness.gate.pairing import Lists, pair
from pytest_robustness.gate.run_verdict import judge_together
from pytest_robustness.records.image_list import ImageList
from pytest_robustness.suite.suite import Suite

from tests.gate.examples import FOOLED, WITHSTOOD, WRONG, images, measurement
from tests.gate.test_model_verdict import ONE, case, of_fgsm, one, suite_of, with_attacks

__all__ = ["one"]  # a fixture

MANY = images(1000)  # a hundred of each of ten classes, the k-th of each tenth image


def of_classes(fooled: Sequence[int]) -> str:
    """The outcomes of a thousand images, so many fooled of each class."""
    return "".join(FOOLED if number // 10 < fooled[number % 10] else WITHSTOOD for number in range(1000))


def test_a_class_that_collapsed_is_named_though_the_others_got_better(one: Suite) -> None:
    """Thirty points in one class of ten; the others are 3 points better, and all together 0.3 worse."""
    found = of_fgsm(of_classes([40] * 10), of_classes([37] * 3 + [70] + [37] * 6))
    assert (
        judge_pair(found["small/fgsm"], found["small/fgsm"].current, Rules.of(one.case("small/fgsm"))).status == "same"
    )
    verdicts = judge_models(one, found, Lists([MANY]))
    assert list(verdicts) == ["small under 1 attack", "small, class 3 under fgsm: success rate"]
    assert verdicts["small under 1 attack"].outcome == "same"
    verdict = verdicts["small, class 3 under fgsm: success rate"]
    assert (verdict.outcome, verdict.fails, verdict.images, verdict.lost, verdict.won) == (
        "regressed",
        True,
        100,
        30,
        0,
    )
    assert verdict.text.startswith("success rate 40.0% -> 70.0% (+30.0 pp [")
    assert "joint p = " in verdict.text
    better = judge_models(one, of_fgsm(of_classes([40] * 3 + [70] + [40] * 6), of_classes([40] * 10)), Lists([MANY]))
    assert list(better) == ["small under 1 attack"]  # a class that got better is no news of its own


@pytest.mark.parametrize("attacks", [3, 12])
def test_twenty_points_in_one_class_of_a_hundred_are_enough_under_one_attack_of_many(
    tmp_path: Path, attacks: int
) -> None:
    suite = suite_of(tmp_path, with_attacks(ONE, attacks - 1))
    before, after = of_classes([40] * 10), of_classes([40] * 7 + [60] + [40] * 2)
    found = {each.id: case(each.id, before, before) for each in suite.cases()}
    found["small/more1"] = case("small/more1", before, after)
    verdicts = judge_models(suite, found, Lists([MANY]))
    assert verdicts["small, class 7 under more1: success rate"].outcome == "regressed"
    assert [name for name in verdicts if ", class" in name] == ["small, class 7 under more1: success rate"]


def test_only_the_worst_slice_is_named_and_others_are_counted(one: Suite) -> None:
    worse = {0: 70, 4: 80, 5: 41}
    found = of_fgsm(of_classes([40] * 10), of_classes([worse.get(label, 40) for label in range(10)]))
    verdicts = judge_models(one, found, Lists([MANY]))
    (named,) = (name for name in verdicts if ", class" in name)
    assert named == "small, class 4 under fgsm: success rate"
    assert verdicts[named].text.endswith("; 1 more slice regressed")  # one image more is none


def test_a_slice_is_judged_by_its_distances_where_nothing_can_rise(one: Suite) -> None:
    """All images are fooled as before, those of one class from a tenth nearer."""
    nearer = [0.9 if number % 10 == 2 else 1.0 for number in range(1000)]
    found = {
        "small/fgsm": pair(
            *(
                measurement(FOOLED * 1000, case="small/fgsm", digest=str(distances[2]), distances=distances)
                for distances in ([1.0] * 1000, nearer)
            ),
            Lists(),
        )
    }
    verdicts = judge_models(one, found, Lists([MANY]))
    verdict = verdicts["small, class 2 under fgsm: distance"]
    assert (verdict.outcome, verdict.change) == ("regressed", pytest.approx(-0.1))


def test_a_slice_within_its_tolerance_hides_no_other_however_sure_it_is(one: Suite) -> None:
    """All of class 2 are nearer by 2 %, p = 2^-100; of class 7 twenty images more are fooled."""
    before, after = of_classes([40] * 10), of_classes([40] * 7 + [60] + [40] * 2)
    nearer = [0.98 if number % 10 == 2 else 1.0 for number in range(1000)]
    then = measurement(before, case="small/fgsm", distances=[1.0] * 1000)
    now = measurement(after, case="small/fgsm", digest="another", distances=nearer)
    verdicts = judge_models(one, {"small/fgsm": pair(then, now, Lists())}, Lists([MANY]))
    (named,) = (name for name in verdicts if ", class" in name)
    assert named == "small, class 7 under fgsm: success rate"
    assert (verdicts[named].outcome, verdicts[named].fails) == ("regressed", True)


def test_a_class_of_which_many_images_are_simply_wrong_by_now_is_named(one: Suite) -> None:
    before = of_classes([40] * 10)
    wrong = [number % 10 == 6 and number // 10 >= 60 for number in range(1000)]
    after = "".join(WRONG if gone else outcome for gone, outcome in zip(wrong, before, strict=True))
    verdicts = judge_models(one, of_fgsm(before, after), Lists([MANY]))
    assert verdicts["small, class 6 under fgsm: robust accuracy"].outcome == "regressed"


@pytest.mark.parametrize("text", ["slices = []\n", ""], ids=["none wanted", "too few images"])
def test_without_slices_none_are_judged(tmp_path: Path, text: str) -> None:
    suite = suite_of(tmp_path, text + ONE)
    count = 1000 if text else 190  # nineteen of a class
    before = WITHSTOOD * count
    after = "".join(FOOLED if number % 10 == 3 else WITHSTOOD for number in range(count))
    verdicts = judge_models(suite, of_fgsm(before, after), Lists([images(count)]))
    assert list(verdicts) == ["small under 1 attack"]
    twenty = judge_models(suite_of(tmp_path, ONE), of_fgsm(before + "." * 10, after + "." * 10), Lists([images(200)]))
    assert text or "small, class 3 under fgsm: success rate" in twenty


CAMERAS = 'slices = ["camera", "class"]\n' + ONE


def taken_by(*cameras: str) -> ImageList:
    """A thousand images, the k-th tenth of them of the k-th camera."""
    return ImageList(keys=MANY.keys, labels=MANY.labels, columns={"camera": [cameras[i // 100] for i in range(1000)]})


def test_a_value_of_a_column_is_a_slice_like_a_class(tmp_path: Path) -> None:
    """Twenty images more of one camera are two more of each class."""
    suite = suite_of(tmp_path, CAMERAS)
    listed = taken_by(*"abcdefghij")
    before = "".join(FOOLED if i % 100 < 40 else WITHSTOOD for i in range(1000))
    after = "".join(FOOLED if i % 100 < (60 if i // 100 == 3 else 40) else WITHSTOOD for i in range(1000))
    pairs = of_fgsm(before, after)
    verdicts = judge_models(suite, pairs, Lists([listed]))
    (named,) = (name for name in verdicts if " under fgsm: " in name)
    assert named == "small, camera d under fgsm: success rate"
    assert (verdicts[named].outcome, verdicts[named].images, verdicts[named].lost) == ("regressed", 100, 20)
    assert not [name for name in judge_models(suite, pairs, Lists([taken_by(*"a" * 10)])) if "camera d" in name]


@pytest.mark.parametrize(("each", "said"), [(19, True), (20, False)])
def test_a_column_whose_values_have_too_few_images_is_told(tmp_path: Path, each: int, said: bool) -> None:
    suite = suite_of(tmp_path, CAMERAS)
    names = [str(i % 20) for i in range(20 * each)]
    some = images(len(names))
    listed = ImageList(keys=some.keys, labels=some.labels, columns={"camera": names})
    pairs = of_fgsm(WITHSTOOD * len(names), FOOLED + WITHSTOOD * (len(names) - 1))
    stored = {case: one.baseline for case, one in pairs.items()}
    run = {case: one.current for case, one in pairs.items()}
    notes = judge_together(suite, run, stored.get, Lists([listed])).notes
    assert ("slices: no camera has 20 images, so none is judged" in notes) == said
    assert not [note for note in notes if "no class" in note]


@pytest.mark.parametrize("after", [WITHSTOOD * 1000, FOOLED + WITHSTOOD * 999], ids=["nothing changed", "changed"])
def test_a_run_without_the_column_cannot_pass_where_anything_changed(tmp_path: Path, after: str) -> None:
    suite = suite_of(tmp_path, CAMERAS)
    pairs = of_fgsm(WITHSTOOD * 1000, after)
    stored = {case: one.baseline for case, one in pairs.items()}
    run = {case: one.current for case, one in pairs.items()}
    found = judge_together(suite, run, stored.get, Lists([MANY]))
    assert not found.failures
    said = "slices: the run's list of images has no column 'camera', so nothing is known of its slices"
    assert found.gaps == [said] * (FOOLED in after)
    nothing = judge_together(suite, run, stored.get, Lists()).gaps
    assert nothing == ["slices: the run has no list of its images, so nothing is known of its slices"] * (
        FOOLED in after
    )
