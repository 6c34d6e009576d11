"""How long an attack took is said by the median cost of a row, with its spread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pytest
from pytest_robustness.evaluate.measure import evaluate
from pytest_robustness.evaluate.rounds import Round, run_in_order
from pytest_robustness.evaluate.timing import timing_of

from tests.evaluate.suites import ATTACKS, CPU, case_of


class MadeRound:
    """A round whose clock shows what a test wants."""

    def __init__(self, seconds: float, rows: int, units: Sequence[tuple[float, int]] = ()) -> None:
        self.attack_seconds, self.rows, self.units = seconds, rows, list(units)
        self.gradient_rows = self.padding = rows // 2
        self.outcomes: list[Any] = []

    def before(self) -> None: ...

    def __call__(self) -> None: ...

    def after(self) -> None: ...


def test_time_is_the_median_cost_of_a_row_times_the_rows() -> None:
    """A slow round and a slow unit are outliers; the second round computed fewer rows at the usual cost."""
    rounds = [
        MadeRound(20.0, 100, [(10.0, 100), (30.0, 100)]),
        MadeRound(10.0, 50),
        MadeRound(99.0, 100, [(10.0, 100)]),
    ]
    timing = timing_of(rounds, attempts=60, images=80, time_unreliable_because="a reason")
    assert timing.gradient_units == 2 * 250 / 80
    assert timing.seconds_per_attempt == 129 / 60
    assert (timing.rows, timing.gradient_rows, timing.padding, timing.rounds) == (250, 125, 125, 3)
    assert (timing.attack_seconds, timing.unit_seconds, timing.unit_rows) == (129, 50, 300)
    assert timing.doubt == "a reason"


@pytest.mark.parametrize(
    ("attacks", "units", "spread"),
    [
        ((10, 20, 40, 80, 160), (1, 1), 30 / 40),
        ((10, 10, 10), (1, 2, 4), 1 / 2),
        ((10, 10, 10), (1, 1, 9), 0),
    ],
)
def test_the_spread_is_of_units_or_rounds_whichever_is_larger(
    attacks: Sequence[float], units: Sequence[float], spread: float
) -> None:
    """The median absolute deviation over the median, as if it were a normal distribution's standard deviation."""
    rounds = [MadeRound(seconds, 1) for seconds in attacks]
    rounds[0].units = [(seconds, 1) for seconds in units]
    timing = timing_of(rounds, attempts=1, images=1, time_unreliable_because=None)
    assert timing.unit_spread == pytest.approx(spread / NormalDist().inv_cdf(0.75), abs=1e-4)


@pytest.mark.parametrize(("time", "expected"), [("clock", [1, 0, 1, 0, 1]), ("work", [0] * 5)])
@pytest.mark.parametrize("name", ["pgd", "ta-pgd"])
def test_a_unit_is_timed_at_the_start_in_the_middle_and_at_the_end_where_the_clock_judges(
    name: str, time: str, expected: list[int], tmp_path: Path
) -> None:
    seen: list[Round] = []

    def run(rounds: Sequence[Round]) -> None:
        run_in_order(rounds)
        seen.extend(rounds)

    evaluate(case_of(tmp_path, ATTACKS[name], batch_size=12, time=time), device=CPU, run_rounds=run)
    assert [len(one.units) for one in seen] == expected
    assert all(seconds > 0 for one in seen for seconds in (one.attack_seconds, *[unit for unit, _ in one.units]))
