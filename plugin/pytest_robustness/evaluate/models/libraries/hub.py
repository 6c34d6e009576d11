"""Weights that a library keeps on a hub: looked for on this machine first, fetched only where the hub answers."""

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

#: For a hub to say that it is there.
PATIENCE = 5.0  # seconds


@dataclass(frozen=True)
class Remote:
    """A file of weights on a hub.

    Attributes:
        filename: what it is called in a folder of weights here.
        url: where it is fetched from.
        checksum: the first digits of its sha256, where the hub tells them.
        repository, path: on Hugging Face's hub, whose own cache may have it.
    """

    filename: str
    url: str
    checksum: str | None = None
    repository: str | None = None
    path: str | None = None

    def find(self, folder: Path) -> Path | None:
        """The file in ``folder``, in torch's cache or in Hugging Face's."""
        places = [place / self.filename for place in (folder, cache())]
        if self.repository and self.path:
            from huggingface_hub import try_to_load_from_cache

            cached = try_to_load_from_cache(self.repository, self.path)
            places += [Path(cached)] if isinstance(cached, str) else []
        return next((place for place in places if place.is_file()), None)

    def fetch(self, folder: Path) -> Path:
        """The file, downloaded to torch's cache when it is nowhere.

        Raises RobustnessError, with the file to put where, when the hub does not answer.
        """
        found = self.find(folder)
        if found is not None:
            return found
        target = cache() / self.filename
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):  # workers may want the same
            if not target.is_file():
                problem = self.problem()
                if problem is None:
                    problem = self._download(target)
                if problem is not None:
                    raise RobustnessError(missing([self], folder, problem))
        return target

    def problem(self) -> str | None:
        """Why the hub cannot be reached, if so."""
        return _problem(urlsplit(self.url).scheme, urlsplit(self.url).netloc)

    def _download(self, target: Path) -> str | None:
        try:
            torch.hub.download_url_to_file(self.url, str(target), hash_prefix=self.checksum, progress=False)
        except Exception as error:  # of the network, the disk, or a checksum that differs
            return _line(error)
        return None


def cache() -> Path:
    """Where torch keeps what it downloads."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def missing(remotes: Sequence[Remote], folder: Path, problem: str) -> str:
    """What to fetch elsewhere and put where."""
    what = ", ".join(f"{remote.filename} ({remote.url})" for remote in remotes[:1])
    more = f" and {len(remotes) - 1} more ({', '.join(r.filename for r in remotes[1:])})" if remotes[1:] else ""
    return (
        f"no {what}{more} in {folder} or {cache()}, and {problem}; put the file{'s' if more else ''} into one of them"
    )


@lru_cache
def _problem(scheme: str, host: str) -> str | None:
    """Any answer will do: asked once for each host."""
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
