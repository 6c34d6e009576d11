"""One case, executed once: a pure function of the case, which gives the same evidence wherever it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version

import torch
from torch import Tensor, nn

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.attacks.registry import ResolvedAttack, resolve
from pytest_robustness.evaluate.clean import Answers, ModelCache, answers
from pytest_robustness.evaluate.images.image_set import ImageSet
from pytest_robustness.evaluate.images.load import attacked_images, decoder, unselected_images
from pytest_robustness.evaluate.models.classifier import Classifier, row_floor
from pytest_robustness.evaluate.models.digests import state_digest
from pytest_robustness.evaluate.models.identity import Identity, identity, model_key
from pytest_robustness.evaluate.models.load import load_model
from pytest_robustness.evaluate.models.sources import normalisation_of, preprocessing_of
from pytest_robustness.evaluate.rounds import Round, RunContext, RunRounds, run_in_order
from pytest_robustness.evaluate.runtime import devices
from pytest_robustness.evaluate.runtime.clock import clock
from pytest_robustness.evaluate.runtime.errors import translate_device_errors
from pytest_robustness.evaluate.runtime.memory import PeakMemory
from pytest_robustness.evaluate.runtime.numerics import standard_numerics
from pytest_robustness.evaluate.runtime.seeding import seeded
from pytest_robustness.evaluate.timing import timing_of
from pytest_robustness.evaluate.trial import Stopwatch
from pytest_robustness.records.evidence import NOISE_DIGITS, Evidence
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.protocol import Parameter, Protocol
from pytest_robustness.records.provenance import Provenance
from pytest_robustness.suite.suite import Case

DTYPE = torch.float32
MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@torch.inference_mode(False)
@torch.enable_grad()
def evaluate(
    case: Case,
    *,
    device: torch.device | None = None,
    time_unreliable_because: str | None = None,
    run_rounds: RunRounds = run_in_order,
    progress: Callable[[int, int], None] = lambda done, total: None,
    stopwatch: Stopwatch | None = None,
    model_cache: ModelCache | None = None,
) -> Measurement:
    """Attack a case's images with its attack, once, and measure.

    Args:
        case: which model, attack and images.
        device: default: the first GPU, else the CPU.
        time_unreliable_because: why times taken here should not be judged, if so.
        run_rounds: runs each round's ``before``, the round and ``after``, in order and once.
        progress: called after each round, with the number of images done and of all.
        stopwatch: takes the time, and limits the images of a trial.
        model_cache: of the other cases of this model, which had the same clean images.

    Raises:
        RobustnessError: where model, weights, images or attack are not what the suite promises, in one line.
    """
    device = device or devices.pick_device()
    resolved = resolve(case)
    stopwatch, model_cache = stopwatch or Stopwatch(), model_cache or ModelCache()
    peak = PeakMemory(device)
    images, unselected = attacked_images(case), unselected_images(case)
    all_images, all_unselected = len(images), len(unselected or ())
    stopwatch.all_images = all_images
    if stopwatch.limit:
        images, unselected = images.first(stopwatch.limit), unselected and unselected.first(stopwatch.limit)
    parameters = _parameters(case, resolved)
    budget = resolved.spec.budget(parameters) if resolved.spec.budget else None
    with loaded_classifier(case, images, device) as classifier:
        weights_digest = state_digest(classifier)
        key = model_key(case, device), weights_digest

        def clean_answers(of: ImageSet) -> Answers:
            what = "answers", key, of.identity.digest, case.batch_size
            return model_cache.once(what, lambda: answers(classifier, of, case))

        with stopwatch.images(len(images), all_images):
            clean = clean_answers(images)
        correct = clean.correct
        if case.suite.images.labels == "predicted":  # then every image is an attempt
            images, correct = replace(images, labels=clean.predicted), torch.ones_like(correct)
        with stopwatch.images(len(unselected or ()), all_unselected):
            blind = clean_answers(unselected) if unselected else None
        shape = tuple(images.identity.shape)
        known = model_cache.once(
            ("identity", key, shape), lambda: identity(classifier, shape, weights_digest=weights_digest)
        )
        context = RunContext(
            resolved=resolved,
            classifier=classifier,
            images=images,
            clock=clock(device),
            eps=float(parameters.get("eps", 0)),
            budget=budget,
            row_floor=row_floor(case, device),
            seed=case.suite.seed,
        )
        attempted = [rows for rows in _batches(len(images), case.batch_size) if bool(correct[rows].any())]
        rounds = [
            Round(context, rows, correct[rows], lambda done: progress(done, len(images)), first=rows is attempted[0])
            for rows in attempted
        ]
        if rounds:  # no attempts, nothing to run
            with stopwatch.images(len(images), all_images):
                run_rounds(rounds)

    return Measurement(
        schema=1,
        case=case.id,
        budget=budget,
        timing=timing_of(rounds, int(correct.sum()), time_unreliable_because).model_copy(
            update={"peak_memory": peak.bytes(), "threads": devices.threads(device)}
        ),
        protocol=_protocol(case, resolved, parameters, images, unselected),
        provenance=_provenance(case, resolved, known, device),
        evidence=_evidence(
            rounds,
            correct,
            blind.correct if blind else None,
            blind.top_5 if blind and case.suite.images.top_5 else None,
            budget if resolved.watched else None,
        ),
    )


@torch.inference_mode(False)
@torch.enable_grad()
def identify(
    case: Case, *, device: torch.device | None = None, model_cache: ModelCache | None = None
) -> tuple[Protocol, Provenance]:
    """What ``evaluate`` would put beside its evidence, without an attack. Raises as it does."""
    device, model_cache = device or devices.pick_device(), model_cache or ModelCache()
    resolved = resolve(case)
    images, unselected = attacked_images(case), unselected_images(case)
    shape = tuple(images.identity.shape)

    def look() -> Identity:
        with loaded_classifier(case, images, device) as classifier:
            return identity(classifier, shape)

    known = model_cache.once(("identified", model_key(case, device), shape), look)
    protocol = _protocol(case, resolved, _parameters(case, resolved), images, unselected)
    return protocol, _provenance(case, resolved, known, device)


@contextmanager
def loaded_classifier(case: Case, images: ImageSet, device: torch.device) -> Iterator[Classifier]:
    """Load a case's model and lend it, in the process's standard numeric state, for as long as the block lasts."""
    with standard_numerics() as set_again:
        with translate_device_errors(case), seeded(case.suite.seed, "model"):  # a factory may draw its weights
            model = load_model(case)
        set_again()  # what the model's code switched
        with translate_device_errors(case), borrowed(model, case, images, device) as classifier:
            yield classifier


def _protocol(
    case: Case,
    resolved: ResolvedAttack,
    parameters: dict[str, Parameter],
    images: ImageSet,
    unselected: ImageSet | None,
) -> Protocol:
    return Protocol(
        attack=resolved.spec.identity,
        parameters=parameters,
        stop=resolved.stop,
        images=images.identity,
        unselected=unselected.identity if unselected else None,
        preprocessing=preprocessing_of(case) if case.suite.images.folder else None,
        labels="predicted" if case.suite.images.labels == "predicted" else None,
        batch_size=case.batch_size,
        row_floor=case.suite.row_floor,
        seed=case.suite.seed,
        dtype=str(DTYPE).removeprefix("torch."),
        memory_format=None if case.suite.memory_format == "contiguous" else case.suite.memory_format,
    )


def _provenance(case: Case, resolved: ResolvedAttack, known: Identity, device: torch.device) -> Provenance:
    return Provenance(
        device=devices.device_name(device),
        device_kind=device.type,
        model=case.model.source + (f"@{case.model.weights}" if isinstance(case.model.weights, str) else ""),
        weights_digest=known.weights_digest,
        code_digest=known.code_digest,
        plugin=version("pytest-robustness"),
        torch=torch.__version__,
        attacks=resolved.library(),
        images=decoder() if case.suite.images.folder else None,
        architecture=known.architecture,
    )


def borrowed(model: nn.Module, case: Case, images: ImageSet, device: torch.device) -> Classifier:
    """A case's model as what is attacked. RobustnessError where its normalisation does not fit the images' channels."""
    normalisation = normalisation_of(case)
    channels = images.identity.shape[0]
    for name, given in (("mean", normalisation.mean), ("std", normalisation.std)):
        if len(given) not in (1, channels):
            problem = f"of {case.model_name}: {len(given)} values for images of {channels} channels"
            raise case.error(f"normalisation.{name}", problem)
    return Classifier(
        model,
        mean=normalisation.mean,
        std=normalisation.std,
        device=device,
        dtype=DTYPE,
        memory_format=_memory_format(case, device),
    )


def _memory_format(case: Case, device: torch.device) -> torch.memory_format:
    """How weights and images lie in memory: as the suite says on a CPU, contiguous on a GPU.

    With channels_last on a GPU torch 2.11 returned gradients of an Inception V3 that were wrong by a third, without a
    word, while its logits were right; contiguous, they were right to seven digits, as on a CPU in either format.
    """
    return MEMORY_FORMATS[case.suite.memory_format] if device.type == "cpu" else torch.contiguous_format


def _parameters(case: Case, resolved: ResolvedAttack) -> dict[str, Parameter]:
    try:
        return resolved.parameters()
    except RobustnessError as error:
        key, _, problem = str(error).partition(": ")
        raise case.error(f"attacks.{case.attack_name}.{key}", problem) from None


def _batches(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def _evidence(
    rounds: Sequence[Round],
    correct: Tensor,
    unselected_correct: Tensor | None,
    unselected_top_5: Tensor | None,
    budget: int | None,
) -> Evidence:
    count = len(correct)
    success = torch.zeros(count, dtype=torch.bool)
    effort = torch.zeros(count, dtype=torch.int64)
    noise = torch.full((count,), torch.nan, dtype=torch.float64)
    for one in rounds:
        success[one.rows], effort[one.rows], noise[one.rows] = (
            one.outcome.success,
            one.outcome.effort,
            one.outcome.noise,
        )
    return Evidence(
        correct=correct.int().tolist(),
        success=success.int().tolist(),
        effort=None
        if budget is None
        else [value if attempt else None for value, attempt in zip(effort.tolist(), correct.tolist(), strict=True)],
        noise=[
            round(value, NOISE_DIGITS) if fooled else None
            for value, fooled in zip(noise.tolist(), success.tolist(), strict=True)
        ],
        unselected_correct=None if unselected_correct is None else unselected_correct.int().tolist(),
        unselected_top_5=None if unselected_top_5 is None else unselected_top_5.int().tolist(),
    )
