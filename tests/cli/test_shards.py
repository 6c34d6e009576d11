"""--robustness-shard, and `merge`, `judge`, `report` and `record` of what shards measured: as if one run had."""

import json
import shutil
from functools import partial

import numpy as np
import pytest
from pytest_robustness.cli.main import main
from pytest_robustness.errors import RobustnessError
from pytest_robustness.gate.run_files import read_run
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.shard import Shard

OK, FAILED, USAGE = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR
UNMEASURED = 2
COUNT = 3
PARTS = [f"part{number}.json" for number in range(1, COUNT + 1)]
#: Costs more than all other cases together.
LONG = """
[attacks.long]
attack = "PGD"
eps = 0.01
alpha = 0.0005
steps = 30
random_start = true
stop = "full"
"""
#: Of a timing: what two equal runs do not share.
CLOCKS = ("attack_seconds", "seconds_per_attempt", "peak_memory")
#: What cuts change, as the last batches of a part are filled up; how many rows were needed they do not change.
FILLED = ("rows", "gradient_rows", "padding", "rounds")


@pytest.fixture(scope="module")
def kept():
    """Files that one test made for all."""
    return {}


@pytest.fixture
def sharded(project, kept):
    """Baselines of sound models; and of models one of which became weaker, one run and three shards of it."""
    if not kept:
        images = project.images()
        np.savez(project.path / "blind.npz", **{name: array[:25] for name, array in images.items()})
        project.edit("tiny.toml", 'file = "images.npz"', 'file = "images.npz"\nunselected = "blind.npz"')
        with (project.path / "tiny.toml").open("a") as suite:
            suite.write(LONG)
        project.record()
        even_out(project)
        project.behave(**{f"small_{attack}": "weak" for attack in ("fgsm", "pgd", "long")})
        one = project.run("--robustness-json", "one.json", "--robustness-run", "one.zip")
        assert one.ret == FAILED
        for number in range(1, COUNT + 1):
            assert measure(project, number).ret == OK
        found = (file for file in project.path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
        kept |= {file.relative_to(project.path): file.read_bytes() for file in found}
    for name, data in kept.items():
        (project.path / name).parent.mkdir(parents=True, exist_ok=True)
        (project.path / name).write_bytes(data)
    return project


def even_out(project):
    """Make costs depend on counted rows only: a clock would cut other cases on every machine."""
    for file in project.baselines.glob("tiny/*/*.json"):
        found = Measurement.from_json(file.read_text())
        timing = found.timing.model_copy(update={"attack_seconds": found.timing.rows / 1000})
        file.write_text(found.model_copy(update={"timing": timing}).to_json())


def measure(project, number, *arguments, count=COUNT):
    part = f"part{number}.json"
    return project.run(
        "-pno:benchmark", "--robustness-shard", f"{number}/{count}", "--robustness-json", part, *arguments
    )


@pytest.fixture
def command(sharded, capsys):
    """Runs a command: its exit status and the lines it says."""

    def run(*arguments):
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return status, (told.out + told.err).splitlines()

    return run


@pytest.fixture
def merge(command):
    return partial(command, "merge", "-o", "all.json")


def shard(project, number):
    return Shard.from_json((project.path / f"part{number}.json").read_text())


def edit(project, number, **changes):
    """Write a part anew, with some of it changed."""
    part = shard(project, number)
    changed = part.model_copy(update=changes)
    changed = changed.model_copy(update={"plan_digest": changed.plan.digest})
    (project.path / f"part{number}.json").write_text(changed.to_json())


def test_shards_measure_each_image_once_and_the_models_once(sharded):
    parts = [shard(sharded, number) for number in range(1, COUNT + 1)]
    assert len({part.plan_digest for part in parts}) == 1
    cut = [part for one in parts for part in one.parts if len(part.places) < part.images.count]
    assert len(cut) > 1
    assert {one.case for one in cut} <= {"small/long", "large/long"}
    for case in parts[0].plan.cases:
        places = [place for one in parts for part in one.parts if part.case == case for place in part.places]
        assert sorted(places) == list(range(40))
    assert sorted(model for one in parts for model in one.models) == ["large", "small"]
    assert all(one.complete and not one.unmeasured for one in parts)


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


def test_a_missing_shard_is_named(merge):
    assert merge("part3.json") == (
        USAGE,
        ["ERROR: shards 1, 2 of 3 are missing: run by --robustness-shard 1/3, or give the file"],
    )


def test_a_shard_that_is_there_twice_is_named(sharded, merge):
    shutil.copy(sharded.path / "part2.json", sharded.path / "copy.json")
    told = "ERROR: copy.json: shard 2 of 3 is there twice, also in part2.json"
    assert merge(*PARTS, "copy.json") == (USAGE, [told])
    assert merge(*PARTS, "part2.json") == (USAGE, ["ERROR: part2.json: is given twice"])


def test_a_shard_that_did_not_end_is_named(sharded, merge):
    edit(sharded, 2, complete=False)
    assert merge(*PARTS) == (USAGE, ["ERROR: part2.json: shard 2 of 3 did not end: run it again"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"rules": "0" * 64}, "content of the suite's file: 000000000000 and "),
        ({"baselines": "0" * 64}, "baselines: 000000000000 and "),
        ({"commit": "0" * 40}, "commit: 000000000000 and none"),
        ({"candidate": "small=large"}, "--candidate: small=large and none"),
    ],
)
def test_parts_of_different_plans_are_refused(sharded, merge, change, told):
    edit(sharded, 2, plan=shard(sharded, 2).plan.model_copy(update=change))
    status, lines = merge(*PARTS)
    assert status == USAGE
    assert lines[0].startswith(f"ERROR: part2.json: is of another plan than part1.json: {told}")


