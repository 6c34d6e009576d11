"""``--robustness-images``: photographs of a folder, whose folder, and what happens when they are missing or change."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import ALONE_AND_BY_WORKERS, Project
from tests.cli.photographs import use_folder

OK, FAILED, USAGE = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR
VARIABLE = "PYTEST_ROBUSTNESS_IMAGES"


def one_line(result: pytest.RunResult) -> str:
    assert result.ret == USAGE
    (line,) = (line for line in result.errlines if line)
    assert line.startswith("ERROR: ")
    return line.removeprefix("ERROR: ")


def test_a_folder_gives_the_evidence_of_a_file_of_the_same_images(project: Project) -> None:
    project.record()
    of_file = project.evidence()
    use_folder(project)
    result = project.run()
    assert result.ret == FAILED
    # an image of a folder is known by its file, so that these are other ones
    result.stdout.fnmatch_lines("small/fgsm: not comparable: 40 images of the baseline are missing (*")
    assert project.run_command(project.commands(result)["small/fgsm"]).ret == OK
    project.record("--accept-removed-images")
    for case, evidence in project.evidence().items():
        assert evidence.unselected_correct is not None
        assert all(evidence.unselected_correct)
        assert evidence.unselected_top_5 is None
        assert evidence.correct == of_file[case].correct
        if case.endswith("fgsm"):  # PGD begins elsewhere: at random, by which image it is
            assert evidence.model_copy(update={"unselected_correct": None}) == of_file[case]
    protocol = project.measurement("small/fgsm").protocol
    assert protocol.preprocessing is not None
    assert protocol.preprocessing.crop == 8
    assert project.run("-n2").ret == OK


def test_the_command_line_comes_before_the_environment_before_the_suite(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_folder(project)
    project.edit("tiny.toml", 'unselected = "unselected.csv"\n', "top_5 = true\n")
    project.record("-k", "small and fgsm")
    shutil.move(project.path / "photographs", project.path / "moved")
    case = ("-k", "small and fgsm")
    missing = one_line(project.run(*case))
    assert missing == (
        f"{project.path / 'tiny.toml'}: images: no folder of images {project.path / 'photographs'}: "
        f"give --robustness-images DIR or set {VARIABLE}"
    )
    assert project.run(*case, "--robustness-images", "moved").ret == OK
    monkeypatch.setenv(VARIABLE, str(project.path / "moved"))
    assert project.run(*case).ret == OK
    assert "no folder of images" in one_line(project.run(*case, "--robustness-images", "nowhere"))
    monkeypatch.setenv(VARIABLE, "nowhere")
    assert "nowhere" in one_line(project.run(*case))
    assert project.run(*case, "--robustness-images", "moved").ret == OK


def test_a_suite_with_a_file_has_no_use_for_a_folder(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    said = one_line(project.run("--robustness-images", "photographs"))
    assert said == f"--robustness-images photographs: the images of {project.path / 'tiny.toml'} are a file, no folder"
    monkeypatch.setenv(VARIABLE, "nowhere")
    project.record("-k", "small and fgsm")


@ALONE_AND_BY_WORKERS
def test_without_images_chosen_the_command_that_chooses_them_is_said(project: Project, workers: tuple[str]) -> None:
    use_folder(project)
    (project.path / "selected.csv").unlink()
    said = one_line(project.run(*workers))
    assert said == (
        f"{project.path / 'tiny.toml'}: images: no images chosen in {project.path / 'selected.csv'}: "
        "choose them with `python -m pytest_robustness select tiny.toml`"
    )
    assert project.run("--collect-only", "-q").ret == OK


def test_a_changed_image_fails_the_case_in_one_line_and_records_nothing(project: Project) -> None:
    chosen = use_folder(project)
    changed = project.path / "photographs" / chosen[7].path
    Image.new("RGB", (8, 8)).save(changed)
    result = project.run("--update-baselines", "-k", "fgsm")
    assert result.ret == FAILED
    lines = [line for line in result.outlines if line.startswith("small/fgsm: ")]
    assert lines == [f"small/fgsm: {changed}: changed since it was chosen: sha256 differs; restore it, or select anew"]
    assert project.files() == {}


def test_16_bits_and_alpha_are_as_good_as_8_and_none(project: Project) -> None:
    chosen = use_folder(project)
    folder = project.path / "photographs"
    project.edit("tiny.toml", 'selected = "selected.csv"\nunselected = "unselected.csv"\n', 'labels = "predicted"\n')
    for one in chosen:
        with Image.open(folder / one.path) as image:
            image.convert("L").save(folder / one.path)
    project.record()
    plain = project.evidence()
    for number, one in enumerate(chosen):
        with Image.open(folder / one.path) as image:
            deep = Image.fromarray(np.asarray(image, np.uint16) * 257)
            other = project.path / "other" / one.path
            other.parent.mkdir(parents=True, exist_ok=True)
            (deep, image.convert("RGBA"), image.convert("LA"))[number % 3].save(other)
    assert project.run("--robustness-images", "other").ret == FAILED  # they are other files
    project.record("--robustness-images", "other", "--accept-removed-images")
    for case in ("small/fgsm", "large/fgsm"):  # PGD begins elsewhere: at random, by which image it is
        assert project.evidence()[case] == plain[case]


def test_predicted_labels_need_no_classes_and_make_every_image_an_attempt(project: Project) -> None:
    chosen = use_folder(project)
    folder = project.path / "photographs"
    for one in chosen:  # no class folders any more
        shutil.move(folder / one.path, folder / one.path.replace("/", "-"))
    project.edit("tiny.toml", 'selected = "selected.csv"\nunselected = "unselected.csv"\n', 'labels = "predicted"\n')
    project.record()
    measurement = project.measurement("large/pgd")
    assert all(measurement.evidence.correct)
    assert measurement.aggregates.successes > 0
    assert measurement.protocol.labels == "predicted"
    assert project.run().ret == OK
    project.behave(small_fgsm="wrong")  # says one class whatever it sees: no longer easy to fool, and no longer right
    result = project.run("-k", "small and fgsm")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines("small/fgsm: success rate 40.0% -> 0.0% *; suspicious: unbounded: 40 of 40 images *")
