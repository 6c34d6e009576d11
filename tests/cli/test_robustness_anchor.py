"""--robustness-anchor: what many small updates add up to, and rules that give way."""

import json
import subprocess

import pytest
from pytest_robustness.cli.main import main

from tests.cli.conftest import COUNTED, SUITE

OK, FAILED, USAGE = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR
ANCHOR = ("--robustness-anchor", "release")


def anchor(project):
    assert main(["anchor", "tiny.toml", "release"]) == 0


@pytest.fixture
def anchored(recorded):
    anchor(recorded)
    return recorded


@pytest.fixture
def eroded(anchored):
    """``small`` became weaker, and its baselines were updated: they pass."""
    anchored.behave(small_fgsm="weak", small_pgd="weak")
    anchored.record()
    return anchored


def failures(result):
    return [line for line in result.outlines if line.startswith("FAILED: ")]


def test_nothing_changed(anchored, capsys):
    assert (anchored.path / "release" / "tiny" / "small" / "fgsm.json").read_bytes() == anchored.files()[
        "tiny/small/fgsm.json"
    ]
    result = anchored.run(*ANCHOR)
    assert result.ret == OK
    assert failures(result) == []


def test_updates_that_passed_one_by_one(eroded):
    assert eroded.run().ret == OK
    result = eroded.run(*ANCHOR)
    assert result.ret == FAILED
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines("small/fgsm: since the anchor: success rate * -> *")
    assert [row.split()[-1] for row in eroded.table(result)] == ["eroded", "eroded", "same", "same"]


def test_a_stored_run_is_held_against_it_as_the_run_was(eroded, capsys):
    result = eroded.run(*ANCHOR, "--robustness-run", "run.json", "--robustness-json", "one.json")
    rules = ("run.json", "--suite", "tiny.toml", "--baselines", "baselines")
    capsys.readouterr()
    assert main(["judge", *rules]) == 0
    capsys.readouterr()
    assert main(["judge", *rules, "--anchor", "release"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": since the anchor")[0] for line in lines[:2]] == [
        "eroded: small/fgsm",
        "eroded: small/pgd",
    ]
    told = [line.removeprefix("failed: ") for line in lines if line.startswith("failed: ")]
    assert told == [line.removeprefix("FAILED: ") for line in failures(result)]
    assert main(["report", *rules, "--anchor", "release", "-o", "two.json"]) == 0
    one, two = (json.loads((eroded.path / name).read_text()) for name in ("one.json", "two.json"))
    for name in ("sentence", "failures", "passed", "pooled"):
        assert two[name] == one[name]
    assert [case["word"] for case in two["cases"]] == ["eroded", "eroded", "same", "same"]
    assert main(["judge", *rules, "--anchor", "nowhere"]) == 4


@pytest.mark.parametrize("arguments", [("-n", "2"), ("--robustness-changed",), ("-k", "small and fgsm")])
def test_with_other_options(eroded, arguments):
    result = eroded.run(*ANCHOR, *arguments)
    assert result.ret == FAILED
    assert eroded.table(result)[0].endswith("eroded")


def test_a_regression_is_said_to_be_one(anchored):
    anchored.behave(small_fgsm="weak")
    result = anchored.run(*ANCHOR, "-k", "small and fgsm")
    assert words(anchored, result) == ["regressed"]
    assert "since the anchor" not in result.stdout.str()


def words(project, result):
    return [row.split()[-1] for row in project.table(result)]


def test_an_update_is_not_held_against_it(eroded):
    result = eroded.run(*ANCHOR, "--update-baselines")
    assert result.ret == OK
    assert "since the anchor" not in result.stdout.str()


def test_a_new_anchor_ends_it(eroded):
    anchor(eroded)
    assert eroded.run(*ANCHOR).ret == OK


def test_a_candidate_is_held_against_it_too(eroded):
    result = eroded.run(*ANCHOR, "--candidate", "small=tinyzoo:small")
    assert result.ret == FAILED
    assert words(eroded, result) == ["eroded", "eroded"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[tolerances]", "[tolerances]\nsuccess_rate = 0.05", "tolerances.success_rate rose from 0.01 to 0.05"),
        ("[images]", "alpha = 0.001\n[images]", "alpha fell from 0.05 to 0.001"),
        ('attack = "PGD"', 'attack = "PGD"\non_request = true', "attacks.pgd runs on request only"),
        ("[attacks.fgsm]", "[attacks.other]", "no longer in the suite: large/fgsm, small/fgsm"),
    ],
)
def test_rules_that_give_way(anchored, old, new, said):
    anchored.edit("tiny.toml", old, new)
    anchored.run("--update-baselines", "--prune-baselines", *(["-m", "on_request or not on_request"]))
    assert anchored.run().ret == OK
    result = anchored.run(*ANCHOR)
    assert result.ret == FAILED
    assert failures(result) == [f"FAILED: since the anchor: {said}"]


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ('policy = "tolerance"', "", "policy was 'tolerance' and is 'significance'"),
        ('inconclusive = "fail"', "", "inconclusive was 'fail' and is 'pass'"),
    ],
)
def test_a_policy_that_gives_way(recorded, first, second, said):
    recorded.edit("tiny.toml", "[images]", f"{first}\n[images]")
    anchor(recorded)
    recorded.edit("tiny.toml", f"{first}\n", second)
    assert failures(recorded.run(*ANCHOR)) == [f"FAILED: since the anchor: {said}"]