def test_a_plan_of_another_number_of_shards_is_refused(sharded, merge):
    assert measure(sharded, 2, count=4).ret == OK
    status, lines = merge(*PARTS)
    assert status == USAGE
    assert lines == ["ERROR: part2.json: is of another plan than part1.json: number of shards: 4 and 3"]


def test_another_suite_or_other_baselines_are_another_plan(sharded, merge):
    sharded.edit("tiny.toml", "steps = 30", "steps = 31")
    measure(sharded, 1)
    assert "is of another plan than part2.json: content of the suite's file" in merge(*PARTS)[1][0]
    sharded.edit("tiny.toml", "steps = 31", "steps = 30      # as before")
    measure(sharded, 1)
    assert merge(*PARTS)[0] == 0  # a comment is no other suite
    sharded.baseline("large/fgsm").unlink()
    measure(sharded, 1)
    assert "is of another plan than part2.json: baselines: " in merge(*PARTS)[1][0]


def test_parts_that_are_not_of_the_plan_are_refused(sharded, merge):
    part = shard(sharded, 2)
    own = part.parts[0]
    edit(sharded, 2, parts=[*part.parts, own])
    assert merge(*PARTS) == (USAGE, [f"ERROR: part2.json: {own.case}: is there twice"])
    edit(sharded, 2, parts=part.parts[1:])
    assert merge(*PARTS) == (USAGE, [f"ERROR: part2.json: {own.case}: was measured, and is missing"])
    edit(sharded, 2, parts=[own.model_copy(update={"places": [0, *own.places[1:]][::-1]}), *part.parts[1:]])
    assert "has other images than the planned" in merge(*PARTS)[1][0]
    strange = own.model_copy(update={"case": "other/fgsm"})
    edit(sharded, 2, parts=[*part.parts, strange])
    assert merge(*PARTS) == (USAGE, ["ERROR: part2.json: other/fgsm: is not planned for shard 2"])


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"schema": 1}', '{"schema": 2}', "\x00", '{"schema": 1, "files": {}}']
)
def test_what_is_no_part_is_one_line(sharded, merge, text):
    (sharded.path / "part2.json").write_text(text)
    status, lines = merge(*PARTS)
    assert status == USAGE
    assert len(lines) == 1
    assert lines[0].startswith("ERROR: part2.json: ")


