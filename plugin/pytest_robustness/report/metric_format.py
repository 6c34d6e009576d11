"""How the values of each metric are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pytest_robustness.report.data import Value


@dataclass(frozen=True)
class MetricFormat:
    """Of one metric.

    Attributes:
        name: what a value is, with its unit.
        show: a value, with its unit.
        scale: what ticks are multiplied by.
        suffix: of ticks.
        most: the largest value there can be, if any.
        easier: +1 where a larger value is easier to attack, -1 where a smaller one is.
    """

    name: str
    show: Callable[[float], str]
    scale: float = 1.0
    suffix: str = ""
    most: float | None = None
    easier: int = -1

    def words(self, value: Value) -> str:
        """With its interval."""
        if value.interval is None:
            return self.show(value.value)
        low, high = value.interval
        return f"{self.show(value.value)} [{self.show(low)}, {self.show(high)}]"

    def tick(self, value: float, step: float) -> str:
        """As few digits as tell ticks apart."""
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
