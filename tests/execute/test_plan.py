"""Plans: each image of each case is measured once, by shards that have about as much to do, on every machine alike."""

from __future__ import annotations

import math
import subprocess
import sys
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.execute import plan
from pytest_robustness.execute.plan import Size, Task, expected_costs, shards, tasks
from pytest_robustness.records.measurement import Measurement, Timing

from tests.gate.examples import measurement

CASES = [f"{model}/{attack}" for model in ("a", "b", "c", "d") for attack in ("fgsm", "pgd", "cw")]
sizes = st.builds(Size, images=st.integers(1, 300), grain=st.sampled_from([1, 1, 7, 50]))
costs = st.floats(1e-3, 1e4)
plans = st.dictionaries(st.sampled_from(CASES), st.tuples(costs, sizes), min_size=1).map(
    lambda found: ({case: one[0] for case, one in found.items()}, {case: one[1] for case, one in found.items()})
)


def check_covered(made: list[Task], costs: dict[str, float], sizes: dict[str, Size]) -> None:
    """Each image of each case is in one task, which begins where the case may be cut, and costs are those of cases."""
    for case, size in sizes.items():
        own = [task for task in made if task.case == case]
        rows = [range(size.images) if task.rows is None else task.rows for task in own]
        assert sorted(chain.from_iterable(rows)) == list(range(size.images))
        assert all(one.start % size.grain == 0 and len(one) > 0 for one in rows)
        assert math.fsum(task.cost for task in own) == pytest.approx(costs[case])
        assert len(own) == 1 or all(task.rows is not None for task in own)
    assert {task.case for task in made} == set(sizes)


@given(plan=plans, largest=st.floats(1e-2, 1e5))
def test_tasks_have_each_image_once_and_none_is_too_large(
    plan: tuple[dict[str, float], dict[str, Size]], largest: float
) -> None:
    costs, sizes = plan
    made = tasks(sizes, costs, sizes, largest=largest)
    check_covered(made, costs, sizes)
    assert [task.cost for task in made] == sorted((task.cost for task in made), reverse=True)
    for task in made:
        size = sizes[task.case]
        grain = costs[task.case] * size.grain / size.images
        assert task.cost <= largest + grain + 1e-9
    assert made == tasks(reversed(list(sizes)), costs, sizes, largest=largest)


@given(plan=plans, count=st.integers(1, 9), order=st.randoms(use_true_random=False))
def test_shards_have_each_image_once_and_about_the_same_to_do(
    plan: tuple[dict[str, float], dict[str, Size]], count: int, order: object
) -> None:
    costs, sizes = plan
    dealt = shards(costs, sizes, count)
    assert len(dealt) == count
    check_covered(list(chain.from_iterable(dealt)), costs, sizes)
    shuffled = list(sizes)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert dealt == shards({case: costs[case] for case in shuffled}, {case: sizes[case] for case in shuffled}, count)
    mean = math.fsum(costs.values()) / count
    grain = max(costs[case] * min(size.grain, size.images) / size.images for case, size in sizes.items())
    for own in dealt:
        assert len({task.case for task in own}) == len(own)  # one part of a case at most
        assert math.fsum(task.cost for task in own) <= mean * (1 + plan_slack()) + grain + 1e-9


def plan_slack() -> float:
    return plan.SLACK + plan.SLIVER


def test_cases_stay_whole_where_they_fit() -> None:
    same = {case: Size(100) for case in CASES}
    dealt = shards(dict.fromkeys(CASES, 1.0), same, 4)
    assert [len(own) for own in dealt] == [3, 3, 3, 3]
    assert all(task.rows is None for own in dealt for task in own)


def test_a_case_larger_than_a_shard_is_cut_into_what_is_left() -> None:
    costs = {"a/pgd": 80.0, "a/fgsm": 10.0, "b/fgsm": 10.0, "b/pgd": 20.0}
    dealt = shards(costs, {case: Size(1000) for case in costs}, 3)
    parts = sorted((task.rows.start, task.rows.stop) for own in dealt for task in own if task.rows)
    assert parts == [(0, 375), (375, 750), (750, 1000)]  # 40 - 10, 40 - 10 and 40 - 20 seconds, 12.5 images each
    assert sorted(sum(task.cost for task in own) for own in dealt) == pytest.approx([40, 40, 40])


def test_more_shards_than_images_leave_some_without_work() -> None:
    dealt = shards({"a/pgd": 1.0}, {"a/pgd": Size(2)}, 5)
    assert sorted(map(len, dealt)) == [0, 0, 0, 1, 1]


def timed(case: str, rows: int, seconds: float, images: int = 10) -> Measurement:
    timing = Timing(
        seconds_per_attempt=seconds / images,
        gradient_units=None,
        unit_spread=None,
        attack_seconds=seconds,
        rows=rows,
        gradient_rows=rows // 2,
        rounds=1,
    )
    return measurement("." * images).model_copy(update={"case": case, "timing": timing})


def test_costs_are_counted_rows_at_the_price_of_the_model() -> None:
    baselines = {"a/fgsm": timed("a/fgsm", 20, 2.0), "a/pgd": timed("a/pgd", 200, 38.0)}
    found = expected_costs({"a/fgsm": Size(10), "a/pgd": Size(30), "b/pgd": Size(10), "b/cw": Size(10)}, baselines)
    row = (2 + 38) / (20 + 20 + 10 + 200 + 200 + 10)  # a backward costs two forwards; each clean image is looked at
    assert found["a/fgsm"] == pytest.approx(50 * row)
    assert found["a/pgd"] == pytest.approx(410 * row * 3)  # its set has grown to three times the baseline's
    assert found["b/pgd"] == pytest.approx(410 * row)  # as much as the attack costs the other model
    assert found["b/cw"] == pytest.approx((50 + 410) * row / 2)


def test_without_baselines_each_image_costs_the_same() -> None:
    assert expected_costs({"a/x": Size(3), "b/x": Size(9)}, {}) == {"a/x": 3 * plan.DEFAULT, "b/x": 9 * plan.DEFAULT}


def test_planning_needs_no_torch() -> None:
    code = "import sys, pytest_robustness.execute.plan; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
