"""pytest-benchmark's options: every case is in its results, is run exactly once, and judged as without them."""

import json
import re

import pytest

OK, FAILED = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED
CASES = ["large/counted", "large/fgsm", "large/pgd", "small/counted", "small/fgsm", "small/pgd"]
BATCHES = ["20"] * 4  # of two models under the attack that counts its calls
COUNTED = """
[attacks.counted]
attack = "tinyzoo:Counted"
norm = "inf"
eps = 0.01
"""
BESIDE = """
from pathlib import Path

def test_timed(benchmark):
    def append():
        with Path("timed.txt").open("a") as log:
            log.write("x")

    benchmark(append)

def test_untimed():
    Path("untimed.txt").touch()
"""
RESULTS = {"success_rate", "noise_rate", "effort", "gradient_units", "seconds_per_attempt", "device"}


@pytest.fixture
def counted(project):
    """The tiny suite with a third attack, and one of its six cases worse than its baseline."""
    project.edit("tiny.toml", "[attacks.fgsm]", f"{COUNTED}\n[attacks.fgsm]")
    project.record()
    project.executed(), project.attacked()
    project.behave(small_fgsm="weak")
    return project


def judged_once(project, result):
    """Every case was run once, in as many rounds as there are batches, with the verdict it always has."""
    assert result.ret == FAILED
    result.assert_outcomes(passed=5, failed=1)
    result.stdout.re_match_lines_random(
        [r"small/fgsm: success rate 40\.0% -> 82\.5% \(\+42\.5 pp \[.*\], 17 images lost, 0 won"]
    )
    assert project.executed() == CASES
    assert project.attacked() == BATCHES
    result.stdout.no_fnmatch_line("*PytestBenchmarkWarning*")
    result.stdout.no_fnmatch_line("*Benchmarks are automatically disabled*")
    result.stderr.no_fnmatch_line("*Benchmarks are automatically disabled*")


def check_json(project, file, *, workers=False):
    benchmarks = json.loads(file.read_text())["benchmarks"]
    assert sorted(one["param"] for one in benchmarks) == CASES
    for one in benchmarks:
        assert one["fullname"] == f"test_robustness.py::test_robustness[{one['param']}]"
        assert one["stats"]["rounds"] == len(one["stats"]["data"]) == 2
        assert one["stats"]["iterations"] == 1
        assert 0 < one["stats"]["min"] <= one["stats"]["mean"] <= one["stats"]["max"]
        info = one["extra_info"]
        assert info.keys() >= RESULTS
        assert ("worker" in info) == workers
        assert (info["effort"] is None) == one["param"].endswith("counted")
        assert 0 < info["noise_rate"] < 0.01
        assert info["gradient_units"] > 0
        assert info["seconds_per_attempt"] > 0
    rates = {one["param"]: one["extra_info"]["success_rate"] for one in benchmarks}
    assert rates["small/fgsm"] == 0.825
    for case in set(CASES) - {"small/fgsm"}:
        assert rates[case] == project.measurement(case).aggregates.success_rate
        device = next(one["extra_info"]["device"] for one in benchmarks if one["param"] == case)
        assert device == project.measurement(case).provenance.device


def benchmark_table(result):
    """The cases in pytest-benchmark's own table."""
    return sorted(set(re.findall(r"^test_robustness\[([\w/]+)\] ", result.stdout.str(), re.MULTILINE)))


def test_one_json_has_every_case(counted):
    result = counted.run("--benchmark-json=bench.json")
    judged_once(counted, result)
    check_json(counted, counted.path / "bench.json")
    assert benchmark_table(result) == CASES


@pytest.mark.parametrize(
    "options",
    [
        ("--benchmark-disable",),
        ("--benchmark-skip",),
        ("--benchmark-only",),
        ("--benchmark-skip", "--benchmark-only"),
        ("--benchmark-cprofile=cumtime",),
        ("--benchmark-cprofile=cumtime", "--benchmark-cprofile-loops=3"),
        ("--benchmark-warmup=on", "--benchmark-min-rounds=7"),
        ("-p", "no:benchmark"),
    ],
    ids=" ".join,
)
def test_no_option_skips_or_repeats_a_case(counted, options):
    judged_once(counted, counted.run(*options))


@pytest.mark.parametrize(
    "options", [("--benchmark-disable",), ("--benchmark-skip",), ("-p", "no:benchmark")], ids=" ".join
)
def test_without_benchmarks_none_is_shown(counted, options):
    assert benchmark_table(counted.run(options)) == []


