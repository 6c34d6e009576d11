"""Noise rate: 1 - SSIM of the images that are fooled."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_robustness.gate.metrics.paired import fallen, mean
from pytest_robustness.gate.metrics.rules import Rules
from pytest_robustness.records.evidence import NOISE_DIGITS
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import MetricVerdict


def noise_differences(baseline: Measurement, current: Measurement) -> dict[int, int]:
    """Return by how much each image's noise fell, in steps of its last digit, by its place among the compared ones."""
    return fallen(baseline.evidence.noise, current.evidence.noise, 10**NOISE_DIGITS)


def compare_noise_rate(baseline: Measurement, current: Measurement, rules: Rules) -> Iterable[MetricVerdict]:
    """Compare the noise rate of the images that are fooled in both runs, to the last digit that is stored."""
    before, after = baseline.evidence.noise, current.evidence.noise
    yield mean("noise rate", before, after, 10**NOISE_DIGITS, rules.tolerances.noise_rate, rules, "{:.5f}".format)
