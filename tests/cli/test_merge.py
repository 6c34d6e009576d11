"""`merge` of what shards measured: it is judged, reported and recorded as if one run had measured it."""

import json
import shutil

import pytest
from pytest_robustness.gate.run_files import read_run
from pytest_robustness.records.measurement import Measurement

from tests.cli.shards import (
    COUNT,
    OK,
    PARTS,
    command,
    cut_shard,
    edit,
    kept,
    measure,
    merge,
    on_device,
    shard,
    sharded,
    sharded_cases,
)

__all__ = ["command", "kept", "merge", "sharded"]  # fixtures
#: Of a timing: what two equal runs do not share.
CLOCKS = ("attack_seconds", "seconds_per_attempt", "peak_memory")
#: What cuts change, as the last batches of a part are filled up; how many rows were needed they do not change.
FILLED = ("rows", "gradient_rows", "padding", "rounds")


def test_merged_measurements_are_those_of_one_run(sharded, merge):
    merge(*PARTS)
    cases = sharded_cases(sharded)
    one, two = (read_run(sharded.path / name, "tiny", cases) for name in ("one.zip", "all.json"))
    assert list(two.measurements) == cases
    for case, found in two.measurements.items():
        assert found.model_copy(update={"timing": one.measurements[case].timing}) == one.measurements[case]
        assert found.findings is not None
    assert two.lists == one.lists


def test_a_baseline_that_does_not_know_the_findings_gets_them(sharded, merge, command):
    file = sharded.baseline("large/fgsm")
    file.write_text(Measurement.from_json(file.read_text()).model_copy(update={"findings": None}).to_json())
    for number in (1, 2, 3):
        assert measure(sharded, number).ret == OK
    merge(*PARTS)
    assert command("record", "all.json", "--suite", "tiny.toml", "--baselines", "baselines")[0] == 0
    assert sharded.measurement("large/fgsm").findings == sharded.measurement("large/pgd").findings


def test_merged_shards_are_judged_as_one_run(sharded, merge, command):
    assert merge(*PARTS)[0] == 0
    rules = ("--suite", "tiny.toml", "--baselines", "baselines")
    together, alone = (command("judge", run, *rules) for run in ("all.json", "one.zip"))
    assert together == alone
    assert together[0] == 1
    assert any(line.startswith("regressed: small/long") for line in together[1])


def test_merged_shards_are_reported_as_one_run(sharded, merge, command):
    merge(*PARTS)
    assert command("report", "all.json", "--suite", "tiny.toml", "--baselines", "baselines", "-o", "two.json")[0] == 0
    one, two = (json.loads((sharded.path / name).read_text()) for name in ("one.json", "two.json"))
    for report in (one, two):
        for name in ("created", "command"):
            del report["provenance"][name]
        for case in report["cases"]:
            del case["seconds_per_attempt"]
    assert [one.pop("galleries") != [], two.pop("galleries")] == [True, []]
    (note,) = set(two["notes"]) - set(one["notes"])
    assert note.startswith("no pictures of regressed cases: ")
    two["notes"].remove(note)
    one["notes"] = [line for line in one["notes"] if not line.startswith("written: ")]
    assert two == one
    for suffix in ("html", "md"):
        rules = ("--suite", "tiny.toml", "--baselines", "baselines")
        assert command("report", "all.json", *rules, "-o", f"two.{suffix}")[0] == 0
        assert "small" in (sharded.path / f"two.{suffix}").read_text()


def without_clocks(folder):
    """The baselines of a folder, line for line but for what differs between equal runs."""
    found = {}
    for file in sorted(folder.rglob("*.*")):
        text = file.read_text()
        if file.parent.parent.name == "tiny":
            timing = json.loads(text)["timing"]
            dropped = CLOCKS + (FILLED if file.stem == "long" else ())
            lines = [
                line for line in text.splitlines() if not line.strip().startswith(tuple(f'"{n}"' for n in dropped))
            ]
            text = "\n".join([*lines, f"{timing['rows'] - timing['padding']} rows needed"])
        found[file.relative_to(folder).as_posix()] = text
    return found


def test_merged_shards_are_recorded_as_an_update_run_would(sharded, merge, command):
    merge(*PARTS)
    shutil.copytree(sharded.baselines, sharded.path / "theirs")
    status, lines = command("record", "all.json", "--suite", "tiny.toml", "--baselines", "theirs")
    assert status == 0
    before = without_clocks(sharded.baselines)
    updated = sharded.run("--update-baselines", "-pno:benchmark")
    assert updated.ret == OK
    ours, theirs = without_clocks(sharded.baselines), without_clocks(sharded.path / "theirs")
    assert ours == theirs != before
    said = [line for line in updated.outlines if line.startswith("small/")]
    assert [line for line in lines if line.startswith("small/")] == said
    assert "baselines in theirs/tiny: 3 written, 3 unchanged" in lines
    assert "baselines in baselines/tiny: 3 written, 3 unchanged" in updated.outlines


def test_totals_of_rows_add_up(sharded, merge, command):
    merge(*PARTS)
    merged = json.loads((sharded.path / "all.json").read_text())["files"]
    for name, data in merged.items():
        if name.endswith("/long.json"):
            parts = [part for n in range(1, COUNT + 1) for part in shard(sharded, n).parts if part.case == data["case"]]
            for key in FILLED:
                assert data["timing"][key] == sum(getattr(part.timing, key) for part in parts)


@pytest.mark.parametrize("output", ["all.zip", "all"])
def test_a_merged_run_may_be_a_zip_file_or_a_folder(sharded, command, output):
    assert command("merge", *PARTS, "-o", output)[0] == 0
    rules = ("--suite", "tiny.toml", "--baselines", "baselines")
    assert command("judge", output, *rules) == command("judge", "one.zip", *rules)


def test_the_order_of_parts_does_not_matter(sharded, command, merge):
    merge(*PARTS)
    command("merge", *reversed(PARTS), "-o", "other.json")
    assert (sharded.path / "other.json").read_bytes() == (sharded.path / "all.json").read_bytes()


@pytest.mark.parametrize("output", ["new/all.json", "new/all.zip", "new/all"])
def test_a_folder_that_is_missing_is_made(sharded, command, output):
    assert command("merge", *PARTS, "-o", output)[0] == 0
    assert read_run(sharded.path / output, "tiny", ["small/fgsm"]).measurements


def test_parts_of_a_case_on_products_of_one_kind_are_merged_and_listed(sharded, merge):
    number, place = cut_shard(sharded)
    parts = shard(sharded, number).parts
    case, own = parts[place].case, parts[place].provenance.device
    kind = own.rpartition("(")[2]
    parts[place] = on_device(parts[place], f"Other CPU ({kind}")
    edit(sharded, number, parts=parts)
    status, lines = merge(*PARTS)
    assert status == 0
    assert f"measured on {', '.join(sorted([own, f'Other CPU ({kind}']))}" in lines
    found = json.loads((sharded.path / "all.json").read_text())["files"][f"tiny/{case}.json"]
    assert found["provenance"]["device"] == "; ".join(sorted([own, f"Other CPU ({kind}"]))
    assert found["timing"]["doubt"] == "measured in parts with different devices"
