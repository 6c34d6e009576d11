"""``python -m pytest_robustness select``: from a folder to lists, and what cannot be used is counted and named."""

from __future__ import annotations

import sys

import pytest
from pytest_robustness.cli.main import main
from pytest_robustness.evaluate.images.folders import read_list

from tests.cli.conftest import Project
from tests.cli.photographs import use_folder

USAGE = pytest.ExitCode.USAGE_ERROR


@pytest.fixture
def unlisted(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The suite with a folder of photographs of which none is chosen."""
    use_folder(project)
    for name in ("selected.csv", "unselected.csv"):
        (project.path / name).unlink()
    monkeypatch.setattr(sys, "path", [str(project.path), *sys.path])
    return project


def test_lists_are_written_and_what_could_not_be_used_is_named(
    unlisted: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = unlisted.path / "photographs"
    labels = sorted({path.name for path in folder.iterdir()})
    names = [f"class {label}" for label in range(4)] + ["absent"]
    for label in labels:
        (folder / label).rename(folder / f"class {label}")
    odd = next(path for path in sorted(folder.rglob("*.png")) if path.parent.name == f"class {labels[0]}")
    for number in range(3):  # nobody's answer: both models say the class they were taken from
        (folder / "odd").mkdir(exist_ok=True)
        (folder / "odd" / f"{number}.png").write_bytes(odd.read_bytes())
    (folder / "stray").mkdir()
    (folder / "stray" / "1.png").write_bytes(odd.read_bytes())
    (folder / "stray" / "2.heic").touch()
    for label in labels:
        for number in range(20):  # a good part of every class, so that some are tried
            (folder / f"class {label}" / f"broken{number}.png").write_text("no image")
    (unlisted.path / "classes.txt").write_text("\n".join([*names, "odd"]) + "\n")
    unlisted.edit("tiny.toml", 'folder = "photographs"\n', 'folder = "photographs"\nclasses = "classes.txt"\n')

    command = ["select", str(unlisted.path / "tiny.toml"), "--per-class", "2", "--unselected", "9", "--workers", "1"]
    assert main(command) == 0
    said = capsys.readouterr().out.splitlines()
    chosen = read_list(unlisted.path / "selected.csv")
    assert said[0].startswith(f"{len(chosen)} images selected, correct for 2 models; ")
    assert sorted({one.label for one in chosen}) == sorted(int(label) for label in labels)
    assert all(one.path.startswith(f"class {one.label}/") and "broken" not in one.path for one in chosen)
    drawn = read_list(unlisted.path / "unselected.csv")
    assert len(drawn) == 9
    assert not [one for one in drawn if "broken" in one.path or "stray" in one.path]
    absent = [f"class {label}" for label in range(4) if str(label) not in labels] + ["absent"]
    assert f"{len(absent)} classes of 6 have no image: {', '.join(absent)}" in said
    (short,) = (line for line in said if "too few images that every model classifies correctly" in line)
    assert "odd" in short.partition(": ")[2].split(", ")
    (broken,) = (line for line in said if "cannot be read" in line)
    assert int(broken.split()[0]) > 0
    assert "broken" in broken
    assert "what is of no class is left out: stray" in said
    assert "1 files are left out, as nothing reads them: .heic" in said

    result = unlisted.run("--update-baselines")
    assert result.ret == pytest.ExitCode.OK
    assert all(all(evidence.correct) for evidence in unlisted.evidence().values())


@pytest.mark.parametrize(
    ("change", "arguments", "said"),
    [
        (("", ""), ("--models", "small,tall"), "--models: no model 'tall' in "),
        (("", ""), ("--images", "nowhere"), "nowhere: no such folder; give --images DIR"),
        (('selected = "selected.csv"\n', ""), (), "tiny.toml: images: should have a folder and a list"),
        (("[preprocessing]", 'labels = "predicted"\n[preprocessing]'), (), "images.labels: without labels nothing"),
    ],
)
def test_what_cannot_be_selected_from_costs_one_line(
    unlisted: Project,
    change: tuple[str, str],
    arguments: tuple[str, ...],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    unlisted.edit("tiny.toml", *change)
    assert main(["select", str(unlisted.path / "tiny.toml"), *arguments]) == USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ERROR: ")
    assert said in line


def test_a_suite_with_a_file_has_nothing_to_select_from(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["select", str(project.path / "tiny.toml")]) == USAGE
    assert "images: should have a folder" in capsys.readouterr().err


def test_an_unknown_command_names_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["choose"]) == USAGE
    assert main([]) == USAGE
    assert main(["--help"]) == 0
    assert "select" in capsys.readouterr().err
