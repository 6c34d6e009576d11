"""Formats in which the values of each metric are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pytest_robustness.report.data import Value


@dataclass(frozen=True)
class MetricFormat:
    """Says how the values of one metric are written.

    Attributes:
        name: what a value is, with its unit.
        show: writes a value, with its unit.
        scale: the factor that ticks are multiplied by.
        suffix: the text behind the number of a tick.
        most: the largest value there can be; None when there is none.
        easier: +1 when a larger value is easier to attack, -1 when a smaller one is.
    """

    name: str
    show: Callable[[float], str]
    scale: float = 1.0
    suffix: str = ""
    most: float | None = None
    easier: int = -1

    def words(self, value: Value) -> str:
        """Write a value with its interval, if it has one."""
        if value.interval is None:
            return self.show(value.value)
        low, high = value.interval
        return f"{self.show(value.value)} [{self.show(low)}, {self.show(high)}]"

    def tick(self, value: float, step: float) -> str:
        """Write a tick with as few digits as tell ticks apart."""
        digits = next((n for n in range(8) if abs(round(step * self.scale, n) - step * self.scale) < 1e-9), 8)
        return f"{value * self.scale + 0.0:.{digits}f}{self.suffix}"


def _points(value: float) -> str:
    return f"{100 * value:+.1f} pp"


FORMATS = {
    "success rate": MetricFormat("success rate, % of attempts", "{:.1%}".format, 100, "%", most=1.0, easier=1),
    "distance": MetricFormat("distance, norm of the smallest perturbation found", "{:.3g}".format),
    "noise rate": MetricFormat("noise rate, 1 - SSIM", "{:.5f}".format),
    "effort": MetricFormat("effort, gradient evaluations until fooled", "{:.2f}".format),
    "time": MetricFormat("time, in forward + backward passes", "{:.2f}".format),
    "clean accuracy": MetricFormat("clean accuracy, % of images", "{:.1%}".format, 100, "%", most=1.0),
    "change": MetricFormat("change in success rate, percentage points", _points, 100, easier=1),
}
