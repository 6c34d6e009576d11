"""Lists of images on disk: where they lie, which are ours, and which are still needed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pytest_robustness.errors import RobustnessError
from pytest_robustness.mistaken import mistaken
from pytest_robustness.records.image_list import ImageList

#: Number of a digest's digits in the name of a file.
DIGITS = 16
NAME = re.compile(rf"images-([0-9a-f]{{{DIGITS}}})\.json")
REMEDY = "restore it, or delete the baselines of these images and record them anew"


def path_of(folder: Path, digest: str) -> Path:
    """Return the path of the list with this digest."""
    return folder / f"images-{digest[:DIGITS]}.json"


def read(path: Path, digest: str) -> ImageList:
    """Read a list. Raises RobustnessError, naming the file, when it is missing, damaged or the list of other images."""
    try:
        listed = ImageList.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RobustnessError(f"{path}: missing, the list of the images that baselines are of; {REMEDY}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RobustnessError(f"{path}: cannot be read: {error}; {REMEDY}") from None
    except RobustnessError as error:
        raise RobustnessError(f"{path}: {mistaken(path) or error}; {REMEDY}") from None
    if listed.digest != digest:
        raise RobustnessError(f"{path}: keys and labels are not those of its name: was it edited by hand? {REMEDY}")
    return listed


def ours(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder that are lists of images, undamaged and under their own name."""
    for path in sorted(folder.glob("images-*.json")):
        if NAME.fullmatch(path.name) and not path.is_symlink() and _is_list(path):
            yield path


def _is_list(path: Path) -> bool:
    try:
        return path_of(path.parent, ImageList.from_json(path.read_text(encoding="utf-8")).digest) == path
    except (RobustnessError, OSError, UnicodeDecodeError):
        return False


def used(baselines: Iterable[Path]) -> set[str] | None:
    """Return the digests of the sets that baselines are of. Returns None when one of the files does not tell."""
    digests: set[str] = set()
    for path in baselines:
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            digests |= {data[name]["digest"] for name in ("images", "unselected") if data.get(name) is not None}
        except (OSError, ValueError, RecursionError, TypeError, KeyError, AttributeError):
            return None
    return digests
