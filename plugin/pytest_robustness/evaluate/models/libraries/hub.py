"""Weights on a library's hub: they are looked for on this machine first, and fetched only when the hub answers."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import torch
from filelock import FileLock

from pytest_robustness.errors import RobustnessError

#: How long to wait for a hub's first answer.
PATIENCE = 5.0  # seconds


@dataclass(frozen=True)
class Remote:
    """Names a file of weights on a hub.

    Attributes:
        filename: its name in a folder of weights on this machine.
        url: where it is fetched from.
        checksum: the first digits of its sha256; None when the hub does not tell them.
        repository, path: where it is on Hugging Face's hub, whose own cache may have it; None for another hub.
    """

    filename: str
    url: str
    checksum: str | None = None
    repository: str | None = None
    path: str | None = None

    def find(self, folder: Path) -> Path | None:
        """Return the file's path in ``folder``, torch's cache or Hugging Face's. Returns None when it is in none."""
        places = [place / self.filename for place in (folder, cache())]
        if self.repository and self.path:
            from huggingface_hub import try_to_load_from_cache

            cached = try_to_load_from_cache(self.repository, self.path)
            places += [Path(cached)] if isinstance(cached, str) else []
        return next((place for place in places if place.is_file()), None)

    def fetch(self, folder: Path) -> Path:
        """Return the file's path; download it to torch's cache when it is not on this machine.

        Raises RobustnessError when the download fails. Its message says which file to put where.
        """
        found = self.find(folder)
        if found is not None:
            return found
        target = cache() / self.filename
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):  # several workers may want the same file
            if not target.is_file():
                problem = self.problem()
                if problem is None:
                    problem = self._download(target)
                if problem is not None:
                    raise RobustnessError(missing([self], folder, problem))
        return target

    def problem(self) -> str | None:
        """Return why the hub cannot be reached. Returns None when it can."""
        return _problem(urlsplit(self.url).scheme, urlsplit(self.url).netloc)

    def _download(self, target: Path) -> str | None:
        try:
            torch.hub.download_url_to_file(self.url, str(target), hash_prefix=self.checksum, progress=False)
        except Exception as error:  # the network or the disk failed, or the checksum differs
            return _line(error)
        return None


def cache() -> Path:
    """Return the folder in which torch keeps what it downloads."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def missing(remotes: Sequence[Remote], folder: Path, problem: str) -> str:
    """Return a message that says which files are missing, why, and where to put them."""
    what = ", ".join(f"{remote.filename} ({remote.url})" for remote in remotes[:1])
    more = f" and {len(remotes) - 1} more ({', '.join(r.filename for r in remotes[1:])})" if remotes[1:] else ""
    return (
        f"no {what}{more} in {folder} or {cache()}, and {problem}; put the file{'s' if more else ''} into one of them"
    )


@lru_cache
def _problem(scheme: str, host: str) -> str | None:
    """Return why a host cannot be reached. Returns None when it gives any answer. Each host is asked once."""
    request = urllib.request.Request(f"{scheme}://{host}/", method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=PATIENCE).close()
    except urllib.error.HTTPError:
        return None
    except (OSError, ValueError) as error:
        return f"{host} cannot be reached ({_line(error)})"
    return None


def _line(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error or type(error).__name__).partition("\n")[0]
