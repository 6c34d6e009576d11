"""The verdict as short Markdown, for a pull request or the summary of a CI step."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pytest_robustness.report.data import Case, Report
from pytest_robustness.report.metric_format import FORMATS
from pytest_robustness.report.table import amount
from pytest_robustness.report.text import printable

#: Characters that Markdown would interpret; a backslash makes them text. Underscores within words are text anyway.
PUNCTUATION = re.compile(r"[\\`*{}\[\]|~!$]|_(?!\w)|(?<!\w)_")
#: Characters that HTML would interpret.
ENTITIES = re.compile(r"[&<>]")
#: Places where GitHub makes mentions, issues and links out of plain text, also out of entities. A joiner of no width,
#: inserted at the matched place, prevents it. Source: GitHub's "Autolinked references and URLs".
LINKS = re.compile(
    r"(?<=@)(?=\w)|(?<=#)(?=\d)|(?<=\bGH)(?=-\d)|(?<=\bhttp)(?=:)|(?<=\bhttps)(?=:)|(?<=\bftp)(?=:)|(?<=\bwww)(?=\.)",
    re.IGNORECASE,
)
#: Text that GitHub may take for a commit, and the pieces it is split into, which are too short for one.
COMMIT, PIECE = re.compile(r"\b[0-9a-f]{7,40}\b", re.IGNORECASE), re.compile(r".{1,6}")
JOINER = "\u200d"
#: The most rows of a table, lines of a list, and characters of a text. Rows and lines beyond these are counted.
ROWS, LINES, LENGTH = 60, 30, 600


def markdown(report: Report) -> str:
    """Return a report as GitHub's Markdown, ending with a newline."""
    return "\n".join(_lines(report)) + "\n"


def escaped(text: str) -> str:
    """Escape a text so that Markdown shows it as it is, in one line, cut after ``LENGTH`` characters."""
    text = printable(text)
    if len(text) > LENGTH:
        text = text[: LENGTH - 1] + "…"
    text = COMMIT.sub(lambda found: JOINER.join(PIECE.findall(found[0])), LINKS.sub(JOINER, text))
    parts = re.split(f"({ENTITIES.pattern})", text)
    return "".join(
        f"&#{ord(part)};" if ENTITIES.fullmatch(part) else PUNCTUATION.sub(r"\\\g<0>", part) for part in parts
    )


def _anything(report: Report) -> bool:
    """Return whether a case got as far as a measurement: a run whose cases were all skipped has shown nothing."""
    return any(case.measured for case in report.cases)


def _lines(report: Report) -> Iterator[str]:
    mark = "❌" if not report.passed else "✅" if _anything(report) else "⚪"
    yield f"### {mark} Robustness of {escaped(report.title)}"
    yield ""
    yield f"**{escaped(report.sentence)}**"
    if report.recording != "none":
        yield from _old_and_new(report.cases)
    failed = [case for case in report.cases if case.failed]
    if failed:
        yield ""
        yield from _table(failed)
    yield from _list("Several cases together:", report.failures)
    measured = [case for case in report.cases if case.measured]
    moved = [case for case in measured if not case.failed and case.word in ("improved", "inconclusive", "suspicious")]
    if moved and report.recording == "none":
        yield from ("", "Moved without failing:", "")
        yield from _table(moved)
    if report.notes:
        yield from _folded(f"{len(report.notes)} notes", list(_list("", report.notes))[1:])
    if measured:
        yield from _folded(f"All {len(measured)} cases that were measured", list(_table(measured)))
    means = [one for one in report.contrasts if one.attack == "mean"]
    if means:
        lines = [
            f"- {escaped(one.models)}: success rate {escaped(amount(one.metrics.get('success rate')))}"
            for one in means[:LINES]
        ]
        yield from _folded("Variants, averaged over attacks", lines)
    yield ""
    source = report.provenance
    yield f"<sub>{escaped('; '.join(source.devices) or 'no device')}, pytest-robustness {escaped(source.plugin)}</sub>"


def _old_and_new(cases: Sequence[Case]) -> Iterator[str]:
    """Yield what a reviewer of new baselines should see: every value that left its tolerance."""
    rows = [
        (case.case, one.metric, one.text.removeprefix(f"{one.metric} "), "**worse**" if one.worse else "better")
        for case in cases
        for one in case.metrics
        if one.moved
    ]
    fresh = [case.case for case in cases if case.word in ("no baseline", "not comparable")]
    yield ""
    if rows:
        yield from ("| case | metric | old -> new | |", "|---|---|---|---|")
        yield from (f"| {' | '.join(map(escaped, row[:3]))} | {row[3]} |" for row in rows[:ROWS])
        if len(rows) > ROWS:
            yield from ("", f"and {len(rows) - ROWS} more")
    elif not fresh:
        yield "No value left its tolerance."
    if fresh:
        yield from _list(f"{len(fresh)} cases have nothing to be compared with:", fresh)


def _table(cases: Sequence[Case]) -> Iterator[str]:
    names = ["noise rate", "effort", "time"]
    if any(case.distance for case in cases):
        names.insert(0, "distance")
    yield f"| model | attack | verdict | success rate | change | {' | '.join(names)} |"
    yield f"|---|---|---|---:|---|{'---:|' * len(names)}"
    for case in cases[:ROWS]:
        cells = [case.model, case.attack, case.word]
        if case.measured or case.word in ("no baseline", "not comparable"):
            values = [_value(case, name) for name in names]
            cells += [_value(case, "success rate"), _changes(case), *values]
        else:
            cells += ["-", case.reason, *("-" for _ in names)]
        yield "| " + " | ".join(map(escaped, cells)) + " |"
    if len(cases) > ROWS:
        yield from ("", f"and {len(cases) - ROWS} more")


def _value(case: Case, metric: str) -> str:
    value = getattr(case, metric.replace(" ", "_"))
    return FORMATS[metric].show(value.value) if value else "-"


def _changes(case: Case) -> str:
    """Return the change of the success rate, and of every other metric that left its tolerance or fails."""
    if not case.metrics:
        return case.word
    shown = [one for one in case.metrics if one.metric == "success rate" or one.moved or one.fails]
    told = [f"{one.metric} {amount(one)}" if one.change is not None else one.text for one in shown]
    return ", ".join(told) or "-"


def _list(heading: str, texts: Sequence[str]) -> Iterator[str]:
    if texts:
        yield ""
        if heading:
            yield from (heading, "")
        yield from (f"- {escaped(text)}" for text in texts[:LINES])
        if len(texts) > LINES:
            yield f"- and {len(texts) - LINES} more"


def _folded(summary: str, lines: Sequence[str]) -> Iterator[str]:
    yield from ("", f"<details><summary>{summary}</summary>", "", *lines, "", "</details>")
