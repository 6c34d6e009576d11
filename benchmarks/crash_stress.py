"""Whether anything can be lost: runs that record baselines are killed, starved and doubled, again and again.

``python benchmarks/crash_stress.py 120`` runs 120 trials of every kind in turn, on a suite of tiny models with three
workers, and prints what it found. After each trial every baseline must be whole, the old one or a new one, nothing but
baselines may be believed, and the summary, where there is one, must say of every case what became of it. Needs POSIX;
a full disk is a small tmpfs where one can be mounted, else a limit on the size of files.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pytest_robustness.errors import RobustnessError
from pytest_robustness.gate.store import BaselineStore

MODELS, KINDS, IMAGES = 3, 4, 24
#: What a file of a tmpfs takes is a multiple of this.
PAGE = resource.getpagesize()
CASES = [f"m{model}/a{attack}" for model in range(MODELS) for attack in range(KINDS)]

SUITE = "\n".join(
    [
        'batch_size = 24\n[images]\nfile = "images.npz"\n[tolerances]\ntime = 1e6',
        *(f'[models.m{model}]\nsource = "stresszoo:m{model}"' for model in range(MODELS)),
        *(
            f'[attacks.a{attack}]\nattack = "stresszoo:Step"\nnorm = "inf"\neps = 0.0{attack + 1}'
            for attack in range(KINDS)
        ),
    ]
)
ZOO = """\
import json, os, pathlib, time
import torch
from torch import nn

GENERATION = float(pathlib.Path(os.environ["STRESS_GENERATION"]).read_text())

def build(seed):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4))
    net[1].bias.data += 1e-6 * GENERATION  # another model each time, which measures the same
    with open("pids.txt", "a") as file:
        file.write(f"{os.getpid()}\\n")
    time.sleep(0.05)
    return net

m0, m1, m2 = (lambda seed=seed: build(seed) for seed in range(3))

class Step:
    def __init__(self, model, eps):
        self.model, self.eps = model, eps

    def __call__(self, images, labels):
        inputs = images.clone().requires_grad_()
        loss = nn.functional.cross_entropy(self.model(inputs), labels)
        return (images + self.eps * torch.autograd.grad(loss, inputs)[0].sign()).clamp(0, 1)
"""
IMAGE_SET = """\
import numpy as np
rng = np.random.default_rng(0)
np.savez("images.npz", images=rng.integers(0, 256, (24, 8, 8, 3), dtype=np.uint8), labels=rng.integers(0, 4, 24),
         ids=np.arange(24))