def test_profiles_are_shown_and_are_the_attacks(counted):
    result = counted.run("--benchmark-cprofile=cumtime", "--benchmark-json=bench.json")
    judged_once(counted, result)
    result.stdout.fnmatch_lines("*- cProfile (time in s) -*")
    rows = json.loads((counted.path / "bench.json").read_text())["benchmarks"]
    (row,) = (row for row in rows if row["param"] == "small/counted")
    assert row["stats"]["rounds"] == 2
    calls = {line["function_name"].rpartition(":")[2]: line["ncalls"] for line in row["cprofile"]}
    assert any("__call__" in name and str(count) == "2" for name, count in calls.items()), calls


@pytest.mark.parametrize(("option", "trace"), [("--benchmark-only", "untimed.txt"), ("--benchmark-skip", "timed.txt")])
def test_other_tests_are_skipped_as_usual(counted, option, trace):
    counted.pytester.makepyfile(test_beside=BESIDE)
    result = counted.run(option)
    result.assert_outcomes(passed=6, failed=1, skipped=1)
    assert counted.executed() == CASES
    assert not (counted.path / trace).exists()


def test_a_case_without_attempts_times_nothing_and_warns_of_nothing(project):
    """Nothing but one class comes out of that model, and no image shows it."""
    project.edit("tinyzoo.py", "model.head.bias.data[0] = 1e3", "model.head.bias.data[2] = 1e3")
    project.record("-k", "small and fgsm")
    project.behave(small_fgsm="wrong")
    result = project.run("-k", "small and fgsm")
    assert result.ret == FAILED
    result.assert_outcomes(failed=1, deselected=3, warnings=0)
    result.stdout.fnmatch_lines("small/fgsm: none of the 40 images attacked before is classified correctly any more")
    assert benchmark_table(result) == []


def test_workers_put_every_case_into_one_json_beside_ordinary_benchmarks(counted, capfd):
    counted.pytester.makepyfile(test_beside=BESIDE)
    result = counted.run("-n2", "--benchmark-json=bench.json", "--benchmark-autosave")
    assert result.ret == FAILED
    result.assert_outcomes(passed=7, failed=1)
    assert counted.executed() == CASES
    assert counted.attacked() == BATCHES
    check_json(counted, counted.path / "bench.json", workers=True)
    assert benchmark_table(result) == CASES
    (saved,) = (counted.path / ".benchmarks").rglob("0001_*.json")
    assert sorted(one["param"] for one in json.loads(saved.read_text())["benchmarks"]) == CASES
    # pytest-benchmark disables the other one, runs it once and, from a worker, says so
    assert (counted.path / "timed.txt").read_text() == "x"
    assert "Benchmarks are automatically disabled because xdist plugin is active." in capfd.readouterr().err


def test_workers_compare_with_what_was_saved(counted):
    counted.behave()
    counted.run("--benchmark-autosave")
    counted.executed(), counted.attacked()
    (saved,) = (counted.path / ".benchmarks").rglob("0001_*.json")
    data = json.loads(saved.read_text())
    for one in data["benchmarks"]:
        factor = 1e-6 if one["param"] == "small/pgd" else 1e6
        one["stats"] |= {key: one["stats"][key] * factor for key in ("min", "max", "mean", "median")}
    saved.write_text(json.dumps(data))
    # pytest-benchmark says it by an exception, so not in this process
    result = counted.pytester.runpytest_subprocess("-n2", "--benchmark-compare", "--benchmark-compare-fail=mean:10%")
    assert result.ret == FAILED
    result.stdout.fnmatch_lines("......*100%*")
    assert counted.executed() == CASES
    assert counted.attacked() == BATCHES
    shown = [r"test_robustness\[small/pgd\] \(NOW\) ", r"test_robustness\[small/pgd\] \(0001_"]
    result.stdout.re_match_lines_random(shown)
    regressed = re.findall(r"\[([\w/]+)\].* - Field 'mean' has failed", result.stdout.str() + result.stderr.str())
    assert set(regressed) == {"small/pgd"}
    assert len(counted.table(result)) == 6  # all the same


@pytest.mark.parametrize(
    "options",
    [("--benchmark-disable", "--benchmark-json=bench.json"), ("--benchmark-skip",), ("--benchmark-cprofile=cumtime",)],
    ids=" ".join,
)
def test_no_option_skips_or_repeats_a_case_on_workers(counted, options):
    result = counted.run("-n2", *options)
    judged_once(counted, result)
    expected = CASES if "cprofile" in options[0] else []
    assert benchmark_table(result) == expected
    assert not (counted.path / "bench.json").exists()


def test_only_on_workers_skips_other_tests(counted):
    counted.pytester.makepyfile(test_beside=BESIDE)
    result = counted.run("-n2", "--benchmark-only", "--benchmark-json=bench.json")
    assert counted.executed() == CASES
    assert counted.attacked() == BATCHES
    check_json(counted, counted.path / "bench.json", workers=True)
    result.assert_outcomes(passed=6, failed=1, skipped=1)
    assert not (counted.path / "untimed.txt").exists()
