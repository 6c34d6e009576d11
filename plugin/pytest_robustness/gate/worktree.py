"""A checkout beside the user's own, in a temporary folder, in which git looks for the commit that changed something.

Nothing of the user's checkout is touched: not its files, its index, its branch, its hooks, nor a bisection of theirs.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from pytest_robustness.errors import RobustnessError
from pytest_robustness.files import real
from pytest_robustness.gate.git import git

#: Hooks, watchers and cleaning of the user's repository are left out.
QUIET = (f"core.hooksPath={os.devnull}", "core.fsmonitor=false", "gc.auto=0", "maintenance.auto=false")
Mark = Literal["good", "bad", "skip"]
#: What git says when the commit that the good and the bad one come from is bad.
MENDED = "has been fixed between"
FIRST_BAD = re.compile(r"^# first bad commit: \[([0-9a-f]+)\]", re.MULTILINE)
POSSIBLE = re.compile(r"^# possible first bad commit: \[([0-9a-f]+)\]", re.MULTILINE)


def without_git(environment: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return environment variables without git's own: a hook's would lead a command to the user's index."""
    return {key: value for key, value in environment if not key.startswith("GIT_") or key.startswith("GIT_CONFIG")}


class Worktree:
    """Holds a temporary checkout of a repository, in which one commit after the other is checked out."""

    def __init__(self, top: Path, path: Path) -> None:
        self.top, self.path = top, path
        self._environment = without_git(os.environ.items()) | {"LC_ALL": "C"}

    def git(self, *arguments: str, where: Path | None = None) -> str:
        """Run git in the checkout. Raise RobustnessError when it fails."""
        quiet = [part for one in QUIET for part in ("-c", one)]
        return git(where or self.path, *quiet, *arguments, environment=self._environment).decode(errors="replace")

    @classmethod
    @contextlib.contextmanager
    def of(cls, top: Path, commit: str) -> Iterator[Worktree]:
        """Check out a commit beside the repository at ``top``, and remove the checkout at the end, whatever happens."""
        folder = Path(tempfile.mkdtemp(prefix="robustness-bisect-"))
        tree = cls(top, folder / "tree")
        try:
            tree.git("worktree", "add", "--quiet", "--detach", str(tree.path), commit, where=top)
            yield tree
        finally:
            with _uninterrupted():
                with contextlib.suppress(RobustnessError):
                    tree.git("worktree", "remove", "--force", "--force", str(tree.path), where=top)
                shutil.rmtree(folder, ignore_errors=True)

    @property
    def commit(self) -> str:
        """The commit that is checked out."""
        return self.git("rev-parse", "HEAD").strip()

    def clean(self) -> None:
        """Make the checkout what its commit is: what a run wrote, or was put there for it, goes."""
        self.git("reset", "--quiet", "--hard")
        self.git("clean", "-ffdqx")

    def check_out(self, commit: str) -> None:
        """Check out another commit, cleanly."""
        self.clean()
        self.git("checkout", "--quiet", "--detach", commit)

    def inside(self, path: Path | str) -> Path:
        """Return where a path of the repository lies in the checkout.

        Raises RobustnessError when a link of the commit leads out of the checkout: what is there is not ours to change.
        """
        if not real((self.path / path).parent).is_relative_to(real(self.path)):
            raise RobustnessError(f"{path}: a link of the commit leads out of the repository")
        return self.path / path

    def take(self, commit: str, paths: Iterable[str]) -> None:
        """Replace files and folders by those of another commit. What that commit does not have is left as it is."""
        for path in paths:
            self.inside(path)
            if self.git("--literal-pathspecs", "ls-tree", commit, "--", path).strip():
                shutil.rmtree(self.path / path, ignore_errors=True)
                self.git("--literal-pathspecs", "checkout", "--quiet", commit, "--", path)

    def start(self, good: str, bad: str, *, first_parent: bool) -> None:
        """Begin to bisect. Raises RobustnessError when git cannot."""
        self.clean()
        self.git("bisect", "start", *(["--first-parent"] if first_parent else []), bad, good)

    def mark(self, mark: Mark) -> None:
        """Tell git what the commit is; it checks out the next one, unless there is none left to try."""
        self.clean()
        try:
            self.git("bisect", mark)
        except RobustnessError as error:
            if MENDED in str(error):
                what = f"GOOD and BAD come from {self.commit[:10]}, which is bad already, and on the way to GOOD it was"
                raise RobustnessError(f"{what} mended: name a GOOD that BAD comes from") from None
            if not self.found:
                raise

    @property
    def found(self) -> list[str]:
        """The commit that was found, or those left when only skipped ones are. Empty while it is looked for."""
        log = self.git("bisect", "log")
        return FIRST_BAD.findall(log) or POSSIBLE.findall(log)

    def left(self) -> int:
        """Return about how many commits are still to be tried."""
        refs = self.git("for-each-ref", "--format=%(refname)", "refs/bisect").split()
        goods = [f"^{ref}" for ref in refs if "/good-" in ref]
        count = int(self.git("rev-list", "--count", "refs/bisect/bad", *goods))
        return max(0, count - 1).bit_length()


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Do not let a second Ctrl-C stop what removes the checkout."""
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
