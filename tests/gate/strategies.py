"""What hypothesis draws: evidence, measurements, protocols, and two runs over the same images."""

from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from pytest_robustness.records.evidence import Evidence, significant
from pytest_robustness.records.image_list import ImageList, ImageSetId
from pytest_robustness.records.measurement import Measurement, Timing
from pytest_robustness.records.protocol import Batch, Protocol
from pytest_robustness.records.provenance import Provenance

from tests.gate.examples import BUDGET, FOOLED, WITHSTOOD, WRONG, measurement

modest = settings(max_examples=60, deadline=None)

bits = st.integers(0, 1)
finite = st.floats(allow_nan=False, allow_infinity=False)
#: As they are stored: six digits.
noise_rates = st.integers(0, 10**6).map(lambda millionths: millionths / 10**6)
names = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,10}", fullmatch=True)
hexadecimals = st.text("0123456789abcdef", min_size=8, max_size=8)


distances = st.floats(1e-6, 1e3).map(significant)
work = st.integers(0, 10**9)


@st.composite
def evidences(draw: st.DrawFn, max_images: int = 12) -> Evidence:
    outcomes = draw(st.lists(st.sampled_from(WRONG + WITHSTOOD + FOOLED), max_size=max_images))
    efforts = {WRONG: st.none(), WITHSTOOD: st.just(BUDGET + 1), FOOLED: st.integers(0, BUDGET)}
    found = {WRONG: st.none(), WITHSTOOD: st.none() | distances, FOOLED: distances}

    def often(of: dict[str, st.SearchStrategy[object]]) -> list[object] | None:
        return [draw(of[one]) for one in outcomes] if draw(st.booleans()) else None

    return Evidence(
        correct=[int(one != WRONG) for one in outcomes],
        success=[int(one == FOOLED) for one in outcomes],
        effort=often(efforts),
        noise=[draw(noise_rates) if one == FOOLED else None for one in outcomes],
        distance=often(found),
        forwards=often({WRONG: st.none(), WITHSTOOD: work, FOOLED: work}),
        gradients=often({WRONG: st.none(), WITHSTOOD: work, FOOLED: work}),
        fooled_by=often({WRONG: st.none(), WITHSTOOD: st.none(), FOOLED: st.integers(0, 4)}),
        pixels=often({WRONG: st.none(), WITHSTOOD: hexadecimals, FOOLED: hexadecimals}),
        unselected_correct=draw(st.none() | st.lists(bits, max_size=max_images)),
    )


def image_set_ids(count: int) -> st.SearchStrategy[ImageSetId]:
    return st.builds(ImageSetId, count=st.just(count), digest=hexadecimals)


#: From so few that two lists often share some, and that one often has an image twice.
image_lists = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 1)), max_size=8).map(
    lambda found: ImageList(keys=[key * 64 for key, _ in found], labels=[label for _, label in found])
)

parameters = st.dictionaries(st.text(max_size=8), st.booleans() | st.integers() | finite | st.text(max_size=8))


@st.composite
def measurements(draw: st.DrawFn) -> Measurement:
    evidence = draw(evidences())
    unselected = evidence.unselected_correct
    maybe = st.none() | finite
    return Measurement(
        case=f"{draw(names)}/{draw(names)}",
        budget=None if evidence.effort is None else BUDGET,
        images=draw(image_set_ids(len(evidence.correct))),
        unselected=None if unselected is None else draw(image_set_ids(len(unselected))),
        timing=draw(
            st.builds(
                Timing,
                seconds_per_attempt=maybe,
                gradient_units=maybe,
                unit_spread=maybe,
                attack_seconds=finite,
                rows=work,
                gradient_rows=work,
                padding=work,
                rounds=work,
                doubt=st.none() | st.text(max_size=20),
            )
        ),
        protocol=Protocol(
            attack=draw(st.text(max_size=20)),
            parameters=draw(parameters),
            stop=draw(st.sampled_from(("first-success", "full"))),
            shape=draw(st.lists(st.integers(1, 64), min_size=3, max_size=3)),
            distance=None if evidence.distance is None else draw(st.sampled_from(("inf", "2", "1"))),
            batch=draw(st.none() | st.builds(Batch, size=st.integers(1, 2**40), images=hexadecimals)),
            seed=draw(st.integers(0, 2**64)),
            dtype=draw(st.text(max_size=8)),
        ),
        provenance=draw(
            st.builds(
                Provenance,
                device=st.text(max_size=20),
                model=st.text(max_size=20),
                weights_digest=hexadecimals,
                code_digest=st.none() | hexadecimals,
                plugin=st.text(max_size=5),
                torch=st.text(max_size=5),
                attacks=st.text(max_size=20),
                commit=st.none() | hexadecimals,
                row_floor=st.none() | st.integers(1, 64),
                removed_images=st.none() | st.integers(0, 9),
            )
        ),
        evidence=evidence,
    )


