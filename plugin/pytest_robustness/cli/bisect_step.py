"""One step of a bisection: measures a case as a commit's code makes its model, and judges it by an earlier commit."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pytest_robustness.errors import RobustnessError
from pytest_robustness.files import real
from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.gate.pairing import Lists
from pytest_robustness.gate.run_files import Unjudgeable, read_run
from pytest_robustness.gate.store import BaselineStore
from pytest_robustness.gate.worktree import Worktree, without_git
from pytest_robustness.records.verdict import Status, Verdict
from pytest_robustness.suite.suite import Case
from pytest_robustness.suite.toml import read_toml, to_toml

#: Keys of a suite that say what a model is: the commit's own. All others are of the commit that it is judged by.
OF_MODELS = ("normalisation", "preprocessing", "weights")
#: Keys that are about other models, or that a single case does not need.
LEFT_OUT = ("variants", "groups", "published")
#: Seconds that an interrupted run has to end.
PATIENCE = 10


@dataclass(frozen=True)
class Found:
    """Holds what became of a commit: whether it is good or bad, or why it cannot be tried, and the verdict."""

    commit: str
    mark: Literal["good", "bad", "skip"]
    said: str
    verdict: Verdict | None = None

    @property
    def is_doubtful(self) -> bool:
        """Return whether the verdict is one that a reader should look at."""
        return self.verdict is not None and self.verdict.status in (Status.SUSPICIOUS, Status.INCONCLUSIVE)


@dataclass(frozen=True)
class Judge:
    """Measures a case at commits, and judges it.

    Attributes:
        case: the case, of the suite as the good commit has it, read from ``reference``.
        good: the good commit.
        suite: the suite's file, relative to the repository.
        baselines: the folder of all baselines, relative to the repository.
        reference: a folder with both, as the good commit has them.
        inside: the folder that pytest is run in, relative to the repository.
        arguments: for pytest.
        scratch: a folder for the files of a run.
    """

    case: Case
    good: str
    suite: Path
    baselines: Path
    reference: Path
    inside: Path
    arguments: Sequence[str]
    scratch: Path

    def at(self, tree: Worktree) -> Found:
        """Measure and judge the commit that is checked out."""
        commit = tree.commit
        try:
            self._prepare(tree)
            verdict = self._judged(tree)
        except RobustnessError as error:
            if isinstance(error, _Wrong):
                raise
            return Found(commit, "skip", str(error).replace(f"{tree.path}{os.sep}", ""))
        if verdict.status == Status.NOT_COMPARABLE:
            return Found(commit, "skip", verdict.reason, verdict)
        return Found(commit, "good" if verdict.passed else "bad", f"{verdict.status}: {verdict.reason}", verdict)

    def _prepare(self, tree: Worktree) -> None:
        """Put the good commit's suite, images and baselines in the checkout, with the model as the commit has it."""
        suite = read_toml(self.reference / self.suite)
        try:
            own = read_toml(tree.path / self.suite)
        except RobustnessError:
            own = {}
        here = self.suite.parent
        tree.take(self.good, [path.as_posix() for path in (self.baselines, *self._images(suite, here))])
        model = self.case.model_name
        merged = {key: value for key, value in suite.items() if key not in LEFT_OUT}
        if model in own.get("models", {}):
            merged = {key: value for key, value in merged.items() if key not in OF_MODELS}
            merged |= {key: own[key] for key in OF_MODELS if key in own}
            suite = own
        merged["models"] = {model: suite["models"][model]}
        for kind in ("attacks", "ensembles"):
            if table := merged.get(kind, {}).get(self.case.attack_name):
                merged[kind] = merged[kind] | {self.case.attack_name: table | {"on_request": False}}
        for path in (*self._images(merged, here), *_weights(merged, here)):
            _link(tree, path)
        file = tree.inside(self.suite)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)  # it may be a link to a file of the user's
        file.write_text(to_toml(merged), encoding="utf-8")

    @staticmethod
    def _images(suite: dict[str, Any], here: Path) -> list[Path]:
        images = suite.get("images", {})
        named = [images.get(key) for key in ("file", "folder", "selected", "unselected", "clean_images", "classes")]
        return _inside(named, here)

    def _judged(self, tree: Worktree) -> Verdict:
        run = self.scratch / "run"
        for file in (run.with_suffix(".zip"), self.scratch / "origin"):
            file.unlink(missing_ok=True)
        said = self._run(tree, run.with_suffix(".zip"))
        origin = self.scratch / "origin"
        if origin.exists():
            what = "is it installed in editable mode? Give its folder by PYTHONPATH, and it is taken from the commit"
            raise _Wrong(f"{origin.read_text(encoding='utf-8')} was imported from the checkout, not the commit; {what}")
        case, name = self.case.id, self.case.suite.name
        try:
            found = read_run(run.with_suffix(".zip"), name, [case])
        except Unjudgeable:
            raise RobustnessError(f"pytest measured nothing: {said}") from None
        if case not in found.measurements:
            record = found.record.cases.get(case)
            problem = found.problems.get(case) or (record and (record.problem or record.status)) or said
            raise RobustnessError(f"not measured: {problem}")
        store = BaselineStore(self.reference / self.baselines, name)
        lists = Lists(found.lists, store.image_list)
        return judge(found.measurements[case], store.read(case), Rules.of(self.case), lists)

    def _run(self, tree: Worktree, run: Path) -> str:
        """Run pytest in the checkout, and return the last line that it said."""
        model = self.case.model_name
        command = [sys.executable, "-m", "pytest", *self.arguments, "-p", "no:cacheprovider"]
        command += ["-p", "pytest_robustness.plugin.code_origin", "-k", f"[{self.case.id}]"]
        command += ["--candidate", f"{model}={model}", "--robustness-suite", str(tree.path / self.suite)]
        command += ["--robustness-run", str(run), "-o", f"robustness_baselines={tree.path / self.baselines}"]
        command += ["-o", "robustness_anchor="]
        folder = tree.path / self.inside
        if not folder.is_dir():
            raise RobustnessError(f"the commit has no folder {self.inside}")
        log = self.scratch / "pytest.log"
        with log.open("wb") as output:
            _wait(
                subprocess.Popen(
                    command,
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=self._environment(tree),
                    start_new_session=True,
                )
            )
        lines = [
            line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()
        ]
        told = [line for line in lines if line.startswith(("ERROR", "E  "))]
        return (told or lines or ["it said nothing"])[-1]

    def _environment(self, tree: Worktree) -> dict[str, str]:
        """Return the variables of a run: what is imported from the user's checkout is imported from this one."""
        top, package = real(tree.top), real(Path(__file__)).parents[2]
        kept = [real(Path(one)) for one in sys.path if one]
        moved = [
            str(tree.path / one.relative_to(top))
            for one in kept
            if one.is_relative_to(top) and not one.is_relative_to(real(Path(sys.prefix))) and one != package
        ]
        others = [str(one) for one in map(Path, filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))]
        others = [one for one in others if not real(Path(one)).is_relative_to(top) or real(Path(one)) == package]
        return without_git(os.environ.items()) | {
            "PYTHONPATH": os.pathsep.join([*dict.fromkeys(moved), *others]),
            "PYTHONDONTWRITEBYTECODE": "1",  # two commits may be checked out within the second that files are told by
            "PYTEST_ROBUSTNESS_NOT_FROM": str(top),
            "PYTEST_ROBUSTNESS_FROM": str(real(tree.path)),
            "PYTEST_ROBUSTNESS_ORIGIN": str(self.scratch / "origin"),
        }


