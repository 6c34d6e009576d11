"""One level for a model: against every choice of signs, against Bonferroni, and that what is dropped costs nothing."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_robustness.errors import RobustnessError
from pytest_robustness.gate import joint_level
from pytest_robustness.gate.joint_level import Directions, Hypothesis, PValues, joint_p_values
from pytest_robustness.gate.statistics import sign_flip

few_flips = 2**12 - 1
#: A model's hypotheses: up to ten images of which each has any of the differences.
rows = st.lists(st.integers(-4, 4), min_size=10, max_size=10)
models = st.lists(rows, min_size=1, max_size=4)


def hypothesis(name: str, weight: float, differences: Sequence[int]) -> Hypothesis:
    return Hypothesis(name, weight, {f"image {i}": int(value) for i, value in enumerate(differences)})


def model_of(differences: Sequence[Sequence[int]], weights: Sequence[float] | None = None) -> list[Hypothesis]:
    shares = weights or [1 / len(differences)] * len(differences)
    return [hypothesis(f"h{i}", *one) for i, one in enumerate(zip(shares, differences, strict=True))]


def drawn_model(images: int, count: int, seed: int, shift: float = 0.0) -> list[Hypothesis]:
    """Hypotheses that have the images' luck in common: rates, efforts and log distances."""
    draws = np.random.default_rng(seed)
    luck = draws.normal(0, 1, images)
    differences = []
    for i in range(count):
        values = luck + draws.normal(shift, 1, images)
        differences.append((np.rint(values * (0.4, 2, 10**6)[i % 3])).astype(np.int64).tolist())
    return model_of(differences)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joint_level, "FLIPS", few_flips)


def every_flip(hypotheses: Sequence[Hypothesis]) -> dict[str, float]:
    """The family p values for the worse, by all choices of signs of the images; slow and by the book."""
    images = sorted({image for one in hypotheses for image in one.differences})
    live = [one for one in hypotheses if any(one.differences.values())]
    known: dict[tuple[int, ...], float] = {}

    def p_value(one: Hypothesis, signs: Mapping[str, int]) -> float:
        values = tuple(sorted(signs[image] * value for image, value in one.differences.items()))
        if values not in known:
            known[values] = sign_flip(values)
        return known[values]

    choices = [dict(zip(images, signs, strict=True)) for signs in product((1, -1), repeat=len(images))]
    smallest = [min(p_value(one, signs) / one.weight for one in live) for signs in choices]
    own = {one.name: p_value(one, choices[0]) / one.weight for one in live}
    return {name: sum(t <= p * (1 + 1e-9) for t in smallest) / len(choices) for name, p in own.items()}


# --- the level -----------------------------------------------------------------------------------------------------


