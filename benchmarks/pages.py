"""Tables written into pages by benchmarks, each between two comments; what is outside them is written by hand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

Row = Sequence[str]


def replace(path: Path, name: str, text: str) -> None:
    """Put ``text`` between the comments of ``name``. Raises SystemExit where they are not."""
    begin, end = f"<!-- {name} -->", "<!-- end -->"
    page = path.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(page):
        raise SystemExit(f"{path}: no {begin} ... {end}")
    path.write_text(pattern.sub(lambda _: f"{begin}\n{text}\n{end}", page), encoding="utf-8")


def table(head: Row, rows: Iterable[Row], left: int = 1) -> str:
    """Markdown; the first ``left`` columns are text, the others numbers."""
    rule = [("---" if i < left else "--:") for i in range(len(head))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def percent(share: float) -> str:
    """One digit after the point, where there is one to see."""
    return f"{100 * share:.1f} %"


def shown(name: str, text: str, path: Path | None) -> None:
    """On the screen, and on the page if there is one."""
    print(f"\n{name}\n{text}", flush=True)
    if path:
        replace(path, name, text)
