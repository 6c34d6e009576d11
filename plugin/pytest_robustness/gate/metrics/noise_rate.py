"""Noise rate: 1 - SSIM of the images that are fooled."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_robustness.gate.metrics.paired import mean
from pytest_robustness.gate.metrics.rules import Rules
from pytest_robustness.records.evidence import NOISE_DIGITS
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import MetricVerdict


def compare_noise_rate(then: Measurement, now: Measurement, rules: Rules) -> Iterable[MetricVerdict]:
    """Of the images that are fooled in both runs, to the last digit that is stored."""
    before, after = then.evidence.noise, now.evidence.noise
    yield mean("noise rate", before, after, 10**NOISE_DIGITS, rules.tolerances.noise_rate, rules, "{:.5f}".format)
