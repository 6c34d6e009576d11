"""``--robustness-suite`` and the ini keys: which suite, and what is said of a broken one."""

import pytest

from tests.cli.conftest import ALONE_AND_BY_WORKERS

OK, FAILED, USAGE = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR

#: What is wrong with a suite: a replacement in it, and what the error's line must say.
BROKEN = {
    "syntax": ("[models.small]", "[models.small", "not TOML: "),
    "unknown key": ("batch_size = 20", "batch_sise = 20", "batch_sise: unknown key (known: "),
    "unknown key of a model": (
        'source = "tinyzoo:small"',
        'source = "tinyzoo:small"\nwieghts = "a.pth"',
        "models.small.wieghts: unknown key (known: ",
    ),
    "type": ("batch_size = 20", 'batch_size = "20"', "batch_size: "),
    "range": ("batch_size = 20", "batch_size = 0", "batch_size: "),
    "missing key": ('attack = "FGSM"\n', "", "attacks.fgsm.attack: "),
    "missing file": ('file = "images.npz"', 'file = "pictures.npz"', "images.file: no such file: "),
    "name": ("[models.small]", '[models."../small"]', "models.../small: "),
    "unknown attack": ('attack = "FGSM"', 'attack = "FSGM"', "attacks.fgsm.attack: unknown attack 'FSGM' (known: "),
    "unknown parameter": ("steps = 3", "step = 3", "attacks.pgd.step: unknown key (parameters: "),
    "unknown stop": ("steps = 3", 'steps = 3\nstop = "patience"', "attacks.pgd.stop: "),
}


def one_line(result):
    """The one line of a usage error."""
    assert result.ret == USAGE
    first, *others = result.errlines
    assert not any(others), result.errlines
    assert first.startswith("ERROR: ")
    result.stdout.no_fnmatch_line("*Traceback*")
    return first.removeprefix("ERROR: ")


@pytest.fixture
def other(project):
    """A second suite, in a folder of its own, without the attack ``pgd``."""
    folder = project.path / "suites"
    folder.mkdir()
    text = (project.path / "tiny.toml").read_text().partition("[attacks.pgd]")[0]
    (folder / "other.toml").write_text(text.replace("images.npz", "../images.npz"))
    return project


def test_the_ini_files_suite_is_the_default(project):
    result = project.run("--collect-only", "-q")
    assert result.outlines[:4] == [
        f"test_robustness.py::test_robustness[[]{case}]".replace("[[]", "[") for case in project.cases
    ]


def test_a_suite_by_path(other):
    result = other.run("--robustness-suite", "suites/other.toml", "--update-baselines")
    assert result.ret == OK
    assert sorted(other.files()) == ["other/large/fgsm.json", "other/small/fgsm.json"]
    result.stdout.fnmatch_lines("*= robustness: other =*")


def test_a_path_is_relative_to_where_pytest_was_started(other, monkeypatch):
    monkeypatch.chdir(other.path / "suites")
    result = other.run("--robustness-suite", "other.toml", "--update-baselines", "..")
    assert result.ret == OK
    assert sorted(other.files()) == ["other/large/fgsm.json", "other/small/fgsm.json"]


def test_a_suite_by_name_is_looked_for_beside_the_configured_one(other):
    other.edit("pyproject.toml", '"tiny.toml"', '"suites/default.toml"')
    (other.path / "tiny.toml").rename(other.path / "suites" / "default.toml")
    result = other.run("--robustness-suite", "other", "--collect-only", "-q")
    assert result.ret == OK
    assert [line for line in result.outlines if "[" in line] == [
        "test_robustness.py::test_robustness[small/fgsm]",
        "test_robustness.py::test_robustness[large/fgsm]",
    ]


@ALONE_AND_BY_WORKERS
def test_an_unknown_name_is_a_usage_error_that_says_where_it_looked(project, workers):
    line = one_line(project.run("--robustness-suite", "nonesuch", *workers))
    assert line.startswith("--robustness-suite: no nonesuch.toml in ")
    assert str(project.path) in line


