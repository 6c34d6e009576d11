"""`python -m pytest_robustness history`: baselines over time, against what was planted in a made repository."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_robustness.cli.main import main
from pytest_robustness.report.history.data import History

from tests.cli.history_repository import IMAGES, Repository, fooled, planted

USAGE = 4
#: Of 100 images that were fooled, how many are then: clear for a suite of one attack, and not for one of ten.
LOST = 110


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    return planted(tmp_path_factory.mktemp("history") / "repository")


@pytest.fixture(scope="module")
def told(repository, tmp_path_factory):
    """The history by its JSON, and the page."""
    folder = tmp_path_factory.mktemp("told")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(repository.path)
        assert main(["history", "-o", str(folder / "history.html"), "--json", str(folder / "history.json")]) == 0
    history = History.from_json((folder / "history.json").read_text())
    return history, (folder / "history.html").read_text()


@pytest.fixture
def run(repository, monkeypatch, tmp_path, capsys):
    """Run the command in the made repository: the status, the JSON where it was written, and what was printed."""

    def run(*options, where=repository.path):
        monkeypatch.chdir(where)
        status = main(["history", "--json", str(tmp_path / "history.json"), *options])
        said = capsys.readouterr()
        text = (tmp_path / "history.json").read_text() if status == 0 else None
        return status, text and History.from_json(text), said.err if status else said.out

    return run


def series(history, case):
    (one,) = (one for one in history.series if one.case == case)
    return one


def test_the_commits_are_those_that_touched_baselines(told):
    history, _ = told
    numbers = [step.subject.split()[0] for step in history.steps]
    assert numbers == [str(step.number) for step in history.steps] == [str(number) for number in range(1, 15)]
    assert [step.when for step in history.steps][:2] == ["2026-03-01T01:00:00+00:00", "2026-03-01T02:00:00+00:00"]
    assert history.steps[0].written == 3
    assert all(step.author is None for step in history.steps)


def test_a_merge_names_what_came_by_it(told):
    history, _ = told
    came = {step.number: [one.subject for one in step.came] for step in history.steps if step.came}
    assert came == {10: ["on a branch: thirty images lost", "on a branch: ten images more"]}


def test_steps_are_judged_by_the_version_before(told):
    history, _ = told
    statuses = {(v.step, v.case): v.status for one in history.series for v in one.versions}
    assert statuses == {
        (1, "vgg11/pgd"): None,
        (1, "vgg11/fgsm"): None,
        (1, "resnet/pgd"): None,
        (3, "vgg11/pgd"): "regressed",
        (4, "vgg11/fgsm"): "same",
        (5, "vgg11/fgsm"): "same",
        (6, "vgg11/fgsm"): "same",
        (7, "resnet/pgd"): "improved",
        (8, "resnet/pgd"): "not comparable",
        (9, "net/pgd"): "same",
        (10, "vgg11/pgd"): "regressed",
        (12, "vgg11/fgsm"): "same",
        (12, "net/fgsm"): None,
        (14, "vgg11/pgd"): "same",
    }
    (third,) = (v for v in series(history, "vgg11/pgd").versions if v.step == 3)
    (moved,) = (metric for metric in third.significant if metric.metric == "success rate")
    assert (moved.lost, moved.won, moved.worse) == (40, 0, True)
    assert moved.p_value == pytest.approx(2**-40)


def test_values_are_those_of_the_files(told):
    history, _ = told
    rates = {v.step: v.values["success rate"].value for v in series(history, "vgg11/pgd").versions}
    assert rates == {1: 100 / IMAGES, 3: 140 / IMAGES, 10: 180 / IMAGES, 14: 180 / IMAGES}
    for version in series(history, "vgg11/pgd").versions:
        low, high = version.values["success rate"].interval
        assert low < version.values["success rate"].value < high
        assert version.values["robust accuracy"].value == pytest.approx(1 - version.values["success rate"].value)
        assert version.values["clean accuracy"].value == 0.9


def test_small_steps_add_up(told):
    history, _ = told
    erosion = series(history, "vgg11/fgsm").erosion
    assert (erosion.since, erosion.status) == (1, "regressed")
    assert next(one for one in erosion.metrics if one.metric == "success rate").lost == 12
    assert "2 cases of 3 are easier to attack since the first that can be compared" in told[1]


def test_a_line_breaks_where_the_protocol_changed(told):
    history, page = told
    net = series(history, "net/pgd")
    assert [(v.step, v.breaks) for v in net.versions if v.breaks] == [
        (8, "protocol differs in parameters.eps: 0.01 is now 0.02")
    ]
    assert net.erosion.since == 8
    paths = re.findall(r'class="line" d="([^"]+)"', page)
    assert any(re.fullmatch(r"M\S+ \S+L\S+ \S+M\S+ \S+L\S+ \S+", path) for path in paths)  # 1, 7 | 8, 9


def test_a_renamed_case_keeps_its_history(told):
    history, _ = told
    assert not [one for one in history.series if one.model == "resnet"]
    assert [v.step for v in series(history, "net/pgd").versions] == [1, 7, 8, 9]
    assert history.steps[8].renamed == {"net/pgd": "resnet/pgd"}
    assert history.steps[8].removed == []


def test_what_cannot_be_read_is_counted_and_named(told, repository):
    history, page = told
    assert [(one.step, one.case) for one in history.unreadable] == [(2, "resnet/cw"), (11, "vgg11/fgsm")]
    assert [one.path.partition("/")[0] for one in history.unreadable] == ["baselines", "baselines"]
    assert "merge conflict" in history.unreadable[0].problem
    assert "99" in history.unreadable[1].problem
    assert history.unreadable[1].commit == history.steps[10].commit
    assert "2 of 16 versions cannot be read" in page
    assert "Never readable in any version, and not drawn: resnet/cw." in history.notes


def test_a_moved_folder_and_a_removed_case(told):
    history, _ = told
    assert history.folders == ["robust/tiny", "baselines/tiny"]
    assert series(history, "net/fgsm").removed == [14]
    assert series(history, "net/fgsm").is_gone
    assert history.steps[13].removed == ["net/fgsm"]


def test_releases_stand_where_they_were_made(told):
    history, page = told
    assert [(tag.name, tag.after) for tag in history.tags] == [("v1.0", 2), ("v1.1", 7), ("v1.1.1", 10)]
    assert page.count('<span class="badge release">v1.1</span>') == 1


def test_models_that_changed_are_named_with_their_digests(told):
    history, _ = told
    told_of = {step.number: {one.model: one.changes for one in step.models} for step in history.steps if step.models}
    assert told_of[3] == {"vgg11": ["weights aaaaaaaa -> bbbbbbbb"]}
    assert 14 not in told_of
    assert sorted(told_of) == [3, 4, 5, 6, 7, 10]


def test_since_begins_with_what_a_revision_has(run, repository):
    status, history, _ = run("--since", "v1.1", "--authors")
    assert status == 0
    assert [step.subject.split()[0] for step in history.steps] == ["8", "9", "10", "11", "12", "13", "14"]
    assert {step.author for step in history.steps} == {"Ada"}
    pgd = series(history, "vgg11/pgd")
    assert [v.step for v in pgd.versions] == [0, 3, 7]
    assert pgd.erosion.since == 0
    assert next(one for one in pgd.erosion.metrics if one.metric == "success rate").lost == 40
    assert [(tag.name, tag.after) for tag in history.tags] == [("v1.1", 0), ("v1.1.1", 3)]


def test_a_shallow_clone_is_told(run, repository, tmp_path):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--depth", "3", repository.path.as_uri(), clone], check=True)
    status, history, said = run(where=clone)
    assert status == 0
    assert history.shallow
    assert "note: This is a shallow clone: earlier versions are not here." in said


def test_the_page_is_whole_and_quiet(told):
    _, page = told
    assert len(page.encode()) < 6_000_000
    assert not re.search(r"<script|javascript:|https?://|\son\w+=", page.replace("http://www.w3.org", ""))
    assert page.count('<g class="worse">') > 3
    assert "3. 3 forty images lost" in page


def test_text_of_commits_is_escaped(run, tmp_path):
    made = Repository(tmp_path / "hostile")
    made.put(fooled(10, "m/pgd"))
    made.commit("<script>alert(1)</script> \x1b[31m")
    status, _, _ = run("--baselines", made.folder, "-o", str(tmp_path / "h.html"), where=made.path)
    assert status == 0
    page = (tmp_path / "h.html").read_text()
    assert "<script" not in page
    assert "\x1b" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--since", "v9"], "ERROR: --since v9: no tag, branch or commit of this name here"),
        (["--baselines", "none"], "no commit has baselines there"),
        (["--suite", "none.toml"], "none.toml: cannot be read"),
        (["-o", "notes.txt"], "notes.txt: is there, and no history"),
    ],
)
def test_what_cannot_be_is_a_usage_error(run, options, said):
    status, _, err = run(*options)
    assert status == USAGE
    assert said in err


def test_neither_torch_nor_pytest_is_needed(repository, tmp_path):
    code = "import sys\nfrom pytest_robustness.cli.main import main\nmain(sys.argv[1:])\n"
    code += "assert not {'torch', 'pytest', '_pytest'} & set(sys.modules)"
    command = [sys.executable, "-c", code, "history", "-o", tmp_path / "h.html"]
    assert subprocess.run(command, cwd=repository.path, check=False, capture_output=True).returncode == 0


def test_the_data_has_a_version(told):
    history, _ = told
    data = json.loads(history.to_json())
    assert (data["schema"], data["kind"]) == (1, "history")
    assert History.from_json(history.to_json()) == history


@pytest.mark.parametrize(
    ("key", "value"),
    [("log.showRoot", "false"), ("log.diffMerges", "off"), ("log.diffMerges", "combined"), ("log.follow", "true")],
)
def test_a_users_configuration_of_git_changes_nothing(run, told, monkeypatch, key, value):
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", key)
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", value)
    _, history, _ = run()
    assert history == told[0]


def test_names_that_are_no_text_and_dates_of_no_calendar_are_told(run, tmp_path):
    made = Repository(tmp_path / "odd")
    made.put(fooled(10, "m/pgd"))
    made.commit("one")
    folder = os.fsencode(made.path / made.folder) + b"/\xff"
    try:
        Path(os.fsdecode(folder)).mkdir()
        Path(os.fsdecode(folder + b"/\xfe.json")).write_text("{}")
    except OSError:
        pytest.skip("this file system takes only text for names")
    made.git("add", "-A")
    commit = f"tree {made.git('write-tree')}\nparent {made.commits[-1]}\n"
    commit += "".join(f"{who} Ada <ada@example.org> 99999999999999 +0000\n" for who in ("author", "committer"))
    (tmp_path / "commit").write_text(f"{commit}\ntwo\n")
    made.git("reset", "-q", "--hard", made.git("hash-object", "-t", "commit", "-w", str(tmp_path / "commit")))
    status, history, _ = run("--baselines", made.folder, "-o", str(tmp_path / "h.html"), where=made.path)
    assert status == 0
    assert [one.path for one in history.unreadable] == [f"{made.folder}/\\udcff/\\udcfe.json"]
    assert history.steps[-1].when.startswith("1970-01-01")


def test_a_suite_that_is_named_has_the_baselines_of_the_configuration(run, told, repository):
    for where, suite in ((repository.path, "tiny.toml"), (repository.path / "robust", "../tiny.toml")):
        status, history, _ = run("--suite", suite, where=where)
        assert (status, history) == (0, told[0])


def test_page_and_data_are_two_files(run, tmp_path):
    status, _, err = run("-o", str(tmp_path / "history.json"))
    assert status == USAGE
    assert "is to be both page and data" in err


def test_without_a_suite_a_step_is_judged_alike_whatever_the_last_commit_touched(run, tmp_path):
    """The level is of all attacks that there are baselines of, and not of those that were recorded last."""
    made = Repository(tmp_path / "ten")
    attacks = "abcdefghij"
    for digest, count in (("a", 100), ("b", LOST)):
        for attack in attacks:
            made.put(fooled(count if attack == "a" else 100, f"m/{attack}", digest * 64))
        made.commit(digest)
    _, before, _ = run("--baselines", made.folder, where=made.path)
    made.put(fooled(100, "m/j", "c" * 64))
    made.commit("c")
    _, after, _ = run("--baselines", made.folder, where=made.path)
    assert series(after, "m/a").versions == series(before, "m/a").versions
