"""What only several cases tell: pooled verdicts and variants."""

from xml.etree import ElementTree

import pytest

OK, FAILED = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED
GROUPS = '\n[groups]\nboth = ["small", "large"]\n\n[[variants]]\nbase = "small"\nupdate = "large"\n'


@pytest.fixture
def grouped(recorded):
    with (recorded.path / "tiny.toml").open("a") as suite:
        suite.write(GROUPS)
    return recorded


def contrasts(result):
    lines = result.outlines
    start = next((i for i, line in enumerate(lines) if line.startswith("base -> update")), None)
    if start is None:
        return []
    return [line for line in lines[start + 1 :] if line.startswith("small -> large")]


def test_a_model_and_a_group_are_judged_together(grouped):
    grouped.behave(small_fgsm="weak", small_pgd="weak")
    result = grouped.run()
    assert result.ret == FAILED
    result.stdout.re_match_lines_random([r"FAILED: small under 2 attacks: success rate \+\d.* pp \[.*, joint p = .*"])
    result.stdout.re_match_lines_random([r".*both, 2 models under 2 attacks: success rate \+\d.*"])
    assert "large under 2 attacks" not in result.stdout.str()


def test_a_change_too_unsure_in_each_case_fails_the_run_when_it_is_sure_in_all(grouped):
    grouped.edit("tiny.toml", "batch_size", "alpha = 2e-5\nbatch_size")  # a thirtieth for each metric of a case
    grouped.edit("tiny.toml", "[tolerances]", "[tolerances]\neffort = 10.0\nnoise_rate = 10.0")
    grouped.behave(small_fgsm="weak", small_pgd="weak")
    for workers in ("-n0", "-n2"):
        result = grouped.run(workers)
        assert result.ret == FAILED
        alarms = [line for line in result.outlines if line.startswith("FAILED: ")]
        assert all(line.startswith("FAILED: small") for line in alarms)
        result.assert_outcomes(passed=4, failed=len(alarms))  # each alarm is a test case of its own
        assert [row.split()[-1] for row in grouped.table(result)] == ["inconclusive"] * 2 + ["same"] * 2
        result.stdout.re_match_lines_random([r"FAILED: small under 2 attacks: success rate .*"])


def test_together_only_what_is_complete(grouped):
    grouped.behave(small_fgsm="weak", small_pgd="weak")
    result = grouped.run("-k", "fgsm")
    assert "under 2 attacks" not in result.stdout.str()
    assert contrasts(result) == []


def test_variants_are_compared_in_each_run(grouped):
    alone = grouped.run()
    lines = contrasts(alone)
    assert [line.split()[3] for line in lines] == ["fgsm", "pgd", "mean"]
    base, update = (sum(grouped.measurement(f"{model}/fgsm").evidence.success) for model in ("small", "large"))
    assert f"{100 * (update - base) / 40:+.1f} pp" in lines[0]
    assert contrasts(grouped.run("-n2")) == lines
    assert alone.ret == OK


def test_a_variant_regresses_nothing(grouped):
    grouped.behave(large_fgsm="weak", large_pgd="weak")
    grouped.run("--update-baselines")
    result = grouped.run()
    assert result.ret == OK
    assert len(contrasts(result)) == 3


@pytest.mark.parametrize("workers", ["-n0", pytest.param("-n2", marks=pytest.mark.nightly)])
def test_what_fails_a_run_is_a_test_case_of_junit(grouped, workers):
    """Also where a case has failed already: there the terminal counts the tests that there are."""
    grouped.behave(small_fgsm="weak", small_pgd="weak")
    result = grouped.run(workers, "--junitxml", "junit.xml")
    result.assert_outcomes(passed=2, failed=2)
    cases = ElementTree.parse(grouped.path / "junit.xml").getroot().iter("testcase")
    failed = {case.get("name"): case.find("failure") for case in cases if case.find("failure") is not None}
    assert {"test_robustness[small/fgsm]", "small under 2 attacks", "small under any of 2"} <= failed.keys()
    assert "success rate +" in failed["small under 2 attacks"].text


def test_a_failure_that_no_test_has_is_no_test_to_run_again(grouped):
    grouped.edit("tiny.toml", "batch_size", "alpha = 2e-5\nbatch_size")
    grouped.edit("tiny.toml", "[tolerances]", "[tolerances]\neffort = 10.0\nnoise_rate = 10.0")
    grouped.behave(small_fgsm="weak", small_pgd="weak")
    assert grouped.run("-n0").ret == FAILED
    again = grouped.run("-n0", "--lf")
    again.stdout.fnmatch_lines("run-last-failure: no previously failed tests, *")
