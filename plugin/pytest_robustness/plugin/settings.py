"""The settings of a run, from the command line and the ini file."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_robustness.errors import RobustnessError
from pytest_robustness.plugin.options import SHARD, once
from pytest_robustness.plugin.suite_paths import DEFAULT_SUITE, configured_suites, find_suites, label_of

if TYPE_CHECKING:
    from pytest_robustness.gate.anchor import Anchor
    from pytest_robustness.gate.store import BaselineStore
    from pytest_robustness.suite.suite import Suite

Recording = Literal["none", "missing", "all"]

#: An anchor that is a revision of the repository: ``git:v1.2``.
GIT = "git:"
#: The most shards. Each part has the whole plan.
MOST_SHARDS = 10_000


@dataclass(frozen=True)
class Shard:
    """Stands for one of the shards of a run; ``number`` is from 1 to ``count``."""

    number: int
    count: int

    @classmethod
    def of(cls, config: pytest.Config) -> Shard | None:
        """Return the shard that is asked for, or None. Raise UsageError for what is none, or cannot be sharded."""
        text = once(config, SHARD)
        if text is None:
            return None
        match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]) <= MOST_SHARDS:
            what = f"should be I/N, the I-th of N shards from 1/N to N/N, with at most {MOST_SHARDS} shards"
            raise pytest.UsageError(f"{SHARD} {text}: {what}")
        for option, why in UNSHARDED.items():
            if config.getoption(option.removeprefix("--").replace("-", "_")):
                raise pytest.UsageError(f"{SHARD} and {option}: {why}")
        return cls(int(match[1]), int(match[2]))


#: Options that a shard does not take, and why.
_RECORDS = "a shard measures only: record what was merged by python -m pytest_robustness record"
_JUDGES = "a shard measures only: judge what was merged by python -m pytest_robustness judge"
UNSHARDED = {
    "--update-baselines": _RECORDS,
    "--update-baselines-missing": _RECORDS,
    "--prune-baselines": _RECORDS,
    "--accept-suspicious": _RECORDS,
    "--accept-removed-images": _JUDGES,
    "--robustness-anchor": _JUDGES,
    "--robustness-changed": "a shard measures every case that it has, and who judges it believes no one's word",
    "--robustness-limit": "a trial is no measurement",
    "--robustness-gallery": "pictures are of judged cases: run these cases alone for them",
    "--robustness-run": "a shard's file is named by --robustness-json; the merged one may be a folder or a .zip file",
}


#: Options that a run of several suites does not take: what they write, deal out or replace is of one.
OF_ONE_SUITE = ("--candidate", SHARD, "--robustness-engine", "--robustness-log")


@dataclass(frozen=True)
class Settings:
    """Holds the options of one run for one of its suites. Paths are absolute.

    ``suite_path`` is None for a run without a suite. ``prefix`` begins the labels of the suite's cases: it is empty
    where there is one suite.
    """

    suite_path: Path | None
    baselines: Path
    anchors: Path | None
    anchor_revision: str | None
    recording: Recording
    prune: bool
    candidate: str | None
    changed_only: bool
    accept_removed_images: bool
    accept_suspicious: bool
    limit: int | None
    images: str | None
    chosen: tuple[str, ...]
    rootdir: Path
    invocation: Path
    inipath: Path | None
    named: bool
    shard: Shard | None = None
    prefix: str = ""

    @classmethod
    def all_of(cls, config: pytest.Config) -> list[Settings]:
        """Return the settings of each suite of a run, or the one of a run without a suite.

        Raise UsageError for options that contradict each other or name nothing.
        """
        everything, missing = config.getoption("update_baselines"), config.getoption("update_baselines_missing")
        if everything and missing:
            raise pytest.UsageError("--update-baselines and --update-baselines-missing: give one of them")
        chosen: list[str] = config.getoption("--robustness-suite") or []
        configured = configured_suites(config)
        paths = find_suites(config, chosen, configured)
        candidate = once(config, "--candidate")
        alone = next((option for option in OF_ONE_SUITE if config.getoption(option)), None)
        if alone is not None and len(paths) > 1:
            raise pytest.UsageError(f"{alone}: is of one suite: name one by --robustness-suite, not {len(paths)}")
        prune = config.getoption("prune_baselines")
        if candidate is not None and (everything or missing or prune):
            others = "--update-baselines, --update-baselines-missing or --prune-baselines"
            raise pytest.UsageError(f"--candidate cannot be combined with {others}")
        limit = config.getoption("robustness_limit")
        if limit is not None and limit < 1:
            raise pytest.UsageError(f"--robustness-limit {limit}: should be a number of images, at least 1")
        if limit is not None and config.getoption("robustness_changed"):
            raise pytest.UsageError("--robustness-limit and --robustness-changed: give one of them")
        if limit is not None and (everything or missing or prune):
            raise pytest.UsageError("--robustness-limit records nothing: leave out --update-baselines and its like")
        one = cls(
            suite_path=paths[0] if paths else None,
            baselines=config.rootpath / config.getini("robustness_baselines"),
            **_find_anchors(config),
            recording="all" if everything else "missing" if missing else "none",
            prune=prune,
            candidate=candidate,
            changed_only=config.getoption("robustness_changed"),
            accept_removed_images=config.getoption("accept_removed_images"),
            accept_suspicious=config.getoption("accept_suspicious"),
            limit=limit,
            images=config.getoption("robustness_images"),
            chosen=tuple(chosen),
            rootdir=config.rootpath,
            invocation=config.invocation_params.dir,
            inipath=config.inipath,
            named=bool(chosen or configured),
            shard=Shard.of(config),
        )
        if len(paths) < 2:
            return [one]
        return [replace(one, suite_path=path, prefix=label_of(path)) for path in paths]

    def label(self, case: str) -> str:
        """Return what a case of this suite is called in this run."""
        return self.prefix + case

    def own(self, label: str) -> str | None:
        """Return the case of a label. Returns None for the label of another suite's case."""
        suite, separator, case = label.rpartition(":")
        return case if suite + separator == self.prefix else None

    @cached_property
    def suite(self) -> Suite:
        """Read and validate the suite, and check its attacks, its published values and the anchor.

        Raises RobustnessError when one of them is not valid or there is no suite.
        """
        if self.suite_path is None:
            raise RobustnessError(self.no_suite)
        from pytest_robustness.evaluate.attacks.registry import resolve
        from pytest_robustness.gate.owner import check_owner
        from pytest_robustness.report.published import load_published
        from pytest_robustness.suite.load import load_suite, with_images

        suite = load_suite(self.suite_path)
        check_owner(self.baselines / suite.name, suite.path, self.rootdir)
        suite = with_images(suite, self.images, self.invocation)
        if self.candidate is not None:
            suite = suite.with_candidate(self.candidate, self.invocation)
        for case in suite.cases():
            for member in case.members():
                resolve(member)
        load_published(suite)
        anchor = self._anchor_of(suite)
        if anchor is not None:
            anchor.rules()
        return suite

    @property
    def why_read(self) -> str:
        """Say why a suite that nobody named was read, and what to do if it is none. Empty for one that was named."""
        if self.suite_path is None or self.named:
            return ""
        return f" (found by its name, {DEFAULT_SUITE}; if it is no suite, leave this plugin out: -p no:robustness)"

    @property
    def no_suite(self) -> str:
        """Say why there is no suite, and how to name one: pytest reads only one of the files that may configure it."""
        option = "--robustness-suite FILE.toml"
        if self.inipath is None:
            where = f"pytest read no configuration file, and there is no {DEFAULT_SUITE} in {self.rootdir}"
            return f"no suite: {where}; name one by {option}"
        where = f"{self.inipath} has no key robustness_suite, and there is no {DEFAULT_SUITE} beside it"
        return f"no suite: {where}; name one there, or by {option}"

    @property
    def suite_words(self) -> list[str]:
        """Return the words of a command line that name the suites as this run's did."""
        return [word for name in self.chosen for word in ("--robustness-suite", name)]

    @property
    def title(self) -> str:
        """Return the title of the run: its suite, its candidate, and whether it is a trial."""
        suite = self.suite_path.stem if self.suite_path else "no suite"
        suite += f", candidate {self.candidate}" if self.candidate else ""
        suite += f", shard {self.shard.number} of {self.shard.count}" if self.shard else ""
        return f"{suite}, trial on {self.limit} images" if self.limit else suite

    @property
    def store(self) -> BaselineStore:
        from pytest_robustness.gate.store import BaselineStore

        return BaselineStore(self.baselines, self.suite.name)

    @property
    def anchor(self) -> Anchor | None:
        return self._anchor_of(self.suite)

    def _anchor_of(self, suite: Suite) -> Anchor | None:
        if self.anchor_revision is not None:
            from pytest_robustness.gate.git_anchor import anchor_at

            try:
                return anchor_at(self.anchor_revision, suite, self.baselines, self.rootdir)
            except RobustnessError as error:
                raise RobustnessError(f"robustness_anchor = {GIT}{self.anchor_revision}: {error}") from None
        if self.anchors is None:
            return None
        from pytest_robustness.gate.anchor import Anchor

        return Anchor(self.anchors, suite)

    def recording_command(self, nodeid: str, *options: str) -> str:
        """Return the command that records the baseline of one test when typed where this run was started."""
        path, _, test = nodeid.partition("::")
        path = Path(os.path.relpath(self.rootdir / path, self.invocation)).as_posix()
        words = ["pytest", f"{path}::{test}", "--update-baselines", *options]
        words += self.suite_words
        if self.images:
            words += ["--robustness-images", self.images]
        return shlex.join(words)


def check_ci(config: pytest.Config, settings: Settings) -> None:
    """Raise UsageError for an update in CI, unless it is allowed: a baseline that updates itself judges nothing."""
    if settings.recording == "none" and not settings.prune:
        return
    from pytest_robustness.gate.record import check_ci as check

    try:
        check(allowed=config.getoption("update_baselines_in_ci"))
    except RobustnessError as error:
        raise pytest.UsageError(str(error)) from None


def _find_anchors(config: pytest.Config) -> dict[str, Any]:
    """Return ``anchors``, a folder, and ``anchor_revision``, of which one at most is not None."""
    chosen: str | None = config.getoption("robustness_anchor")
    configured: str = config.getini("robustness_anchor")
    named = configured if chosen is None else chosen
    if named.startswith(GIT):
        return {"anchors": None, "anchor_revision": named.removeprefix(GIT)}
    if chosen is not None:
        return {"anchors": config.invocation_params.dir / chosen, "anchor_revision": None}
    return {"anchors": config.rootpath / configured if configured else None, "anchor_revision": None}
