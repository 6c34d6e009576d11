"""Measuring one case once: a pure function of the case, which gives the same evidence wherever it runs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pytest_robustness.evaluate.clean import Answers, ModelCache, answers
from pytest_robustness.evaluate.described import budget_of, protocol_of, provenance_of
from pytest_robustness.evaluate.evidence import evidence_of
from pytest_robustness.evaluate.images.image_set import ImageSet
from pytest_robustness.evaluate.images.load import attacked_images, unselected_images
from pytest_robustness.evaluate.loaded import loaded_classifier
from pytest_robustness.evaluate.models.classifier import Classifier
from pytest_robustness.evaluate.models.function import Repeats
from pytest_robustness.evaluate.models.identity import Identity, identity, model_key, weights_digest_of
from pytest_robustness.evaluate.models.row_floor import find_row_floor
from pytest_robustness.evaluate.plan import Subject, plan
from pytest_robustness.evaluate.rounds import Look, RunRounds, run_in_order
from pytest_robustness.evaluate.runtime import devices
from pytest_robustness.evaluate.runtime.memory import PeakMemory
from pytest_robustness.evaluate.timing import timing_of
from pytest_robustness.evaluate.trial import Stopwatch
from pytest_robustness.records.finding import Finding
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.part import CleanPart, Part, merge
from pytest_robustness.records.protocol import Protocol
from pytest_robustness.records.provenance import Provenance
from pytest_robustness.records.shard import ModelPart
from pytest_robustness.suite.suite import Case

Progress = Callable[[int, int], None]


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
    with _at_work(case, device, model_cache, stopwatch) as work:
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
    with _at_work(case, device, model_cache, Stopwatch()) as work:
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
    with _at_work(case, device, model_cache, Stopwatch()) as work:
        return work.clean()


@torch.inference_mode(False)
@torch.enable_grad()
def measure_model(
    case: Case, *, device: torch.device | None = None, model_cache: ModelCache | None = None, examine: Examine
) -> ModelPart:
    """Measure what belongs to a case's model and to none of its attacks, without an attack of the suite.

    These are the model's answers for the unselected images, and what ``examine`` finds. Raises as ``evaluate`` does.
    """
    with _at_work(case, device, model_cache, Stopwatch()) as work:
        provenance, clean = work.provenance(), work.clean()
        return ModelPart(provenance=provenance, clean=clean, findings=examine(provenance, work.classifier))


@torch.inference_mode(False)
@torch.enable_grad()
def look_again(case: Case, places: Sequence[int], look: Look, *, device: torch.device | None = None) -> None:
    """Attack the images at some places once more, and show them to ``look``. Raises as ``evaluate`` does.

    Each image becomes the same adversarial image as before. With an attack that is called with whole batches it is
    therefore attacked among the same other images.
    """
    with _at_work(case, device, None, Stopwatch(), look) as work:
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


@contextmanager
def _at_work(
    case: Case,
    device: torch.device | None,
    model_cache: ModelCache | None,
    stopwatch: Stopwatch,
    look: Look | None = None,
) -> Iterator[_Work]:
    device, cache = device or devices.pick_device(), model_cache or ModelCache()
    peak = PeakMemory(device)
    images, unselected = attacked_images(case), unselected_images(case)
    stopwatch.all_images = len(images)
    everything = len(images), len(unselected or ())
    if stopwatch.limit:
        images, unselected = images.sample(stopwatch.limit), unselected and unselected.sample(stopwatch.limit)
    protocol = protocol_of(case, images)
    with loaded_classifier(case, images, device) as classifier:
        weights_digest = weights_digest_of(classifier)
        key = model_key(case, device), weights_digest
        inputs, _ = images.batch(slice(0, case.batch_size), classifier.device, classifier.dtype)
        floor = case.suite.row_floor or cache.once(
            ("row floor", key, images.shape, case.batch_size),
            lambda: find_row_floor(classifier, inputs, case.batch_size),
        )
        work = _Work(
            case,
            Subject(classifier, images, floor, look),
            unselected,
            protocol,
            cache,
            (key, weights_digest),
            peak,
            stopwatch,
            everything,
            Repeats(classifier, inputs, floor, case.suite.seed),
        )
        work.check_function(after=False)
        work.subject = replace(work.subject, known=work.known)
        yield work


@dataclass
class _Work:
    """Holds a case while its model is loaded, and does the steps of its measurement."""

    case: Case
    subject: Subject
    unselected: ImageSet | None
    protocol: Protocol
    cache: ModelCache
    key: tuple[object, str]
    peak: PeakMemory
    stopwatch: Stopwatch
    everything: tuple[int, int]
    repeats: Repeats

    def check_function(self, *, after: bool) -> None:
        """Raise RobustnessError, which names the model and the reason, when it is not a function of the image alone."""
        find = self.repeats.problem_after if after else self.repeats.problem_before
        problem = find() if after else self.cache.once(("function", self.key, self.images.identity.digest), find)
        if problem is not None and not self.classifier.changed():  # that is reported when its block ends
            what = "gives the same image other logits the second time, so nothing can be compared"
            raise self.case.error(f"models.{self.case.model_name}", f"{what}: {problem}")

    @property
    def images(self) -> ImageSet:
        return self.subject.images

    @property
    def classifier(self) -> Classifier:
        return self.subject.classifier

    def attack(
        self, rows: range | None, run_rounds: RunRounds, progress: Progress, time_unreliable_because: str | None
    ) -> Part:
        case, images = self.case, self.images
        rows = range(len(images)) if rows is None else rows
        with self.stopwatch.images(len(images), self.everything[0]):
            correct = self._correct(images, rows)
        provenance = self.provenance()
        attempts = torch.zeros(len(images), dtype=torch.bool)
        attempts[rows.start : rows.stop] = correct
        counter = _Counter(progress, len(rows) - int(correct.sum()), len(rows))
        rounds = plan(case, self.subject, attempts, counter)
        if rounds:  # no attempts, nothing to run
            with self.stopwatch.images(len(images), self.everything[0]):
                run_rounds(rounds)
            _warn_of_one_colour(case, sum(outcome.one_colour for one in rounds for outcome in one.outcomes))
        budget = budget_of(case)
        timing = timing_of(rounds, int(correct.sum()), len(rows), time_unreliable_because)
        device = self.classifier.device
        part = Part(
            case=case.id,
            images=images.identity,
            places=list(rows),
            budget=budget,
            timing=timing.model_copy(update={"peak_memory": self.peak.bytes(), "threads": devices.threads(device)}),
            protocol=self.protocol,
            provenance=provenance,
            evidence=evidence_of(rounds, attempts, rows, self.protocol),
        )
        if len(rows) == len(images) and part.evidence.forwards is not None:
            self.cache.once(self._part_key(case), lambda: part)
        return part

    def provenance(self) -> Provenance:
        known = self.cache.once(
            ("identity", self.key, self.images.shape),
            lambda: identity(self.classifier, self.images.shape, weights_digest=self.key[1]),
        )
        return provenance_of(self.case, known, self.classifier.device, self.subject.row_floor)

    def known(self, case: Case) -> Part | None:
        """Return a case of this model and these images when it was measured whole before in this session.

        Returns None when it was not.
        """
        part: Part | None = self.cache.find(self._part_key(case))
        return part

    def _part_key(self, case: Case) -> Hashable:
        images = attacked_images(case).identity.digest, self.images.identity.count
        return "part", self.key, images, case.attack_name, protocol_of(case, self.images).digest

    def _correct(self, images: ImageSet, rows: range) -> Tensor:
        """Return which of these rows are attempts: those that the model classifies correctly.

        When the suite's labels are predicted, all rows are attempts, and the model's answers become their labels.
        """
        said = self._answers(images if len(rows) == len(images) else images.part(rows))
        if self.case.suite.images.labels != "predicted":
            return said.correct
        labels = images.labels.clone()
        labels[rows.start : rows.stop] = said.predicted
        self.subject = replace(self.subject, images=replace(images, labels=labels))
        return torch.ones_like(said.correct)

    def clean(self) -> CleanPart | None:
        if self.unselected is None:
            return None
        with self.stopwatch.images(len(self.unselected), self.everything[1]):
            said = self._answers(self.unselected)
        return CleanPart(
            case=self.case.id,
            images=self.unselected.identity,
            correct=said.correct.int().tolist(),
            top_5=said.top_5.int().tolist() if self.case.suite.images.top_5 else None,
        )

    def _answers(self, images: ImageSet) -> Answers:
        what = "answers", self.key, images.identity.digest, self.case.batch_size
        return self.cache.once(what, lambda: answers(self.classifier, images, self.case, self.subject.row_floor))


def _warn_of_one_colour(case: Case, count: int) -> None:
    if count:
        told = f"{count} answers of {case.attack.attack} are one colour all over, which is no perturbation: not counted"
        warnings.warn(f"{case.id}: {told}", stacklevel=2)


class _Counter:
    """Adds up the numbers of images that were finished and reports progress."""

    def __init__(self, progress: Progress, done: int, total: int) -> None:
        self.progress, self.done, self.total = progress, done, total

    def __call__(self, count: int) -> None:
        self.done += count
        self.progress(self.done, self.total)
