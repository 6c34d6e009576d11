"""A trial on a few images, and what it says of a whole run: how long it takes, and how small a change it catches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from pytest_robustness.evaluate.clean import ModelCache
from pytest_robustness.execute.case import Request, run_case
from pytest_robustness.execute.measuring import Here
from pytest_robustness.gate.power import images_to_catch, paired, smallest_caught
from pytest_robustness.suite.suite import Suite

#: Images of a trial.
TRIAL = 16
#: The share of the images that change their outcome in an update of the same network, as docs/statistics.md found.
DISCORDANCE = 0.1
#: The rise that is worth catching, and that the number of images is told for.
WANTED = 0.03
#: The success rate that tells most of a change: there is room for more, and not all withstand.
MIDDLE = 0.6


@dataclass(frozen=True)
class Trial:
    """Holds what a trial found: attempts, successes, and the seconds of a whole run of the case."""

    attempts: int
    successes: int
    seconds: float

    @property
    def rate(self) -> float:
        """Return the share of the attempts that were fooled."""
        return self.successes / max(1, self.attempts)


def trial(suite: Suite, cache: ModelCache, progress: Callable[[int, int], None] = lambda done, total: None) -> Trial:
    """Attack a few images of the suite's only case. Raises RobustnessError as a run would."""
    (case,) = suite.cases()
    here = Here(limit=TRIAL, model_cache=cache, progress=progress)
    result = run_case(case, None, Request(limit=TRIAL), measuring=here)
    assert result.measurement is not None
    assert result.estimate is not None
    found = result.measurement.aggregates
    return Trial(found.attempts, found.successes, result.estimate.full_seconds)


def most_telling(trials: dict[str, Trial]) -> str:
    """Return the epsilon at which about half of the images are fooled, or nearly."""
    return min(trials, key=lambda eps: abs(trials[eps].rate - MIDDLE))


def sensitivity(suite: Suite, images: int) -> Iterator[str]:
    """Yield how small a change a run on so many images catches, and how many images would catch 3 points.

    The level is the one that a full run of the suite's attack has at least: its case's, or that of all attacks
    together, which are one here.
    """
    (case,) = suite.cases()
    level = max(case.level, suite.pooled_level)
    power = partial(paired, level=level, tolerance=suite.tolerances.success_rate)
    caught = smallest_caught(power, images, DISCORDANCE)
    if caught is None:
        yield f"change: {images} images are too few to catch one in 4 of 5 runs"
    else:
        yield (f"change: {images} images catch a success rate that rises by {100 * caught:.1f} points, in 4 of 5 runs")
    needed = images_to_catch(power, WANTED, DISCORDANCE)
    yield f"        (where {DISCORDANCE:.0%} of the images change their outcome anyhow; docs/statistics.md has others)"
    if needed is not None and needed > images:
        yield f"        {100 * WANTED:.0f} points would take about {_round(needed):,} images"


def room(one: Trial) -> str | None:
    """Return what is wrong with an epsilon by the trial. Returns None when there is room for a change."""
    if not one.attempts:
        return None
    if one.successes == one.attempts:
        return "every image was fooled, so success cannot rise, and only effort can tell: a smaller eps tells more"
    if not one.successes:
        return "no image was fooled, so a model that is easier to attack may look the same: a larger eps tells more"
    return None


def _round(count: int) -> int:
    """Return a number of two digits and zeros, not less than the given one."""
    step = int(10 ** max(0, len(str(count)) - 2))
    return -(-count // step) * step