@ALONE_AND_BY_WORKERS
def test_a_path_that_is_not_there_is_a_usage_error(project, workers):
    line = one_line(project.run("--robustness-suite", "nowhere/nonesuch.toml", *workers))
    assert line.startswith(str(project.path / "nowhere" / "nonesuch.toml"))


@pytest.mark.parametrize(("old", "new", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_suite_is_a_usage_error_that_names_file_and_key(project, old, new, message):
    project.edit("tiny.toml", old, new)
    line = one_line(project.run())
    assert line.startswith(f"{project.path / 'tiny.toml'}: {message}")
    assert project.executed() == []


def test_a_broken_suite_is_noticed_before_workers_start(project):
    project.edit("tiny.toml", "batch_size = 20", "batch_size = 0")
    result = project.run("-n2")
    assert one_line(result).startswith(f"{project.path / 'tiny.toml'}: batch_size: ")
    result.stdout.no_fnmatch_line("*workers*")


def test_a_relative_path_in_the_suite_is_relative_to_the_suite(other):
    (other.path / "suites" / "images.npz").write_bytes(b"not an image set")
    assert other.run("--robustness-suite", "suites/other.toml", "--update-baselines", "-k", "small").ret == OK


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tinyzoo:small", "nonesuch:small", "models.small.source: no module 'nonesuch'"),
        ("tinyzoo:small", "tinyzoo:smal", "models.small.source: no 'smal' in tinyzoo"),
        ("tinyzoo:small", "tinyzoo:time", "models.small.source: "),
    ],
    ids=["module", "factory", "not a factory"],
)
def test_what_only_torch_can_tell_fails_the_case_in_one_line(recorded, old, new, message):
    recorded.edit("tiny.toml", old, new)
    result = recorded.run("-k", "small and fgsm")
    assert result.ret == FAILED
    lines = [line for line in result.outlines if message in line and not line.startswith("FAILED")]
    assert len(lines) == 1
    assert str(recorded.path / "tiny.toml") in lines[0]
    result.stdout.no_fnmatch_line("*Error: *")


def test_the_fixture_without_a_suite_is_a_clear_error(project):
    project.edit("pyproject.toml", 'robustness_suite = "tiny.toml"\n', "")
    result = project.run()
    assert result.ret == pytest.ExitCode.INTERRUPTED  # as for every error of collection
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("no suite: * has no key robustness_suite, and there is no robustness.toml beside it; *")
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*CollectError*")


def test_a_name_too_long_for_a_file_costs_one_line(project):
    result = project.run("--robustness-suite", "x" * 300)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.errlines[0].startswith("ERROR: --robustness-suite: no xxx")


def test_other_tests_need_no_suite(project):
    project.edit("pyproject.toml", 'robustness_suite = "tiny.toml"\n', "")
    (project.path / "tiny.toml").unlink()
    (project.path / "test_robustness.py").unlink()
    project.pytester.makepyfile(test_other="def test_other(): pass")
    for option in ((), ("--update-baselines",), ("--update-baselines-missing",), ("--prune-baselines",)):
        result = project.run(*option)
        assert result.ret == OK
        result.assert_outcomes(passed=1)
        result.stdout.no_fnmatch_line("*robustness:*")


def test_help_and_version_need_no_sound_suite(project):
    (project.path / "tiny.toml").write_text("?")
    assert project.run("--version").ret == OK
    assert project.run("--help").ret == OK


def test_the_ini_key_robustness_baselines_says_where_they_are(project):
    project.edit("pyproject.toml", "robustness_suite", 'robustness_baselines = "kept/here"\nrobustness_suite')
    result = project.run("--update-baselines")
    assert result.ret == OK
    assert "baselines in kept/here/tiny: 4 written, 0 unchanged" in result.outlines
    assert (project.path / "kept" / "here" / "tiny" / "small" / "pgd.json").is_file()
    assert not project.baselines.exists()
    assert project.run().ret == OK


def test_ini_keys_can_be_overridden(other):
    result = other.run("-o", "robustness_suite=suites/other.toml", "-o", "robustness_baselines=b", "--update-baselines")
    assert result.ret == OK
    assert (other.path / "b" / "other" / "small" / "fgsm.json").is_file()
