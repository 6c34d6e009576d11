"""What a run can leave behind, one entry a format: options of the command line, and what renders a report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from pytest_robustness.errors import RobustnessError
from pytest_robustness.extensions import declared, extension

if TYPE_CHECKING:
    from pytest_robustness.report.data import Report


@dataclass(frozen=True)
class Format:
    """A kind of file that a report can be written as.

    Attributes:
        name: the option is ``--robustness-NAME``.
        suffix: of its files, for people.
        help: what the option does.
        renderer: ``module:function``, from a Report to text; None: an entry point's.
        needs: modules that have to be there.
        pictures: it shows images.
        marks: what every file of it has in it; a file that has not is somebody else's.
    """

    name: str
    suffix: str
    help: str
    renderer: str | None = None
    needs: tuple[str, ...] = ()
    pictures: bool = False
    marks: tuple[str, ...] = ()

    @property
    def option(self) -> str:
        return f"--robustness-{self.name}"

    def may_replace(self, path: Path) -> bool:
        """Return whether a path is free, or has an earlier file of this format, or an empty one."""
        if not path.exists() or not self.marks:
            return True
        text = path.read_text(encoding="utf-8", errors="replace")
        return not text or all(mark in text for mark in self.marks)

    def render(self, report: Report) -> str:
        """Return a report as text of this format. Raises RobustnessError where another package's code fails."""
        if self.renderer is not None:
            ours: Callable[[Report], str] = resolve_name(self.renderer)
            return ours(report)
        theirs: Callable[[Report], str] = extension("formats", self.name)
        try:
            text = theirs(report)
        except Exception as error:  # of their code
            raise RobustnessError(f"{self.option}: {type(error).__name__}: {error}") from error
        if not isinstance(text, str):
            raise RobustnessError(f"{self.option}: its renderer returned a {type(text).__name__}, and should a str")
        return text


#: Our own. The first is drawn as a page that looks at images.
OWN = (
    Format(
        "report",
        ".html",
        "write what this run found as a page",
        "pytest_robustness.report.html.page:render",
        ("jinja2", "PIL"),
        pictures=True,
        marks=("<!doctype html>", "pytest-robustness"),
    ),
    Format(
        "json",
        ".json",
        "write it as data, which can be rendered later",
        "pytest_robustness.report.data:Report.to_json",
        ("PIL",),
        pictures=True,
        marks=('"schema"', '"sentence"'),
    ),
    Format(
        "markdown",
        ".md",
        "write the verdict as a comment for a pull request",
        "pytest_robustness.report.markdown:markdown",
        marks=("Robustness of",),
    ),
)
#: Options that are no format's.
TAKEN = ("suite", "images", "limit", "anchor", "changed", "gallery", "run", "log", "baselines", "shard", "engine")


def formats() -> tuple[Format, ...]:
    """Return all formats: ours, then those that other packages declare in ``pytest_robustness.formats``.

    Raises RobustnessError for a name that is taken.
    """
    found = list(OWN)
    for name, point in declared("formats").items():
        if name in {*TAKEN, *(one.name for one in OWN)}:
            raise RobustnessError(f"pytest_robustness.formats: --robustness-{name} is taken: give another name")
        found.append(Format(name, "", f"write what this run found by {point.value}"))
    return tuple(found)
