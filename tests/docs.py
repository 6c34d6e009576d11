"""What pages of the documentation contain: code, commands and links."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w+)\n(?P<code>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$", re.MULTILINE)
NAMED = re.compile(r"# ([\w.]+\.py)\n")


@dataclass(frozen=True)
class Page:
    """A Markdown file."""

    path: Path

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def prose(self) -> str:
        """The text without its code."""
        return FENCE.sub("", self.text)

    def blocks(self, language: str, section: str | None = None) -> list[str]:
        """Return the code of a language, of one section if it is named."""
        text = self.text if section is None else self.sections()[section]
        return [textwrap.dedent(one["code"]) for one in FENCE.finditer(text) if one["language"] == language]

    def sections(self) -> dict[str, str]:
        """Return the text below each heading of the second level."""
        parts = re.split(r"^## (.+)$", self.text, flags=re.MULTILINE)
        return dict(zip(parts[1::2], parts[2::2], strict=True))

    def commands(self) -> list[str]:
        return [line[2:] for block in self.blocks("console") for line in block.splitlines() if line.startswith("$ ")]

    def links(self) -> Iterator[str]:
        for match in LINK.finditer(self.prose):
            yield match[1] or match[2]

    def undefined(self) -> list[str]:
        """Return the names of links, as in ``[text][name]``, that are defined nowhere on the page."""
        defined = set(re.findall(r"^\[([^\]]+)\]: ", self.prose, re.MULTILINE))
        return [name for name in re.findall(r"\]\[([^\]]+)\]", self.prose) if name not in defined]

    def anchors(self) -> set[str]:
        """Return what a link may have after its #, as GitHub and the site make it of headings."""
        return {slug(heading) for heading in HEADING.findall(self.prose)}


def slug(heading: str) -> str:
    """Return the anchor of a heading."""
    words = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)).lower()
    return words.strip().replace(" ", "-")


def pages() -> list[Page]:
    """Return all pages that people read."""
    found = [*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md"), *(ROOT / "examples").glob("*.md")]
    return [Page(path) for path in sorted([*found, ROOT / "robustness_tests" / "zoo" / "README.md"])]
