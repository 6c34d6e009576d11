"""What is done to a run: it is killed, stopped, starved, doubled, and its files are replaced."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from stress_parts.trial import CASES, Trial

#: What a file of a tmpfs takes is a multiple of this.
PAGE = resource.getpagesize()


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


def terminated(trial: Trial) -> None:
    """As a container is stopped: the controller alone gets the signal."""
    process = trial.start(trial.generation)
    cases = trial.rng.randrange(0, len(CASES) + 1)
    if trial.until(process, lambda: len(trial.pids()) >= cases):
        time.sleep(trial.rng.random() * 0.3)
        process.terminate()
        trial.hit = True
    trial.finish(process)


def stopped_worker(trial: Trial) -> None:
    """A worker stands still for a while, as under a debugger or on a machine that swaps, and goes on."""
    process = trial.start(trial.generation)
    cases = trial.rng.randrange(1, len(CASES))
    if trial.until(process, lambda: len(trial.pids()) >= cases):
        stopped = trial.rng.choice(trial.pids())
        with contextlib.suppress(ProcessLookupError):
            os.kill(stopped, signal.SIGSTOP)
            time.sleep(trial.stopped)
            os.kill(stopped, signal.SIGCONT)
            trial.hit = True
    trial.finish(process)


def replaced_images(trial: Trial) -> None:
    """Half of the images go, and the others change their places, while the run goes on."""
    images = trial.folder / "images.npz"
    kept = images.read_bytes()
    process = trial.start(trial.generation)
    cases = trial.rng.randrange(0, len(CASES))
    if trial.until(process, lambda: len(trial.pids()) >= cases):
        with np.load(images) as file:
            half = {name: array[::-2] for name, array in file.items()}
        np.savez(trial.folder / "half.npz", **half)
        (trial.folder / "half.npz").replace(images)
        trial.hit = True
    trial.finish(process)
    images.write_bytes(kept)


def replaced_baseline(trial: Trial) -> None:
    """Somebody checks out another version of a baseline, or writes something of their own over it."""
    case = trial.rng.choice(CASES)
    path = trial.baselines / f"{case}.json"
    kept, garbage = path.read_bytes(), b"{}" if trial.rng.random() < 0.5 else path.read_bytes()
    process = trial.start(trial.generation)
    cases = trial.rng.randrange(0, len(CASES))
    if trial.until(process, lambda: len(trial.pids()) >= cases):
        path.with_suffix(".mine").write_bytes(garbage)
        path.with_suffix(".mine").replace(path)
        trial.hit = True
    trial.finish(process)
    if path.read_bytes() == garbage:
        path.write_bytes(kept)


def no_room_for_temporary_files(trial: Trial) -> None:
    """TMPDIR is on a disk that has no room left."""
    folder = trial.folder / "temporary"
    folder.mkdir()
    with _small_disk(folder, PAGE) as limit:
        (folder / "filling").write_bytes(bytes(PAGE if limit is None else 0))
        trial.hit = limit is None
        trial.finish(trial.start(trial.generation, TMPDIR=str(folder)))
    shutil.rmtree(folder)


def few_open_files(trial: Trial) -> None:
    """`ulimit -n 64`, in the controller and its workers."""
    trial.hit = True
    least = trial.rng.choice((24, 48, 64))
    trial.finish(
        trial.start(trial.generation, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (least, least)))
    )


def full_disk(trial: Trial) -> None:
    """The folder of baselines has no room for a new file: from the start, or from a moment while they are written."""
    folder = trial.folder / "baselines"
    pages = sum(-(-path.stat().st_size // PAGE) for path in folder.rglob("*") if path.is_file())
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


KINDS = (
    killed_worker,
    killed_controller,
    killed_while_writing,
    interrupted,
    terminated,
    stopped_worker,
    replaced_images,
    replaced_baseline,
    full_disk,
    no_room_for_temporary_files,
    few_open_files,
    two_at_once,
)
