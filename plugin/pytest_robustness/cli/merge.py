"""Merge what the shards of a run measured, so that it can be judged, reported and recorded as one run.

PART is what --robustness-shard I/N wrote by --robustness-json; all N are needed, of one plan. Neither torch nor the
suite is. Exit status: 0 merged; 2 merged, and a case has no measurement; 4 refused: parts of different plans, missing,
twice, or of a shard that did not end.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import is_zipfile

from pytest_robustness.errors import RobustnessError
from pytest_robustness.files import real
from pytest_robustness.mistaken import mistaken

if TYPE_CHECKING:
    from pytest_robustness.records.shard import Shard

UNMEASURED = 2


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("parts", type=Path, nargs="+", metavar="PART", help="file of a shard, in any order")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="RUN", help="a .json or .zip file, or a folder"
    )


def run(options: argparse.Namespace) -> int:
    """Write the merged run, name the cases that have no measurement, and return the exit status."""
    from pytest_robustness.gate.merge import merge_shards
    from pytest_robustness.gate.run_files import RunWriter, why_no_run
    from pytest_robustness.report.text import printable

    if any(real(options.output) == real(part) for part in options.parts):
        raise RobustnessError(f"-o {options.output}: is one of the parts: name another file")
    if why := why_no_run(options.output):
        raise RobustnessError(f"-o {options.output}: {why}")
    merged = merge_shards(_read(options.parts))
    writer = RunWriter(options.output, merged.record.suite)
    writer.start(merged.record.model_copy(update={"complete": False}))
    writer.finish(merged.record, merged.measurements.values(), merged.lists)
    lost = {case: one for case, one in merged.record.cases.items() if one.status != "measured"}
    for case, one in lost.items():
        said = (one.problem or one.status).removeprefix(f"{case}: ")
        print(printable(f"not measured: {case}: {said}"))
    devices = sorted({device for one in merged.measurements.values() for device in one.provenance.device.split("; ")})
    print(printable(f"measured on {', '.join(devices)}" if devices else "nothing was measured"))
    what = f"{len(options.parts)} shards, {len(merged.measurements)} of {len(merged.record.cases)} cases measured"
    print(printable(f"{options.output}: {what}"))
    return UNMEASURED if lost else 0


def _read(paths: list[Path]) -> dict[str, Shard]:
    """Return the shards by the names of their files. Raises RobustnessError, which names the file."""
    from pytest_robustness.records.shard import Shard

    found: dict[str, Shard] = {}
    for path in paths:
        if str(path) in found:
            raise RobustnessError(f"{path}: is given twice")
        try:
            found[str(path)] = Shard.from_json(path.read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise RobustnessError(f"{path}: cannot be read: {error.strerror}") from None
        except (RobustnessError, UnicodeDecodeError) as error:
            packed = "it is a zip archive: unpack the part that is in it" if is_zipfile(path) else None
            raise RobustnessError(f"{path}: {packed or mistaken(path) or error}") from None
    return found