class _Wrong(RobustnessError):
    """Raised when no commit could be tried, for a reason that is none of the commit's."""


def _inside(named: Sequence[Any], here: Path) -> list[Path]:
    """Return the paths in the repository that a suite names, relative to the repository."""
    texts = [one for one in named if isinstance(one, str) and not Path(one).is_absolute()]
    paths = [Path(os.path.normpath(here / one)) for one in texts]
    return [path for path in paths if path.parts[:1] != ("..",) and path != Path()]


def _weights(suite: dict[str, Any], here: Path) -> list[Path]:
    tables = list(suite["models"].values())
    return _inside(
        [suite.get("weights"), *(one.get("weights") for one in tables), *(one.get("source") for one in tables)], here
    )


def _link(tree: Worktree, path: Path) -> None:
    """Let a file that the repository does not keep be found where the user's checkout has it."""
    ours, theirs = tree.path / path, tree.top / path
    if not os.path.lexists(ours) and theirs.exists():
        tree.inside(path)
        ours.parent.mkdir(parents=True, exist_ok=True)
        ours.symlink_to(real(theirs))


def _wait(process: subprocess.Popen[bytes]) -> None:
    """Wait for a run. When the wait is interrupted, end the run and all that it started."""
    try:
        process.wait()
    except BaseException:
        for told in (signal.SIGINT, getattr(signal, "SIGKILL", signal.SIGTERM)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, told) if hasattr(os, "killpg") else process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
                break
        raise
