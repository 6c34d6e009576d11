"""Where a case is measured: in this process, or by an engine. How it is judged does not depend on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol as Interface

from pytest_robustness.evaluate.clean import ModelCache
from pytest_robustness.evaluate.gallery import attack_again
from pytest_robustness.evaluate.health import masking_findings
from pytest_robustness.evaluate.images.load import image_lists
from pytest_robustness.evaluate.input_hint import input_hint
from pytest_robustness.evaluate.measure import evaluate, identify, no_progress
from pytest_robustness.evaluate.models.classifier import Classifier
from pytest_robustness.evaluate.rounds import RunRounds, run_in_order
from pytest_robustness.evaluate.runtime.devices import Device
from pytest_robustness.evaluate.trial import Stopwatch
from pytest_robustness.records.finding import Finding
from pytest_robustness.records.gallery import Gallery
from pytest_robustness.records.image_list import ImageList
from pytest_robustness.records.measurement import Estimate, Measurement
from pytest_robustness.records.protocol import Protocol
from pytest_robustness.records.provenance import Provenance
from pytest_robustness.suite.suite import Case

#: Says whether the masking checks run for a model, by where its measurement comes from.
NeedsChecks = Callable[[Provenance], bool]


class Measuring(Interface):
    """Measures cases. All methods raise RobustnessError, in one line, where ``evaluate`` does."""

    def image_lists(self, case: Case) -> tuple[ImageList, ImageList | None]:
        """Return keys and labels of the attacked images, and of the unselected ones, or None when there are none."""

    def identify(self, case: Case) -> tuple[Protocol, Provenance]:
        """Return the protocol and provenance that ``measure`` would return, without an attack."""

    def measure(self, case: Case, needs_checks: NeedsChecks) -> Measurement:
        """Return the measurement, with findings of the masking checks where these are needed."""

    def hint(self, case: Case) -> str | None:
        """Return how the suite perhaps should describe the input of a measured case's model.

        Returns None when nothing was found, or nothing was looked for.
        """

    def gallery(self, case: Case, found: Measurement, lost: Sequence[int] = (), won: Sequence[int] = ()) -> Gallery:
        """Return pictures of a few images of a measurement, of those that were lost and won first."""

    def estimate(self) -> Estimate | None:
        """Return what all images would take, after a trial on a few. Returns None where that is not known."""


class Here:
    """Measures in this process.

    Args:
        limit: number of images of a trial; None for all.
        device, time_unreliable_because, run_rounds, progress, model_cache: as ``evaluate`` takes them.
    """

    def __init__(
        self,
        *,
        limit: int | None = None,
        device: Device | None = None,
        time_unreliable_because: str | None = None,
        run_rounds: RunRounds = run_in_order,
        progress: Callable[[int, int], None] = no_progress,
        model_cache: ModelCache | None = None,
    ) -> None:
        self._limit, self._stopwatch = limit, Stopwatch(limit)
        self._device = device
        self._time_unreliable_because = time_unreliable_because
        self._run_rounds = run_rounds
        self._progress = progress
        self._model_cache = model_cache or ModelCache()
        self._hints: dict[str, str | None] = {}

    def image_lists(self, case: Case) -> tuple[ImageList, ImageList | None]:
        return image_lists(case)

    def identify(self, case: Case) -> tuple[Protocol, Provenance]:
        return identify(case, device=self._device, model_cache=self._model_cache)

    def measure(self, case: Case, needs_checks: NeedsChecks) -> Measurement:
        def examine(provenance: Provenance, classifier: Classifier) -> list[Finding] | None:
            needed = needs_checks(provenance)
            if needed or self._limit:  # a trial has no checks, and is where a suite is tried out
                self._hints[case.id] = input_hint(case, classifier, self._model_cache)
            return masking_findings(case, classifier, self._model_cache) if needed else None

        return evaluate(
            case,
            device=self._device,
            time_unreliable_because=self._time_unreliable_because,
            run_rounds=self._run_rounds,
            progress=self._progress,
            stopwatch=self._stopwatch,
            model_cache=self._model_cache,
            examine=examine,
        )

    def hint(self, case: Case) -> str | None:
        return self._hints.get(case.id)

    def gallery(self, case: Case, found: Measurement, lost: Sequence[int] = (), won: Sequence[int] = ()) -> Gallery:
        return attack_again(case, found, lost=lost, won=won, device=self._device)

    def estimate(self) -> Estimate | None:
        return self._stopwatch.estimate() if self._limit else None
