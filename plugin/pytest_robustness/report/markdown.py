"""The verdict as short Markdown, for a pull request or the summary of a CI step."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.diagnosis import Diagnosis
from pytest_robustness.report.data import Case, Report
from pytest_robustness.report.diagnosis import alike, short
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
#: What would begin a heading, a list, a rule or code where a text is the first of its line; and the digits of a list.
BLOCK = re.compile(r"\s*(?:(\d{1,9})(?=[.)](?:\s|$))|(?=[#+-]))")
#: The most rows of a table, lines of a list, and characters of a text. Rows and lines beyond these are counted.
ROWS, LINES, LENGTH = 60, 30, 600


#: The most characters that GitHub takes for a comment, and how many of them are used. The rest is left to others.
GITHUB, ROOM = 65_536, 64_000

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Section:
    """Holds a part of the comment: ``rows`` that may be cut from the end, between lines that stay.

    Attributes:
        head, tail: the lines before and behind the rows.
        rows: each a line, and not more than are shown at most.
        total: how many rows there are altogether.
        more: what begins the line that counts the rows that are not shown. It is empty behind a table, which a blank
            line ends.
    """

    head: Sequence[str]
    rows: Sequence[str] = ()
    tail: Sequence[str] = ()
    total: int = 0
    more: str = "- "

    def lines(self, room: int) -> list[str]:
        """Return the lines that have at most so many characters, with their ends. Returns none if the head has more.

        Rows that are not shown are counted in a line.
        """
        if _size(whole := self._with(self.rows, cut=False)) <= room:
            return whole
        left = room - _size(self._with([], cut=True))
        if left < 0:
            return []
        kept: list[str] = []
        for row in self.rows:
            left -= len(row) + 1
            if left < 0:
                break
            kept.append(row)
        return self._with(kept, cut=True)

    def _with(self, rows: Sequence[str], *, cut: bool) -> list[str]:
        hidden = self.total - len(rows)
        why = f": cut, as GitHub takes {GITHUB:,} characters" if cut else ""
        counted = [*([] if self.more else [""]), f"{self.more}and {hidden} more{why}"] if hidden else []
        return [*self.head, *rows, *counted, *self.tail]


def markdown(report: Report) -> str:
    """Return a report as GitHub's Markdown, ending with a newline, of at most ``ROOM`` characters.

    A section that is too long gets at most half of the room that is left, so that those behind it have some, too. Rows
    are cut from its end and counted. A section for which there is no room at all is counted at the end.
    """
    head, foot = list(_head(report)), list(_foot(report))
    dropped = ["", f"Cut, as GitHub takes {GITHUB:,} characters: whole sections. The page and the data have all of it."]
    left = ROOM - _size([*head, *dropped, *foot])
    lines, missing = head, False
    for section in _sections(report):
        found = section.lines(left // 2)
        lines += found
        left -= _size(found)
        missing |= not found
    return "\n".join([*lines, *(dropped if missing else []), *foot]) + "\n"


def _size(lines: Sequence[str]) -> int:
    return sum(len(line) + 1 for line in lines)


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


def item(text: str) -> str:
    """Return a text as an item of a list, in which it is shown as it is."""
    return f"- {_first(escaped(text))}"


def _first(text: str) -> str:
    """Return an escaped text so that Markdown takes it for a paragraph, where it is the first of its line or item."""
    found = BLOCK.match(text)
    return text.lstrip() if found is None else f"{found[1] or ''}\\{text[found.end() :]}"


def _anything(report: Report) -> bool:
    """Return whether a case got as far as a measurement: a run whose cases were all skipped has shown nothing."""
    return any(case.measured for case in report.cases)


def _head(report: Report) -> Iterator[str]:
    mark = "❌" if not report.passed else "✅" if _anything(report) else "⚪"
    yield f"### {mark} Robustness of {escaped(report.title)}"
    yield ""
    yield f"**{escaped(report.sentence)}**"


def _foot(report: Report) -> Iterator[str]:
    source = report.provenance
    yield ""
    yield f"<sub>{escaped('; '.join(source.devices) or 'no device')}, pytest-robustness {escaped(source.plugin)}</sub>"


def _sections(report: Report) -> Iterator[Section]:
    """Yield the sections between verdict and provenance, the most important first."""
    if report.recording != "none":
        yield from _old_and_new(report.cases)
    failed = [case for case in report.cases if case.failed]
    if failed:
        yield _table(failed, [""])
    yield from _list("Several cases together:", report.failures)
    diagnoses = [case.diagnosis for case in report.cases if case.diagnosis is not None]
    yield from _list("What it looks like:", short(diagnoses))
    if diagnoses:
        yield _folded(f"Diagnosis of {len(diagnoses)} cases", _items(alike(diagnoses), _paragraph))
    measured = [case for case in report.cases if case.measured]
    moved = [case for case in measured if not case.failed and case.word in ("improved", "inconclusive", "suspicious")]
    if moved and report.recording == "none":
        yield _table(moved, ["", "Moved without failing:", ""])
    if report.notes:
        yield _folded(f"{len(report.notes)} notes", _items(report.notes, item))
    if measured:
        yield _folded(f"All {len(measured)} cases that were measured", _table(measured, []))
    means = [one for one in report.contrasts if one.attack == "mean"]
    if means:
        told = [f"{one.models}: success rate {amount(one.metrics.get('success rate'))}" for one in means]
        yield _folded("Variants, averaged over attacks", _items(told, item))


def _paragraph(found: Sequence[Diagnosis]) -> str:
    """Return diagnoses of one model and pattern as an item of a list, with an item in it for each case.

    Each sentence is escaped by itself, so that none is cut.
    """
    first = found[0]
    attacks = ", ".join(CaseId(one.case).attack for one in found)
    said = " ".join(map(escaped, [f"{first.pattern}.", *first.of_model]))
    causes = "; ".join(map(escaped, first.causes))
    head = f"- **{escaped(f'{CaseId(first.case).model} under {attacks}')}**: {said} Usually: {causes}."
    each = [f"  {item(CaseId(one.case).attack)}: {' '.join(map(escaped, one.facts))}" for one in found]
    more = [f"  - and {len(each) - LINES} more"] if len(each) > LINES else []
    return "\n".join([head, *each[:LINES], *more])


def _old_and_new(cases: Sequence[Case]) -> Iterator[Section]:
    """Yield what a reviewer of new baselines should see: every value that left its tolerance."""
    rows = [
        (case.case, one.metric, one.text.removeprefix(f"{one.metric} "), "**worse**" if one.worse else "better")
        for case in cases
        for one in case.metrics
        if one.moved
    ]
    fresh = [case.case for case in cases if case.word in ("no baseline", "not comparable")]
    if rows:
        lines = [f"| {' | '.join(map(escaped, row[:3]))} | {row[3]} |" for row in rows[:ROWS]]
        yield Section(["", "| case | metric | old -> new | |", "|---|---|---|---|"], lines, total=len(rows), more="")
    elif not fresh:
        yield Section(["", "No value left its tolerance."])
    yield from _list(f"{len(fresh)} cases have nothing to be compared with:", fresh)


def _table(cases: Sequence[Case], before: Sequence[str]) -> Section:
    names = ["noise rate", "effort", "time"]
    if any(case.distance for case in cases):
        names.insert(0, "distance")
    header = f"| model | attack | verdict | success rate | change | {' | '.join(names)} |"
    rule = f"|---|---|---|---:|---|{'---:|' * len(names)}"
    rows = [_row(case, names) for case in cases[:ROWS]]
    return Section([*before, header, rule], rows, total=len(cases), more="")


def _row(case: Case, names: Sequence[str]) -> str:
    cells = [case.model, case.attack, case.word]
    if case.measured or case.word in ("no baseline", "not comparable"):
        values = [_value(case, name) for name in names]
        cells += [_value(case, "success rate"), _changes(case), *values]
    else:
        cells += ["-", case.reason, *("-" for _ in names)]
    return "| " + " | ".join(map(escaped, cells)) + " |"


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


def _list(heading: str, texts: Sequence[str]) -> Iterator[Section]:
    if texts:
        yield replace(_items(texts, item), head=["", heading, ""])


def _items(things: Sequence[Thing], shown: Callable[[Thing], str]) -> Section:
    return Section([], [shown(one) for one in things[:LINES]], total=len(things))


def _folded(summary: str, section: Section) -> Section:
    head = ["", f"<details><summary>{summary}</summary>", "", *section.head]
    return replace(section, head=head, tail=[*section.tail, "", "</details>"])
