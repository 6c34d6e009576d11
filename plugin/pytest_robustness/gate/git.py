"""Git, one process a question: what a repository has, read without a checkout."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pytest_robustness.errors import RobustnessError


def git(folder: Path, *arguments: str, told: bytes = b"", environment: Mapping[str, str] | None = None) -> bytes:
    """Run git in a folder and return what it prints.

    Args:
        folder: where it runs.
        arguments: the command and its arguments.
        told: what it reads from its standard input.
        environment: the variables it is given. None: those of this process.

    Raises RobustnessError, with the last line of what git said, when it fails or is not there.
    """
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, input=told, capture_output=True, check=False, env=environment
        )
    except OSError as error:
        raise RobustnessError(f"git cannot be run: {error}") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise RobustnessError(said[-1] if said else "git failed")
    return done.stdout


def toplevel(folder: Path) -> Path:
    """Return the folder of the repository that a folder is in. Raises RobustnessError when it is in none."""
    return Path(git(folder, "rev-parse", "--show-toplevel").decode().strip())


def commit_of(folder: Path, revision: str) -> str:
    """Return the commit that a tag, branch or commit names. Raises RobustnessError when there is none."""
    try:
        found = git(folder, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    except RobustnessError:
        what = "no tag, branch or commit of this name here; in a shallow clone: git fetch --tags"
        raise RobustnessError(what) from None
    return found.decode().strip()


def is_shallow(folder: Path) -> bool:
    """Return whether a clone has only the newest commits."""
    return git(folder, "rev-parse", "--is-shallow-repository").strip() == b"true"


def blobs(folder: Path, digests: Sequence[str]) -> Iterator[bytes | None]:
    """Yield the contents of blobs in the given order, by one process; None for one that is not there.

    One blob is in memory at a time. The names go in by a file: a pipe that nobody reads would block git.
    """
    with tempfile.TemporaryFile() as names:
        names.write("".join(f"{digest}\n" for digest in digests).encode())
        names.seek(0)
        try:
            process = subprocess.Popen(
                ["git", "cat-file", "--batch"], cwd=folder, stdin=names, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        except OSError as error:
            raise RobustnessError(f"git cannot be run: {error}") from None
        with process as running:
            assert running.stdout is not None
            for digest in digests:
                head = running.stdout.readline().split()
                if len(head) == 2 and head[1] == b"missing":
                    yield None
                    continue
                if len(head) != 3:
                    raise RobustnessError(f"git cat-file says nothing of {digest[:12]}: is the repository damaged?")
                content = running.stdout.read(int(head[2]))
                running.stdout.read(1)  # the newline that ends an entry
                yield content
