"""What a worker can be asked to do with a case: plain data, which can be sent, and run where there is room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Self
from typing import Protocol as Interface

from pytest_robustness.evaluate.clean import ModelCache
from pytest_robustness.evaluate.gallery import attack_again
from pytest_robustness.evaluate.health import check_masking
from pytest_robustness.evaluate.images.load import image_lists
from pytest_robustness.evaluate.measure import identify, measure, measure_clean, no_progress
from pytest_robustness.evaluate.runtime.devices import Device, pick_device
from pytest_robustness.records.finding import Finding
from pytest_robustness.records.gallery import Gallery
from pytest_robustness.records.image_list import ImageList, ImageSetId
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.part import CleanPart, Part
from pytest_robustness.records.protocol import Protocol
from pytest_robustness.records.provenance import Provenance
from pytest_robustness.suite.suite import Case

#: The cost of a job for which others wait: it comes first.
URGENT = float("inf")


class Bench:
    """Holds what a process brings to its jobs: a device, and what it knows of models.

    Args:
        device: None for the first GPU, else the CPU.
        time_unreliable_because: why times taken here should not be judged; None when they may be.
    """

    def __init__(self, device: Device | None = None, time_unreliable_because: str | None = None) -> None:
        self.device = device or pick_device()
        self.time_unreliable_because = time_unreliable_because
        self.model_cache = ModelCache()


class Job(Interface):
    """Is one task of an engine. ``cost`` is in expected seconds; the costliest come first."""

    @property
    def case(self) -> Case: ...
    @property
    def cost(self) -> float: ...

    def on(self, case: Case) -> Job:
        """Return the same job for a case whose files lie elsewhere."""

    def run(self, bench: Bench, progress: Callable[[int, int], None] = no_progress) -> object:
        """Do it, and return what was found. Raises RobustnessError as ``evaluate`` does."""


class _OfCase:
    """Is the base of jobs that are dataclasses."""

    def on(self, case: Case) -> Self:
        return replace(self, case=case)  # type: ignore[type-var]


@dataclass(frozen=True)
class Attack(_OfCase):
    """Attacks some of a case's images, or all where ``rows`` is None."""

    case: Case
    rows: range | None
    cost: float

    def run(self, bench: Bench, progress: Callable[[int, int], None] = no_progress) -> Part:
        return measure(
            self.case,
            self.rows,
            device=bench.device,
            time_unreliable_because=bench.time_unreliable_because,
            progress=progress,
            model_cache=bench.model_cache,
        )


class Clean(NamedTuple):
    """Holds a model's answers for the unselected images, and the lists of its images. None: there are none."""

    part: CleanPart | None
    attacked: ImageList
    unselected: ImageList | None


@dataclass(frozen=True)
class CleanAnswers(_OfCase):
    """Asks a case's model for its answers for the unselected images: once for all of its cases."""

    case: Case
    cost: float = URGENT

    def run(self, bench: Bench, progress: Callable[[int, int], None] = no_progress) -> Clean:
        part = measure_clean(self.case, device=bench.device, model_cache=bench.model_cache)
        return Clean(part, *image_lists(self.case))


class Identified(NamedTuple):
    """Holds what a case's measurement would be of."""

    protocol: Protocol
    provenance: Provenance
    attacked: ImageSetId
    unselected: ImageSetId | None


@dataclass(frozen=True)
class Identify(_OfCase):
    """Finds out what a case's measurement would be of, without an attack."""

    case: Case
    cost: float = URGENT

    def run(self, bench: Bench, progress: Callable[[int, int], None] = no_progress) -> Identified:
        attacked, unselected = image_lists(self.case)
        protocol, provenance = identify(self.case, device=bench.device, model_cache=bench.model_cache)
        return Identified(protocol, provenance, attacked.identity, unselected.identity if unselected else None)


@dataclass(frozen=True)
class CheckMasking(_OfCase):
    """Makes the masking checks of a case's model: once for all of its cases."""

    case: Case
    cost: float = URGENT

    def run(self, bench: Bench, progress: Callable[[int, int], None] = no_progress) -> list[Finding]:
        return check_masking(self.case, device=bench.device, model_cache=bench.model_cache)


@dataclass(frozen=True)
class Pictures(_OfCase):
    """Attacks a few images of a measurement again, for pictures of them."""

    case: Case
    found: Measurement
    lost: tuple[int, ...] = ()
    won: tuple[int, ...] = ()
    cost: float = URGENT

    def run(self, bench: Bench, progress: Callable[[int, int], None] = no_progress) -> Gallery:
        return attack_again(self.case, self.found, lost=self.lost, won=self.won, device=bench.device)
