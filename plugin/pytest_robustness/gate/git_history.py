"""The commits that touched a suite's baselines, along the first parents, as git tells them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from pytest_robustness.errors import RobustnessError
from pytest_robustness.files import real
from pytest_robustness.gate.git import commit_of, git, is_shallow, toplevel
from pytest_robustness.gate.list_files import NAME

#: Of a commit in the log: marks its beginning, then hash, parents, time, author and subject.
FORMAT = "--format=%x01%H%x00%P%x00%ct%x00%an%x00%s"
#: Configuration of a user that would change what a log prints, or leave out commits, is overruled.
CONFIGURED = ("-c", "log.showRoot=true", "-c", "log.diffMerges=separate", "-c", "log.follow=false")
LOG = (
    *CONFIGURED,
    "--literal-pathspecs",
    "log",
    "-z",
    "--raw",
    "--no-abbrev",
    "--no-renames",
    "--no-relative",
    "--no-ext-diff",
)
PLAIN = ("--no-show-signature", "--encoding=UTF-8", FORMAT)
#: The most tags of other branches whose place is looked for, the newest first: each takes a process.
OTHER_TAGS = 50


@dataclass(frozen=True)
class Commit:
    """Names a commit: its hash, its first line, who made it, and when (UTC)."""

    name: str
    when: datetime
    author: str
    subject: str


@dataclass(frozen=True)
class Change:
    """Says what a commit did to one file: its path below the baselines' folder, and its blob; None: deleted."""

    path: str
    blob: str | None

    @property
    def case(self) -> str | None:
        """Return the case whose baseline the file is. Returns None for any other file."""
        path = PurePosixPath(self.path)
        return path.with_suffix("").as_posix() if path.suffix == ".json" and len(path.parts) == 2 else None

    @property
    def is_list(self) -> bool:
        """Return whether the file is a list of images."""
        return NAME.fullmatch(self.path) is not None


@dataclass(frozen=True)
class Step:
    """Holds a commit of the first-parent line that touched the baselines.

    Attributes:
        came: of a merge, the commits that came by it and touched them too.
        after: how many commits of the line are newer.
        folder: where the baselines lay, relative to the repository.
    """

    commit: Commit
    changes: Sequence[Change]
    came: Sequence[Commit]
    after: int
    folder: str


@dataclass(frozen=True)
class Tag:
    """Names a release: a tag, its commit, and how many commits of the first-parent line are newer than it."""

    name: str
    commit: str
    after: int


@dataclass(frozen=True)
class Log:
    """Holds the history of a suite's baselines, oldest first.

    Attributes:
        top: the repository's folder.
        head: the commit it ends with.
        folders: where the baselines lay, the present folder first, relative to ``top``.
        shallow: whether the clone has only the newest commits.
        since: how many commits of the line are newer than the first to show. None when all are shown.
        other_tags: how many tags of other branches were left out.
    """

    top: Path
    head: str
    folders: Sequence[str]
    steps: Sequence[Step]
    tags: Sequence[Tag]
    shallow: bool
    since: int | None = None
    other_tags: int = 0
    lists: dict[str, str] = field(default_factory=dict)  # blobs of lists of images, by the name of their file


def read_log(folder: Path, since: str | None = None) -> Log:
    """Read which commits touched a suite's baselines.

    Args:
        folder: the suite's folder of baselines, in a repository. It need not exist now.
        since: a tag, branch or commit. Earlier commits are read too, but not to be shown.

    Raises RobustnessError when the folder is in no repository, the revision does not exist, or no commit touched it.
    """
    there = _existing(real(folder))
    top = real(toplevel(there))
    inside = real(folder).relative_to(top).as_posix()
    try:
        head = commit_of(top, "HEAD")
    except RobustnessError:
        raise RobustnessError(f"{top}: the repository has no commits yet") from None
    line = git(top, "rev-list", "--first-parent", head).decode().split()
    place = {name: after for after, name in enumerate(line)}
    start = None if since is None else _newer(top, head, _named(top, since))
    steps, folders = _followed(top, head, inside, place)
    shallow = is_shallow(top)
    if not steps:
        why = "this is a shallow clone: git fetch --unshallow" if shallow else "were they ever committed?"
        raise RobustnessError(f"{folder}: no commit has baselines there; {why}")
    tags, left = _tags(top, head, place)
    lists = {one.path: one.blob for step in steps for one in step.changes if one.is_list and one.blob is not None}
    return Log(top, head, [utf8(one) for one in folders], steps, tags, shallow, start, left, lists)


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _named(top: Path, revision: str) -> str:
    try:
        return commit_of(top, revision)
    except RobustnessError as error:
        raise RobustnessError(f"--since {revision}: {error}") from None


def _newer(top: Path, head: str, commit: str) -> int:
    """Return how many commits of the first-parent line a commit does not know: those after it, or after its fork."""
    return int(git(top, "rev-list", "--count", "--first-parent", head, f"^{commit}"))


