"""What the report says of single images against the baseline: curves, ratios of distances, slices and worst cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from pytest_robustness.gate.metrics import robust
from pytest_robustness.gate.metrics.distance import distance_logs
from pytest_robustness.gate.metrics.paired import attempted
from pytest_robustness.gate.pairing import Pair
from pytest_robustness.gate.slices import Keys, slices_of
from pytest_robustness.gate.statistics import wilson
from pytest_robustness.records.evidence import Evidence
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.report import data
from pytest_robustness.suite.suite import Suite

#: The most points of a security curve, ratios of a case and slices of a case.
POINTS, RATIOS, SLICES = 20, 200, 12


def of_pair(suite: Suite, paired: Pair, keys: Keys) -> dict[str, Any]:
    """Return those fields of a case that need its baseline. Returns none when the two cannot be compared."""
    if paired.difference is not None:
        return {}
    return {
        "baseline_curve": security_curve(paired.baseline.evidence),
        "log_ratios": log_ratios(paired),
        "slices": slices(suite, paired, keys),
    }


def security_curve(evidence: Evidence) -> list[tuple[float, float]]:
    """Return success rate over the radius an attacker may use: (radius, share of attempts fooled within it), ascending.

    One run of an attack that finds the smallest perturbation of each image gives all radii. There are at most
    ``POINTS`` radii, at even distances in the share, and none when the attack has no distances.
    """
    attempts = sum(evidence.correct)
    found = sorted(value for value in evidence.distance or () if value is not None)
    counts = sorted({-(-attempts * point // POINTS) for point in range(1, POINTS + 1)})
    return [(found[count - 1], count / attempts) for count in counts if 0 < count <= len(found)]


def log_ratios(paired: Pair) -> list[float]:
    """Return the logarithms of the images' distances, now / baseline, ascending.

    Of more than ``RATIOS`` images, so many are returned: at even ranks, the smallest and the largest among them. The
    list is empty when no image's distance changed, and when the attack has no distances.
    """
    logs = sorted(round(value, 4) for value in distance_logs(paired.baseline, paired.current).values())
    if not any(logs):
        return []
    if len(logs) <= RATIOS:
        return logs
    return [logs[round(rank * (len(logs) - 1) / (RATIOS - 1))] for rank in range(RATIOS)]


def slices(suite: Suite, paired: Pair, keys: Keys) -> list[data.Slice]:
    """Return the slices of a case that have enough images, at most ``SLICES``.

    Those whose value moved most for the worse come first, and of equal ones those that are easiest to attack.
    """
    found = [_slice(name, paired, index) for name, index in slices_of(suite, paired, keys)]
    return sorted(found, key=_rank)[:SLICES]


def _slice(name: str, paired: Pair, index: Sequence[int]) -> data.Slice:
    baseline, current = paired.baseline.at(index), paired.current.at(index)
    if not current.has_success_rate:
        logs = distance_logs(baseline, current)
        return data.Slice(
            name=name,
            images=len(index),
            metric="distance",
            value=_median(current, logs),
            baseline=_median(baseline, logs),
            lost=sum(log < 0 for log in logs.values()),
            won=sum(log > 0 for log in logs.values()),
        )
    both = attempted(baseline, current)
    before, after = baseline.evidence.success, current.evidence.success
    return data.Slice(
        name=name,
        images=len(index),
        metric="success rate",
        value=sum(after[i] for i in both) / len(both) if both else None,
        baseline=sum(before[i] for i in both) / len(both) if both else None,
        lost=sum(after[i] > before[i] for i in both),
        won=sum(after[i] < before[i] for i in both),
    )


def _median(one: Measurement, of: Mapping[int, float]) -> float | None:
    """Return the median distance of the images that have one in both runs."""
    values = [value for i in of if (value := (one.evidence.distance or ())[i]) is not None]
    return median(values) if values else None


def _rank(one: data.Slice) -> tuple[float, float, str]:
    easier = 1 if one.metric == "success rate" else -1
    value, before = (0.0 if side is None else side * easier for side in (one.value, one.baseline))
    return before - value, -value, one.name


def worst_case(measurements: Sequence[Measurement], pairs: Mapping[str, Pair]) -> data.WorstCase | None:
    """Return how many images of a model withstand each of its attacks in a ball.

    Args:
        measurements: of the model. Those without an ``eps`` are left out.
        pairs: the measurements with their baselines, by case. The baseline's value needs all of them, over the same
            images.

    Returns None when there is no such attack, or when their images differ.
    """
    balls = [one for one in measurements if "eps" in one.protocol.parameters and one.has_success_rate]
    if not balls or len({one.images.digest for one in balls}) > 1 or not balls[0].images.count:
        return None
    withstood = _of_all(balls)
    return data.WorstCase(
        robust_accuracy=data.Value(
            value=sum(withstood) / len(withstood), interval=wilson(sum(withstood), len(withstood))
        ),
        baseline=_baseline(balls, pairs),
        attacks=[one.case.partition("/")[2] for one in balls],
    )


def _of_all(balls: Sequence[Measurement]) -> list[int]:
    """Return 1 for each image that is right when clean and withstands every attack, else 0."""
    return [min(each) for each in zip(*map(robust, balls), strict=True)]


def _baseline(balls: Sequence[Measurement], pairs: Mapping[str, Pair]) -> float | None:
    found = [pairs[one.case] for one in balls if one.case in pairs and pairs[one.case].difference is None]
    if len(found) < len(balls) or len({tuple(one.places) for one in found}) > 1 or not found[0].places:
        return None
    withstood = _of_all([one.baseline for one in found])
    return sum(withstood) / len(withstood)
