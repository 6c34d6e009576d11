"""The tables of docs/statistics.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pages import percent, table

from gate_power_parts.contrasts import Contrast
from gate_power_parts.null import DRIFT, GATE, NAIVE, UNPAIRED, Count
from gate_power_parts.planted import Planted
from gate_power_parts.real import Remeasured
from gate_power_parts.rules import METRICS
from gate_power_parts.simulated import Smallest


def real(found: Iterable[Remeasured]) -> str:
    head = ("measured again with", "cases", "images x cases", "success", "effort", "noise", "verdicts", "alarms")
    rows = [
        (
            one.circumstance,
            str(one.cases),
            f"{one.images:,}",
            str(one.outcomes),
            str(one.efforts),
            str(one.noises),
            ", ".join(f"{count} {word}" for word, count in one.words.most_common()),
            str(one.alarms),
        )
        for one in found
    ]
    return table(head, rows)


def unchanged(found: Mapping[int, Count]) -> str:
    names = {GATE: "gate, weights stored anew", DRIFT: "gate, weights known to be the same: any move is drift"}
    return _rates(names | {name: name for name in NAIVE}, found)


def equal(found: Mapping[int, Count], bare: Mapping[int, Count]) -> str:
    names = {GATE: "**gate**", **{metric: f"- by {metric}" for metric in METRICS}}
    names |= {name: name for name in (*NAIVE, UNPAIRED)}
    zero = [f"{percent(bare[images].rate(GATE))}" if images in bare else "-" for images in found]
    return _rates(names, found) + f"\n| gate with tolerances of zero | {' | '.join(zero)} |"


def _rates(names: Mapping[str, str], found: Mapping[int, Count]) -> str:
    head = ("alarms", *(f"{images:,} images" for images in found))
    return table(head, [(label, *(percent(one.rate(name)) for one in found.values())) for name, label in names.items()])


def worst(found: Mapping[str, float]) -> str:
    return table(("pair", "alarms"), [(pair.replace("/", " and "), percent(rate)) for pair, rate in found.items()])


def contrasts(found: Iterable[Contrast]) -> str:
    head = ("attack", "success rates", "outcome differs", "success rates differ by", "noise rates differ by")
    rows = [
        (one.attack, *(f"{100 * low:.1f} to {100 * high:.1f} %" for low, high in _ranges(one)), _up_to(one.noise))
        for one in found
    ]
    return table(head, rows)


def _ranges(one: Contrast) -> tuple[tuple[float, float], ...]:
    return one.rates, one.discordance, one.success


def _up_to(values: tuple[float, float]) -> str:
    return f"up to {100 * values[1]:.1f} %"


def smallest(found: Iterable[Smallest]) -> str:
    head = (
        *("images", "change", "one case", "limited by", "best attainable", "pooled, 3 attacks", "pooled, 2 of 3"),
        *("unpaired z test", "tolerance 1", "tolerance 2"),
    )
    columns = ("best attainable, one case",)
    simple = ("unpaired z test", "tolerance of 1 point", "tolerance of 2 points")
    rows = [
        (
            f"{one.images:,}",
            f"{one.discordance:.0%}",
            f"**{_points(one.rules['one case'])}**",
            one.limit if one.rules["one case"] is not None else "-",
            *(_points(one.rules[name]) for name in columns),
            _points(one.pooled_three),
            _points(one.pooled_two),
            *(_points(one.rules[name]) for name in simple),
        )
        for one in found
    ]
    return table(head, rows, left=0)


def _points(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def planted(found: Iterable[Planted]) -> str:
    """What each change did, on all images, and what alarmed."""
    found = list(found)
    attacks = list(found[0].before)
    head = ("change", "model", *attacks, f"noise, {attacks[-1]}", "clean accuracy", "alarms on all images")
    rows = [
        (
            one.change,
            one.model,
            *(_moved(one, attack, "success_rate") for attack in attacks),
            _relative(one, attacks[-1], "noise_rate"),
            _moved(one, attacks[0], "clean_accuracy"),
            _by_metric(one.alarms),
        )
        for one in found
    ]
    return table(head, rows, left=2)


def _by_metric(alarms: set[str]) -> str:
    """``fgsm/success rate`` and ``pgd/success rate`` as ``success rate (fgsm, pgd)``."""
    said = []
    for metric in METRICS:
        attacks = sorted(alarm.rpartition("/")[0] for alarm in alarms if alarm.rpartition("/")[2] == metric)
        if attacks:
            said.append(f"{metric} ({', '.join(attacks)})" if attacks[0] else metric)
    return ", ".join(said) or "none"


def _moved(one: Planted, attack: str, value: str) -> str:
    before, after = (getattr(side[attack].aggregates, value) for side in (one.before, one.after))
    return "-" if before is None or after is None else f"{100 * (after - before):+.1f}"


def _relative(one: Planted, attack: str, value: str) -> str:
    before, after = (getattr(side[attack].aggregates, value) for side in (one.before, one.after))
    return f"{100 * (after / before - 1):+.0f} %" if before and after else "-"


def caught(found: Iterable[Planted]) -> str:
    """Shares of samples in which each part of the gate alarmed."""
    found = list(found)
    head = ("change", "model", *(f"{name}" for name in METRICS), "gate")
    rows = [
        (
            one.change,
            one.model,
            *(" / ".join(f"{100 * rates[part]:.0f}" for rates in one.caught.values()) for part in (*METRICS, GATE)),
        )
        for one in found
    ]
    return table(head, rows, left=2)