@given(models.filter(lambda model: any(map(any, model))))
@settings(max_examples=15, deadline=None)
def test_it_is_the_share_of_all_choices_of_signs(differences: list[list[int]]) -> None:
    """Or Bonferroni's, where that is smaller: with the weights of hypotheses that say something of their own."""
    hypotheses = model_of(differences)
    different = {tuple(one // math.gcd(*each) for one in each) for each in differences if any(each)}
    found = joint_p_values(hypotheses)
    for name, share in every_flip(hypotheses).items():
        known = min(share, found[name].worse.own * len(different))
        error = 5 * math.sqrt(share * (1 - share) / joint_level.FLIPS) + 2 / joint_level.FLIPS
        assert found[name].worse.family == pytest.approx(known, abs=error)


@pytest.mark.usefixtures("quick")
def test_of_hundred_models_that_nothing_happened_to_five_alarm() -> None:
    draws = np.random.default_rng(8)
    smallest = []
    for trial in range(400):
        luck = draws.normal(0, 1, 40)
        differences = [np.rint((luck + draws.normal(0, 1, 40)) * scale).astype(int).tolist() for scale in (1, 30, 900)]
        found = joint_p_values(
            [
                Hypothesis(f"h{i}", 1 / 3, {f"{trial} {j}": value for j, value in enumerate(each)})
                for i, each in enumerate(differences)
            ]
        )
        smallest.append(min(one.worse.family for one in found.values()))
    for level in (0.05, 0.2, 0.5):
        assert np.mean(np.array(smallest) <= level) == pytest.approx(level, abs=4 * math.sqrt(level / 400))


def test_of_one_hypothesis_it_is_the_exact_test() -> None:
    for differences in ([1] * 14 + [-1] * 4, [3, -1, 2, 2, 5, -1, 1, 1], [10**6 + i for i in range(12)]):
        for sign in (1, -1):
            signed = [sign * one for one in differences]
            found = joint_p_values([hypothesis("one", 0.4, signed)])["one"].worse
            assert found.own == sign_flip(signed)
            assert found.family == pytest.approx(found.own, abs=4 * math.sqrt(found.own / joint_level.FLIPS))
            assert found.family <= found.own


@given(models)
@settings(max_examples=15, deadline=None)
def test_better_is_the_same_test_of_the_negated_differences(differences: list[list[int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joint_level, "FLIPS", few_flips)
        forth = joint_p_values(model_of(differences))
        back = joint_p_values(model_of([[-one for one in each] for each in differences]))
    for name in forth:
        assert forth[name] == Directions(back[name].better, back[name].worse)


# --- Bonferroni ----------------------------------------------------------------------------------------------------

weights = st.lists(st.integers(0, 20), min_size=6, max_size=6)


@given(st.lists(rows, min_size=6, max_size=6), weights, st.sets(st.integers(0, 5), max_size=4))
@settings(max_examples=40, deadline=None)
def test_whatever_bonferroni_rejects_it_rejects_also_with_weights_given_back(
    differences: list[list[int]], parts: list[int], dead: set[int]
) -> None:
    shares = [max(part, 0.001) / (sum(parts) + 0.006) for part in parts]  # down to 1 in 100,000
    hypotheses = model_of([[0] * 10 if i in dead else each for i, each in enumerate(differences)], shares)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joint_level, "FLIPS", few_flips)
        found = joint_p_values(hypotheses)
    live = [one for one in hypotheses if any(one.differences.values())]
    given_back = math.fsum(one.weight for one in live)
    for one in live:
        for direction in (found[one.name].worse, found[one.name].better):
            assert direction.family <= direction.own * given_back / one.weight * (1 + 1e-9)
            assert direction.own == pytest.approx(
                sign_flip([(1 if direction is found[one.name].worse else -1) * v for v in one.differences.values()])
            )


def test_a_hypothesis_of_little_weight_can_alarm() -> None:
    """Its own p value is exact: more than one in 65,536 is not asked of it."""
    alone = [hypothesis("slice", 1e-4, [1] * 40), hypothesis("case", 0.9, [1, -1] * 20)]
    assert joint_p_values(alone)["slice"].worse.family == pytest.approx(2**-40 * 0.9001 / 1e-4)


# --- what costs nothing --------------------------------------------------------------------------------------------

SEEN = [1] * 13 + [-1] * 5


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "other",
    [[0] * 18, [3 * one for one in SEEN], SEEN],
    ids=["without a difference", "the same in other units", "a twin"],
)
def test_what_says_nothing_of_its_own_costs_nothing(other: list[int]) -> None:
    base = [hypothesis("seen", 0.3, SEEN), hypothesis("else", 0.3, [1, -1, 0] * 6)]
    assert joint_p_values(base)["seen"].worse.family > joint_p_values(base)["seen"].worse.own
    found = joint_p_values([*base, hypothesis("other", 0.2, other)])
    assert {name: found[name] for name in ("seen", "else")} == joint_p_values(base)
    assert found["other"] == (found["seen"] if any(other) else Directions(PValues(1.0, 1.0), PValues(1.0, 1.0)))


@pytest.mark.usefixtures("quick")
def test_twins_share_the_larger_weight_and_opposites_are_no_twins() -> None:
    large, small = hypothesis("large", 0.4, SEEN), hypothesis("small", 0.1, SEEN)
    rest = hypothesis("rest", 0.4, [2, -1, 0] * 6)
    found = joint_p_values([large, small, rest])
    assert found["small"] == found["large"] == joint_p_values([large, rest])["large"]
    opposite = joint_p_values([large, hypothesis("small", 0.4, [-one for one in SEEN])])
    assert opposite["small"].worse == opposite["large"].better
    assert opposite["large"].worse.family == pytest.approx(2 * opposite["large"].worse.own, rel=0.2)


@given(models.filter(lambda model: len(model) > 1), st.integers(0, 2**10 - 1))
@settings(max_examples=30, deadline=None)
def test_what_drops_out_or_is_a_twin_is_so_under_every_flip(differences: list[list[int]], pattern: int) -> None:
    """So the statistic is one function of the signs, as the randomisation test needs it."""
    signs = [1 - 2 * (pattern >> i & 1) for i in range(10)]
    flipped = [[sign * one for sign, one in zip(signs, each, strict=True)] for each in differences]
    for mine, theirs in ((differences, flipped), (differences[::-1], flipped[::-1])):
        before, after = (joint_level._columns(model_of(each)) for each in (mine, theirs))
        assert [(one.names, one.weight) for one in before] == [(one.names, one.weight) for one in after]


# --- images --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
def test_order_and_zeros_have_no_say() -> None:
    model = drawn_model(60, 5, 1)
    found = joint_p_values(model)
    mixed = [
        Hypothesis(one.name, one.weight, dict(reversed([*one.differences.items(), ("another", 0)])))
        for one in reversed(model)
    ]
    assert joint_p_values(mixed) == found


@pytest.mark.usefixtures("quick")
def test_an_image_of_two_sets_has_one_sign() -> None:
    """Two hypotheses of the same images share their luck; of different ones they do not."""
    differences = [1] * 11 + [-1] * 4
    mirrored = {f"image {i}": value for i, value in enumerate([2 * one for one in differences[:-1]] + [-1])}
    elsewhere = {f"other {i}": value for i, value in enumerate(differences)}
    one = hypothesis("one", 0.5, differences)
    same = joint_p_values([one, Hypothesis("two", 0.5, mirrored)])["one"].worse
    different = joint_p_values([one, Hypothesis("two", 0.5, elsewhere)])["one"].worse
    assert same.own == different.own
    assert same.family < 0.8 * different.family
    assert different.family == pytest.approx(2 * different.own, rel=0.2)


def test_flips_are_the_same_on_every_machine() -> None:
    """Bits of SHAKE-256 of the image's key: a promise, p values of stored runs depend on it."""
    known = np.unpackbits(np.frombuffer(hashlib.shake_256(b"sign flip/abc").digest(2**13), np.uint8))
    (found,) = (np.concatenate(list(joint_level._turned(["abc"])), axis=1),)
    assert found.shape == (1, 2**16)
    assert found[0].tolist() == known.tolist()
    both = np.concatenate(list(joint_level._turned(["xyz", "abc"])), axis=1)
    assert both[1].tolist() == known.tolist()
    assert abs(both[0] @ both[1] / 2**16 - 0.25) < 0.01


# --- many images ---------------------------------------------------------------------------------------------------


def test_normal_draws_say_what_flips_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 3,000 images, of twelve hypotheses of three kinds that have much in common."""
    for seed, shift in ((1, 0.0), (2, 0.03), (3, -0.03)):
        model = drawn_model(3000, 12, seed, shift)
        flipped = joint_p_values(model)
        monkeypatch.setattr(joint_level, "MOST_FLIPPED", 2999)
        drawn = joint_p_values(model)
        monkeypatch.undo()
        for name in flipped:
            for one, other in (
                (flipped[name].worse, drawn[name].worse),
                (flipped[name].better, drawn[name].better),
            ):
                assert one.own == other.own
                assert other.family == pytest.approx(one.family, rel=0.1, abs=0.002)


@pytest.mark.usefixtures("quick")
def test_draws_bear_sums_of_other_hypotheses_and_do_not_depend_on_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joint_level, "MOST_FLIPPED", 50)
    draws = np.random.default_rng(5)
    one, other = draws.integers(-3, 4, (2, 400))
    model = model_of([one.tolist(), other.tolist(), (one + other).tolist(), (one - other).tolist()])
    found = joint_p_values(model)
    assert joint_p_values(model[::-1]) == found
    negated = [Hypothesis(one.name, one.weight, {key: -d for key, d in one.differences.items()}) for one in model]
    for name, back in joint_p_values(negated).items():
        assert found[name] == Directions(back.better, back.worse)
    assert all(0 < each.worse.own <= each.worse.family <= 1 for each in found.values())


# --- mistakes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hypotheses", "said"),
    [
        ([hypothesis("a", 0.1, [1]), hypothesis("a", 0.1, [1])], "two hypotheses are called 'a'"),
        ([hypothesis("a", 0.0, [1])], "hypothesis 'a' has weight 0.0"),
        ([hypothesis("a", math.nan, [1])], "hypothesis 'a' has weight nan"),
        ([hypothesis("a", 0.6, [1]), hypothesis("b", 0.6, [0])], "weights add up to 1.2"),
    ],
)
def test_mistakes_are_said(hypotheses: list[Hypothesis], said: str) -> None:
    with pytest.raises(RobustnessError, match=said):
        joint_p_values(hypotheses)


def test_of_nothing_there_is_nothing_to_say() -> None:
    assert joint_p_values([]) == {}
    assert joint_p_values([hypothesis("dead", 1.0, [0, 0])])["dead"].worse == PValues(1.0, 1.0)
