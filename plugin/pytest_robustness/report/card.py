"""A model card's part on robustness: YAML for Hugging Face's ``model-index``, and a section in Markdown.

The YAML has a result for each set of images, with the metrics of all attacks. Strings are quoted as JSON quotes them,
which every parser of YAML reads as the same strings. Source of the form: https://huggingface.co/docs/hub/model-cards,
"Evaluation results".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_robustness.errors import RobustnessError
from pytest_robustness.records.image_list import UNWRITABLE
from pytest_robustness.report.data import Attack, Case, Model, Report, Value
from pytest_robustness.report.markdown import escaped, item
from pytest_robustness.report.metric_format import FORMATS

#: What a line of YAML can be: a mapping, a list or a plain value.
Yaml = Mapping[str, "Yaml"] | Sequence["Yaml"] | str | float | int | bool
DIGITS = 6
LIMITS = (
    "These are rates under the attacks named here, with these parameters and on these images. A stronger attack, a "
    "larger epsilon, another norm or other images can fool more: no rate is a guarantee.",
    "Intervals are 95 % and about the choice of images only.",
    "Attacks that follow gradients find too little where gradients lead nowhere.",
)


@dataclass(frozen=True)
class Card:
    """Holds what is said of one model."""

    report: Report
    model: Model
    cases: Sequence[Case]
    attacks: Mapping[str, Attack]


def card(report: Report, name: str | None = None) -> str:
    """Return the YAML block and the section on one model, as a model card has them.

    Args:
        report: of a run in which the model was measured.
        name: the model's name. None is enough when the run has only one model.

    Raises RobustnessError when it is not clear which model is meant, or nothing was measured of it.
    """
    names = [model.name for model in report.models]
    if name is None and len(names) != 1:
        raise RobustnessError(f"it is of {len(names)} models: choose one by --model: {', '.join(names) or 'none'}")
    model = next((model for model in report.models if model.name == (name or names[0])), None)
    if model is None:
        raise RobustnessError(f"no model {name!r} in it: one of {', '.join(names) or 'none'}")
    cases = [case for case in report.cases if case.model == model.name and case.measured]
    if not cases:
        raise RobustnessError(f"nothing was measured of {model.name}")
    found = Card(report, model, cases, {attack.name: attack for attack in report.attacks})
    index: Yaml = {"model-index": [{"name": model.name, "results": list(_results(found))}]}
    return "\n".join(["---", *_block(index, 0), "---", "", *_section(found)]) + "\n"


def _results(found: Card) -> Iterator[Yaml]:
    """Yield the results: one for each set of images, and one for clean accuracy."""
    sets: dict[str, list[Case]] = {}
    for case in found.cases:
        images = found.attacks[case.attack].images
        sets.setdefault(images.digest if images else "", []).append(case)
    for digest, cases in sets.items():
        metrics = [metric for case in cases for metric in _metrics(found, case)]
        if metrics:
            yield _result(found, f"attacked images of {found.report.suite}", digest, cases[0].images, metrics)
    clean = found.model.clean_accuracy
    blind = next((one for case in found.cases if (one := found.attacks[case.attack].unselected)), None)
    if clean is not None:
        metrics = [_metric("accuracy", "clean accuracy", clean, {})]
        name = f"unselected images of {found.report.suite}"
        yield _result(found, name, blind.digest if blind else "", blind.count if blind else None, metrics)


def _result(found: Card, name: str, digest: str, images: int | None, metrics: Sequence[Yaml]) -> Yaml:
    size: dict[str, Yaml] = {} if images is None else {"images": images}
    key: dict[str, Yaml] = {"sha256": digest} if digest else {}
    return {
        "task": {"type": "image-classification", "name": "Image classification"},
        "dataset": {"type": found.report.suite, "name": name, **({"args": size | key} if size or key else {})},
        "metrics": metrics,
    }


def _metrics(found: Card, case: Case) -> Iterator[Yaml]:
    """Yield the values of a case that a reader of a card can use, each with its attack and protocol."""
    attack = found.attacks[case.attack]
    described: dict[str, Yaml] = {"attack": attack.protocol.attack if attack.protocol else attack.attack}
    described |= {str(key): value for key, value in sorted(attack.parameters.items())}
    if attack.protocol_digest:
        described["protocol"] = attack.protocol_digest
    kinds = (
        ("adversarial_success_rate", "success rate", case.success_rate),
        ("robust_accuracy", "robust accuracy", case.robust_accuracy),
        ("adversarial_distance", "median distance", case.distance),
    )
    for kind, name, value in kinds:
        if value is not None:
            yield _metric(kind, f"{name} under {case.attack}", value, described)


def _metric(kind: str, name: str, value: Value, described: Mapping[str, Yaml]) -> Yaml:
    args = dict(described)
    if value.interval is not None:
        args["interval_95"] = [round(end, DIGITS) for end in value.interval]
    return {"type": kind, "name": name, "value": round(value.value, DIGITS), **({"args": args} if args else {})}


def _block(value: Yaml, indent: int) -> Iterator[str]:
    """Yield the lines of a mapping or of a list of mappings in YAML's block style."""
    pad = " " * indent
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(inner, Mapping) or _is_list_of_mappings(inner):
                yield f"{pad}{_scalar(key)}:"
                yield from _block(inner, indent + 2)
            else:
                yield f"{pad}{_scalar(key)}: {_scalar(inner)}"
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for one in value:
            first, *others = _block(one, indent + 2)
            yield f"{pad}- {first[indent + 2 :]}"
            yield from others


