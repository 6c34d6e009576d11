"""Settings that ``init`` makes: in the file and the table that pytest itself reads, and every other byte stays."""

from __future__ import annotations

import pytest
from pytest_robustness.errors import RobustnessError
from pytest_robustness.setup.insertion import insertion
from pytest_robustness.setup.places import Places
from pytest_robustness.setup.repository import Repository

from tests.cli.strangers import git

NINE = int(pytest.__version__.partition(".")[0]) >= 9
OPTIONS = '[project]\nname = "x"  # mine\n\n[tool.pytest.ini_options]  # ours\naddopts = ["-q"]\n\n[tool.ruff]\n'
#: Files of a repository, and the one that pytest reads.
READ = {
    "a table": ({"pyproject.toml": OPTIONS}, "pyproject.toml"),
    "a table with spaces": ({"pyproject.toml": " [ tool . pytest . ini_options ]\naddopts = '-q'"}, "pyproject.toml"),
    "a table of nothing": ({"pyproject.toml": "[tool.pytest.ini_options]"}, "pyproject.toml"),
    "carriage returns": ({"pyproject.toml": OPTIONS.replace("\n", "\r\n")}, "pyproject.toml"),
    "no table": ({"pyproject.toml": '[project]\nname = "x"\n# the end'}, "pyproject.toml"),
    "an empty file": ({"pyproject.toml": ""}, "pyproject.toml"),
    "an empty pytest.ini hides pyproject": ({"pyproject.toml": OPTIONS, "pytest.ini": ""}, "pytest.ini"),
    "a hidden pytest.ini": ({".pytest.ini": "[pytest]\naddopts =\n  -q\n  -x\n; mine\n"}, ".pytest.ini"),
    "pytest.ini": ({"pytest.ini": "# mine\n[pytest]\naddopts = -q\n"}, "pytest.ini"),
    "setup.cfg": ({"setup.cfg": "[metadata]\nname = x\n\n[tool:pytest]\naddopts = -q\n[other]\nx=1"}, "setup.cfg"),
    "setup.cfg beside pyproject": ({"pyproject.toml": "", "setup.cfg": "[tool:pytest]\naddopts = -q\n"}, "setup.cfg"),
    "tox.ini": ({"tox.ini": "[tox]\nenvlist = a\n[pytest]\naddopts = -q\n"}, "tox.ini"),
    "tox.ini without pytest": ({"tox.ini": "[tox]\n", "setup.cfg": "[tool:pytest]\naddopts = -q\n"}, "setup.cfg"),
    "nothing": ({}, "pytest.ini"),
    **(
        {
            "native": ({"pyproject.toml": '[tool.pytest]\naddopts = ["-q"]\n'}, "pyproject.toml"),
            "pytest.toml": ({"pytest.toml": '[pytest]\naddopts = ["-q"]\n', "pytest.ini": ""}, "pytest.toml"),
            "an empty pytest.toml": ({"pytest.toml": "# none\n"}, "pytest.toml"),
        }
        if NINE
        else {}
    ),
}


@pytest.mark.parametrize("name", READ)
def test_a_setting_is_read_by_pytest_and_nothing_else_changes(name, pytester):
    written, read = READ[name]
    for file, text in written.items():
        (pytester.path / file).write_bytes(text.encode())
    if written:
        assert pytester.parseconfig().inipath == pytester.path / read  # so it is for pytest before anything is done
    one = insertion(Repository.of(pytester.path), "robustness_suite", "suites/a.toml")
    assert one.path == pytester.path / read
    assert one.text is not None
    one.write()
    two = insertion(Repository.of(pytester.path), "pythonpath", ["src dir" if read.endswith("toml") else "src"])
    two.write()

    config = pytester.parseconfig()
    assert config.inipath == pytester.path / read
    assert config.getini("robustness_suite") == "suites/a.toml"
    assert [path.name for path in config.getini("pythonpath")] == ["src dir" if read.endswith("toml") else "src"]
    before = written.get(read, "")
    if before:
        assert config.getini("addopts") == before_addopts(before)
    after = (pytester.path / read).read_bytes().decode()
    mark = "\r\n" if "\r\n" in before else "\n"
    for line in (one.line, two.line):
        assert after.count(line + mark) == 1
        after = after.replace(line + mark, "")
    kept = after.replace(f"[{one.table}]{mark}", "") if f"[{one.table}]" not in before else after
    assert kept.strip() == before.strip()
    for file, text in written.items():
        if file != read:
            assert (pytester.path / file).read_bytes() == text.encode()


