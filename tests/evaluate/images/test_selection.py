"""Which images are chosen: by property, with judges that know the answers."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.evaluate.images import selection
from pytest_robustness.evaluate.images.folders import Photograph, Scan
from pytest_robustness.evaluate.images.selection import Judge, draw, select

MODELS = ("first", "second")


@st.composite
def folders(draw: st.DrawFn) -> tuple[Scan, dict[tuple[str, str], bool | None]]:
    """Classes with some images each, and what each model says of each: right, wrong or unreadable."""
    sizes = draw(st.lists(st.integers(0, 12), min_size=1, max_size=6))
    photographs = [Photograph(f"{label}/{i}", label) for label, size in enumerate(sizes) for i in range(size)]
    answers: dict[tuple[str, str], bool | None] = {}
    for one in photographs:
        readable = draw(st.integers(0, 9)) > 0
        for model in MODELS:
            answers[model, one.path] = draw(st.booleans()) if readable else None
    return Scan(photographs, [str(label) for label in range(len(sizes))]), answers


def judge_of(answers: dict[tuple[str, str], bool | None], seen: list[str]) -> Judge:
    def judge(model: str, photographs: Sequence[Photograph]) -> list[bool | None]:
        seen.extend(f"{model} {one.path}" for one in photographs)
        return [answers[model, one.path] for one in photographs]

    return judge


@given(folders(), st.integers(1, 3), st.integers(0, 5))
def test_as_many_of_each_class_as_there_are_that_all_models_get_right(
    folder: tuple[Scan, dict[tuple[str, str], bool | None]], per_class: int, seed: int
) -> None:
    scan, answers = folder
    seen: list[str] = []
    found = select(scan, MODELS, judge_of(answers, seen), per_class=per_class, seed=seed)
    good = [one for one in scan.photographs if all(answers[model, one.path] for model in MODELS)]
    assert set(found.chosen) <= set(good)
    assert found.chosen == sorted(found.chosen, key=lambda one: (one.label, one.path))
    for label, name in enumerate(scan.names):
        available = sum(one.label == label for one in good)
        assert sum(one.label == label for one in found.chosen) == min(per_class, available)
        exists = any(one.label == label for one in scan.photographs)
        assert (name in found.short) == (exists and available < per_class)
    assert len(seen) == len(set(seen))  # no model sees an image twice
    assert set(found.unreadable) <= {path for (_, path), answer in answers.items() if answer is None}


@given(folders(), st.integers(0, 5), st.integers(1, 9))
def test_the_choice_does_not_depend_on_the_waves(
    folder: tuple[Scan, dict[tuple[str, str], bool | None]], seed: int, width: int
) -> None:
    scan, answers = folder
    usual = select(scan, MODELS, judge_of(answers, []), per_class=1, seed=seed)
    before = selection.FIRST_WAVE
    try:
        selection.FIRST_WAVE = width
        assert select(scan, MODELS[::-1], judge_of(answers, []), per_class=1, seed=seed).chosen == usual.chosen
    finally:
        selection.FIRST_WAVE = before


def test_the_seed_decides_among_images_that_are_as_good() -> None:
    scan = Scan([Photograph(f"a/{i}", 0) for i in range(50)], ["a"])

    def chosen(seed: int) -> list[Photograph]:
        return select(scan, MODELS, lambda model, some: [True] * len(some), per_class=1, seed=seed).chosen

    assert chosen(1) == chosen(1)
    assert len({one.path for seed in range(8) for one in chosen(seed)}) > 3


@given(folders(), st.integers(1, 30), st.integers(0, 5))
def test_images_drawn_blindly_are_any_that_can_be_read(
    folder: tuple[Scan, dict[tuple[str, str], bool | None]], count: int, seed: int
) -> None:
    scan, answers = folder
    readable = [one for one in scan.photographs if answers["first", one.path] is not None]

    def look(photographs: Sequence[Photograph]) -> list[bool]:
        return [one in readable for one in photographs]

    drawn = draw(scan, count, seed, look)
    assert len(drawn) == min(count, len(readable))
    assert set(drawn) <= set(readable)
    assert drawn == sorted(drawn, key=lambda one: one.path) == draw(scan, count, seed, look)
