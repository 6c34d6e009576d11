"""The temporary checkout in which git bisects: it finds what was planted, and leaves the repository as it was."""

import os

import pytest
from pytest_robustness.errors import RobustnessError
from pytest_robustness.gate.worktree import Worktree

from tests.cli.planted import commit, git

COMMITS = 12


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """Twelve commits after a first one, each of which writes its number to a file; hooks that would be seen."""
    folder = tmp_path_factory.mktemp("bisect") / "a repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    commits = []
    for number in range(COMMITS + 1):
        (folder / "number.txt").write_text(f"{number}\n")
        commits.append(commit(folder, f"number {number}"))
    hook = folder / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch '{folder}/hooked.txt'\n")
    hook.chmod(0o755)
    return folder, commits


def state(folder):
    """What a user would notice: files, index, branches and other refs, worktrees."""
    files = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    kept = {name: data for name, data in files.items() if name.parts[0] != ".git" or name.name in ("index", "HEAD")}
    return kept, git(folder, "status", "--porcelain"), git(folder, "for-each-ref"), git(folder, "worktree", "list")


def search(tree, good, bad, told):
    tree.start(good, bad, first_parent=False)
    tried = 0
    while not (found := tree.found):
        number = int((tree.path / "number.txt").read_text())
        (tree.path / "left over.txt").write_text("of a run")
        (tree.path / "number.txt").write_text("of a run")
        tree.mark(told(number))
        tried += 1
        assert not (tree.path / "left over.txt").exists()
    return found, tried


@pytest.mark.parametrize("planted", range(1, COMMITS + 1))
def test_each_planted_commit_is_found(repository, planted):
    folder, commits = repository
    (folder / "number.txt").write_text("not committed\n")
    before = state(folder)
    with Worktree.of(folder, commits[0]) as tree:
        found, tried = search(tree, commits[0], commits[-1], lambda number: "bad" if number >= planted else "good")
    assert found == [commits[planted]]
    assert tried <= 4
    assert state(folder) == before
    assert not tree.path.exists()


def test_skipped_commits_are_left_when_they_hide_it(repository):
    folder, commits = repository

    def told(number):
        return "skip" if 4 <= number <= 6 else "bad" if number >= 6 else "good"

    with Worktree.of(folder, commits[0]) as tree:
        found, _ = search(tree, commits[0], commits[-1], told)
    assert sorted(found) == sorted(commits[4:8])


def test_files_of_another_commit_are_taken(repository):
    folder, commits = repository
    with Worktree.of(folder, commits[3]) as tree:
        tree.take(commits[7], ["number.txt", "not there.txt"])
        assert (tree.path / "number.txt").read_text() == "7\n"
        assert tree.commit == commits[3]
        tree.clean()
        assert (tree.path / "number.txt").read_text() == "3\n"


def test_it_is_removed_after_an_error_and_in_a_hook(repository, monkeypatch):
    folder, commits = repository
    before = state(folder)
    monkeypatch.setenv("GIT_DIR", os.fspath(folder / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", os.fspath(folder / ".git" / "index"))
    with pytest.raises(ZeroDivisionError), Worktree.of(folder, commits[2]) as tree:
        tree.check_out(commits[5])
        tree.clean()
        raise ZeroDivisionError
    assert state(folder) == before
    assert not tree.path.parent.exists()


def test_a_commit_that_does_not_exist_is_an_error_in_one_line(repository):
    folder, _ = repository
    with pytest.raises(RobustnessError), Worktree.of(folder, "0" * 40):
        pass
    assert git(folder, "worktree", "list").count("\n") == 0


def test_nothing_is_changed_behind_a_link_that_leads_out(tmp_path):
    """A commit may have a link where another has the folder of baselines."""
    folder, outside = tmp_path / "repository", tmp_path / "outside"
    for place in (folder / "robust" / "tiny", outside / "tiny"):
        place.mkdir(parents=True)
        (place / "kept.json").write_text("kept")
    git(folder, "init", "-q", "-b", "main")
    first = commit(folder, "a folder")
    git(folder, "rm", "-rq", "robust")
    (folder / "robust").symlink_to(outside)
    second = commit(folder, "a link")
    with Worktree.of(folder, second) as tree:
        with pytest.raises(RobustnessError, match="robust/tiny: a link of the commit leads out"):
            tree.take(first, ["robust/tiny"])
        tree.take(first, ["robust"])
        assert (tree.path / "robust" / "tiny" / "kept.json").read_text() == "kept"
    assert (outside / "tiny" / "kept.json").read_text() == "kept"


def test_a_fault_that_was_mended_on_the_way_to_the_good_commit_is_told(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    fork = commit_of_text(folder, "bad")
    bad = commit_of_text(folder, "bad still")
    git(folder, "checkout", "-q", "-b", "mended", fork)
    good = commit_of_text(folder, "good")
    with Worktree.of(folder, good) as tree:
        tree.start(good, bad, first_parent=False)
        assert tree.commit == fork
        with pytest.raises(
            RobustnessError, match=f"come from {fork[:10]}, which is bad already.* name a GOOD that BAD"
        ):
            tree.mark("bad")


def commit_of_text(folder, text):
    (folder / "state.txt").write_text(text)
    return commit(folder, text)
