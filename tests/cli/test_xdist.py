"""pytest-xdist: what workers change, which is nothing but the time."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

OK, FAILED, INTERRUPTED = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED
REVERSED = """
def pytest_collection_modifyitems(items):
    items.reverse()
"""


@pytest.fixture
def alone(recorded):
    """The evidence of each case in a run of its own."""
    recorded.baselines.rename(recorded.path / "all")
    for case in recorded.cases:
        result = recorded.run("--update-baselines", "-k", " and ".join(case.split("/")))
        result.assert_outcomes(passed=1, deselected=3)
    evidence = recorded.evidence()
    recorded.baselines.rename(recorded.path / "each")
    return evidence


def test_evidence_is_the_same_alone_in_reverse_order_and_on_workers(project, alone):
    assert len(alone) == 4
    project.pytester.makeconftest(REVERSED)
    result = project.run("--update-baselines", "-n0", "-v")
    assert next(line for line in result.outlines if " PASSED" in line).split()[0].endswith("[large/pgd]")
    assert project.evidence() == alone
    project.baselines.rename(project.path / "reversed")
    result = project.run("--update-baselines", "-n2", "-p", "no:benchmark")
    assert result.ret == OK
    assert project.evidence() == alone
    assert project.files().keys() == {f"tiny/{case}.json" for case in project.cases}


def test_without_a_worker_nothing_is_missing(recorded):
    recorded.behave(small_fgsm="weak")
    results = [recorded.run(*options) for options in ((), ("-n0",), ("-p", "no:xdist"))]
    assert [result.ret for result in results] == [FAILED] * 3
    numbers = {re.search(r"^small/fgsm: success rate .*", result.stdout.str(), re.MULTILINE)[0] for result in results}
    assert len(numbers) == 1


def test_workers_fail_with_the_same_numbers_and_commands(recorded):
    recorded.behave(small_fgsm="weak")
    recorded.baseline("large/pgd").unlink()
    single, workers = recorded.run(), recorded.run("-n2")
    assert single.ret == workers.ret == FAILED
    for result in (single, workers):
        result.assert_outcomes(passed=2, failed=2)  # the alarms of all cases of a model are lines
    for pattern in (
        r"^small/fgsm: success rate .*",
        r"^large/pgd: no baseline; record it: .*",
        r"^FAILED: small under 2 attacks: .*",
        r"^FAILED: small under any of 2: .*",
    ):
        said = [re.findall(pattern, result.stdout.str(), re.MULTILINE) for result in (single, workers)]
        assert len(said[0]) == 1
        assert said[0] == said[1]
    shown = [[re.sub(r" +\d+\.\d\d +(?=[+-])", " ", row) for row in recorded.table(one)] for one in (single, workers)]
    assert len(shown[0]) == 4
    assert shown[0] == shown[1]


def test_a_worker_that_dies_loses_its_case_and_no_other(recorded):
    before = recorded.files()
    recorded.behave(large_fgsm="dies", small_pgd="weak")
    result = recorded.run("-n2", "--update-baselines", "--benchmark-json=bench.json")
    assert result.ret == FAILED
    result.assert_outcomes(passed=3, failed=1)
    assert recorded.executed() == sorted(recorded.cases)
    result.stdout.re_match_lines_random([r"worker 'gw\d' crashed while running '.*\[large/fgsm\]'"])
    first, *others = recorded.table(result)
    assert re.fullmatch(r"large +fgsm [ -]+ crashed", first)
    assert len(others) == 3
    assert "not recorded: large/fgsm (crashed)" in result.outlines
    assert (recorded.path / "bench.json").read_text().count('"extra_info"') == 3
    after = recorded.files()
    assert {name for name in after if after[name] != before[name]} == {"tiny/small/pgd.json"}


def test_x_stops_workers_after_a_failure(recorded):
    before = recorded.files()
    recorded.behave(small_fgsm="weak", small_pgd="weak", large_fgsm="weak", large_pgd="weak")
    result = recorded.run("-n2", "-x")
    assert result.ret in (FAILED, INTERRUPTED)
    rows = recorded.table(result)
    assert 1 <= len(rows) <= 4
    assert all(row.endswith(" regressed") for row in rows)
    result.stdout.fnmatch_lines("*stopping after 1 failures*")
    assert recorded.files() == before


@contextlib.contextmanager
def under_way(recorded, *arguments):
    """A run of its own process group, while its last case takes a minute."""
    recorded.behave(small_fgsm="weak", large_pgd="slow")
    command = [sys.executable, "-m", "pytest", *arguments]
    with subprocess.Popen(
        command, cwd=recorded.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        deadline = time.monotonic() + 300
        while not (recorded.path / "started.txt").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield process


@pytest.mark.skipif(os.name != "posix", reason="signals a process group, as a terminal does")
@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "workers"])
def test_ctrl_c_leaves_whole_baselines(recorded, workers):
    before = recorded.files()
    with under_way(recorded, "--update-baselines", *workers) as process:
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == INTERRUPTED, output
    assert "KeyboardInterrupt" in output
    after = recorded.files()
    assert after.keys() == before.keys()
    assert after["tiny/large/pgd.json"] == before["tiny/large/pgd.json"]
    assert recorded.evidence().keys() == set(recorded.cases)  # each file reads


@pytest.mark.skipif(os.name != "posix", reason="signals a process, as a container's end does")
@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "workers"])
def test_sigterm_ends_a_run_with_its_summary_and_report(recorded, workers):
    before = recorded.files()
    with under_way(recorded, "--robustness-json", "out.json", *workers) as process:
        os.kill(process.pid, signal.SIGTERM)  # this process alone: its workers hear of it from it
        output, _ = process.communicate(timeout=30)
    assert process.returncode == INTERRUPTED, output
    assert "robustness: tiny" in output
    assert re.search(r"not run: \d of 4 cases: .*large/pgd", output)
    assert not json.loads((recorded.path / "out.json").read_text())["passed"]
    assert recorded.files() == before
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)  # no worker is left


def homes(result):
    """Which worker ran which case, from ``-v``: 'gw0' -> cases in order."""
    found = re.findall(r"^\[(gw\d)\].* PASSED \S+\[(\S+)\]", result.stdout.str(), re.MULTILINE)
    return {worker: [case for one, case in found if one == worker] for worker, _ in found}


def test_a_worker_gets_whole_models_the_longest_first(recorded):
    for case, seconds in {"small/fgsm": 1.0, "small/pgd": 2.0, "large/fgsm": 0.5, "large/pgd": 0.25}.items():
        measured = recorded.measurement(case).timing.seconds_per_attempt
        recorded.edit(f"baselines/tiny/{case}.json", f'_attempt": {measured}', f'_attempt": {seconds}')
    result = recorded.run("-n1", "-v")
    assert homes(result) == {"gw0": ["small/fgsm", "small/pgd", "large/fgsm", "large/pgd"]}
    assert sorted(map(sorted, homes(recorded.run("-n2", "-v")).values())) == [
        ["large/fgsm", "large/pgd"],
        ["small/fgsm", "small/pgd"],
    ]


def test_workers_outnumbering_models_share_their_cases(recorded):
    result = recorded.run("-n2", "-v", "-k", "small")
    assert sorted(homes(result).values()) == [["small/fgsm"], ["small/pgd"]]


def test_another_distribution_that_is_asked_for_is_left_alone(recorded):
    ours, theirs = recorded.run("-n2", "-v"), recorded.run("-n2", "-v", "--dist=loadfile")
    ours.stdout.fnmatch_lines(["scheduling tests via ModelScheduling"])
    theirs.stdout.fnmatch_lines(["scheduling tests via LoadFileScheduling"])
    assert ours.ret == theirs.ret == OK


def test_ids_that_only_look_like_cases_are_none_that_were_left_out(recorded):
    (recorded.path / "test_other.py").write_text(
        "import pytest\n@pytest.mark.parametrize('name', ['small/fgsm'])\ndef test_other(name): pass\n"
    )
    result = recorded.run("test_other.py", "-n", "1")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.no_fnmatch_line("*not run*")
