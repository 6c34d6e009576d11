"""Make a suite's images from a data set: of torchvision, of Hugging Face, a table of paths and labels, two arrays.

  images torchvision:CIFAR10 --root data --limit 1000 -o images.npz
  images hf:folder-or-name --split test -o images.npz
  images photos.csv --size 224 -o images.npz     (or -o selected.csv: a list of the files, which suites prepare)
  images images.npy --labels labels.npy -o images.npz

Images are drawn blindly: no model is asked whether it is right. Nothing is downloaded without --download. What cannot
be read, is there twice or has no image is named, and the suite's [images] is printed.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from pytest_robustness.errors import RobustnessError, some

if TYPE_CHECKING:
    from pytest_robustness.evaluate.images.drawing import Drawn
    from pytest_robustness.evaluate.images.sources.base import Source
    from pytest_robustness.records.protocol import Preprocessing

SHOWN = 10  # the most names of a list that are printed
NAMED = 100  # the most classes that are printed by name


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("source", help="torchvision:NAME, hf:NAME_OR_FOLDER, FILE.csv or FILE.npy")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help=".npz, or .csv of files")
    parser.add_argument("--root", type=Path, metavar="DIR", help="of torchvision's files")
    parser.add_argument("--split", metavar="NAME", help="part of the data set (default: test, where there are parts)")
    parser.add_argument("--download", action="store_true", help="allow torchvision or Hugging Face to download")
    parser.add_argument("--labels", type=Path, metavar="FILE.npy", help="labels of the images of a FILE.npy")
    parser.add_argument("--image-column", metavar="NAME", help="(default: by type, or a usual name)")
    parser.add_argument("--label-column", metavar="NAME", help="(default: by type, or a usual name)")
    parser.add_argument("--classes", type=Path, metavar="FILE", help="names of the labels 0, 1, 2, ..., one a line")
    parser.add_argument("--limit", type=_positive, metavar="N", help="draw so many (default: all)")
    parser.add_argument("--balanced", action="store_true", help="as many of each class (default: as they come)")
    parser.add_argument("--seed", type=_natural, default=0, metavar="S", help="of the draw (default: %(default)s)")
    parser.add_argument("--size", type=_size, metavar="N|HxW", help="crop the middle (default: as they are)")
    parser.add_argument("--resize", type=_size, metavar="N|HxW", help="the shorter side before it (default: as --size)")
    parser.add_argument("--interpolation", metavar="NAME", help="of the resize (default: bilinear)")
    parser.add_argument("--mode", choices=("RGB", "L"), help="colours or grey (default: as they are)")


def run(options: argparse.Namespace) -> int:
    """Draw the images, write them, and say what was written and what was left out."""
    from pytest_robustness.evaluate.images.drawing import draw
    from pytest_robustness.evaluate.images.made import (
        check_free,
        check_listable,
        same_file,
        write_archive,
        write_photographs,
    )

    output: Path = options.output
    listed = output.suffix == ".csv"
    preprocessing = _preprocessing(options)
    if listed and (preprocessing or options.mode):
        raise RobustnessError(f"{output}: a list is of files, which suites prepare: leave out --size and --mode")
    same_file(output, *(Path(one) for one in (options.source, options.labels, options.classes) if one is not None))
    source = _source(options)
    check_free(output, source.columns)
    if listed:
        check_listable(output, source)
        preprocessing = _any_size()
    drawn = draw(
        source,
        options.limit,
        options.seed,
        balanced=options.balanced,
        preprocessing=preprocessing,
        mode=options.mode,
        by_file=listed,
    )
    (write_photographs if listed else write_archive)(output, source, drawn)
    for line in _report(options, source, drawn):
        print(line)
    return 0


def _source(options: argparse.Namespace) -> Source:
    """Open the data set. Raises RobustnessError for an option that it does not have."""
    kind, _, name = options.source.partition(":")
    suffix = Path(options.source).suffix
    classes = _classes(options.classes)
    if kind == "torchvision" and name:
        _refuse(options, "labels", "image_column", "label_column")
        from pytest_robustness.evaluate.images.sources import torchvision

        if options.root is None:
            raise RobustnessError(f"{options.source}: say by --root DIR where its files are")
        return torchvision.source(name, options.root, options.split, download=options.download, classes=classes)
    if kind == "hf" and name:
        _refuse(options, "labels", "root")
        from pytest_robustness.evaluate.images.sources import hugging_face

        columns = options.image_column, options.label_column
        return hugging_face.source(name, options.split, *columns, download=options.download, classes=classes)
    if suffix == ".csv":
        _refuse(options, "labels", "root", "split", "download")
        from pytest_robustness.evaluate.images.sources import csv_table

        return csv_table.source(Path(options.source), options.image_column, options.label_column, classes)
    if suffix == ".npy":
        _refuse(options, "root", "split", "download", "image_column", "label_column")
        from pytest_robustness.evaluate.images.sources import arrays

        if options.labels is None:
            raise RobustnessError(f"{options.source}: give its labels by --labels FILE.npy")
        return arrays.source(Path(options.source), options.labels, classes)
    raise RobustnessError(f"{options.source}: should be torchvision:NAME, hf:NAME, a .csv or an .npy")


def _refuse(options: argparse.Namespace, *names: str) -> None:
    given = next((name for name in names if getattr(options, name)), None)
    if given is not None:
        raise RobustnessError(f"--{given.replace('_', '-')}: means nothing for {options.source}: leave it out")


def _classes(path: Path | None) -> list[str] | None:
    if path is None:
        return None
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise RobustnessError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    twice = next((name for name in names if names.count(name) > 1), None)
    if not names or twice is not None:
        raise RobustnessError(f"{path}: {f'{twice!r} is there twice' if twice else 'has no name of a class'}")
    return names


def _preprocessing(options: argparse.Namespace) -> Preprocessing | None:
    from pytest_robustness.records.protocol import Preprocessing

    if options.size is None:
        if options.resize or options.interpolation:
            raise RobustnessError("--resize and --interpolation go with --size")
        return None
    interpolation = options.interpolation or "bilinear"
    known = get_args(Preprocessing.model_fields["interpolation"].annotation)
    if interpolation not in known:
        raise RobustnessError(f"--interpolation {interpolation}: should be one of {', '.join(known)}")
    rules = {"resize": options.resize or options.size, "crop": options.size, "interpolation": interpolation}
    return Preprocessing.model_validate(rules)


def _any_size() -> Preprocessing:
    """Return rules that let a file of any size be read, for a list, which has no pixels."""
    from pytest_robustness.records.protocol import Preprocessing

    return Preprocessing(resize=[1, 1], crop=1, interpolation="nearest")


def _report(options: argparse.Namespace, source: Source, drawn: Drawn) -> Iterator[str]:
    counts = Counter(source.labels[one] for one in drawn.positions)
    shape = drawn.images[drawn.positions[0]].shape
    size = "" if options.output.suffix == ".csv" else f", {shape[1]} x {shape[0]} {'RGB' if shape[2] == 3 else 'grey'}"
    yield f"{len(drawn.images)} images of {source.title}, {_spread(counts)}{size}: {options.output}"
    how = "balanced" if options.balanced else "not balanced: classes as they come"
    if options.limit is None:
        yield "all of its images"
    else:
        yield f"drawn blindly with seed {options.seed}, {how}"
        if len(drawn.images) < options.limit:
            yield f"fewer than the {options.limit} of --limit: there are no more"
    yield from source.notes
    total = max(len(source.classes), max(source.labels) + 1)
    present = set(source.labels)
    called = [source.classes[one] if one < len(source.classes) else str(one) for one in range(total)]
    named = {
        f"of {total} classes have no image": [called[one] for one in range(total) if one not in present],
        f"of {total} classes have none among those written": [called[one] for one in sorted(present - counts.keys())],
        "cannot be read and are left out": drawn.unreadable,
        "are there twice and are left out": drawn.twice,
        "are there twice with another label and are left out": drawn.contradicting,
    }
    for what, names in named.items():
        if names:
            yield f"{len(names)} {what}: {some(names, SHOWN)}"
    yield "for the suite:"
    yield ""
    yield from _toml(options.output, source)


def _spread(counts: Counter[int]) -> str:
    fewest, most = min(counts.values()), max(counts.values())
    of_each = f"{most} of each" if fewest == most else f"{fewest} to {most} of each"
    return f"{len(counts)} classes, {of_each}"


def _toml(output: Path, source: Source) -> Iterator[str]:
    """Yield the lines of a suite that lies beside the output."""
    if source.columns:
        yield f"slices = {_text(list(source.columns))}   # or some of them"
        yield ""
    yield "[images]"
    if output.suffix == ".csv":
        yield f"folder = {_text(str(source.folder))}"
        yield f"selected = {_text(output.name)}"
    else:
        yield f"file = {_text(output.name)}"
    yield f"unselected = {_text(output.name)}   # clean accuracy is judged, too: no model has chosen these images"
    if 0 < len(source.classes) <= NAMED:
        yield f"classes = {_text(list(source.classes))}"


def _text(value: str | Sequence[str]) -> str:
    return json.dumps(value, ensure_ascii=False)  # a string or an array of strings is the same in TOML


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value


def _natural(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is negative")
    return value


def _size(text: str) -> int | list[int]:
    """Read N or HxW."""
    sides = [_positive(side) for side in text.lower().split("x")]
    if len(sides) > 2:
        raise argparse.ArgumentTypeError(f"{text} is not N or HxW")
    return sides[0] if len(sides) == 1 else sides
