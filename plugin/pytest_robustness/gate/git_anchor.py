"""Anchors that need no copy: a suite and its baselines as a revision of the repository has them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath

from pytest_robustness.errors import RobustnessError
from pytest_robustness.files import real
from pytest_robustness.gate.anchor import Anchor, AnchorRules
from pytest_robustness.gate.git import blobs, commit_of, git, toplevel
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.suite import Suite


def anchor_at(revision: str, suite: Suite, baselines: Path, root: Path) -> Anchor:
    """Return the anchor of a suite's file and baselines as a revision has them. A process reads each revision once.

    Args:
        revision: a tag, branch or commit of the repository at ``root``.
        suite: the suite as it is now. At the revision its file must be at the same place.
        baselines: the folder of all suites' baselines, in the repository.
        root: the folder of the repository, or a folder in it.

    Raises RobustnessError when there is no such revision, or no such suite or baselines in it.
    """
    folder = _extracted(revision, real(suite.path), real(baselines) / suite.name, real(root))
    return Anchor(Path(folder.name) / "anchors", suite)


@lru_cache
def _extracted(revision: str, suite: Path, baselines: Path, root: Path) -> tempfile.TemporaryDirectory[str]:
    top = toplevel(root)
    for path in (suite, baselines):
        if not path.is_relative_to(real(top)):
            raise RobustnessError(f"{path} is not in the repository {top}")
    paths = [path.relative_to(real(top)).as_posix() for path in (suite, baselines)]
    commit = commit_of(root, revision)
    folder = tempfile.TemporaryDirectory(prefix="robustness-anchor-")
    there = Path(folder.name)
    extract(top, commit, paths, there / "tree")
    (there / "anchors").mkdir()
    held = there / "anchors" / baselines.name
    (there / "tree" / paths[1]).rename(held)
    try:
        rules = AnchorRules.of(load_suite(there / "tree" / paths[0], files=False))
    except RobustnessError as error:
        said = str(error).removeprefix(f"{there / 'tree' / paths[0]}: ")
        raise RobustnessError(f"{paths[0]} as this revision has it: {said}") from None
    (held / "rules.json").write_text(rules.model_dump_json(), encoding="utf-8")
    return folder


def extract(top: Path, commit: str, paths: Sequence[str], there: Path) -> None:
    """Write a commit's files below some paths into a folder. Each path must have a file in the commit.

    Files are copied byte for byte. An archive would leave out the files that .gitattributes excludes.
    """
    listed = git(top, "ls-tree", "-rz", commit, "--", *paths).split(b"\0")
    found = dict(entry.split(b"\t", 1)[::-1] for entry in listed if entry)  # by name: mode, kind and digest
    files = {
        os.fsdecode(name): one.split(b" ")[2].decode() for name, one in found.items() if one.startswith(b"100")
    }  # no links
    for wanted in paths:
        if not any(PurePosixPath(name).is_relative_to(wanted) for name in files):
            what = "was the suite renamed since, or are its baselines younger? anchor a revision that has them"
            raise RobustnessError(f"{wanted} is not in this revision: {what}")
    for (name, digest), content in zip(files.items(), blobs(top, list(files.values())), strict=True):
        if content is None:
            raise RobustnessError(f"{name}: its content, {digest[:12]}, is not in this clone: git fetch")
        path = there / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