def test_nothing_else_is_overwritten(sharded, command):
    assert command("merge", *PARTS, "-o", "part1.json")[0] == USAGE
    before = (sharded.path / "one.json").read_bytes()
    assert command("merge", *PARTS, "-o", "one.json") == (USAGE, ["ERROR: -o one.json: exists, and is no earlier run"])
    assert (sharded.path / "one.json").read_bytes() == before
    result = sharded.run("--robustness-shard", "1/3", "--robustness-json", "one.json")
    assert result.ret == USAGE
    assert (sharded.path / "one.json").read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"suite": "tiny"', '"suite": "../tiny"', "plan: '../tiny' is no name of a suite, a model or an attack"),
        ('"suite": "tiny"', '"suite": "\\ud800"', "plan: '\\ud800' is no name of a suite, a model or an attack"),
        ('"small/fgsm"', '"../fgsm"', "plan: '..' is no name of a suite, a model or an attack"),
        (', "model_too": true', "", "plan: large is measured without an attack 0 times, not once"),
    ],
    ids=["suite", "text", "case", "model"],
)
def test_a_plan_that_no_run_has_is_refused(sharded, merge, old, new, told):
    for name in PARTS:
        text = (sharded.path / name).read_text()
        assert old in text
        (sharded.path / name).write_text(text.replace(old, new))
    assert merge(*PARTS) == (USAGE, [f"ERROR: part1.json: {told}"])


def test_answers_that_no_measurement_has_are_an_error_of_the_cases_of_their_model(sharded, merge):
    number = next(n for n in (1, 2, 3) if "small" in shard(sharded, n).models)
    models = shard(sharded, number).models
    clean = models["small"].clean
    fewer = clean.model_copy(update={"correct": clean.correct[1:]})
    edit(sharded, number, models=models | {"small": models["small"].model_copy(update={"clean": fewer})})
    status, lines = merge(*PARTS)
    assert status == UNMEASURED
    told = "cannot be merged: evidence and protocol disagree about the unselected images"
    assert lines[:3] == [f"not measured: small/{attack}: {told}" for attack in ("fgsm", "long", "pgd")]


def test_images_without_a_list_are_refused(sharded, merge):
    for number in (1, 2, 3):
        edit(sharded, number, lists=[])
    status, lines = merge(*PARTS)
    assert (status, len(lines)) == (USAGE, 1)
    assert lines[0].startswith("ERROR: no part has the list of the images ")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"PK\x05\x06" + bytes(18), "it is a zip archive: unpack the part that is in it"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "it is a Git LFS pointer"),
        (b"", "it is empty"),
    ],
)
def test_a_file_that_was_fetched_in_another_form_is_told(sharded, merge, content, told):
    (sharded.path / "part2.json").write_bytes(content)
    status, (line,) = merge("part1.json", "part2.json")
    assert status == USAGE
    assert line.startswith(f"ERROR: part2.json: {told}")


@pytest.mark.parametrize("output", ["new/all.json", "new/all.zip", "new/all"])
def test_a_folder_that_is_missing_is_made(sharded, command, output):
    assert command("merge", *PARTS, "-o", output)[0] == 0
    assert read_run(sharded.path / output, "tiny", ["small/fgsm"]).measurements


def on_device(part, device):
    return part.model_copy(update={"provenance": part.provenance.model_copy(update={"device": device})})


def cut_shard(project):
    """A shard that has a part of a case whose model it did not measure."""
    for number in range(COUNT, 0, -1):
        one = shard(project, number)
        for place, part in enumerate(one.parts):
            if len(part.places) < part.images.count and part.case.partition("/")[0] not in one.models:
                return number, place
    raise AssertionError


