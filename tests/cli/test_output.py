"""What a person reads: short lines, no tracebacks, nothing drawn where nobody looks."""

import contextlib
import os
import re
import subprocess
import sys

import pytest
from pytest_robustness.report.data import Report

OK, FAILED = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED
WIDTH = 132  # columns


def section(result):
    """The lines of our section of the summary, without its heading."""
    lines = iter(result.outlines)
    for line in lines:
        if re.fullmatch(r"=+ robustness: tiny =+", line):
            break
    text = []
    for line in lines:
        if re.match(r"=+ .* =+$", line):
            break
        text.append(line)
    return text


MISTAKES = {
    "options": (("--update-baselines", "--update-baselines-missing"), None),
    "suite": (("--robustness-suite", "nonesuch"), None),
    "toml": ((), ("tiny.toml", "[images]", "[images")),
    "key": ((), ("tiny.toml", "steps = 3", "stepz = 3")),
    "module": ((), ("tiny.toml", '"tinyzoo:small"', '"nonesuch:small"')),
    "factory": ((), ("tiny.toml", '"tinyzoo:small"', '"tinyzoo:nonesuch"')),
    "attack class": ((), ("tiny.toml", 'attack = "FGSM"', 'attack = "tinyzoo:Nonesuch"')),
    "attack parameter": ((), ("tiny.toml", 'attack = "FGSM"\neps', 'attack = "tinyzoo:Counted"\nepsilon')),
    "normalisation": ((), ("tiny.toml", "[images]", "[normalisation]\nmean = [0.5, 0.5]\nstd = [1, 1]\n\n[images]")),
    "no suite": ((), ("pyproject.toml", 'robustness_suite = "tiny.toml"', "")),
    "no baseline": ((), ("pyproject.toml", "robustness_suite", 'robustness_baselines = "none"\nrobustness_suite')),
}


@pytest.mark.parametrize(("options", "edit"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_costs_no_traceback(recorded, options, edit):
    if edit:
        recorded.edit(*edit)
    result = recorded.run(*options)
    assert result.ret not in (OK, pytest.ExitCode.INTERNAL_ERROR)
    text = result.stdout.str() + result.stderr.str()
    for mark in ("Traceback", "INTERNALERROR", "During handling", "Error: ", "\nE   ", "site-packages", "/plugin/"):
        assert mark not in text, mark


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (b"not an image set", None, "not an image set: "),
        (None, -1, "labels: -1 is negative"),
        (None, 4, "models.small: the model has 4 classes, but an image's label is 4"),
    ],
    ids=["damaged", "negative label", "too many classes"],
)
def test_a_wrong_image_set_fails_in_one_line(project, images, labels, message):
    import numpy as np

    file = project.path / "pictures.npz"  # another name: image sets are remembered by theirs
    project.edit("tiny.toml", "images.npz", file.name)
    if images is not None:
        file.write_bytes(images)
    else:
        with np.load(project.path / "images.npz") as sound:
            arrays = dict(sound)
        arrays["labels"][7] = labels
        np.savez(file, **arrays)
    result = project.run("-k", "small and fgsm")
    assert result.ret == FAILED
    lines = [line for line in result.outlines if message in line and not line.startswith("FAILED ")]
    assert len(lines) == 1
    assert lines[0].startswith("small/fgsm: ")


def test_a_regression_costs_no_traceback(recorded):
    recorded.behave(small_fgsm="weak")
    result = recorded.run()
    lines = result.outlines
    start = next(index for index, line in enumerate(lines) if re.match(r"_+ test_robustness\[small/fgsm\] _+$", line))
    assert lines[start + 1].startswith("small/fgsm: success rate 40.0% -> ")
    assert not lines[start + 2] or set(lines[start + 2][:3]) <= set("-=_")


