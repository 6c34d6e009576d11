"""Measuring one case once: a pure function of the case, which gives the same evidence wherever it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from pytest_robustness.evaluate.clean import ModelCache
from pytest_robustness.evaluate.described import protocol_of, provenance_of
from pytest_robustness.evaluate.images.load import attacked_images
from pytest_robustness.evaluate.loaded import loaded_classifier
from pytest_robustness.evaluate.models.classifier import Classifier
from pytest_robustness.evaluate.models.identity import Identity, identity, model_key
from pytest_robustness.evaluate.plan import plan
from pytest_robustness.evaluate.rounds import Look, RunRounds, run_in_order
from pytest_robustness.evaluate.runtime import devices
from pytest_robustness.evaluate.trial import Stopwatch
from pytest_robustness.evaluate.work import Progress, at_work
from pytest_robustness.records.finding import Finding
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.part import CleanPart, Part, merge
from pytest_robustness.records.protocol import Protocol
from pytest_robustness.records.provenance import Provenance
from pytest_robustness.records.shard import ModelPart
from pytest_robustness.suite.suite import Case

#: Takes where a measurement comes from, and the loaded model, and returns the findings of checks; None when no checks
#: were made.
Examine = Callable[[Provenance, Classifier], list[Finding] | None]


def not_examined(provenance: Provenance, classifier: Classifier) -> list[Finding] | None:
    """Return None: no checks are made."""
    return None


def no_progress(done: int, total: int) -> None:
    """Ignore the progress."""


@torch.inference_mode(False)
@torch.enable_grad()
def evaluate(
    case: Case,
    *,
    device: torch.device | None = None,
    time_unreliable_because: str | None = None,
    run_rounds: RunRounds = run_in_order,
    progress: Progress = no_progress,
    stopwatch: Stopwatch | None = None,
    model_cache: ModelCache | None = None,
    examine: Examine = not_examined,
) -> Measurement:
    """Attack a case's images with its attack, once, and return the measurement.

    Args:
        case: says which model, attack and images.
        device: the device to run on; by default the first GPU, else the CPU.
        time_unreliable_because: why times taken here should not be judged; None when they may be.
        run_rounds: runs each round's ``before``, the round and ``after``, in order and once.
        progress: called after each round, with the number of images done and the number of all.
        stopwatch: takes the time, and limits the images of a trial.
        model_cache: what is known from other cases of this model, which had the same clean images.
        examine: called after the attack to check whether attacks on the model can be believed.

    Raises:
        RobustnessError: in one line, when model, weights, images or attack are not what the suite says.
    """
    stopwatch = stopwatch or Stopwatch()
    with at_work(case, device, model_cache, stopwatch) as work:
        part = work.attack(None, run_rounds, progress, time_unreliable_because)
        clean = work.clean()
        work.check_function(after=True)
        findings = examine(part.provenance, work.classifier)
    return merge([part.model_copy(update={"findings": findings})], clean)


@torch.inference_mode(False)
@torch.enable_grad()
def measure(
    case: Case,
    rows: range | None,
    *,
    device: torch.device | None = None,
    time_unreliable_because: str | None = None,
    run_rounds: RunRounds = run_in_order,
    progress: Progress = no_progress,
    model_cache: ModelCache | None = None,
    examine: Examine = not_examined,
) -> Part:
    """Attack some consecutive images of a case and return the part, which ``merge`` puts together with the others.

    ``rows`` are their places; None means all images, whose part ensembles of the same session use again. With an attack
    that is called with whole batches, ``rows`` must begin and end at multiples of the batch size, or end with the last
    image. Arguments and errors are those of ``evaluate``.
    """
    with at_work(case, device, model_cache, Stopwatch()) as work:
        if rows is not None and work.protocol.batch is not None and not _whole_batches(case, rows, len(work.images)):
            problem = f"images {rows.start} to {rows.stop} are no whole batches of {case.batch_size}, which it needs"
            raise case.error(f"attacks.{case.attack_name}", problem)
        part = work.attack(rows, run_rounds, progress, time_unreliable_because)
        work.check_function(after=True)
        return part.model_copy(update={"findings": examine(part.provenance, work.classifier)})


def _whole_batches(case: Case, rows: range, images: int) -> bool:
    return not rows.start % case.batch_size and (not rows.stop % case.batch_size or rows.stop >= images)


@torch.inference_mode(False)
@torch.enable_grad()
def measure_clean(
    case: Case, *, device: torch.device | None = None, model_cache: ModelCache | None = None
) -> CleanPart | None:
    """Return a case's model's answers for the unselected images. Raises as ``evaluate`` does.

    Returns None when the suite has no such images.
    """
    with at_work(case, device, model_cache, Stopwatch()) as work:
        return work.clean()


@torch.inference_mode(False)
@torch.enable_grad()
def measure_model(
    case: Case, *, device: torch.device | None = None, model_cache: ModelCache | None = None, examine: Examine
) -> ModelPart:
    """Measure what belongs to a case's model and to none of its attacks, without an attack of the suite.

    These are the model's answers for the unselected images, and what ``examine`` finds. Raises as ``evaluate`` does.
    """
    with at_work(case, device, model_cache, Stopwatch()) as work:
        provenance, clean = work.provenance(), work.clean()
        return ModelPart(provenance=provenance, clean=clean, findings=examine(provenance, work.classifier))


@torch.inference_mode(False)
@torch.enable_grad()
def look_again(case: Case, places: Sequence[int], look: Look, *, device: torch.device | None = None) -> None:
    """Attack the images at some places once more, and show them to ``look``. Raises as ``evaluate`` does.

    Each image becomes the same adversarial image as before. With an attack that is called with whole batches it is
    therefore attacked among the same other images.
    """
    with at_work(case, device, None, Stopwatch(), look) as work:
        chosen = torch.zeros(len(work.images), dtype=torch.bool)
        chosen[list(places)] = True
        run_in_order(plan(case, work.subject, chosen, lambda done: None))


@torch.inference_mode(False)
@torch.enable_grad()
def identify(
    case: Case, *, device: torch.device | None = None, model_cache: ModelCache | None = None
) -> tuple[Protocol, Provenance]:
    """Return the protocol and provenance that ``evaluate`` would store, without an attack. Raises as it does."""
    device, model_cache = device or devices.pick_device(), model_cache or ModelCache()
    images = attacked_images(case)

    def look() -> Identity:
        with loaded_classifier(case, images, device) as classifier:
            return identity(classifier, images.shape)

    known = model_cache.once(("identified", model_key(case, device), images.shape), look)
    return protocol_of(case, images), provenance_of(case, known, device)