def test_parts_of_a_case_on_different_instruction_sets_are_not_comparable(sharded, merge, command):
    number, place = cut_shard(sharded)
    parts = shard(sharded, number).parts
    case = parts[place].case
    parts[place] = on_device(parts[place], "Other CPU (OTHER)")
    edit(sharded, number, parts=parts)
    status, lines = merge(*PARTS)
    assert status == UNMEASURED
    (told,) = [line for line in lines if "not comparable" in line]
    assert told.startswith(
        f"not measured: {case}: not comparable: its parts were measured on different kinds of devices"
    )
    status, lines = command("judge", "all.json", "--suite", "tiny.toml", "--baselines", "baselines")
    assert f"error: {case}: error: {case}: not comparable: " in "\n".join(lines)


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


def test_a_case_that_fails_in_one_shard_is_an_error_of_that_case_alone(sharded, merge, command):
    number, place = cut_shard(sharded)
    case = shard(sharded, number).parts[place].case
    weak = {f"small_{attack}": "weak" for attack in ("fgsm", "pgd", "long")}
    sharded.behave(**weak | {case.replace("/", "_"): "broken"})
    result = measure(sharded, number)
    assert result.ret == UNMEASURED
    result.stdout.fnmatch_lines([f"FAILED: {case}: *this factory is broken*"])
    assert shard(sharded, number).complete
    status, lines = merge(*PARTS)
    assert status == UNMEASURED
    (told,) = [line for line in lines if line.startswith("not measured: ")]
    assert told.startswith(f"not measured: {case}: ")
    assert "this factory is broken" in told
    shutil.copytree(sharded.baselines, sharded.path / "theirs")
    status, lines = command("record", "all.json", "--suite", "tiny.toml", "--baselines", "theirs")
    assert status == 1
    assert f"not recorded: {case} (error)" in "\n".join(lines)
    assert (sharded.path / "theirs" / "tiny" / f"{case}.json").read_bytes() == sharded.baseline(case).read_bytes()


def test_what_is_known_of_a_model_survives_the_attack_that_fails_beside_it(sharded, merge, monkeypatch):
    number = next(n for n in (1, 2, 3) if shard(sharded, n).models)
    own = next(task for task in shard(sharded, number).plan.shards[number - 1] if task.model_too)

    def fails(*arguments, **more):
        raise RobustnessError("no memory left")

    weak = {f"small_{attack}": "weak" for attack in ("fgsm", "pgd", "long")}
    sharded.behave(**weak)
    monkeypatch.setattr("pytest_robustness.execute.shard.measure", fails)
    assert measure(sharded, number).ret == UNMEASURED
    found = shard(sharded, number)
    assert not found.parts
    assert own.case.partition("/")[0] in found.models
    status, lines = merge(*PARTS)
    lost = [line.split(": ")[1] for line in lines if line.startswith("not measured: ")]
    assert (status, lost) == (UNMEASURED, sorted(found.tasks))


def test_a_shard_that_stops_early_is_told_from_one_that_ended(sharded, merge):
    number = next(n for n in (1, 2, 3) if len(shard(sharded, n).tasks) > 1)
    first = next(case for case in sharded_cases(sharded) if case in shard(sharded, number).tasks)
    sharded.behave(**{first.replace("/", "_"): "broken"})
    result = measure(sharded, number, "-x")
    assert result.ret == UNMEASURED
    result.stdout.fnmatch_lines([f"written: part{number}.json: *not complete: run this shard again"])
    told = f"ERROR: part{number}.json: shard {number} of 3 did not end: run it again"
    assert merge(*PARTS) == (USAGE, [told])


def sharded_cases(project):
    return [f"{model}/{attack}" for model in ("small", "large") for attack in ("fgsm", "pgd", "long")]


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "workers"])
def test_images_that_cannot_be_counted_are_said_before_anything_starts(sharded, workers):
    (sharded.path / "images.npz").write_text("junk")
    result = measure(sharded, 1, *workers)
    assert result.ret == USAGE
    result.stderr.fnmatch_lines(["ERROR: *images.npz: not an image set*"])
    assert not any("INTERNALERROR" in line for line in result.outlines)


