"""Set up the gate in a repository: a suite, a test and a workflow for a model and its images.

Looks at the model and the images, chooses those that are attacked, tries the attack on a few of them, and says how long
a run takes and how small a change it catches. On a terminal it asks for what was not said; with --yes it takes what it
proposes. Files that are there already are never overwritten; with --dry-run nothing is written at all.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Flags without which nothing can be proposed.
NEEDED = ("model", "images")
INTERRUPTED = 130  # as a shell says it of Ctrl-C


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.usage = "%(prog)s [--model SOURCE --images DIR --yes] [more flags: --help]"
    model = parser.add_argument_group("the model; docs/models.md has each kind")
    model.add_argument("--model", metavar="SOURCE", help="timm:NAME, package.module:function, model.onnx, ...")
    model.add_argument("--weights", metavar="FILE", help="or a library's own name of some")
    model.add_argument("--arguments", metavar="TOML", help="what it is built with: 'num_classes = 10'")
    model.add_argument("--name", help="of the model in the suite (default: from its source)")
    model.add_argument("--black-box", metavar="VERSION", help="only its answers are known; a version is its identity")
    model.add_argument("--like", metavar="LIBRARY:NAME", help="whose preprocessing and normalisation are its own too")
    model.add_argument("--crop", type=_positive, metavar="N", help="side of the square that it takes, in pixels")
    model.add_argument("--resize", type=_positive, metavar="N", help="shorter side before that (default: 8/7 of it)")
    model.add_argument("--mean", type=_numbers, metavar="R,G,B", help="that is subtracted from its pixels")
    model.add_argument("--std", type=_numbers, metavar="R,G,B", help="that its pixels are divided by")
    model.add_argument("--range", type=_range, metavar="LOW,HIGH", help="of its pixels (default: 0,1)")
    model.add_argument("--channels", choices=["RGB", "BGR"])
    model.add_argument("--mode", choices=["RGB", "L"], help="L: photographs become grey")
    model.add_argument("--layout", choices=["NCHW", "NHWC"])
    model.add_argument("--output", metavar="KEY", help="of the logits, where it answers with several things")
    model.add_argument("--head", choices=["logits", "softmax", "sigmoid", "probability"], help="what it answers with")
    images = parser.add_argument_group("the images")
    images.add_argument("--images", type=Path, metavar="DIR", help="a folder of photographs, or an .npz file")
    images.add_argument("--classes", metavar="A,B,...", help="what its answers 0, 1, ... are; or imagenet-1k")
    images.add_argument("--labels", choices=["given", "predicted"], help="predicted: what it says of the clean image")
    images.add_argument("--per-class", type=_positive, metavar="N", help="attacked (default: 300 among all classes)")
    images.add_argument("--clean-images", type=_positive, default=1000, metavar="N", help="(default: %(default)s)")
    images.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    what = parser.add_argument_group("what is written, and how")
    what.add_argument("--eps", help="the most a pixel may change, of 1: 8/255 (default: tried)")
    what.add_argument("--suite", type=Path, metavar="FILE", help="(default: robustness.toml, which pytest finds)")
    what.add_argument("--test", type=Path, metavar="FILE", help="(default: test_robustness.py, beside other tests)")
    what.add_argument("--ci", choices=["github", "gitlab", "none"], help="(default: by the repository)")
    what.add_argument("--yes", action="store_true", help="ask nothing: take what is proposed")
    what.add_argument("--dry-run", action="store_true", help="show all that would be written, and write nothing")


def run(options: argparse.Namespace) -> int:
    """Prepare a suite, show what will be written, and write it unless that is refused."""
    asks = sys.stdin is not None and sys.stdin.isatty() and not options.yes
    missing = [f"--{name}" for name in NEEDED if getattr(options, name) is None]
    if not asks and not options.yes and not options.dry_run:
        missing.append("--yes")
    if not asks and missing:
        options.parser.error(f"there is no terminal to ask on: give {', '.join(missing)}")
    try:
        return _run(options, asks)
    except KeyboardInterrupt:
        print("\nstopped: nothing was written", file=sys.stderr)
        return INTERRUPTED


def _run(options: argparse.Namespace, asks: bool) -> int:
    from pytest_robustness.setup.ci import check_free, service_of
    from pytest_robustness.setup.dialogue import Dialogue
    from pytest_robustness.setup.flags import Flags
    from pytest_robustness.setup.places import Places
    from pytest_robustness.setup.preparation import Preparation
    from pytest_robustness.setup.repository import Repository
    from pytest_robustness.setup.writing import Writing, next_steps, report

    repository = Repository.of(Path.cwd())
    places = Places.of(repository, options.suite, options.test)
    service = options.ci or service_of(repository)
    if service != "none":
        check_free(service, repository)
    sys.path[:0] = [str(folder) for folder in repository.import_folders]
    sys.path += [str(folder) for folder in repository.sources]  # last: what is installed goes before
    flags = Flags(**{field.name: getattr(options, field.name) for field in dataclasses.fields(Flags)})
    dialogue = Dialogue(asks)
    with tempfile.TemporaryDirectory(prefix="pytest-robustness-") as scratch, _notes():
        prepared = Preparation(flags, places, dialogue, Path(scratch)).prepare()
    for line in report(prepared):
        print(line)
    writing = Writing.of(prepared, places, service)
    for line in writing.shown(whole=options.dry_run):
        print(line)
    if options.dry_run:
        print("nothing was written: --dry-run")
        return 0
    if not dialogue.confirm("Write them?"):
        print("nothing was written")
        return 0
    writing.write()
    for line in next_steps(prepared, places, writing):
        print(line)
    return 0


@contextmanager
def _notes() -> Iterator[None]:
    """Show warnings inside the block as notes, each once, and leave out those that are for the authors of libraries."""
    told: set[str] = set()

    def note(message: Warning | str, category: type[Warning], *place: object) -> None:
        if not issubclass(category, FutureWarning | DeprecationWarning) and str(message) not in told:
            told.add(str(message))
            print(f"note: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = note  # type: ignore[assignment]  # the block's end puts the old one back
        yield


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: should be a whole number, at least 1")
    return int(text)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(one) for one in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: should be numbers with commas between, 0.5,0.5,0.5 say") from None


def _range(text: str) -> tuple[float, ...]:
    numbers = _numbers(text)
    if len(numbers) != 2:
        raise argparse.ArgumentTypeError(f"{text}: should be two numbers, the least and the largest: 0,255")
    return numbers