def before_addopts(text: str) -> list[str]:
    return [word for word in ("-q", "-x") if word in text]


@pytest.mark.parametrize(
    "text",
    [
        '[tool]\npytest.ini_options.addopts = "-q"\n',
        '[tool.pytest]\nini_options = { addopts = "-q" }\n',
        '[tool.pytest.ini_options]\nrobustness_suite = "theirs.toml"\n',
        'x = """\n[tool.pytest.ini_options]\n"""\n[tool.pytest.ini_options]\naddopts = "-q"\n',
        'x = """\n[tool.pytest.ini_options]\n"""\n[tool.pytest]\nini_options.addopts = "-q"\n',
        "[tool.'pytest'.ini_options]\naddopts = '-q'\n",
    ],
)
def test_where_a_line_cannot_be_put_safely_a_person_is_asked_to(text, tmp_path):
    (tmp_path / "pyproject.toml").write_text(text)
    one = insertion(Repository.of(tmp_path), "robustness_suite", "a.toml")
    assert one.text is None
    assert (one.table, one.line) == ("tool.pytest.ini_options", 'robustness_suite = "a.toml"')


@pytest.mark.parametrize("text", ["[tool.pytest\n", "[tool.pytest]\nx = 1\n[tool.pytest.ini_options]\ny = 1\n"])
def test_a_configuration_that_pytest_cannot_read_is_told(text, tmp_path):
    (tmp_path / "pyproject.toml").write_text(text)
    if "x = 1" in text and not NINE:
        pytest.skip("pytest 8 reads the second table")
    with pytest.raises(RobustnessError, match=r"pyproject\.toml: "):
        Repository.of(tmp_path)


def test_a_link_stays_a_link_and_a_file_keeps_its_mode(tmp_path):
    (tmp_path / "real").write_text("[pytest]\n")
    (tmp_path / "real").chmod(0o600)
    (tmp_path / "pytest.ini").symlink_to("real")
    insertion(Repository.of(tmp_path), "robustness_suite", "a.toml").write()
    assert (tmp_path / "pytest.ini").is_symlink()
    assert (tmp_path / "real").read_text() == "[pytest]\nrobustness_suite = a.toml\n"
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o600


def test_the_branch_that_changes_are_merged_into(tmp_path):
    repository = Repository.of(tmp_path)
    assert repository.main_branch == "main"  # without git
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    git(tmp_path, "checkout", "-q", "-b", "feature")
    repository = Repository.of(tmp_path)
    assert repository.main_branch == "main"
    git(tmp_path, "branch", "-q", "-D", "main")
    assert repository.main_branch == "feature"
    git(tmp_path, "update-ref", "refs/remotes/origin/trunk", "HEAD")
    git(tmp_path, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")
    assert repository.main_branch == "trunk"


def test_a_test_lies_where_pytest_looks_for_tests(tmp_path):
    assert Repository.of(tmp_path).test_folder == tmp_path
    (tmp_path / "tests").mkdir()
    assert Repository.of(tmp_path).test_folder == tmp_path / "tests"
    (tmp_path / "checks").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = absent checks\n")
    assert Repository.of(tmp_path).test_folder == tmp_path / "checks"


def test_a_folder_below_the_root_has_the_root_s_configuration(tmp_path, pytester):
    (pytester.path / "pyproject.toml").write_text(OPTIONS)
    git(pytester.path, "init", "-q")
    below = pytester.mkdir("below")
    assert Repository.of(below).root == pytester.path
    places = Places.of(Repository.of(below), None, None)
    assert places.suite == pytester.path / "robustness.toml"
    assert places.is_found
    other = Places.of(Repository.of(below), below / "mine.toml", None)
    assert not other.is_found
    assert other.beside_suite(pytester.path / "photos") == "../photos"
    assert other.beside_suite(tmp_path.parent / "photos") == (tmp_path.parent / "photos").as_posix()


@pytest.mark.parametrize("text", [None, "", "[tool.pytest.ini_options]\naddopts = '-q'\n"])
def test_two_settings_are_put_into_one_file(text, tmp_path):
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    repository = Repository.of(tmp_path)
    suite = insertion(repository, "robustness_suite", "a.toml")
    path = insertion(repository, "pythonpath", ["."], suite)
    suite.write()
    path.write()
    values = Repository.of(tmp_path).configuration.values
    assert values["robustness_suite"] == "a.toml"
    assert values["pythonpath"] in (["."], ".")
    assert len(values) == 2 + bool(text)
