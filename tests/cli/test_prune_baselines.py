"""``--prune-baselines``: baselines of cases that left the suite."""

import pytest

OK, FAILED, USAGE = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR
OBSOLETE = "baselines of cases that are not in the suite: large/fgsm, large/pgd; --prune-baselines deletes them"
PRUNED = "pruned baselines of cases that are not in the suite: large/fgsm, large/pgd"


@pytest.fixture
def shrunk(recorded):
    """The model ``large`` left the suite, its baselines did not."""
    recorded.edit("tiny.toml", '[models.large]\nsource = "tinyzoo:large"\n', "")
    return recorded


def test_an_obsolete_baseline_fails_a_full_run(shrunk):
    before = shrunk.files()
    result = shrunk.run()
    assert result.ret == FAILED
    result.assert_outcomes(passed=2, failed=1)  # no count says that all passed
    assert f"FAILED: {OBSOLETE}" in result.outlines
    assert shrunk.files() == before


def test_a_partial_run_does_not_look(shrunk):
    result = shrunk.run("-k", "fgsm")
    assert result.ret == OK
    result.stdout.no_fnmatch_line("*not in the suite*")


def test_updating_names_it_and_keeps_it(shrunk):
    before = shrunk.files()
    result = shrunk.run("--update-baselines")
    assert result.ret == OK
    assert OBSOLETE in result.outlines
    assert shrunk.files() == before


@pytest.mark.parametrize("selection", [(), ("-k", "fgsm"), ("--update-baselines",)], ids=["full", "partial", "update"])
def test_it_is_deleted_on_request(shrunk, selection):
    before = shrunk.files()
    result = shrunk.run("--prune-baselines", *selection)
    assert result.ret == OK
    assert PRUNED in result.outlines
    kept = {name: content for name, content in before.items() if name.startswith("tiny/small/")}
    assert shrunk.files() == kept
    assert not (shrunk.baselines / "tiny" / "large").exists()
    assert shrunk.run().ret == OK


def test_pruning_removes_nothing_that_is_in_the_suite(recorded):
    before = recorded.files()
    assert recorded.run("--prune-baselines").ret == OK
    assert recorded.files() == before


def test_pruning_does_not_excuse_a_regression(shrunk):
    shrunk.behave(small_pgd="weak")
    result = shrunk.run("--prune-baselines")
    assert result.ret == FAILED
    result.assert_outcomes(passed=1, failed=1)


def test_another_suites_baselines_are_not_touched(shrunk):
    (shrunk.path / "other.toml").write_text((shrunk.path / "tiny.toml").read_text())
    assert shrunk.run("--robustness-suite", "other", "--update-baselines").ret == OK
    before = shrunk.files()
    result = shrunk.run("--robustness-suite", "other", "--prune-baselines")
    assert result.ret == OK
    assert shrunk.files() == before


STRANGERS = {
    "notes/a.json": '{"mine": 1}\n',
    "large/other.json": "no JSON at all",
    "large/pgd.json": "<<<<<<< HEAD\n",  # of an obsolete case, and no baseline any more
}


def test_what_is_no_baseline_of_the_suite_stays_and_is_named(shrunk):
    for name, text in STRANGERS.items():
        file = shrunk.baselines / "tiny" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    moved = shrunk.baselines / "tiny" / "notes" / "moved.json"
    moved.write_bytes((shrunk.baselines / "tiny" / "small" / "fgsm.json").read_bytes())  # of another place
    result = shrunk.run("--prune-baselines")
    assert result.ret == OK
    assert "pruned baselines of cases that are not in the suite: large/fgsm" in result.outlines
    named = "large/other.json, large/pgd.json, notes/a.json, notes/moved.json"
    assert f"no baselines of the suite, and left alone: {named} in baselines/tiny" in result.outlines
    for name, text in STRANGERS.items():
        assert (shrunk.baselines / "tiny" / name).read_text() == text
    assert moved.exists()
    result = shrunk.run()  # they are no obsolete baselines either
    assert result.ret == OK
    assert f"no baselines of the suite, and left alone: {named} in baselines/tiny" in result.outlines


def test_collecting_only_deletes_nothing(shrunk):
    before = shrunk.files()
    shrunk.run("--prune-baselines", "--collect-only")
    assert shrunk.files() == before


def test_ci_prunes_nothing(shrunk, monkeypatch):
    before = shrunk.files()
    monkeypatch.setenv("CI", "1")
    result = shrunk.run("--prune-baselines")
    assert result.ret == USAGE
    assert len(result.errlines) == 2
    assert "--update-baselines-in-ci" in result.errlines[0]
    assert shrunk.files() == before
    assert shrunk.run("--prune-baselines", "--update-baselines-in-ci").ret == OK
    assert len(shrunk.files()) == 2
