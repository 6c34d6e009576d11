"""Tables written into pages by benchmarks, each between two comments; what is outside them is written by hand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

Row = Sequence[str]

END = "<!-- end -->"


def require(path: Path, names: Iterable[str]) -> None:
    """Raises SystemExit, before hours of work, where a page lacks the comments of one of ``names``."""
    page = path.read_text(encoding="utf-8")
    for name in names:
        if not _place(name).search(page):
            raise SystemExit(f"{path}: no {_begin(name)} ... {END}")


def replace(path: Path, name: str, text: str) -> None:
    """Put ``text`` between the comments of ``name``. Raises SystemExit where they are not."""
    require(path, [name])
    page = path.read_text(encoding="utf-8")
    path.write_text(_place(name).sub(lambda _: f"{_begin(name)}\n{text}\n{END}", page), encoding="utf-8")


def _begin(name: str) -> str:
    return f"<!-- {name} -->"


def _place(name: str) -> re.Pattern[str]:
    return re.compile(f"{re.escape(_begin(name))}.*?{re.escape(END)}", re.DOTALL)


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