def test_a_damaged_baseline_is_the_fault_of_its_case_alone(sharded):
    number, place = cut_shard(sharded)
    case = shard(sharded, number).parts[place].case
    sharded.baseline(case).write_text("<<<<<<< ours")
    statuses = {n: measure(sharded, n).ret for n in (1, 2, 3)}
    for n, status in statuses.items():
        assert status == (UNMEASURED if case in shard(sharded, n).tasks else OK)
        assert set(shard(sharded, n).unmeasured) <= {case}


def test_workers_share_a_shard(sharded, merge, command):
    before = (sharded.path / "part2.json").read_bytes()
    result = measure(sharded, 2, "-n2")
    assert result.ret == OK
    assert (sharded.path / "part2.json").read_bytes() != before  # other seconds
    assert merge(*PARTS)[0] == 0
    rules = ("--suite", "tiny.toml", "--baselines", "baselines")
    assert command("judge", "all.json", *rules) == command("judge", "one.zip", *rules)


def test_a_shard_without_a_task_has_nothing_to_do(sharded):
    result = measure(sharded, 9, "-k", "small and fgsm", count=50)
    empty = [number for number, own in enumerate(shard(sharded, 9).plan.shards, 1) if not own]
    assert (9 in empty) == (not shard(sharded, 9).parts)
    assert result.ret == OK


def test_a_selection_is_sharded(sharded, merge):
    for number in (1, 2, 3):
        assert measure(sharded, number, "-k", "large and not long").ret == OK
    assert merge(*PARTS)[0] == 0
    names = json.loads((sharded.path / "all.json").read_text())["files"]
    assert sorted(name for name in names if "large" in name or "small" in name) == [
        "tiny/large/fgsm.json",
        "tiny/large/pgd.json",
    ]


def test_other_tests_are_dealt_too(sharded):
    (sharded.path / "test_more.py").write_text("".join(f"def test_{one}(): pass\n" for one in "abcd"))
    found = []
    for number in (1, 2, 3):
        result = sharded.run("--robustness-shard", f"{number}/3", "--robustness-json", "p.json", "--collect-only", "-q")
        found += [line for line in result.outlines if line.startswith("test_more.py::")]
    assert sorted(found) == [f"test_more.py::test_{one}" for one in "abcd"]
    assert not (sharded.path / "p.json").exists()


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "a/b", "1/3/5", "-1/3", "1/99999", "", "1.5/3"])
def test_a_shard_is_one_of_so_many(project, text):
    result = project.run(f"--robustness-shard={text}", "--robustness-json", "part.json")
    assert result.ret == USAGE
    result.stderr.fnmatch_lines([f"ERROR: --robustness-shard {text}: should be I/N*"])


@pytest.mark.parametrize(
    "more",
    [
        ("--update-baselines",),
        ("--prune-baselines",),
        ("--robustness-limit", "3"),
        ("--robustness-changed",),
        ("--robustness-run", "run"),
        ("--robustness-report", "page.html"),
        ("--robustness-gallery", "*"),
        ("--robustness-anchor", "anchors"),
        ("--accept-removed-images",),
    ],
)
def test_a_shard_only_measures(project, more):
    result = project.run("--robustness-shard", "1/3", "--robustness-json", "part.json", *more)
    assert result.ret == USAGE
    result.stderr.fnmatch_lines([f"ERROR: --robustness-shard and {more[0]}: *"])


def test_a_shard_needs_the_name_of_its_file(project):
    result = project.run("--robustness-shard", "1/3")
    assert result.ret == USAGE
    result.stderr.fnmatch_lines(["ERROR: --robustness-shard: name the file of what it measures*"])


def test_commands_do_not_take_a_part_for_a_run(sharded, command):
    rules = ("--suite", "tiny.toml", "--baselines", "baselines")
    for name in ("judge", "record", "report"):
        status, lines = command(name, "part1.json", *rules)
        assert status in (USAGE, 2)
        assert "part1.json: one part of a run: put it together with the others by" in lines[0]
    assert "one part of a run" in command("report", "part1.json")[1][0]
