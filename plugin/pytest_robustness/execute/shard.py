"""Plans a sharded run of a suite, and measures what one shard has of a case. Nothing is judged here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from importlib.metadata import version

from pytest_robustness.evaluate.attacks.registry import resolve
from pytest_robustness.evaluate.clean import ModelCache
from pytest_robustness.evaluate.health import masking_findings
from pytest_robustness.evaluate.images.load import count_images
from pytest_robustness.evaluate.measure import measure, measure_model, no_progress
from pytest_robustness.evaluate.models.classifier import Classifier
from pytest_robustness.evaluate.rounds import RunRounds, run_in_order
from pytest_robustness.evaluate.runtime.devices import Device
from pytest_robustness.evaluate.work import Progress
from pytest_robustness.execute.case import is_same_model
from pytest_robustness.execute.plan import Size, Task, expected_costs, shards
from pytest_robustness.gate.judge import check_attempts
from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.finding import Finding
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.part import Part, merge
from pytest_robustness.records.provenance import Provenance
from pytest_robustness.records.shard import ModelPart, Plan, PlannedTask
from pytest_robustness.suite.suite import Case, Suite
from pytest_robustness.suite.toml import digest_of


def size_of(case: Case) -> Size:
    """Return how many images a case attacks, and where it may be cut."""
    by_row = all(resolve(member).by_row for member in case.members())
    return Size(count_images(case), 1 if by_row else case.batch_size)


def plan_run(
    suite: Suite,
    cases: Iterable[str],
    baselines: Mapping[str, Measurement],
    count: int,
    *,
    commit: str | None = None,
    candidate: str | None = None,
) -> Plan:
    """Plan a run in ``count`` shards; every process that is given the same returns the same plan.

    Args:
        suite: the suite.
        cases: the cases that are selected, in any order.
        baselines: those that there are, by case. They tell what cases cost.
        count: the number of shards.
        commit, candidate: are part of the plan.

    Raises RobustnessError, which names the file, when the images cannot be counted.
    """
    sizes = {case: size_of(suite.case(case)) for case in sorted(set(cases))}
    known = {case: baselines[case] for case in sizes if case in baselines}
    dealt = shards(expected_costs(sizes, known), sizes, count)
    return Plan(
        suite=suite.name,
        rules=digest_of(suite.path),
        baselines=_digest(known),
        commit=commit,
        candidate=candidate,
        plugin=version("pytest-robustness"),
        shards=[[_planned(task, sizes, dealt) for task in own] for own in dealt],
    )


def _planned(task: Task, sizes: Mapping[str, Size], dealt: Sequence[Sequence[Task]]) -> PlannedTask:
    model = CaseId(task.case).model
    first = next(one for own in dealt for one in own if CaseId(one.case).model == model)
    rows = range(sizes[task.case].images) if task.rows is None else task.rows
    return PlannedTask(case=task.case, start=rows.start, stop=rows.stop, model_too=task == first)


def _digest(baselines: Mapping[str, Measurement]) -> str:
    hasher = sha256()
    for case in sorted(baselines):
        hasher.update(baselines[case].to_json().encode())
    return hasher.hexdigest()


def measure_task(
    case: Case,
    rows: range,
    baseline: Measurement | None,
    *,
    device: Device | None = None,
    time_unreliable_because: str | None = None,
    run_rounds: RunRounds = run_in_order,
    progress: Progress = no_progress,
    model_cache: ModelCache | None = None,
) -> Part:
    """Attack some images of a case, which is not judged, and return the part.

    It has the findings of the masking checks when the model is the baseline's, which knows them. Else they are the
    model's, of ``measure_for_model``. Arguments and errors are those of ``run_case``.
    """

    def known(provenance: Provenance, classifier: Classifier) -> list[Finding] | None:
        return None if baseline is None or _asks(baseline, provenance) else baseline.findings

    part = measure(
        case,
        rows,
        device=device,
        time_unreliable_because=time_unreliable_because,
        run_rounds=run_rounds,
        progress=progress,
        model_cache=model_cache,
        examine=known,
    )
    if len(rows) == part.images.count:
        check_attempts(case, merge([part]), baseline, recording=False)
    return part


def measure_for_model(
    case: Case,
    baselines: Sequence[Measurement | None],
    *,
    device: Device | None = None,
    model_cache: ModelCache | None = None,
) -> ModelPart:
    """Measure what belongs to a case's model and to none of its attacks.

    These are its answers for the unselected images, and the findings of the masking checks when they have to be made
    anew: for a model that may not be that of ``baselines``, which are of all its cases.
    """
    cache = model_cache or ModelCache()

    def examine(provenance: Provenance, classifier: Classifier) -> list[Finding] | None:
        asked = any(one is None or _asks(one, provenance) for one in baselines)
        return masking_findings(case, classifier, cache) if asked else None

    return measure_model(case, device=device, model_cache=cache, examine=examine)


def _asks(baseline: Measurement, provenance: Provenance) -> bool:
    """Return whether a case needs findings of its own: its baseline's are of another model, or not known."""
    return baseline.findings is None or not is_same_model(baseline.provenance, provenance)
