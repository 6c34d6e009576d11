"""Writes images that were drawn from a data set as an image set, ``.npz``, or as a list of their files, ``.csv``."""

from __future__ import annotations

from collections.abc import Callable, Collection
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.images.drawing import Drawn
from pytest_robustness.evaluate.images.folders import Photograph, read_list, write_list
from pytest_robustness.evaluate.images.sources.base import Source
from pytest_robustness.files import real, written_whole

OURS = ("images", "labels", "ids")


def check_free(path: Path, columns: Collection[str]) -> None:
    """Raise RobustnessError when a file could not be replaced without a loss.

    A file is lost that is of another kind, and a column or array that the new file would not have.
    """
    if path.suffix not in KINDS:
        raise RobustnessError(f"{path}: should end in .npz, or in .csv for a list of files")
    if not path.exists():
        return
    if not path.is_file():
        raise RobustnessError(f"{path}: is there already, and no regular file")
    lost = [name for name in KINDS[path.suffix](path) if name not in columns]
    if lost:
        raise RobustnessError(f"{path}: has columns of one's own ({', '.join(lost)}), which would be lost: rename it")


def _columns_of_archive(path: Path) -> list[str]:
    try:
        with np.load(path, allow_pickle=False) as file:
            found = list(file.files)
    except Exception:  # numpy, zipfile and zlib raise different types, by what is wrong
        found = []
    if not set(OURS).issubset(found):
        raise RobustnessError(f"{path}: is there already, and no image set: give another file")
    return [name for name in found if name not in OURS]


def _columns_of_list(path: Path) -> list[str]:
    return list(read_list(path)[0].columns)


#: Returns the columns of an earlier output, by suffix. Raises RobustnessError for a file of another kind.
KINDS: dict[str, Callable[[Path], list[str]]] = {".npz": _columns_of_archive, ".csv": _columns_of_list}


def check_listable(path: Path, source: Source) -> None:
    """Raise RobustnessError when no list can name the images of a source."""
    if source.folder is None:
        raise RobustnessError(f"{path}: {source.title} has no files that a list could name: give an .npz")
    odd = next(
        (one for one in source.paths if ".." in PurePosixPath(one).parts or PurePosixPath(one).is_absolute()), None
    )
    if odd is not None:
        raise RobustnessError(f"{path}: {odd} lies outside of {source.folder}, and no list can name it: give an .npz")


def write_archive(path: Path, source: Source, drawn: Drawn) -> None:
    """Write the images as ``images``, ``labels``, ``ids``, their positions in the source, and a column an array."""
    positions = drawn.positions
    arrays: dict[str, NDArray[Any]] = {
        "images": np.stack([drawn.images[one] for one in positions]),
        "labels": np.array([source.labels[one] for one in positions], np.int64),
        "ids": np.array(positions, np.int64),
        **{name: np.array([values[one] for one in positions]) for name, values in source.columns.items()},
    }
    # not by np.savez, which takes no column that is called as one of its arguments, and stamps the time
    with written_whole(path) as file, ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            member = ZipInfo(f"{name}.npy")
            member.compress_type = ZIP_DEFLATED
            with archive.open(member, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)


def write_photographs(path: Path, source: Source, drawn: Drawn) -> None:
    """Write the images' files as a list, sorted by path, with a column of the source a column."""
    assert source.folder is not None
    photographs = []
    for one in drawn.positions:
        name = PurePosixPath(source.paths[one]).as_posix()
        digest = sha256((source.folder / name).read_bytes()).hexdigest()
        columns = {column: values[one] for column, values in source.columns.items()}
        photographs.append(Photograph(name, source.labels[one], digest, columns))
    write_list(path, sorted(photographs, key=lambda photograph: photograph.path))


def same_file(path: Path, *others: Path) -> None:
    """Raise RobustnessError when the output would take the place of something that is read."""
    if any(real(path) == real(other) for other in others):
        raise RobustnessError(f"{path}: is read by this command: give another file")
