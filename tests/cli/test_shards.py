"""--robustness-shard: how a shard is run, and what it leaves to the others."""

import json
import shutil

import pytest
from pytest_robustness.errors import RobustnessError

from tests.cli.shards import (
    COUNT,
    OK,
    PARTS,
    UNMEASURED,
    USAGE,
    command,
    cut_shard,
    kept,
    measure,
    merge,
    shard,
    sharded,
    sharded_cases,
)

__all__ = ["command", "kept", "merge", "sharded"]  # fixtures


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