@st.composite
def comparisons(draw: st.DrawFn, lost: tuple[int, int] = (0, 15), won: tuple[int, int] = (0, 15)) -> tuple[str, str]:
    """The outcomes of two runs over the same images, often with enough images moved to mean something."""
    counts = {
        (FOOLED, FOOLED): st.integers(0, 20),
        (WITHSTOOD, WITHSTOOD): st.integers(0, 20),
        (WITHSTOOD, FOOLED): st.integers(*lost),
        (FOOLED, WITHSTOOD): st.integers(*won),
        (WRONG, WRONG): st.integers(0, 3),
        (WRONG, FOOLED): st.integers(0, 3),
        (WRONG, WITHSTOOD): st.integers(0, 3),
        (FOOLED, WRONG): st.integers(0, 3),
        (WITHSTOOD, WRONG): st.integers(0, 3),
    }
    drawn = [pair for pair, count in counts.items() for _ in range(draw(count))]
    draw(st.randoms(use_true_random=False)).shuffle(drawn)
    before, after = ("".join(pair[i] for pair in drawn) for i in (0, 1))
    return before, after


@st.composite
def runs(draw: st.DrawFn, moved: bool = False) -> tuple[Measurement, Measurement]:
    """Two measurements over the same images with all metrics, of which any may move a little or a lot.

    ``moved``: with far more images lost than won.
    """
    before, after = draw(comparisons(lost=(15, 30), won=(0, 2)) if moved else comparisons() | comparisons(won=(15, 30)))
    random = Random(draw(st.integers(0, 2**32)))
    spoilt = draw(st.sampled_from((0, 0, 30)))  # with these, fewer successes may come with fewer images robust
    before, after = before + WITHSTOOD * spoilt, after + WRONG * spoilt
    right = [("+", "+")] * 50 + [(WRONG, WRONG)] * 10
    right += [("+", WRONG)] * draw(st.integers(0, 20)) + [(WRONG, "+")] * draw(st.integers(0, 20))
    random.shuffle(right)
    blind_before, blind_after = ("".join(run) for run in zip(*right, strict=True))
    longer, louder = draw(st.integers(-3, 3)), draw(st.sampled_from((0.7, 0.94, 0.96, 1.0, 1.04, 1.06, 1.4)))
    efforts = [random.randint(0, BUDGET) for _ in before]
    noises = [random.randint(1, 20_000) for _ in before]

    def run(which: int, outcomes: str, blind: str) -> Measurement:
        shift, factor = longer * which, 1 + (louder - 1) * which
        usual = {WRONG: None, WITHSTOOD: BUDGET + 1}
        shifted = [min(max(0, effort + shift + which * random.randint(-2, 2)), BUDGET) for effort in efforts]
        scaled = [round(noise * factor * random.uniform(0.9, 1.1)) for noise in noises]
        return measurement(
            outcomes,
            digest=f"model {which}",
            unselected=blind,
            efforts=[usual.get(one, effort) for one, effort in zip(outcomes, shifted, strict=True)],
            noises=[n / 10**6 if one == FOOLED else None for one, n in zip(outcomes, scaled, strict=True)],
            rounds=5,
            units=random.choice((4.0, 5.0, 5.2, 6.0)),
        )

    return run(0, before, blind_before), run(1, after, blind_after)
