"""--candidate: may this model take the other's place?"""

import re
import runpy

import pytest

from tests.cli.conftest import SUITE

OK, FAILED, USAGE = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR
UNSELECTED = SUITE.replace('file = "images.npz"', 'file = "images.npz"\nunselected = "images.npz"')


@pytest.fixture
def candidates(project):
    """A suite with accuracies, and factories that no suite names."""
    (project.path / "tiny.toml").write_text(UNSELECTED)
    (project.path / "offer.py").write_text(
        "import tinyzoo\n\n\ndef small():\n    return tinyzoo.build('small')\n\n\n"
        "def weak():\n    return tinyzoo.build('small', leak=1.0)\n"
    )
    project.record()
    project.executed()
    return project


def test_another_model_of_the_suite_is_judged_by_the_first_ones_baselines(candidates):
    before = candidates.files()
    result = candidates.run("--candidate", "small=large")
    # as the first model's cases, and nothing else; in one of them the model is loaded that it takes the place of, as
    # the masking checks also try images made on another model
    assert candidates.executed() == ["small/fgsm", "small/fgsm", "small/pgd"]
    rows = candidates.table(result)
    assert [row.split()[:2] for row in rows] == [["small", "fgsm"], ["small", "pgd"]]
    result.stdout.fnmatch_lines(["*robustness: tiny, candidate small=large*", "small: clean accuracy *"])
    then, now = candidates.measurement("small/fgsm"), candidates.measurement("large/fgsm")
    change = sum(now.evidence.success) - sum(then.evidence.success)
    assert f"{100 * change / 40:+.1f} pp" in rows[0]
    assert candidates.files() == before


def test_a_weaker_candidate_fails_and_an_equal_one_passes(candidates):
    weak = candidates.run("--candidate", "small=offer:weak")
    assert weak.ret == FAILED
    weak.assert_outcomes(failed=2)
    assert all(row.endswith("regressed") for row in candidates.table(weak))
    same = candidates.run("--candidate", "small=offer:small")
    assert same.ret == OK
    same.stdout.fnmatch_lines("small: clean accuracy 100.0%, no image changed")


def test_weights_may_come_from_a_file(candidates):
    candidates.pytester.makepyfile(
        save="""
        import tinyzoo
        from safetensors.torch import save_file

        save_file(tinyzoo.build("small", leak=1.0).state_dict(), "weak.safetensors")
    """
    )
    assert candidates.pytester.runpython("save.py").ret == 0
    for other in ("offer:small@weak.safetensors", "small@weak.safetensors"):
        result = candidates.run("--candidate", f"small={other}")
        assert result.ret == FAILED
        result.stdout.re_match_lines_random([r"small is not the model of its baselines: weights \w{8} -> \w{8}"])


def test_workers_say_the_same(candidates):
    alone, workers = (candidates.run("--candidate", "small=offer:weak", *more) for more in ((), ("-n2",)))
    assert alone.ret == workers.ret == FAILED
    rows = [[re.sub(r" +\d+\.\d\d +(?=[+-])", " ", row) for row in candidates.table(one)] for one in (alone, workers)]
    assert rows[0] == rows[1]


def test_baselines_of_other_models_are_not_missed(candidates):
    candidates.baseline("large/pgd").unlink()
    assert candidates.run("--candidate", "small=offer:small").ret == OK


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        ("", "should be MODEL=OTHER"),
        ("small", "should be MODEL=OTHER"),
        ("small=", "should be MODEL=OTHER"),
        ("smal=large", "no model 'smal' in *tiny.toml (small, large)"),
        ("small=larg", "'larg' is no model of *tiny.toml and no package.module:factory"),
        ("small=offer:", "source: should be package.module:factory, torchvision:NAME, *"),
        ("small=large@none.pth", "weights: no such file: *none.pth"),
    ],
)
def test_a_candidate_that_cannot_be_is_a_usage_error(candidates, candidate, said):
    result = candidates.run("--candidate", candidate)
    assert result.ret == USAGE
    result.stderr.fnmatch_lines(f"ERROR: --candidate {candidate}: {said}")


def test_a_candidate_that_is_given_twice_is_a_usage_error(candidates):
    result = candidates.run("--candidate", "small=large", "--candidate", "small=offer:weak")
    assert result.ret == USAGE
    assert result.errlines[0] == "ERROR: --candidate: given 2 times (small=large, small=offer:weak): give one"
    assert candidates.executed() == []


@pytest.mark.parametrize("option", ["--update-baselines", "--update-baselines-missing", "--prune-baselines"])
def test_a_candidate_never_writes_a_baseline(candidates, option):
    before = candidates.files()
    result = candidates.run("--candidate", "small=large", option)
    assert result.ret == USAGE
    result.stderr.fnmatch_lines("ERROR: --candidate cannot be combined with --update-baselines, *")
    assert candidates.files() == before


def test_a_file_may_be_a_candidate(recorded):
    """A program brings its weights, and is looked for where the command was typed."""
    import torch

    namespace = runpy.run_path(str(recorded.path / "tinyzoo.py"), run_name="weakzoo")
    torch.jit.trace(namespace["build"]("small", 1.0).eval(), torch.rand(8, 3, 8, 8)).save(recorded.path / "weak.pt")
    result = recorded.run("--candidate", "small=weak.pt", "-k", "fgsm")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*small/fgsm: success rate * -> *"])