@pytest.mark.parametrize(("now", "said"), [("max_success_rate = 0.9\n", "0.9"), ("", "none")])
def test_a_limit_that_gives_way(recorded, now, said):
    recorded.edit("tiny.toml", 'attack = "PGD"\n', 'attack = "PGD"\nmax_success_rate = 0.8\n')
    anchor(recorded)
    recorded.edit("tiny.toml", "max_success_rate = 0.8\n", now)
    expected = f"attacks.pgd.max_success_rate rose from 0.8 to {said}"
    assert failures(recorded.run(*ANCHOR)) == [f"FAILED: since the anchor: {expected}"]


def test_stricter_rules_and_more_cases_are_welcome(anchored):
    text = SUITE.replace("[images]", 'alpha = 0.1\ninconclusive = "fail"\n[images]')
    text = text.replace("[tolerances]", "[tolerances]\nsuccess_rate = 0.005")
    (anchored.path / "tiny.toml").write_text(text + COUNTED)
    anchored.record()
    result = anchored.run(*ANCHOR)
    assert result.ret == OK
    result.stdout.fnmatch_lines("since the anchor: counted added: 3 attacks share the level of a case")


def test_the_ini_file_names_it(eroded):
    eroded.edit("pyproject.toml", "robustness_suite", 'robustness_anchor = "release"\nrobustness_suite')
    assert eroded.run().ret == FAILED


def test_without_one_it_says_how_to_record_it(recorded):
    result = recorded.run(*ANCHOR)
    assert result.ret == USAGE
    file = recorded.path / "release" / "tiny" / "rules.json"
    result.stderr.fnmatch_lines(
        f"ERROR: {file}: no anchor of tiny; record it: python -m pytest_robustness anchor tiny.toml release"
    )
    assert recorded.executed() == []


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "JSON: invalid json*"), ("{}", "alpha: field required"), ('{"alpha": "x"}', "alpha: *")],
)
def test_a_damaged_one(anchored, text, said):
    (anchored.path / "release" / "tiny" / "rules.json").write_text(text)
    result = anchored.run(*ANCHOR)
    assert result.ret == USAGE
    result.stderr.fnmatch_lines(f"ERROR: *rules.json: {said}")


def test_a_damaged_baseline_of_it_fails_its_case_only(anchored):
    file = anchored.path / "release" / "tiny" / "small" / "fgsm.json"
    file.write_text(file.read_text().replace('"success_rate": 0', '"success_rate": 1', 1))
    result = anchored.run(*ANCHOR)
    result.assert_outcomes(passed=3, failed=1)


def test_recording_one_without_baselines_is_refused(recorded, capsys):
    recorded.baseline("large/pgd").unlink()
    assert main(["anchor", "tiny.toml", "release"]) == USAGE
    assert "large/pgd.json: no baseline: record it, then the anchor" in capsys.readouterr().err
    assert not (recorded.path / "release").exists()


def test_recording_one_again_forgets_cases_that_left(anchored, capsys):
    anchored.edit("tiny.toml", '[models.large]\nsource = "tinyzoo:large"\n', "")
    anchor(anchored)
    assert "2 cases and the rules" in capsys.readouterr().out
    assert not (anchored.path / "release" / "tiny" / "large").exists()
    assert json.loads((anchored.path / "release" / "tiny" / "rules.json").read_text())["alpha"] == 0.05


@pytest.mark.parametrize(
    ("name", "text"),
    [("data/a.json", '{"mine": 1}'), ("small/fgsm.json", '{"mine": 1}'), ("rules.json", '{"rule": "mine"}')],
)
def test_a_folder_that_holds_somebody_elses_files_is_refused_and_left_as_it_was(recorded, name, text, capsys):
    file = recorded.path / "docs" / "tiny" / name
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert main(["anchor", "tiny.toml", "docs"]) == USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ERROR: docs/tiny: ")
    assert line.endswith(f"{name}: no part of an anchor; name another folder, or move it")
    assert file.read_text() == text
    assert [path for path in (recorded.path / "docs").rglob("*") if path.is_file()] == [file]


