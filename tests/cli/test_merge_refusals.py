"""What `merge` refuses, in a line that names the file: parts that are no whole run together, and what is no part."""

import shutil

import pytest

from tests.cli.shards import (
    OK,
    PARTS,
    UNMEASURED,
    USAGE,
    command,
    cut_shard,
    edit,
    kept,
    measure,
    merge,
    on_device,
    shard,
    sharded,
)

__all__ = ["command", "kept", "merge", "sharded"]  # fixtures


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


def test_commands_do_not_take_a_part_for_a_run(sharded, command):
    rules = ("--suite", "tiny.toml", "--baselines", "baselines")
    for name in ("judge", "record", "report"):
        status, lines = command(name, "part1.json", *rules)
        assert status in (USAGE, 2)
        assert "part1.json: one part of a run: put it together with the others by" in lines[0]
    assert "one part of a run" in command("report", "part1.json")[1][0]