"""
INI = """\
[tool.pytest.ini_options]
pythonpath = ["."]
addopts = ["-p", "no:cacheprovider", "-p", "no:benchmark"]
robustness_suite = "stress.toml"
"""
TEST = "def test_robustness(robustness):\n    robustness.check()\n"


@dataclass
class Trial:
    """One or two runs of pytest that record, and what became of them."""

    folder: Path
    rng: random.Random
    generation: int
    outputs: list[str] = field(default_factory=list)
    exits: list[int] = field(default_factory=list)
    hit: bool = False

    @property
    def baselines(self) -> Path:
        return self.folder / "baselines" / "stress"

    def start(self, generation: int, **options: object) -> subprocess.Popen[str]:
        told = self.folder / f"generation-{generation}"
        told.write_text(str(generation))
        (self.folder / "pids.txt").unlink(missing_ok=True)
        unset = ("CI", "PYTEST_ADDOPTS", "GITHUB_STEP_SUMMARY")
        environment = {name: value for name, value in os.environ.items() if name not in unset}
        environment |= {"STRESS_GENERATION": str(told), "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", "-n", "3", "--update-baselines"],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **options,  # type: ignore[call-overload]
        )

    def finish(self, process: subprocess.Popen[str]) -> None:
        try:
            output, _ = process.communicate(timeout=180)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            output += "\nHANGS"
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # workers a dead controller left
        self.outputs.append(output)
        self.exits.append(process.returncode)

    def until(self, process: subprocess.Popen[str], happened: Callable[[], bool]) -> bool:
        while process.poll() is None:
            if happened():
                return True
            time.sleep(0.0005)
        return False

    def pids(self) -> list[int]:
        with contextlib.suppress(OSError, ValueError):
            return [int(line) for line in (self.folder / "pids.txt").read_text().splitlines()]
        return []

    def writing(self) -> bool:
        """A temporary file is there, or one baseline is newer than the trial."""
        return any(self.baselines.rglob(".*.tmp"))


def killed_worker(trial: Trial) -> None:
    process = trial.start(trial.generation)
    cases = trial.rng.randrange(1, len(CASES))
    if trial.until(process, lambda: len(trial.pids()) >= cases):
        with contextlib.suppress(ProcessLookupError):
            os.kill(trial.rng.choice(trial.pids()), signal.SIGKILL)
            trial.hit = True
    trial.finish(process)


def killed_controller(trial: Trial) -> None:
    process = trial.start(trial.generation)
    cases = trial.rng.randrange(0, len(CASES))
    if trial.until(process, lambda: len(trial.pids()) >= cases):
        process.kill()
        trial.hit = True
    trial.finish(process)


def killed_while_writing(trial: Trial) -> None:
    process = trial.start(trial.generation)
    if trial.until(process, trial.writing):
        time.sleep(trial.rng.random() * 0.03)
        process.kill()
        trial.hit = True
    trial.finish(process)


def interrupted(trial: Trial) -> None:
    process = trial.start(trial.generation)
    cases = trial.rng.randrange(0, len(CASES) + 1)
    if trial.until(process, lambda: len(trial.pids()) >= cases):
        time.sleep(trial.rng.random() * 0.3)
        os.killpg(process.pid, signal.SIGINT)
        trial.hit = True
    trial.finish(process)


def full_disk(trial: Trial) -> None:
    """The folder of baselines has no room for a new file: from the start, or from a moment while they are written."""
    folder = trial.folder / "baselines"
    pages = sum(-(-path.stat().st_size // PAGE) for path in folder.rglob("*.json"))
    free = trial.rng.choice((0, 4))
    with _small_disk(folder, (pages + free) * PAGE) as limit:
        process = trial.start(trial.generation, preexec_fn=limit)
        if free and limit is None:
            if trial.until(process, trial.writing):
                time.sleep(trial.rng.random() * 0.01)
                with contextlib.suppress(OSError), (folder / "filling").open("wb") as file:
                    file.write(bytes(64 * PAGE))
                trial.hit = True
        else:
            trial.hit = True
        trial.finish(process)
        (folder / "filling").unlink(missing_ok=True)


def two_at_once(trial: Trial) -> None:
    processes = [trial.start(trial.generation), trial.start(trial.generation + 1)]
    trial.hit = True
    for process in processes:
        trial.finish(process)


KINDS = (killed_worker, killed_controller, killed_while_writing, interrupted, full_disk, two_at_once)


@contextlib.contextmanager
def _small_disk(folder: Path, size: int) -> Iterator[Callable[[], None] | None]:
    kept = folder.with_name("kept")
    shutil.copytree(folder, kept)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder],
        check=False,
        capture_output=True,
    )
    try:
        if mounted.returncode:
            yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))
            return
        shutil.copytree(kept, folder, dirs_exist_ok=True)  # all of the old ones fit
        yield None
        shutil.rmtree(kept)
        shutil.copytree(folder, kept)
    finally:
        if not mounted.returncode:
            subprocess.run(["umount", folder], check=True)
            shutil.rmtree(folder)
            kept.rename(folder)
        else:
            shutil.rmtree(kept)


def problems(trial: Trial, before: dict[str, bytes]) -> Iterator[str]:
    """What a trial shows that must not be."""
    store = BaselineStore(trial.folder / "baselines", "stress")
    after = files(trial)
    for case in CASES:
        try:
            if store.read(case) is None:
                yield f"{case} is gone"
        except RobustnessError as error:
            yield f"{case} is damaged: {error}"
    if store.cases() != set(CASES):
        yield f"other cases are believed: {store.cases() ^ set(CASES)}"
    for output, code in zip(trial.outputs, trial.exits, strict=True):
        if "HANGS" in output:
            yield "the run hangs"
        if "INTERNALERROR" in output:
            yield "an internal error"
        if "= robustness: stress" not in output:
            continue
        written = {line.partition(":")[0] for line in output.splitlines() if ": recorded" in line or " -> " in line}
        written &= set(CASES)
        if len(trial.outputs) == 1 and written != {case for case in CASES if after.get(case) != before.get(case)}:
            yield f"said to be written: {sorted(written)}, were {[c for c in CASES if after.get(c) != before.get(c)]}"
        silent = [case for case in CASES if not accounted(case, output)]
        if silent:
            yield f"nothing is said of {silent}"
        if code == 0 and ("not recorded" in output or "not run" in output):
            yield "exit status 0 although a case was not recorded"


def accounted(case: str, output: str) -> bool:
    """A row of the table, or named as not run."""
    model, attack = case.split("/")
    lines = output.splitlines()
    return any(line.split()[:2] == [model, attack] or (line.startswith("not run:") and case in line) for line in lines)


def files(trial: Trial) -> dict[str, bytes]:
    return {
        path.relative_to(trial.baselines).with_suffix("").as_posix(): path.read_bytes()
        for path in trial.baselines.glob("*/*.json")
    }


def prepare(folder: Path) -> None:
    contents = {"stress.toml": SUITE, "stresszoo.py": ZOO, "pyproject.toml": INI, "test_stress.py": TEST}
    for name, text in contents.items():
        (folder / name).write_text(text)
    subprocess.run([sys.executable, "-c", IMAGE_SET], cwd=folder, check=True)


def main(trials: int, seed: int) -> int:
    """Prints a line a kind; the number of trials that showed a problem."""
    started, bad, counts = time.monotonic(), 0, collections.Counter[str]()
    hits, news, leftovers = collections.Counter[str](), collections.Counter[str](), 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        first = Trial(folder, random.Random(seed), 0)
        first.finish(first.start(0))
        assert first.exits == [0], first.outputs[0]
        for number in range(1, trials + 1):
            kind = KINDS[number % len(KINDS)]
            trial = Trial(folder, random.Random(f"{seed}/{number}"), 2 * number)
            before = files(trial)
            kind(trial)
            found = list(problems(trial, before))
            after = files(trial)
            counts[kind.__name__] += 1
            hits[kind.__name__] += trial.hit
            news[kind.__name__] += sum(after.get(case) != before.get(case) for case in CASES)
            leftovers += len(list(trial.baselines.rglob(".*.tmp")))
            for path in trial.baselines.rglob(".*.tmp"):
                path.unlink()
            print(f"{number}: {kind.__name__} {'struck' if trial.hit else 'missed'}, exit {trial.exits}", flush=True)
            if found:
                bad += 1
                print(f"trial {number}, {kind.__name__}: {'; '.join(found)}\n{trial.outputs}", flush=True)
    for kind, count in counts.items():
        print(f"{kind}: {count} trials, {hits[kind]} struck, {news[kind]} of {count * len(CASES)} baselines new")
    print(f"{leftovers} temporary files left, none believed")
    print(json.dumps({"trials": trials, "bad": bad, "minutes": round((time.monotonic() - started) / 60, 1)}))
    return bad


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trials", type=int, nargs="?", default=120)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    sys.exit(1 if main(arguments.trials, arguments.seed) else 0)
