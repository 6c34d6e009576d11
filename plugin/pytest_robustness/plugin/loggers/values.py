"""What loggers send of a report: metrics, parameters and files, by name."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_robustness.report.formats import OWN

if TYPE_CHECKING:
    from pytest_robustness.report.data import Report

PREFIX = "robustness"
#: Fields of a report's case that are metrics.
CASE = ("success_rate", "robust_accuracy", "distance", "noise_rate", "effort")
#: The formats that are sent, by name.
FORMATS = ("report", "json")
#: The most characters of a parameter's value that every server takes.
LENGTH = 500


def metrics(report: Report) -> dict[str, float]:
    """Return what was measured and judged: ``robustness/MODEL/ATTACK/success_rate`` and the like, in the data's units.

    ``robustness/passed`` is 1 or 0. Cases of a trial are left out; the result is empty when there are no others.
    """
    found: dict[str, float] = {}
    for case in report.cases:
        if not case.measured or case.word == "trial":
            continue
        values = {name: getattr(case, name) for name in CASE}
        found |= {f"{_key(case.model, case.attack)}/{name}": one.value for name, one in values.items() if one}
    if found:
        accuracies = {model.name: model.clean_accuracy for model in report.models}
        found |= {f"{_key(name)}/clean_accuracy": one.value for name, one in accuracies.items() if one}
        found[f"{PREFIX}/passed"] = float(report.passed)
    return found


def parameters(report: Report) -> dict[str, str]:
    """Return by what it was measured and judged: the attacks with their parameters and protocols, rules, versions."""
    source = report.provenance
    said = {
        f"{PREFIX}/suite": Path(report.suite).name,
        f"{PREFIX}/alpha": f"{report.judging.alpha:g}",
        f"{PREFIX}/pytest-robustness": source.plugin,
        f"{PREFIX}/torch": ", ".join(source.torch),
        f"{PREFIX}/devices": ", ".join(source.devices),
        f"{PREFIX}/commit": source.commit or "",
        f"{PREFIX}/candidate": report.candidate or "",
    }
    for attack in report.attacks:
        how = ", ".join(f"{name}={value}" for name, value in sorted(attack.parameters.items()))
        protocol = f"; protocol {attack.protocol_digest}" if attack.protocol_digest else ""
        said[f"{_key(attack.name)}/attack"] = f"{attack.attack}({how}){protocol}"
    return {name: value[:LENGTH] for name, value in said.items() if value}


def files(report: Report, folder: Path) -> list[Path]:
    """Write the report as data and, where what draws it is installed, as a page into a folder, and return the files."""
    written = []
    for one in OWN:
        if one.name in FORMATS and all(find_spec(module) for module in one.needs):
            path = folder / f"robustness{one.suffix}"
            path.write_text(one.render(report), encoding="utf-8", newline="\n")
            written.append(path)
    return written


def _key(*names: str) -> str:
    """Return a name for a server. MLflow knows no plus sign, and no name of a suite has a space."""
    return "/".join([PREFIX, *names]).replace("+", " plus ")
