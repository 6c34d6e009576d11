"""What a trial shows that must not be."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_robustness.errors import RobustnessError
from pytest_robustness.gate.store import BaselineStore

from stress_parts.trial import CASES, Trial, files, touched_strangers


def problems(trial: Trial, before: dict[str, bytes]) -> Iterator[str]:
    """What a trial shows that must not be."""
    store = BaselineStore(trial.folder / "baselines", "stress")
    after = files(trial)
    for case in CASES:
        try:
            if store.read(case) is None:
                yield f"{case} is gone"
        except RobustnessError as error:
            yield f"{case} is damaged: {error}"
    if store.cases() != set(CASES):
        yield f"other cases are believed: {store.cases() ^ set(CASES)}"
    for name in touched_strangers(trial):
        yield f"somebody else's {name} was touched"
    for output, code in zip(trial.outputs, trial.exits, strict=True):
        if "HANGS" in output:
            yield "the run hangs"
        if "INTERNALERROR" in output:
            yield "an internal error"
        if "= robustness: stress" not in output:
            continue
        written = {line.partition(":")[0] for line in output.splitlines() if ": recorded" in line or " -> " in line}
        written &= set(CASES)
        if len(trial.outputs) == 1 and written != {case for case in CASES if after.get(case) != before.get(case)}:
            yield f"said to be written: {sorted(written)}, were {[c for c in CASES if after.get(c) != before.get(c)]}"
        silent = [case for case in CASES if not accounted(case, output)]
        if silent:
            yield f"nothing is said of {silent}"
        if code == 0 and ("not recorded" in output or "not run" in output):
            yield "exit status 0 although a case was not recorded"


def accounted(case: str, output: str) -> bool:
    """A row of the table, or named as not run."""
    model, attack = case.split("/")
    lines = output.splitlines()
    return any(line.split()[:2] == [model, attack] or (line.startswith("not run:") and case in line) for line in lines)
