"""Choose a suite's images from a folder of photographs.

Writes the lists that the suite's [images] names: ``selected``, images of each class that every model classifies
correctly, and ``unselected``, images drawn blindly. Commit them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_robustness.errors import RobustnessError, some

if TYPE_CHECKING:
    from pytest_robustness.evaluate.images.folders import Scan
    from pytest_robustness.evaluate.images.selection import Selection
    from pytest_robustness.suite.suite import Suite

SHOWN = 20  # the most names of a list that are printed


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("suite", type=Path, help="TOML file")
    parser.add_argument("--images", metavar="DIR", help="folder (default: PYTEST_ROBUSTNESS_IMAGES, then the suite's)")
    parser.add_argument("--models", metavar="NAME,...", help="that have to be right (default: all of the suite)")
    parser.add_argument("--per-class", type=_positive, default=1, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--unselected", type=_positive, default=1000, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    parser.add_argument("--workers", type=_positive, metavar="N", help="(default: one a GPU, else by the cores)")


def run(options: argparse.Namespace) -> int:
    """Choose the images, write the lists and say what was chosen and what was left out."""
    from pytest_robustness.evaluate.images.folders import check_replaceable, write_list
    from pytest_robustness.evaluate.images.load import scan_images
    from pytest_robustness.evaluate.images.selection import draw, select, with_digests
    from pytest_robustness.evaluate.images.selection_pool import ClassifierPool
    from pytest_robustness.suite.load import load_suite, with_images

    suite = with_images(load_suite(options.suite), options.images, Path.cwd())
    images = suite.images
    if images.folder is None or images.selected is None:
        raise RobustnessError(f"{suite.path}: images: should have a folder and a list of those selected")
    if images.labels == "predicted":
        raise RobustnessError(f"{suite.path}: images.labels: without labels nothing is correct: nothing to select")
    if not images.folder.is_dir():
        raise RobustnessError(f"{images.folder}: no such folder; give --images DIR")
    for path in filter(None, (images.selected, images.unselected)):
        check_replaceable(path)
    models = _models(suite, options.models)
    found = scan_images(images)
    with ClassifierPool(suite, options.workers or _workers()) as pool:
        selection = select(found, models, pool.correct, per_class=options.per_class, seed=options.seed)
        if not selection.chosen:
            raise RobustnessError(f"no image of {images.folder} is classified correctly by all of {', '.join(models)}")
        unselected = draw(found, options.unselected, options.seed, pool.readable) if images.unselected else []
    write_list(images.selected, with_digests(images.folder, selection.chosen))
    if images.unselected:
        write_list(images.unselected, with_digests(images.folder, unselected))
    for line in _report(suite, models, found, selection, len(unselected)):
        print(line)
    return 0


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value


def _workers() -> int:
    """Return one worker per GPU, else so few that each has several cores and room for a model."""
    from pytest_robustness.evaluate.runtime.devices import available_cores, gpu_count

    return gpu_count() or max(1, min(4, available_cores() // 2))


def _models(suite: Suite, named: str | None) -> list[str]:
    models = named.split(",") if named else list(suite.models)
    unknown = [model for model in models if model not in suite.models]
    if unknown:
        raise RobustnessError(f"--models: no model {unknown[0]!r} in {suite.path} ({', '.join(suite.models)})")
    return models


def _report(suite: Suite, models: Sequence[str], scan: Scan, selection: Selection, unselected: int) -> list[str]:
    lines = [
        f"{len(selection.chosen)} images selected, correct for {len(models)} models; {selection.tried} of "
        f"{len(scan.photographs)} images tried: {suite.images.selected}"
    ]
    if suite.images.unselected:
        lines.append(f"{unselected} images drawn blindly: {suite.images.unselected}")
    named = {
        "classes of {} have no image": (scan.missing, len(scan.names)),
        "classes of {} have too few images that every model classifies correctly": (selection.short, len(scan.names)),
        "files of {} cannot be read": (selection.unreadable, len(scan.photographs)),
    }
    for what, (names, total) in named.items():
        if names:
            lines.append(f"{len(names)} {what.format(total)}: {some(names, SHOWN)}")
    return [*lines, *scan.notes]
