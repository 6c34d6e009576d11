"""Several suites in one run: each is judged, recorded and reported for itself, and their cases cannot be confused."""

import json

import pytest

OK, FAILED, USAGE = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR
BOTH = ("--robustness-suite", "tiny", "--robustness-suite", "suites/other.toml")


@pytest.fixture
def both(project):
    """A second suite of the same models and images, with ``fgsm`` alone."""
    folder = project.path / "suites"
    folder.mkdir()
    text = (project.path / "tiny.toml").read_text().partition("[attacks.pgd]")[0]
    (folder / "other.toml").write_text(text.replace("images.npz", "../images.npz"))
    return project


@pytest.fixture
def recorded_both(both):
    assert both.run(*BOTH, "--update-baselines").ret == OK
    return both


def passed(result):
    return result.parseoutcomes().get("passed", 0)


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_each_suite_has_its_baselines_and_its_summary(both, workers):
    result = both.run(*BOTH, "--update-baselines", *workers)
    assert result.ret == OK
    assert passed(result) == 6
    cases = ["other/large/fgsm.json", "other/small/fgsm.json"]
    assert sorted(both.files()) == sorted([*cases, *(f"tiny/{case}.json" for case in both.cases)])
    result.stdout.fnmatch_lines(["*= robustness: tiny =*", "*: 4 written, 0 unchanged", "*= robustness: other =*"])
    lists = {name.partition("/")[0] for name in both.lists()}
    assert lists == {"tiny", "other"}, "each has the list of its images, which a process sends once"
    again = both.run(*BOTH, *workers)
    assert again.ret == OK
    alone = both.run("--robustness-suite", "suites/other.toml", *workers)
    assert alone.ret == OK, "what was recorded together is judged alone"
    assert passed(alone) == 2


def test_a_case_is_named_with_its_suite(recorded_both):
    result = recorded_both.run(*BOTH, "--collect-only", "-q")
    ids = [line.partition("[")[2].rstrip("]") for line in result.outlines if line.startswith("test_")]
    assert ids == [*(f"tiny:{case}" for case in recorded_both.cases), "other:small/fgsm", "other:large/fgsm"]
    one = recorded_both.run("test_robustness.py::test_robustness[other:small/fgsm]", *BOTH)
    assert passed(one) == 1
    assert passed(recorded_both.run(*BOTH, "-k", "other and small")) == 1


def test_one_suite_fails_and_the_other_does_not(recorded_both):
    recorded_both.edit("suites/other.toml", "eps = 0.01", "eps = 0.01\nmax_success_rate = 0.0")
    result = recorded_both.run(*BOTH)
    assert result.ret == FAILED
    outcomes = result.parseoutcomes()
    assert (outcomes["passed"], outcomes["failed"]) == (4, 2)
    result.stdout.fnmatch_lines(["*FAILED *other:small/fgsm*"])
    result.stdout.no_fnmatch_line("*FAILED *tiny:*")


def test_the_command_of_a_missing_baseline_records_it(recorded_both):
    recorded_both.baseline("small/fgsm", "other").unlink()
    result = recorded_both.run(*BOTH)
    assert result.ret == FAILED
    advice = recorded_both.advice(result)
    assert "--robustness-suite tiny --robustness-suite suites/other.toml" in advice
    before = recorded_both.files()
    assert recorded_both.run_command(advice).ret == OK
    assert recorded_both.files().keys() - before.keys() == {"other/small/fgsm.json"}


def test_missing_ones_are_recorded_and_obsolete_ones_pruned_in_their_own_suite(recorded_both):
    recorded_both.baseline("small/fgsm", "other").unlink()
    result = recorded_both.run(*BOTH, "--update-baselines-missing")
    assert result.ret == OK
    assert passed(result) == 1
    nothing = recorded_both.run(*BOTH, "--update-baselines-missing")
    assert nothing.ret == OK
    nothing.stdout.fnmatch_lines(["*every case has a baseline*"])
    (recorded_both.path / "suites" / "other.toml").write_text(
        (recorded_both.path / "suites" / "other.toml").read_text().replace("[attacks.fgsm]", "[attacks.renamed]")
    )
    assert recorded_both.run(*BOTH, "--update-baselines-missing", "-k", "nothing").ret != OK
    result = recorded_both.run(*BOTH, "--update-baselines", "--prune-baselines")
    assert result.ret == OK
    assert sorted(name for name in recorded_both.files() if name.startswith("other/")) == [
        "other/large/renamed.json",
        "other/small/renamed.json",
    ]
    assert len([name for name in recorded_both.files() if name.startswith("tiny/")]) == 4


def test_each_suite_has_its_outputs(recorded_both):
    files = ("--robustness-json", "{suite}.json", "--robustness-markdown", "out-{suite}.md")
    result = recorded_both.run(*BOTH, *files, "--robustness-run", "run-{suite}")
    assert result.ret == OK
    for suite, count in {"tiny": 4, "other": 2}.items():
        assert len(json.loads((recorded_both.path / f"{suite}.json").read_text())["cases"]) == count
        assert (recorded_both.path / f"out-{suite}.md").exists()
        assert (recorded_both.path / f"run-{suite}").is_dir()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--robustness-json", "out.json"), "has to have {suite} in it, for several suites: out-{suite}.json"),
        (("--robustness-run", "run"), "has to have {suite} in it, for several suites: run-{suite}"),
        (("--robustness-shard", "1/2"), "--robustness-shard: is of one suite: name one by --robustness-suite, not 2"),
        (("--robustness-engine", "in-process"), "--robustness-engine: is of one suite"),
        (("--robustness-log", "mlflow"), "--robustness-log: is of one suite"),
        (("--candidate", "small=large"), "is of one suite: name one by --robustness-suite"),
        (("--robustness-suite", "./tiny.toml"), "tiny.toml: given twice"),
        (("--robustness-suite", "more/Tiny.toml"), "of one name: baselines and cases are kept by a suite's name"),
        (("--robustness-suite", "absent"), "no absent.toml in "),
        (("--robustness-gallery", "small/*", "--robustness-json", "{suite}.json"), "no case 'small/*' in "),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(both, options, said):
    (both.path / "more").mkdir()
    (both.path / "more" / "Tiny.toml").write_text((both.path / "tiny.toml").read_text())
    result = both.run(*BOTH, *options)
    assert result.ret == USAGE
    assert said in "\n".join(result.errlines)
    assert not both.executed()


def test_the_ini_key_takes_several(recorded_both):
    recorded_both.edit("pyproject.toml", '"tiny.toml"', '"""\ntiny.toml\n\n  suites/other.toml\n"""')
    assert passed(recorded_both.run()) == 6
    assert passed(recorded_both.run("--robustness-suite", "other")) == 2, "one of them, by its name"


@pytest.mark.filterwarnings("ignore::pytest.PytestWarning")
def test_a_list_in_the_ini_file_is_refused(both):
    both.edit("pyproject.toml", '"tiny.toml"', '["tiny.toml", "suites/other.toml"]')
    result = both.run()
    assert result.ret == USAGE
    assert "robustness_suite: should be a string" in "\n".join(result.errlines)


def test_a_worker_that_dies_is_told_of_the_right_suite(recorded_both):
    recorded_both.edit("suites/other.toml", "batch_size = 20", "batch_size = 20\ntimeout = '0.001 s'")
    result = recorded_both.run(*BOTH, "-n", "1", "-k", "other and small")
    assert result.ret == FAILED
    result.stdout.fnmatch_lines(["*small/fgsm: timed out: its suite's timeout is 0.001 s*"])
