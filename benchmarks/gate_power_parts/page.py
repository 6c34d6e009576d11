"""The tables of docs/statistics.md."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from pages import percent, table

from gate_power_parts.contrasts import Contrast
from gate_power_parts.null import (
    ALONE,
    BARE,
    BOTH,
    DRIFT,
    EARLIER,
    GROUP,
    NAIVE,
    NAMED,
    PLAIN,
    SLICES,
    THREE,
    UNPAIRED,
    Cell,
    Count,
)
from gate_power_parts.planted import GATE, Planted
from gate_power_parts.real import Remeasured
from gate_power_parts.rules import METRICS, PARTS
from gate_power_parts.simulated import Smallest

#: Parts of the gate in the table of what is caught: without time, which is mostly effort's twin.
SHOWN = tuple(part for part in PARTS if part != "time")


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
    names = {SLICES: "gate, weights stored anew", DRIFT: "gate, weights known to be the same: any move is drift"}
    return _rates(names | {name: name for name in NAIVE}, found)


def equal(found: Mapping[Cell, Count]) -> str:
    """What alarms come from, under three attacks."""
    names = {SLICES: "**gate**", **{part: f"- by {part}" for part in PARTS}}
    names |= {BARE: "gate with tolerances of zero"}
    names |= {name: name for name in (*NAIVE, UNPAIRED)}
    return _rates(names, {cell.images: one for cell, one in found.items() if cell.attacks == THREE})


def _rates(names: Mapping[str, str], found: Mapping[int, Count]) -> str:
    head = ("alarms", *(f"{images:,} images" for images in found))
    return table(head, [(label, *(percent(one.rate(name)) for one in found.values())) for name, label in names.items()])


def levels(found: Mapping[Cell, Count]) -> str:
    head = ("attacks", "images", *RULES.values(), "runs", "standard error at 5 %")
    rows = [(cell.attacks, *_rules(cell, one), f"{100 * _error(0.05, one):.1f}") for cell, one in found.items()]
    return table(head, rows)


def rises(found: Mapping[Cell, Count]) -> str:
    head = ("planted", "attacks", "images", *RULES.values(), "runs", "standard error at most")
    rows = [
        (f"{cell.rise:+g} in {cell.where}", cell.attacks, *_rules(cell, one, 0), f"{100 * _error(0.5, one):.1f}")
        for cell, one in found.items()
    ]
    return table(head, rows, left=2)


#: Columns of the tables of simulations.
RULES = {
    EARLIER: "earlier rule",
    ALONE: "cases alone",
    PLAIN: "full run, no slices",
    SLICES: "full run, slices",
    GROUP: "in a group, no slices",
    BOTH: "in a group, slices",
}


def _rules(cell: Cell, one: Count, digits: int = 1) -> tuple[str, ...]:
    return f"{cell.images:,}", *(f"{100 * one.rate(name):.{digits}f}" for name in RULES), f"{one.runs:,}"


def _error(rate: float, one: Count) -> float:
    """The standard error of a share."""
    return math.sqrt(rate * (1 - rate) / one.runs)


def collapses(found: Mapping[Cell, Count], needed: Mapping[Cell, int]) -> str:
    head = (
        *(
            "attacks",
            "outcomes that change anyhow",
            "earlier rule",
            "gate without slices",
            "gate",
            "the slice is named",
        ),
        *("images of the class for 80 %", "runs"),
    )
    rows = [
        (
            cell.attacks,
            f"{100 * one.total / one.runs:.0f} %",
            *(f"{100 * one.rate(name):.0f}" for name in (EARLIER, PLAIN, SLICES, NAMED)),
            f"{needed[cell]:,}",
            f"{one.runs:,}",
        )
        for cell, one in found.items()
    ]
    return table(head, rows)


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


def _by_metric(alarms: set[tuple[str, str]]) -> str:
    """Statements of cases as ``success rate (fgsm, pgd)``; slices by their number."""
    said = []
    for part in PARTS:
        names = sorted(name for of, name in alarms if of == part)
        if part == "slices" and names:
            said.append(f"{len(names)} slices")
        elif part in (*METRICS, "time") and names:
            said.append(f"{part} ({', '.join(name.partition('/')[2].partition(':')[0] for name in names)})")
        elif names:
            said.append(part)
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
    head = ("change", "model", *SHOWN, GATE)
    rows = [
        (
            one.change,
            one.model,
            *(" / ".join(f"{100 * rates[part]:.0f}" for rates in one.caught.values()) for part in (*SHOWN, GATE)),
        )
        for one in found
    ]
    return table(head, rows, left=2)
