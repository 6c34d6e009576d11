"""A case at work: its model loaded, and the steps of its measurement."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterator
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
from pytest_robustness.evaluate.models.identity import identity, model_key, weights_digest_of
from pytest_robustness.evaluate.models.row_floor import find_row_floor
from pytest_robustness.evaluate.plan import Subject, plan
from pytest_robustness.evaluate.rounds import Look, RunRounds
from pytest_robustness.evaluate.runtime import devices
from pytest_robustness.evaluate.runtime.memory import PeakMemory
from pytest_robustness.evaluate.timing import timing_of
from pytest_robustness.evaluate.trial import Stopwatch
from pytest_robustness.records.part import CleanPart, Part
from pytest_robustness.records.protocol import Protocol
from pytest_robustness.records.provenance import Provenance
from pytest_robustness.suite.suite import Case

#: Called with the number of images that are done and the number of all.
Progress = Callable[[int, int], None]


@contextmanager
def at_work(
    case: Case,
    device: torch.device | None,
    model_cache: ModelCache | None,
    stopwatch: Stopwatch,
    look: Look | None = None,
) -> Iterator[Work]:
    """Give a case with its model loaded, and check that the model is a function of its image.

    ``look`` sees each image after its attack. Raises RobustnessError, in one line, when model, weights, images or
    attack are not what the suite says.
    """
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
        work = Work(
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
class Work:
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
