"""Judge an evidence bundle anew, and say whether the verdict it states follows from its evidence.

BUNDLE.zip is what `bundle` wrote. It needs neither images nor weights nor torch. It has to be whole: a file that was
changed, is missing or was added is named. What no bundle can show is that its evidence was honestly taken. The
manifest's SHA-256 stands for the whole bundle: whoever was told it by a way they trust demands it by --expect.
Exit status: 0 the verdict follows, whatever it is; 1 it does not follow; 2 the bundle is refused; 4 usage error.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_robustness.cli import judge

if TYPE_CHECKING:
    from pytest_robustness.gate.bundle import Bundle
    from pytest_robustness.gate.judged_run import JudgedRun
    from pytest_robustness.report.data import Report

DIGEST = re.compile(r"[0-9a-fA-F]{64}")
FOLLOWS, FOLLOWS_NOT, REFUSED = 0, 1, 2
NOT_SHOWN = (
    "what this cannot show: that the evidence was honestly taken, with this model, these images and these attacks"
)


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE.zip")
    parser.add_argument("--expect", metavar="HASH", help="the manifest's SHA-256 that the bundle has to have")


def run(options: argparse.Namespace) -> int:
    """Print the manifest's digest, what is said of the run, and whether the stated verdict follows."""
    from pytest_robustness.gate.bundle import BundleRefused, read_bundle
    from pytest_robustness.report.text import printable

    expected = options.expect.lower() if options.expect is not None else None
    if expected is not None and not DIGEST.fullmatch(expected):
        options.parser.error(f"--expect {options.expect}: should be the 64 hexadecimal digits of a SHA-256")
    if not options.bundle.is_file():
        options.parser.error(f"{options.bundle}: no such bundle: name a file of `bundle -o`")
    try:
        bundle = read_bundle(options.bundle)
    except BundleRefused as error:
        print(printable(f"refused: {error}"))
        return REFUSED
    print(f"manifest: sha256 {bundle.manifest.digest}")
    if expected not in (None, bundle.manifest.digest):
        print(f"refused: {printable(str(options.bundle))}: its manifest is not the expected one")
        return REFUSED
    said, problems = _judged_again(bundle)
    for line in [*said, *(f"does not follow: {problem}" for problem in problems)]:
        print(printable(line))
    if not problems:
        print(f"the verdict follows from the evidence: {judge.OUTCOMES[bundle.manifest.outcome][0]}")
    print(NOT_SHOWN + ("" if expected else "; and that nobody made another bundle: compare the manifest by --expect"))
    return FOLLOWS_NOT if problems else FOLLOWS


def _judged_again(bundle: Bundle) -> tuple[list[str], list[str]]:
    """Return what is said of the run, and why the stated verdict does not follow from it, each in lines."""
    from pytest_robustness.errors import RobustnessError
    from pytest_robustness.gate.bundle import BASELINES, RUN
    from pytest_robustness.gate.judged_run import judge_files
    from pytest_robustness.suite.load import load_suite

    with tempfile.TemporaryDirectory(prefix="pytest-robustness-") as name:
        folder = Path(name)

        def inside(line: str) -> str:
            """Return a line with the names that files have in the bundle."""
            return line.replace(f"{folder}{os.sep}", "")

        bundle.unpack(folder)
        try:
            suite = load_suite(folder / f"{bundle.manifest.suite}.toml", files=False)
            judged = judge_files(
                folder / RUN,
                suite,
                folder / BASELINES,
                accept_removed_images=bundle.manifest.accept_removed_images,
            )
            problems = list(map(inside, _problems(bundle, judged, folder)))
            return list(map(inside, [*judge.lines(judged), *_of_another_version(bundle)])), problems
        except RobustnessError as error:
            return [], [inside(str(error))]


def _problems(bundle: Bundle, judged: JudgedRun, folder: Path) -> Iterator[str]:
    from pytest_robustness.gate.bundle import BASELINES, REPORT, evidence_files, manifest_of

    stated, found = bundle.manifest, manifest_of(judged, bundle.files, accept_removed_images=False)
    for case in sorted(stated.cases.keys() | found.cases.keys()):
        said, is_now = stated.cases.get(case, "nothing"), found.cases.get(case, "no case of the suite")
        if said != is_now:
            yield f"{case}: the bundle states {said}, and by its evidence it is {is_now}"
    if stated.outcome != found.outcome:
        words = [judge.OUTCOMES[one][0] for one in (stated.outcome, found.outcome)]
        yield f"the bundle states that the run {words[0]}, and by its evidence it {words[1]}"
    if stated.versions != found.versions:
        yield "the versions that the bundle states are not those of its evidence"
    yield from (f"the run: {problem}" for problem in judged.measured.problems.values())
    if not judged.measured.problems:
        unused = bundle.files.keys() - evidence_files(judged, folder / BASELINES).keys() - {REPORT}
        yield from (f"{name}: nothing of the suite needs it" for name in sorted(unused))
    if REPORT not in bundle.files:
        yield f"{REPORT}: missing"
        return
    yield from (f"{REPORT}: {problem}" for problem in _of_report(bundle, judged, folder))


def _report(bundle: Bundle) -> Report:
    from pytest_robustness.gate.bundle import REPORT
    from pytest_robustness.report.data import Report

    return Report.from_json(bundle.files[REPORT].decode())


def _of_another_version(bundle: Bundle) -> Iterator[str]:
    from pytest_robustness.errors import RobustnessError
    from pytest_robustness.report.agreement import same_version

    try:
        report = _report(bundle)
    except (KeyError, RobustnessError, UnicodeDecodeError):
        return  # which is said
    if not same_version(report):
        yield (
            f"note: report.json is of version {report.provenance.plugin}: only its numbers are compared, and none of "
            "its words"
        )


def _of_report(bundle: Bundle, judged: JudgedRun, folder: Path) -> Iterator[str]:
    from pytest_robustness.errors import RobustnessError
    from pytest_robustness.gate.bundle import BASELINES
    from pytest_robustness.gate.store import BaselineStore
    from pytest_robustness.report.agreement import disagreements
    from pytest_robustness.report.of_run import undated_report

    try:
        report = _report(bundle)
    except (RobustnessError, UnicodeDecodeError) as error:
        yield str(error)
        return
    accepted = bundle.manifest.accept_removed_images
    store = BaselineStore(folder / BASELINES, judged.suite.name)
    made = undated_report(judged, store, accept_removed_images=accepted)
    yield from disagreements(report, judged, made)