def _followed(top: Path, head: str, folder: str, place: dict[str, int]) -> tuple[list[Step], list[str]]:
    """Return the steps in a folder, and before them those in the folder that all of it was moved from, and so on."""
    steps: list[Step] = []
    folders: list[str] = []
    end = head
    while folder not in folders:
        folders.append(folder)
        found = list(_steps(top, end, folder, place))
        moved = _moved_from(top, found, folder)
        if moved is None:
            return [*found, *steps], folders
        step, folder = moved
        # before the move the files are the earlier folder's
        steps = [one for one in found if one.after <= step.after] + steps
        end = f"{step.commit.name}^"
    return steps, folders


def _steps(top: Path, end: str, folder: str, place: dict[str, int]) -> Iterator[Step]:
    """Yield the steps of the first-parent line up to a commit, oldest first."""
    arguments = (*LOG, *PLAIN, "--first-parent", "-m", "--reverse", end, "--", folder)
    for commit, parents, changes in _parsed(git(top, *arguments), folder):
        came: list[Commit] = []
        if len(parents) > 1:
            merged = (*LOG, *PLAIN, "--no-merges", "--reverse", f"{parents[0]}..{commit.name}", "--", folder)
            came = [one for one, _, _ in _parsed(git(top, *merged), folder)]
        if changes:
            yield Step(commit, changes, came, place.get(commit.name, 0), utf8(folder))


def _parsed(log: bytes, folder: str) -> Iterator[tuple[Commit, list[str], list[Change]]]:
    """Yield the commits of a log in ``FORMAT``: each, its parents, and what it did to the files below a folder."""
    fields = iter(log.split(b"\0"))
    current: tuple[Commit, list[str], list[Change]] | None = None
    for one in fields:
        token = one.lstrip(b"\n")
        if token.startswith(b"\x01"):
            if current:
                yield current
            parents, when, author, subject = (next(fields) for _ in range(4))
            name = token[1:].decode()
            commit = Commit(name, _time(when), author.decode(errors="replace"), subject.decode(errors="replace"))
            current = commit, parents.decode().split(), []
        elif token.startswith(b":") and current:
            _, mode, _, blob, status = token.decode().split()
            path = PurePosixPath(os.fsdecode(next(fields)))
            file = mode.startswith("100") and status != "D"  # no links
            if path.is_relative_to(folder):
                current[2].append(Change(utf8(path.relative_to(folder).as_posix()), blob if file else None))
    if current:
        yield current


def utf8(path: str) -> str:
    """Return a path of any bytes, as Python decodes it, as a text that can be written down."""
    return path.encode("utf-8", "backslashreplace").decode()


def _time(seconds: bytes) -> datetime:
    """Return a commit's time. Git takes numbers that no calendar has; they stand as the first second of 1970."""
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def _moved_from(top: Path, steps: Sequence[Step], folder: str) -> tuple[Step, str] | None:
    """Return the step that made a folder by moving another, and which. Returns None when the folder began empty.

    A move leaves the files as they are, to the byte.
    """
    if not steps:
        return None
    first = steps[0]
    whole = git(top, "diff-tree", "-r", "-z", "-M100%", "--raw", "-m", "--first-parent", "--root", first.commit.name)
    fields = iter(whole.split(b"\0"))
    for one in fields:
        if one.startswith(b":") and one.split()[-1].startswith(b"R"):
            source, target = (PurePosixPath(os.fsdecode(next(fields))) for _ in range(2))
            if target.is_relative_to(folder) and not source.is_relative_to(folder):
                tail = target.relative_to(folder).parts
                if Change("/".join(tail), "").case and source.parts[-len(tail) :] == tail:
                    return first, PurePosixPath(*source.parts[: -len(tail)]).as_posix()
        elif one.startswith(b":"):
            next(fields, None)
    return None


def _tags(top: Path, head: str, place: dict[str, int]) -> tuple[list[Tag], int]:
    """Return the tags of the first-parent line and of branches that left it, and how many are left out."""
    told = "--format=%(objecttype) %(objectname) %(*objecttype) %(*objectname)%00%(refname:strip=2)"
    listed = git(top, "for-each-ref", "--sort=-creatordate", told, "refs/tags").decode(errors="replace").splitlines()
    found, others = [], 0
    for one in listed:
        commit, name = _of_tag(one)
        if commit in place:
            found.append(Tag(name, commit, place[commit]))
        elif commit:
            others += 1
            after = _newer(top, head, commit) if others <= OTHER_TAGS else len(place)
            if after < len(place):  # else its history has nothing in common with this one
                found.append(Tag(name, commit, after))
    return sorted(found, key=lambda tag: -tag.after), max(0, others - OTHER_TAGS)


def _of_tag(line: str) -> tuple[str, str]:
    """Return the commit and the name of a tag. The commit is empty for a tag of something else."""
    told, _, name = line.partition("\0")
    words = told.split()
    commits: Collection[str] = [
        digest for kind, digest in zip(words[::2], words[1::2], strict=False) if kind == "commit"
    ]
    return next(iter(commits), ""), name
