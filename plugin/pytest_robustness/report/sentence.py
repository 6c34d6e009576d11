"""The verdict in one sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pytest_robustness.report.data import Case, Recording

#: What the sentence says of failures that are no regression, in this order.
TOLD = {
    "over limit": "{} above max_success_rate",
    "suspicious": "{} {seem} harder to attack, which is not to be believed",
    "inconclusive": "{} may have regressed, and the suite fails what is in doubt",
    "eroded": "{} moved too far since the anchor, step by step",
    "drifted": "{} moved although the model did not",
    "no baseline": "{} {have} no baseline",
    "not comparable": "{} cannot be compared with {their} baseline",
    "error": "{} ended in an error",
    "crashed": "{} crashed",
}
NAMED = 3


def sentence(
    title: str, cases: Sequence[Case], failures: Sequence[str], *, recording: Recording, complete: bool = True
) -> str:
    """Return the verdict in one sentence, for a reader who reads no further."""
    broken = _broken(cases)
    if not cases:
        said = "No case was run" + (f", and {_times(len(failures), 'check')} failed" if failures else "")
    elif recording != "none":
        measured = sum(case.measured for case in cases)
        said = "; ".join([f"Recorded, not judged: {_times(measured, 'case')} of {title} measured", *broken])
    elif any(case.failed for case in cases):
        said = "; ".join([*_weaker(cases), *broken]) + _rest(cases)
    elif failures:
        said = f"No case failed, but {_times(len(failures), 'check')} of several cases together did"
    else:
        said = _passed(title, cases)
    if not complete:
        said += "; the run was cut short"
    return said[0].upper() + said[1:] + "."


def _weaker(cases: Sequence[Case]) -> list[str]:
    failed = [case for case in cases if case.failed and case.word == "regressed"]
    if not failed:
        return []
    models = list(dict.fromkeys(case.model for case in failed))
    if len(models) <= NAMED:
        who = models[0] if len(models) == 1 else f"{', '.join(models[:-1])} and {models[-1]}"
    else:
        who = f"{', '.join(models[: NAMED - 1])} and {len(models) - NAMED + 1} more models"
    become = "is" if len(models) == 1 else "are"
    where = f"under {failed[0].attack}" if len(failed) == 1 else f"in {len(failed)} of {len(cases)} cases"
    return [f"robustness regressed: {who} {become} easier to attack than before, {where}"]


def _broken(cases: Sequence[Case]) -> list[str]:
    counts = Counter(case.word for case in cases if case.failed and case.word != "regressed")
    return [
        told.format(
            _times(counts[word], "case"),
            have="has" if counts[word] == 1 else "have",
            seem="seems" if counts[word] == 1 else "seem",
            their="its" if counts[word] == 1 else "their",
        )
        for word, told in TOLD.items()
        if counts[word]
    ]


def _rest(cases: Sequence[Case]) -> str:
    passed = sum(not case.failed for case in cases)
    return f"; {_times(passed, 'other case')} passed" if passed else ""


def _passed(title: str, cases: Sequence[Case]) -> str:
    words = Counter(case.word for case in cases)
    judged = len(cases) - words["skipped"]
    if not judged:
        return f"Every case of {title} was skipped"
    who = f"the one case of {title} that was run is" if judged == 1 else f"all {judged} cases of {title} are"
    said = f"{who} no easier to attack than before"
    if words["inconclusive"] or words["suspicious"]:  # then it is not known that they are no easier
        who = f"the one case of {title} that was run is not" if judged == 1 else f"no case of {title} is"
        said = f"{who} shown to be easier to attack than before"
    told = {
        "improved": f"{words['improved']} improved",
        "suspicious": f"{words['suspicious']} better, but suspicious",
        "inconclusive": f"{words['inconclusive']} moved, perhaps by chance",
        "skipped": f"{words['skipped']} skipped",
    }
    more = [text for word, text in told.items() if words[word]]
    return said + (f" ({', '.join(more)})" if more else "")


def _times(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
