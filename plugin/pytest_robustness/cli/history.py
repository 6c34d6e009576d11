"""Draw how a suite's baselines changed over the commits of this repository, as a page and as JSON.

Each version is judged by the one before with the suite's present rules, and the newest by the first. Nothing is checked
out or run, and neither torch nor pytest is needed. Exit status: 0, whatever became of the baselines; 4 usage error.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_robustness.cli.find_suite import configured, configured_baselines
from pytest_robustness.errors import RobustnessError
from pytest_robustness.files import real, write_whole

if TYPE_CHECKING:
    from pytest_robustness.report.history.data import History
    from pytest_robustness.suite.suite import Suite

#: What a page of ours has near its beginning.
OURS = '<meta name="generator" content="pytest-robustness history">'


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.html", help="the page to write")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the data to write")
    parser.add_argument("--since", metavar="REVISION", help="begin with what a tag, branch or commit has")
    parser.add_argument(
        "--suite", type=Path, metavar="SUITE.toml", help="default: the one pytest's configuration names"
    )
    parser.add_argument(
        "--baselines", type=Path, metavar="DIR", help="folder of all baselines; or, without a suite, of one suite's"
    )
    parser.add_argument("--authors", action="store_true", help="name the commits' authors")


def run(options: argparse.Namespace) -> int:
    """Write what was asked for and print the history in a few lines."""
    from pytest_robustness.gate.git_history import read_log, utf8
    from pytest_robustness.gate.history import History, attacks_at_end, rules_of
    from pytest_robustness.report.history.build import build

    written = [path for path in (options.output, options.json) if path is not None]
    if len(set(map(real, written))) < len(written):
        options.parser.error(f"{options.json}: is to be both page and data: name two files")
    for path in written:
        _check_ours(path)
    suite, folder = _chosen(options)
    log = read_log(folder, options.since)
    past = History(log, rules_of(suite, len(attacks_at_end(log))))
    history = build(past, utf8(suite.name if suite else folder.name), since=options.since, authors=options.authors)
    if options.json is not None:
        write_whole(options.json, history.to_json())
    if options.output is not None:
        write_whole(options.output, _page(history))
    for line in _lines(history):
        print(line)
    for path in written:
        print(f"written: {path}")
    return 0


def _chosen(options: argparse.Namespace) -> tuple[Suite | None, Path]:
    """Return the suite, if there is one, and the folder of its baselines."""
    from pytest_robustness.suite.load import load_suite

    if options.suite is None and options.baselines is not None:
        return None, options.baselines
    if options.suite is not None:
        suite, baselines = options.suite, options.baselines or configured_baselines(Path.cwd())
    else:
        suite, baselines = configured(Path.cwd())
    loaded = load_suite(suite, files=False)
    return loaded, baselines / loaded.name


def _check_ours(path: Path) -> None:
    """Raise RobustnessError when a path that shall be written has something else than an earlier history."""
    from pytest_robustness.report.history.data import History

    if not path.exists():
        return
    try:
        text = path.read_text(encoding="utf-8")
        ours = OURS in text[:2000] or not text.strip()
        if not ours:
            History.from_json(text)
    except (OSError, UnicodeDecodeError, RobustnessError):
        raise RobustnessError(f"{path}: is there, and no history: name another file, or remove it") from None


def _page(history: History) -> str:
    from pytest_robustness.report.html.history import render

    return render(history)


def _lines(history: History) -> list[str]:
    from pytest_robustness.report.history.sentence import sentence
    from pytest_robustness.report.text import printable

    versions = sum(len(one.versions) for one in history.series)
    lines = [sentence(history)]
    lines += [
        f"{one.case}: since step {one.erosion.since}: {metric.text}"
        for one in history.series
        if one.erosion is not None
        for metric in one.erosion.metrics
        if metric.outcome == "regressed"
    ]
    unread = len(history.unreadable)
    lines.append(f"{len(history.steps)} commits, {versions} versions of {len(history.series)} cases")
    if unread:
        lines.append(f"{unread} of {versions + unread} versions cannot be read: {_most(history)}")
    return [printable(line) for line in [*lines, *(f"note: {note}" for note in history.notes)]]


def _most(history: History) -> str:
    """Return the most frequent reason why versions cannot be read, and the first file it is said of."""
    from collections import Counter

    problem, _ = Counter(one.problem for one in history.unreadable).most_common(1)[0]
    first = next(one for one in history.unreadable if one.problem == problem)
    return f"{problem} ({first.commit[:9]} {first.path}{', ...' if len(history.unreadable) > 1 else ''})"
