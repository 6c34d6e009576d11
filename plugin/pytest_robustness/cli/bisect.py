"""Find the commit that made a case fail, between a good commit and a bad one.

Each commit that git bisect chooses is checked out in a temporary worktree. There the case's model, as that code,
weights and suite make it, is measured on the images and by the attack of GOOD, and judged by the baselines of GOOD, as
--candidate does. Your checkout, your index and your branches are not touched, so they may be dirty. A commit that
cannot be measured is skipped. What follows -- goes to pytest.
Exit status: 0 found; 1 only commits that cannot be measured are left; 4 usage error; 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_robustness.cli.find_suite import configured, configured_baselines
from pytest_robustness.errors import RobustnessError
from pytest_robustness.files import real

if TYPE_CHECKING:
    from pytest_robustness.cli.bisect_step import Found, Judge
    from pytest_robustness.gate.worktree import Worktree

#: What follows ``--`` is for pytest.
TAKES_REST = True
FOUND, NOT_FOUND, INTERRUPTED = 0, 1, 130


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("good", metavar="GOOD", help="a tag, branch or commit at which the case passes by its baseline")
    parser.add_argument("bad", metavar="BAD", help="one at which it fails by the baseline of GOOD")
    parser.add_argument("--case", required=True, metavar="MODEL/ATTACK", help="the case")
    parser.add_argument(
        "--suite", type=Path, metavar="SUITE.toml", help="default: the one pytest's configuration names"
    )
    parser.add_argument("--baselines", type=Path, metavar="DIR", help="folder of all baselines")
    parser.add_argument("--first-parent", action="store_true", help="try merges as a whole")


def run(options: argparse.Namespace) -> int:
    """Bisect, and print what became of each commit, and the one that was found with its numbers."""
    from pytest_robustness.gate.git import git, toplevel
    from pytest_robustness.gate.worktree import Worktree

    top = real(toplevel(Path.cwd()))
    good, bad = (_commit(top, name, getattr(options, name)) for name in ("good", "bad"))
    if good == bad:
        raise RobustnessError(f"GOOD and BAD are the same commit, {good[:10]}: nothing lies between them")
    if not int(git(top, "rev-list", "--count", bad, f"^{good}")):
        raise RobustnessError(f"BAD {options.bad} comes before GOOD {options.good}: the good commit is named first")
    try:
        with _terminable(), tempfile.TemporaryDirectory(prefix="robustness-bisect-") as scratch:
            judge = _judge(options, top, good, Path(scratch))
            with Worktree.of(top, good) as tree:
                return _bisect(tree, judge, good, bad, first_parent=options.first_parent)
    except KeyboardInterrupt:
        print("interrupted; the temporary worktree is removed")
        return INTERRUPTED


def _commit(top: Path, name: str, revision: str) -> str:
    from pytest_robustness.gate.git import commit_of

    try:
        return commit_of(top, revision)
    except RobustnessError as error:
        raise RobustnessError(f"{name.upper()} {revision}: {error}") from None


def _judge(options: argparse.Namespace, top: Path, good: str, scratch: Path) -> Judge:
    """Read the suite and the baseline of the good commit."""
    from pytest_robustness.cli.bisect_step import Judge
    from pytest_robustness.gate.git_anchor import extract
    from pytest_robustness.gate.store import BaselineStore
    from pytest_robustness.suite.load import load_suite

    here = Path.cwd()
    suite, baselines = (options.suite, configured_baselines(here)) if options.suite else configured(here)
    paths = []
    for path in (real(suite), real(options.baselines or baselines)):
        if not path.is_relative_to(top):
            raise RobustnessError(f"{path} is not in the repository {top}")
        paths.append(path.relative_to(top))
    reference = scratch / "good"
    try:
        extract(top, good, [paths[0].as_posix(), (paths[1] / paths[0].stem).as_posix()], reference)
    except RobustnessError as error:
        raise RobustnessError(f"GOOD {options.good}: {error}") from None
    loaded = load_suite(reference / paths[0], files=False)
    if options.case not in [case.id for case in loaded.cases()]:
        raise RobustnessError(f"--case {options.case}: {paths[0]} of GOOD has no such case: should be MODEL/ATTACK")
    if BaselineStore(reference / paths[1], loaded.name).read(options.case) is None:
        raise RobustnessError(f"--case {options.case}: has no baseline in GOOD {options.good}")
    return Judge(
        case=loaded.case(options.case),
        good=good,
        suite=paths[0],
        baselines=paths[1],
        reference=reference,
        inside=real(Path.cwd()).relative_to(top),
        arguments=options.rest,
        scratch=scratch,
    )


def _bisect(tree: Worktree, judge: Judge, good: str, bad: str, *, first_parent: bool) -> int:
    tried: dict[str, Found] = {}
    for name, commit, wanted in (("GOOD", good, "good"), ("BAD", bad, "bad")):
        tree.check_out(commit)
        found = tried[commit] = _tried(tree, judge)
        if found.mark != wanted:
            why = (
                "cannot be measured" if found.mark == "skip" else "passes" if found.mark == "good" else "fails already"
            )
            raise RobustnessError(
                f"{name} {commit[:10]}: {judge.case.id} {why} here, so nothing can be found: {found.said}"
            )
    tree.start(good, bad, first_parent=first_parent)
    while not (left := tree.found):
        found = tried[tree.commit] = _tried(tree, judge, left=tree.left())
        tree.mark(found.mark)
    _tell(tree, left, tried)
    return FOUND if len(left) == 1 else NOT_FOUND


def _tried(tree: Worktree, judge: Judge, left: int | None = None) -> Found:
    found = judge.at(tree)
    more = "" if not left else f" (about {left} to go)"
    _print(f"{found.commit[:10]} {_subject(tree, found.commit)}{more}\n    {found.mark}: {found.said}")
    return found


def _tell(tree: Worktree, left: list[str], tried: dict[str, Found]) -> None:
    """Print the commit that was found, and the numbers."""
    doubtful = [one for one in tried.values() if one.is_doubtful]
    skipped = [one for one in tried.values() if one.mark == "skip"]
    _print("")
    if len(left) == 1:
        _print(
            tree.git(
                "show", "--no-patch", "--no-show-signature", "--format=first bad commit: %H%n    %an, %cs: %s", left[0]
            ).strip()
        )
        if left[0] in tried:
            _print(f"    {tried[left[0]].said}")
        parents = tree.git("rev-list", "--parents", "-n1", left[0]).split()[1:]
        for parent in parents:
            if parent in tried and tried[parent].verdict is not None:
                _print(f"    before it, at {parent[:10]}: {tried[parent].said}")
    else:
        _print(f"not found: {len(left)} commits are left, which cannot be told apart:")
        for commit in left:
            said = tried[commit].said if commit in tried else ""
            _print(f"    {commit[:10]} {_subject(tree, commit)}{f': {said}' if said else ''}")
    for one in doubtful:
        _print(f"look at {one.commit[:10]}, taken for {one.mark}: {one.said}")
    if skipped:
        _print(f"{len(skipped)} skipped: {', '.join(one.commit[:10] for one in skipped)}")


def _subject(tree: Worktree, commit: str) -> str:
    return tree.git("show", "--no-patch", "--no-show-signature", "--format=%s", commit).strip()


def _print(text: str) -> None:
    from pytest_robustness.report.text import printable

    for line in text.split("\n"):
        print(printable(line), flush=True)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let a request to end be like Ctrl-C, so that the worktree is removed."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = {}
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            with contextlib.suppress(ValueError):  # not in the main thread
                before[name] = signal.signal(getattr(signal, name), interrupt)
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
