"""``--robustness-engine``: cases measured elsewhere are judged as they are here."""

import pytest

OK, FAILED, USAGE = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR
IN_PROCESS = ("--robustness-engine", "in-process")
CLEAN = '\nunselected = "clean.npz"'


@pytest.fixture
def with_clean_images(project):
    (project.path / "clean.npz").write_bytes((project.path / "images.npz").read_bytes())
    project.edit("tiny.toml", 'file = "images.npz"', f'file = "images.npz"{CLEAN}')
    return project


def test_evidence_and_findings_are_those_of_a_run_without_an_engine(with_clean_images):
    project = with_clean_images
    project.record()
    here = {case: project.measurement(case) for case in project.cases}
    project.baselines.rename(project.path / "before")
    project.record(*IN_PROCESS)
    there = {case: project.measurement(case) for case in project.cases}
    for case, one in here.items():
        assert there[case].model_copy(update={"timing": one.timing}) == one
    assert {len(one.findings) for one in there.values()} == {len(here["small/fgsm"].findings)}


def test_a_weaker_model_fails_with_the_same_line(recorded):
    recorded.behave(small_fgsm="weak")
    lines = []
    for options in ((), IN_PROCESS):
        result = recorded.run("-k", "fgsm", *options)
        assert result.ret == FAILED
        lines.append([line for line in result.outlines if line.startswith("small/fgsm: success rate")])
    assert lines[0]
    assert lines[0] == lines[1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((*IN_PROCESS, "-n2"), "--robustness-engine and -n cannot be combined: with an engine pytest is one process"),
        ((*IN_PROCESS, "--robustness-limit", "3"), "and --robustness-limit cannot be combined"),
        (
            (*IN_PROCESS, "--robustness-shard", "1/2", "--robustness-json", "p.json"),
            "and --robustness-shard cannot be combined",
        ),
        (("--robustness-engine", "dask"), "no engine 'dask': should be one of ray, ray://HOST:PORT, local, in-process"),
        (("--robustness-engine", "ray://"), "no engine 'ray://'"),
        ((*IN_PROCESS, *IN_PROCESS), "given 2 times"),
    ],
)
def test_what_cannot_be_is_a_usage_error(project, options, said):
    result = project.run(*options)
    assert result.ret == USAGE
    result.stderr.fnmatch_lines([f"*{said.replace('[', '[[]')}*"])