def test_the_section_keeps_to_the_line_width(recorded):
    recorded.behave(small_fgsm="weak", small_pgd="weak", large_pgd="broken")
    recorded.baseline("large/fgsm").unlink()
    result = recorded.run()
    assert result.ret == FAILED
    lines = section(result)
    assert len(lines) > 5
    assert [line for line in lines if len(line) > WIDTH] == []
    assert [line for line in lines if line != line.rstrip()] == []


def test_the_table_comes_once_and_after_the_failures(recorded):
    recorded.behave(small_fgsm="weak")
    text = recorded.run().stdout.str()
    assert text.count("= robustness: tiny =") == 1
    assert text.index("= FAILURES =") < text.index("= robustness: tiny =")


def test_quiet_output_still_has_the_table(recorded):
    assert len(recorded.table(recorded.run("-q"))) == 4


def test_without_a_terminal_nothing_is_drawn(recorded):
    recorded.edit("tinyzoo.py", "time.sleep(60)", "time.sleep(1.5)")  # long enough to be drawn thrice
    recorded.behave(small_fgsm="slow")
    command = [sys.executable, "-m", "pytest", "-k", "small and fgsm"]
    result = subprocess.run(command, cwd=recorded.path, capture_output=True, check=False)
    assert result.returncode == OK
    assert (recorded.path / "started.txt").exists()
    for stream in (result.stdout, result.stderr):
        assert b"\x1b" not in stream
        assert b"\r" not in stream
    assert not re.search(rb"small/fgsm \d+/40", result.stdout)


def test_on_a_terminal_a_line_says_which_case_is_how_far(recorded):
    recorded.edit("tinyzoo.py", "inputs = images.clone()", "time.sleep(0.8)\n        inputs = images.clone()")
    recorded.edit("tiny.toml", 'attack = "FGSM"', 'attack = "tinyzoo:Counted"\nnorm = "inf"')
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    command = [sys.executable, "-m", "pytest", "--update-baselines", "-k", "small and fgsm"]
    terminal, end = pty.openpty()
    termios.tcsetwinsize(end, (24, 80))
    with subprocess.Popen(command, cwd=recorded.path, stdout=end, stderr=end) as process:
        os.close(end)
        output = b""
        with contextlib.suppress(OSError):  # when the other end is closed
            while chunk := os.read(terminal, 4096):
                output += chunk
        os.close(terminal)
    text = output.decode()
    assert process.returncode == OK, text
    assert "small/fgsm 20/40" in text
    # and it is wiped before the summary
    assert text.rindex("small/fgsm 20/40") < text.rindex("\r\x1b[K") < text.index("robustness: tiny")


def test_a_terminal_and_a_file_system_of_ascii(project, monkeypatch):
    """Where names have letters beyond it, in files, classes and arguments: nothing is lost, and nothing raises."""
    project.edit("tiny.toml", 'file = "images.npz"', 'file = "images.npz"\nclasses = ["caf\u00e9", "b", "\u65e5", "d"]')
    place = project.path / "\u00e9"
    place.mkdir()
    for path in [path for path in project.path.iterdir() if path != place]:
        path.rename(place / path.name)
    monkeypatch.chdir(place)
    for name, value in {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}.items():
        monkeypatch.setenv(name, value)
    few = ("-p", "no:cacheprovider", "-k", "small-fgsm or small/fgsm")
    for arguments in (
        ["--update-baselines"],
        ["--robustness-json", "\u00f6.json", "--robustness-report", "\u00fc.html"],
    ):
        result = project.pytester.runpytest_subprocess(*few, *arguments)
        assert result.ret == pytest.ExitCode.OK, result.stdout.str()
    assert Report.from_json((place / "\u00f6.json").read_text(encoding="utf-8")).cases
    assert (place / "\u00fc.html").is_file()
    wrong = project.pytester.runpytest_subprocess(*few, "--robustness-suite", "\u00e4.toml")
    assert wrong.ret == pytest.ExitCode.USAGE_ERROR
    assert "Traceback" not in wrong.stderr.str() + wrong.stdout.str()