def git(project, *arguments):
    identity = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=project.path, check=True, capture_output=True)


@pytest.fixture
def tagged(recorded):
    """A repository whose tag v1 has the suite and its baselines."""
    git(recorded, "init", "-q")
    git(recorded, "add", "tiny.toml", "baselines")
    git(recorded, "commit", "-q", "-m", "a release")
    git(recorded, "tag", "v1")
    return recorded


def test_an_anchor_may_be_a_tag(tagged):
    tagged.behave(small_fgsm="weak", small_pgd="weak")
    tagged.record()
    assert tagged.run().ret == OK
    for workers in ("-n0", "-n2"):
        result = tagged.run("--robustness-anchor", "git:v1", workers)
        assert result.ret == FAILED
        assert [row.split()[-1] for row in tagged.table(result)] == ["eroded", "eroded", "same", "same"]
        assert [line for line in failures(result) if "since the anchor: small under 2 attacks" in line]


def test_of_a_tag_the_rules_count_too(tagged):
    tagged.edit("tiny.toml", "time = 1e6", "time = 1e6\nsuccess_rate = 0.5")
    tagged.edit(
        "pyproject.toml",
        'robustness_suite = "tiny.toml"',
        'robustness_suite = "tiny.toml"\nrobustness_anchor = "git:v1"',
    )
    result = tagged.run()
    assert result.ret == FAILED
    assert failures(result) == ["FAILED: since the anchor: tolerances.success_rate rose from 0.01 to 0.5"]


@pytest.mark.parametrize("name", ["v2", "--help", ""])
def test_a_tag_that_is_none(tagged, name):
    result = tagged.run("--robustness-anchor", f"git:{name}")
    assert result.ret != OK
    assert "no tag, branch or commit of this name here" in result.stdout.str() + result.stderr.str()
    assert "Traceback" not in result.stdout.str()


def test_a_tag_that_does_not_have_the_suite(tagged):
    """Nothing is said of how the suite was found: the anchor is at fault."""
    (tagged.path / "tiny.toml").rename(tagged.path / "robustness.toml")
    tagged.edit("pyproject.toml", 'robustness_suite = "tiny.toml"', 'robustness_anchor = "git:v1"')
    result = tagged.run()
    assert result.ret == USAGE
    (line,) = (line for line in result.errlines + result.outlines if "git:v1" in line)
    assert "robustness_anchor = git:v1: robustness.toml is not in this revision: was the suite renamed" in line
    assert "found by its name" not in line


def test_a_tag_is_read_whole_whatever_an_archive_of_it_would_leave_out(tagged):
    (tagged.path / ".gitattributes").write_text("baselines/tiny/small/fgsm.json export-ignore\n")
    git(tagged, "add", ".gitattributes")
    git(tagged, "commit", "-q", "-m", "smaller archives")
    git(tagged, "tag", "v2")
    tagged.behave(small_fgsm="weak", small_pgd="weak")
    tagged.record()
    result = tagged.run("--robustness-anchor", "git:v2")
    assert result.ret == FAILED
    assert [row.split()[-1] for row in tagged.table(result)] == ["eroded", "eroded", "same", "same"]


def test_a_tag_whose_suite_is_none_says_so_by_its_own_name(tagged):
    sound = (tagged.path / "tiny.toml").read_text()
    tagged.edit("tiny.toml", "batch_size = 20", "batch_size = 0")
    git(tagged, "add", "tiny.toml")
    git(tagged, "commit", "-q", "-m", "a broken suite")
    git(tagged, "tag", "v2")
    (tagged.path / "tiny.toml").write_text(sound)
    result = tagged.run("--robustness-anchor", "git:v2")
    assert result.ret == USAGE
    (line,) = (line for line in result.errlines + result.outlines if "git:v2" in line)
    assert "git:v2: tiny.toml as this revision has it: batch_size: " in line


def test_an_anchor_among_the_baselines_is_refused(recorded, capsys):
    """It would be held against itself."""
    for place in ("baselines", "baselines/tiny", "baselines/../baselines/kept"):
        assert main(["anchor", "tiny.toml", place]) == USAGE
        assert "lies in baselines, where the baselines are: an anchor is held against them" in capsys.readouterr().err
    assert not list(recorded.baselines.rglob("rules.json"))


def test_a_name_that_is_too_long_is_one_line(recorded, capsys):
    assert main(["anchor", "tiny.toml", "x" * 300]) == USAGE
    said = capsys.readouterr().err
    assert "File name too long" in said
    assert len(said.splitlines()) == 1