def _is_list_of_mappings(value: Yaml) -> bool:
    return isinstance(value, list) and any(isinstance(one, Mapping) for one in value)


def _scalar(value: Yaml) -> str:
    """Return a value in JSON, with every character escaped that YAML does not allow. Simple words need no quotes."""
    if isinstance(value, str):
        quoted = json.dumps(value, ensure_ascii=False)
        escapes = ODD.sub(lambda found: "".join(f"\\u{ord(one):04x}" for one in found[0]), quoted)
        return value if SIMPLE.fullmatch(value) else escapes
    if isinstance(value, Sequence):
        return f"[{', '.join(map(_scalar, value))}]"
    text = json.dumps(value)
    return EXPONENT.sub(".0e", text) if "." not in text else text


#: Keys and types, which no parser takes for anything but a string. And characters that YAML does not allow as they are.
SIMPLE = re.compile(r"(?!(?:null|true|false|yes|no|on|off|y|n)$)[a-z][a-z0-9_-]*")
#: An exponent behind a whole number: parsers of YAML 1.1 take a number without a point for a string.
EXPONENT = re.compile(r"(?<=\d)e(?=[-+]\d)")
ODD = re.compile(f"{UNWRITABLE.pattern}|[\ufeff\ufffe\uffff]")


def _section(found: Card) -> Iterator[str]:
    model, report = found.model, found.report
    yield "## Adversarial robustness"
    yield ""
    measured = f"Measured by pytest-robustness {escaped(report.provenance.plugin)}, suite {escaped(report.suite)}"
    commit = f", commit {_digest(report.provenance.commit)}" if report.provenance.commit else ""
    yield f"{measured}{commit}. Weights: {_digest(model.weights_digest)}."
    yield from _left_out(found)
    if model.worst_case is not None:
        worst = FORMATS["clean accuracy"].words(model.worst_case.robust_accuracy)
        yield ""
        yield f"**Robust accuracy in the worst case, over {escaped(', '.join(model.worst_case.attacks))}: {worst}.**"
    yield ""
    yield "| attack | protocol | images | success rate | robust accuracy | median distance |"
    yield "|---|---|---:|---:|---:|---:|"
    yield from (_row(found, case) for case in found.cases)
    yield ""
    if model.clean_accuracy is not None:
        yield f"Clean accuracy, on images drawn blindly: {FORMATS['clean accuracy'].words(model.clean_accuracy)}."
        yield ""
    yield from _doubts(found)
    yield from (f"- {text}" for text in LIMITS)


def _left_out(found: Card) -> Iterator[str]:
    """Yield what a reader would take for granted, and is not so."""
    if found.report.candidate is not None:
        yield f"What was measured stood in the suite's place of it: {escaped(f'--candidate {found.report.candidate}')}."
    if not found.report.complete:
        yield "The run was cut short."
    known = {case.attack for case in found.cases}
    if others := [attack.name for attack in found.report.attacks if attack.name not in known]:
        yield f"The suite has attacks that it was not measured by in this run: {escaped(', '.join(others))}."


def _digest(text: str | None) -> str:
    """Return the first digits of a digest as code, which no reader of Markdown makes a link of."""
    return "not known" if text is None else f"`{text[:16]}`" if text.isalnum() else escaped(text)


def _row(found: Card, case: Case) -> str:
    attack = found.attacks[case.attack]
    kind = attack.protocol.attack if attack.protocol else attack.attack
    parameters = ", ".join(f"{key} = {value}" for key, value in sorted(attack.parameters.items()))
    protocol = f"{kind} ({parameters})" if parameters else kind
    shown = (
        _words("success rate", case.success_rate),
        _words("success rate", case.robust_accuracy),
        _words("distance", case.distance),
    )
    return "| " + " | ".join(map(escaped, (case.attack, protocol, f"{case.images:,}", *shown))) + " |"


def _words(metric: str, value: Value | None) -> str:
    return "-" if value is None else FORMATS[metric].words(value)


def _doubts(found: Card) -> Iterator[str]:
    doubts = list(dict.fromkeys(doubt for case in found.cases for doubt in case.doubts))
    if doubts:
        yield "The model fails masking checks, so that it may be weaker than these rates say:"
        yield ""
        yield from map(item, doubts)
        yield ""
