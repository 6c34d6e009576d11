"""``python -m pytest_robustness init``: from a stranger's repository to a gate, and nothing of theirs is lost."""

from __future__ import annotations

import os
import shlex
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pytest_robustness.cli.main import main
from pytest_robustness.evaluate.images.folders import read_list
from pytest_robustness.evaluate.images.preprocessing import prepare
from pytest_robustness.files import write_whole
from pytest_robustness.records.protocol import Preprocessing
from pytest_robustness.suite.load import load_suite

from tests.cli import strangers
from tests.cli.conftest import ENVIRONMENT
from tests.cli.strangers import MODULE, Terminal, files, git

USAGE = pytest.ExitCode.USAGE_ERROR
MODEL = ("--model", "scenes_of_a_stranger:scenes", "--crop", str(strangers.SIDE))
PHOTOGRAPHS = ("--images", "photographs")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, imported: None) -> Path:
    """A git repository with photographs and a model; the current folder."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pytest_robustness.evaluate.runtime.devices.available_cores", lambda: 1)
    folder = tmp_path / "theirs"
    strangers.photographs(folder / "photographs")
    (folder / "scenes_of_a_stranger.py").write_text(MODULE)
    git(folder, "init", "-q")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    monkeypatch.setattr(sys, "stdin", None)
    return folder


def init(*arguments: str) -> int:
    return main(["init", *arguments])


def test_by_flags_it_writes_a_suite_that_is_read_and_says_what_to_do(repository, capsys):
    assert init(*MODEL, *PHOTOGRAPHS, "--eps", "8/255", "--yes") == 0
    said = capsys.readouterr().out
    suite = load_suite(repository / "robustness.toml")
    (case,) = suite.cases()
    assert case.id == "scenes/pgd"
    assert case.attack.parameters == {"eps": 8 / 255, "alpha": 2 / 255, "steps": 10}
    assert suite.models["scenes"].preprocessing.crop == strangers.SIDE
    assert suite.images.folder == repository / "photographs"
    assert suite.images.classes == ("forest", "sea"), "a folder that is added later moves no label"
    selected, clean = (read_list(path) for path in (suite.images.selected, suite.images.unselected))
    assert len(selected) == len(clean) == 24
    assert all(one.read(suite.images.folder) for one in selected)
    assert (repository / "test_robustness.py").read_text().count("\n") == 3
    assert (repository / ".github" / "workflows" / "robustness.yml").is_file()
    assert "model: 2 classes, right about 100% of 24 images looked at" in said
    assert "PGD fools " in said
    assert "time:   a run takes about " in said
    assert "change: 24 images are too few to catch one in 4 of 5 runs" in said
    assert "3 points would take about 1,300 images" in said
    assert "Next:\n  pytest test_robustness.py --update-baselines" in said
    added = next(line for line in said.splitlines() if "git add" in line)
    for name in ("robustness.toml", "robustness_images", "test_robustness.py", "baselines", "photographs", ".github"):
        assert name in added


def test_a_dry_run_shows_everything_and_writes_nothing(repository, capsys):
    before = files(repository)
    assert init(*MODEL, *PHOTOGRAPHS, "--dry-run") == 0
    shown = capsys.readouterr().out
    assert files(repository) == before
    assert "nothing was written: --dry-run" in shown
    assert init(*MODEL, *PHOTOGRAPHS, "--yes") == 0
    for name in files(repository).keys() - before.keys() - {"robustness_images/selected.csv"}:
        first = (repository / name).read_text().splitlines()[0]
        assert f"write  {name}\n    {first}" in shown, name
    assert "robustness_images/selected.csv\n    path,label,sha256\n" in shown


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("robustness.toml", "[images]\n"),
        ("test_robustness.py", "def test_other(): pass\n"),
        (".github/workflows/robustness.yml", "on: push\n"),
        ("robustness_images/clean.csv", "path\n"),
    ],
)
def test_what_is_there_already_is_refused_and_nothing_changes(repository, capsys, name, text):
    (repository / name).parent.mkdir(parents=True, exist_ok=True)
    (repository / name).write_text(text)
    before = files(repository)
    assert init(*MODEL, *PHOTOGRAPHS, "--yes") == USAGE
    said = capsys.readouterr()
    assert Path(name).name in said.err
    assert "is there already" in said.err
    assert "nothing was written" in said.err
    assert files(repository) == before


def test_a_link_to_nothing_is_not_written_through(repository, capsys, tmp_path):
    (repository / "robustness.toml").symlink_to(tmp_path / "elsewhere.toml")
    assert init(*MODEL, *PHOTOGRAPHS, "--yes") == USAGE
    assert not (tmp_path / "elsewhere.toml").exists()


def test_a_test_that_does_what_is_needed_is_kept(repository, capsys):
    own = "def test_mine(robustness):\n    robustness.check()\n"
    (repository / "test_robustness.py").write_text(own)
    assert init(*MODEL, *PHOTOGRAPHS, "--yes", "--ci", "none") == 0
    assert (repository / "test_robustness.py").read_text() == own
    assert not (repository / ".github").exists()


def test_without_a_terminal_it_says_which_flags_are_missing(repository, capsys):
    before = files(repository)
    assert init() == USAGE
    assert "there is no terminal to ask on: give --model, --images, --yes" in capsys.readouterr().err
    assert init(*MODEL) == USAGE
    assert "give --images, --yes" in capsys.readouterr().err
    assert init(*MODEL, "--yes") == USAGE
    assert "give --images\n" in capsys.readouterr().err
    assert files(repository) == before


def test_questions_are_answered_on_a_terminal(repository, monkeypatch, capsys):
    answers = [
        "nowhere.onnx",  # refused, and asked again
        "scenes_of_a_stranger:swapped",
        "-",  # no weights
        "missing",  # no folder
        "photographs",
        "large",  # no number
        str(strangers.SIDE),
        "y",  # the order of the labels
        "9",  # beyond pixels
        "4/255",
        "maybe",
        "y",
    ]
    monkeypatch.setattr(sys, "stdin", Terminal("\n".join(answers) + "\n"))
    assert init("--ci", "none") == 0
    said = capsys.readouterr().out
    assert "no file nowhere.onnx" in said
    assert "--images missing: no folder" in said
    assert "large: should be a number of pixels" in said
    assert "label  folder" in said
    assert "    0  forest                1 for 12 of 12 images" in said
    assert "in the order sea,forest the model is right about 100% and not 0%: take it? (y/n) [y]: " in said
    assert "--eps 9: should be in (0, 1]" in said
    assert "4/255  PGD fools" in said
    suite = load_suite(repository / "robustness.toml")
    assert suite.images.classes == ("sea", "forest")
    assert suite.attacks["pgd"].parameters["eps"] == 4 / 255
    assert {one.path.split("/")[0]: one.label for one in read_list(suite.images.selected)} == {"sea": 0, "forest": 1}


def test_nothing_is_written_when_the_answer_is_no_or_the_input_ends(repository, monkeypatch, capsys):
    before = files(repository)
    for answers, status, said in (("n\n", 0, "nothing was written"), ("", USAGE, "the input ended before")):
        monkeypatch.setattr(sys, "stdin", Terminal(answers))
        assert init(*MODEL, *PHOTOGRAPHS, "--eps", "2/255") == status
        shown = capsys.readouterr()
        assert said in shown.out + shown.err
    assert files(repository) == before


def test_an_interruption_writes_nothing(repository, monkeypatch, capsys):
    def interrupted(self: Terminal) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(Terminal, "readline", interrupted)
    monkeypatch.setattr(sys, "stdin", Terminal(""))
    before = files(repository)
    assert init(*MODEL, *PHOTOGRAPHS, "--eps", "2/255") == 130
    assert "stopped: nothing was written" in capsys.readouterr().err
    assert files(repository) == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_what_stops_while_it_writes_leaves_nothing_behind(repository, monkeypatch, capsys, error):
    (repository / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = '-q'\n")
    before = files(repository)

    def stopped(path: Path, content: str) -> None:
        if path.suffix == ".yml":
            raise error
        write_whole(path, content)

    monkeypatch.setattr("pytest_robustness.setup.writing.write_whole", stopped)
    command = (*MODEL, *PHOTOGRAPHS, "--eps", "2/255", "--suite", "gates/one.toml", "--yes")
    assert init(*command) == (130 if error is KeyboardInterrupt else USAGE)
    assert files(repository) == before
    monkeypatch.undo()
    monkeypatch.chdir(repository)
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_suite_may_lie_in_a_folder_that_is_not_there_yet(repository):
    assert init(*MODEL, *PHOTOGRAPHS, "--eps", "2/255", "--suite", "gates/new/one.toml", "--yes") == 0
    suite = load_suite(repository / "gates" / "new" / "one.toml")
    assert suite.images.folder is not None
    assert suite.images.folder.samefile(repository / "photographs")


def test_files_that_cannot_be_read_are_told(repository, capsys):
    (repository / "photographs" / "sea" / "99.png").write_bytes(b"")
    assert init(*MODEL, *PHOTOGRAPHS, "--eps", "2/255", "--yes") == 0
    assert "  1 files cannot be read, and are left out: sea/99.png\n" in capsys.readouterr().out


@pytest.mark.parametrize("labels", ["given", "predicted"])
def test_images_that_nothing_reads_and_folders_of_no_class_are_told(repository, capsys, labels):
    (repository / "photographs" / "sea" / "99.heic").touch()
    (repository / "photographs" / "stray").mkdir()
    (repository / "photographs" / "stray" / "1.png").touch()
    command = (*MODEL, *PHOTOGRAPHS, "--eps", "2/255", "--dry-run", "--classes", "forest,sea", "--labels", labels)
    assert init(*command) == 0
    said = capsys.readouterr().out
    assert "images: 1 files are left out, as nothing reads them: .heic\n" in said
    assert ("images: what is of no class is left out: stray\n" in said) == (labels == "given")


def test_a_training_split_that_is_left_out_is_told(repository, capsys):
    (repository / "photographs").rename(repository / "val")
    strangers.photographs(repository / "photographs" / "train")
    (repository / "val").rename(repository / "photographs" / "val")
    assert init(*MODEL, *PHOTOGRAPHS, "--eps", "2/255", "--dry-run") == 0
    said = capsys.readouterr().out
    assert "images: 24 of 2 classes in photographs\nimages: only val/ is taken, and not train/\n" in said


def test_in_a_subfolder_what_is_said_fits_where_somebody_stands(repository, capsys, monkeypatch):
    (repository / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = '-q'\n")
    below = repository / "services" / "two words"
    below.mkdir(parents=True)
    for name in ("photographs", "scenes_of_a_stranger.py"):
        (repository / name).rename(below / name)
    monkeypatch.chdir(below)
    monkeypatch.syspath_prepend(below)
    assert init(*MODEL, *PHOTOGRAPHS, "--eps", "2/255", "--yes") == 0
    said = capsys.readouterr().out.splitlines()
    for line in said:
        if line.startswith(("write  ", "insert ")):
            assert Path(line.split()[1].rstrip(",")).is_file(), line
    cd, record, add = (shlex.split(line, comments=True) for line in said[said.index("Next:") + 1 :][:3])
    monkeypatch.chdir(*cd[1:])
    assert (cd, record) == (["cd", "../.."], ["pytest", "test_robustness.py", "--update-baselines"])
    assert {name for name in add[2:] if not Path(name).exists()} == {"baselines"}
    assert "services/two words/photographs" in add


@pytest.mark.parametrize(
    ("factory", "more", "said"),
    [
        (
            "swapped",
            (),
            "another order than the model's: in the order sea,forest the model is right about 100% and not 0%",
        ),
        ("five", (), ": --classes class 0,sea,class 2,forest"),
        ("constant", ("--classes", "sea,stone,forest"), "the labels are in doubt, and there is nobody to ask"),
        (
            "constant",
            ("--classes", "sea,stone,forest", "--labels", "given"),
            "the model is right about none of the images",
        ),
        ("nobody", (), "no 'nobody' in scenes_of_a_stranger"),
    ],
)
def test_a_model_that_is_wrong_about_everything_is_told_in_one_line(repository, capsys, factory, more, said):
    before = files(repository)
    command = ("--model", f"scenes_of_a_stranger:{factory}", *MODEL[2:], *PHOTOGRAPHS, "--yes", *more)
    assert init(*command) == USAGE
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1
    assert said in shown.err
    assert files(repository) == before


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("--mean", "a", "argument --mean: a: should be numbers with commas between, 0.5,0.5,0.5 say"),
        ("--range", "255", "argument --range: 255: should be two numbers, the least and the largest: 0,255"),
        ("--range", "0,b", "argument --range: 0,b: should be numbers with commas between, 0.5,0.5,0.5 say"),
        ("--per-class", "few", "argument --per-class: few: should be a whole number, at least 1"),
        ("--crop", "0", "argument --crop: 0: should be a whole number, at least 1"),
    ],
)
def test_a_flag_that_is_no_number_is_told_in_plain_words(repository, capsys, flag, value, said):
    before = files(repository)
    assert init(*MODEL, *PHOTOGRAPHS, "--yes", flag, value) == USAGE
    assert capsys.readouterr().err.strip().endswith(said)
    assert files(repository) == before


def test_labels_that_are_mostly_wrong_are_a_clear_line(repository, capsys):
    assert init(*MODEL, *PHOTOGRAPHS, "--yes", "--eps", "1/255", "--classes", "stone,forest,sea") == USAGE
    said = capsys.readouterr().out
    assert "WRONG LABELS? the model is right about 0% of the images" in said
    assert "the model has 2 classes, and there are 3" in said


def test_labels_in_doubt_are_not_written_unless_somebody_says_that_they_are_right(repository, capsys):
    forest, sea = (repository / "photographs" / name for name in ("forest", "sea"))
    for path in sorted(forest.iterdir())[3:]:
        path.unlink()
    for path in sorted(sea.iterdir())[1:]:
        path.rename(forest / f"sea {path.name}")  # of twelve images somebody took the wrong folder
    wanted = (*MODEL, *PHOTOGRAPHS, "--yes", "--eps", "1/255")
    before = files(repository)
    assert init(*wanted) == USAGE
    said = capsys.readouterr()
    assert "right about 27% of 15 images" in said.out
    assert "the labels are in doubt, and there is nobody to ask: if they are right, --labels given" in said.err
    assert files(repository) == before
    assert init(*wanted, "--labels", "given") == 0


def test_a_package_under_src_is_found_and_pytest_is_told_where(repository, capsys):
    (repository / "src" / "shop_of_a_stranger").mkdir(parents=True)
    (repository / "src" / "shop_of_a_stranger" / "nets.py").write_text(MODULE)
    (repository / "pyproject.toml").write_text(
        '[project]\nname = "shop"\n\n[tool.pytest.ini_options]\naddopts = "-q"\n'
    )
    named = ("--model", "shop_of_a_stranger.nets:scenes", *MODEL[2:], *PHOTOGRAPHS)
    assert init(*named, "--yes", "--eps", "1/255") == 0
    assert 'insert pyproject.toml, [tool.pytest.ini_options]: pythonpath = ["src"]' in capsys.readouterr().out
    settings = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert settings == {"addopts": "-q", "pythonpath": ["src"]}


def test_arguments_that_a_factory_needs_are_named(repository, capsys):
    (repository / "needy_of_a_stranger.py").write_text(
        MODULE + "\n\ndef needy(width, *, depth, seed=0, **more):\n    return scenes()\n"
    )
    named = ("--model", "needy_of_a_stranger:needy", *MODEL[2:], *PHOTOGRAPHS, "--eps", "1/255", "--dry-run")
    assert init(*named, "--arguments", "seed = 1") == USAGE
    said = capsys.readouterr().err
    assert said.endswith("models.needy.arguments: needy needs width, depth: should be arguments = { width = ... }\n")
    assert init(*named, "--arguments", "width = 1, depth = 2") == 0


def test_a_fine_tuned_model_of_a_library_is_built_with_as_many_classes_as_its_weights(repository, capsys):
    timm, safetensors = pytest.importorskip("timm"), pytest.importorskip("safetensors.torch")
    model = timm.create_model("test_resnet", num_classes=2)
    model.get_classifier().bias.data[:] = model.get_classifier().bias.new_tensor([5.0, 0.0])  # right about one class
    safetensors.save_file(model.state_dict(), repository / "fine_tuned.safetensors")
    named = ("--model", "timm:test_resnet", "--weights", "fine_tuned.safetensors", *PHOTOGRAPHS)
    assert init(*named, "--yes", "--eps", "1/255", "--per-class", "2") == 0
    said = capsys.readouterr().out
    assert "its weights have 2 classes: arguments = { num_classes = 2 }" in said
    assert "fewer than 2 images that it is right about, of sea" in said
    suite = load_suite(repository / "robustness.toml")
    assert suite.models["test_resnet"].arguments == {"num_classes": 2}
    assert suite.models["test_resnet"].preprocessing is None
    assert "fine_tuned.safetensors" in next(line for line in said.splitlines() if "git add" in line)


def test_the_order_that_is_proposed_works(repository, capsys):
    swapped = ("--model", "scenes_of_a_stranger:five", *MODEL[2:], *PHOTOGRAPHS, "--yes", "--eps", "1/255")
    assert init(*swapped, "--classes", "class 0,sea,class 2,forest") == 0
    assert "model: 5 classes, right about 100%" in capsys.readouterr().out
    assert {one.label for one in read_list(repository / "robustness_images" / "selected.csv")} == {1, 3}


def test_unknown_preprocessing_is_a_missing_flag(repository, capsys):
    assert init("--model", "scenes_of_a_stranger:scenes", *PHOTOGRAPHS, "--yes") == USAGE
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "--crop is missing" in said


def test_images_of_one_size_are_taken_as_they_are(repository, capsys):
    for path in (repository / "photographs").rglob("*.png"):
        Image.open(path).resize((20, 24)).save(path)
    assert init("--model", "scenes_of_a_stranger:scenes", *PHOTOGRAPHS, "--yes", "--eps", "1/255") == 0
    assert "all are 24 x 20, and are given to the model as they are" in capsys.readouterr().out
    preprocessing = load_suite(repository / "robustness.toml").models["scenes"].preprocessing
    assert preprocessing.crop == preprocessing.resize == [24, 20]


def test_a_warning_is_a_note_that_is_told_once(repository, capsys):
    module = (repository / "scenes_of_a_stranger.py").read_text()
    (repository / "warns_a_stranger.py").write_text(
        module.replace(
            "def scenes():",
            "def scenes():\n    import warnings\n    warnings.warn('old weights')\n"
            "    warnings.warn('soon gone', FutureWarning)",
        )
    )
    command = ("--model", "warns_a_stranger:scenes", *MODEL[2:], *PHOTOGRAPHS, "--yes", "--eps", "1/255")
    assert init(*command, "--dry-run") == 0
    assert capsys.readouterr().err.count("old weights") == 1
    assert init(*command, "--dry-run") == 0
    assert "soon gone" not in capsys.readouterr().err


def test_a_name_that_toml_cannot_write_is_one_line(repository, capsys):
    odd = os.fsencode(repository) + b"/photo\xff"
    (repository / "photographs").rename(os.fsdecode(odd))
    assert init(*MODEL, "--images", os.fsdecode(odd), "--yes", "--eps", "1/255") == USAGE
    assert capsys.readouterr().err.count("\n") == 1


def test_one_class_only_is_said(repository, capsys):
    (repository / "photographs" / "sea").rename(repository / "sea")
    assert init(*MODEL, *PHOTOGRAPHS, "--yes", "--eps", "1/255") == 0
    assert "one class only, forest" in capsys.readouterr().out


def test_photographs_without_labels_take_the_model_s_own(repository, capsys):
    for number, path in enumerate(sorted((repository / "photographs").rglob("*.png"))):
        path.rename(repository / "photographs" / f"{number}.png")
    assert init(*MODEL, *PHOTOGRAPHS, "--yes", "--eps", "1/255", "--per-class", "10") == 0
    suite = load_suite(repository / "robustness.toml")
    assert suite.images.labels == "predicted"
    assert suite.images.unselected is None
    assert len(read_list(suite.images.selected)) == 10


def test_a_black_box_is_attacked_without_gradients(repository, capsys):
    box = ("--model", "scenes_of_a_stranger:answer", "--black-box", "1", *MODEL[2:])
    assert init(*box, *PHOTOGRAPHS, "--yes", "--eps", "2/255", "--per-class", "2") == 0
    suite = load_suite(repository / "robustness.toml")
    assert suite.models["answer"].black_box
    assert suite.models["answer"].version == "1"
    assert suite.attacks["square"].attack == "Square"


def test_an_image_file_needs_no_lists(repository, capsys):
    paths = sorted((repository / "photographs").rglob("*.png"))
    pixels = np.stack(
        [prepare(Image.open(path), Preprocessing(resize=24, crop=24)).transpose(1, 2, 0) for path in paths]
    )
    labels = np.array([int(path.parent.name == "sea") for path in paths])
    np.savez(repository / "images.npz", images=pixels, labels=labels, ids=np.arange(len(paths)))
    assert init("--model", "scenes_of_a_stranger:scenes", "--images", "images.npz", "--yes", "--eps", "1/255") == 0
    suite = load_suite(repository / "robustness.toml")
    assert suite.images.file == repository / "images.npz"
    assert not (repository / "robustness_images").exists()


def test_photographs_elsewhere_are_said(repository, tmp_path, capsys):
    (repository / "photographs").rename(tmp_path / "elsewhere")
    assert init(*MODEL, "--images", str(tmp_path / "elsewhere"), "--yes", "--eps", "1/255") == 0
    assert "elsewhere lies outside of the repository: the workflow has to fetch it" in capsys.readouterr().out
    assert "PYTEST_ROBUSTNESS_IMAGES" in (repository / ".github" / "workflows" / "robustness.yml").read_text()


def test_files_that_git_ignores_are_said_and_not_added(repository, capsys):
    (repository / ".gitignore").write_text("photographs/\n")
    assert init(*MODEL, *PHOTOGRAPHS, "--yes", "--eps", "1/255") == 0
    said = capsys.readouterr().out
    assert "photographs is ignored by git: the workflow has to fetch it" in said
    assert "photographs" not in next(line for line in said.splitlines() if "git add" in line)
