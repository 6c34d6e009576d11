"""Each of ``examples/`` does what its reader is told: record, pass, and fail with numbers when the model is worse."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
#: Set by CI, and by the run this test is part of.
ENVIRONMENT = ("CI", "BUILD_NUMBER", "GITHUB_STEP_SUMMARY", "COLUMNS", "FORCE_COLOR", "PY_COLORS")
PYTEST = ("-m", "pytest")
#: A rate before and after, its change and interval, images and p: what every regression is told with.
NUMBERS = re.compile(
    r"success rate \d+\.\d% -> \d+\.\d% "
    r"\(\+\d+\.\d pp \[\+\d+\.\d, \+\d+\.\d\], \d+ images lost, \d+ won, p = [\d.e-]+\)"
)
#: Of each suite: the script that draws its images, the case, and the edit that its model's comment proposes.
SUITES = {
    "own_model": ("draw_images.py", "stripes/pgd", "SMOOTH = 4"),
    "photographs": ("draw_photographs.py", "scenes/pgd", "SMOOTH = 3"),
}


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run Python in a folder as a reader would, and return exit status and output."""
    set_by_us = {name for name in os.environ if name in ENVIRONMENT or name.startswith("PYTEST_")}
    environment = {name: value for name, value in os.environ.items() if name not in set_by_us}
    environment["OMP_NUM_THREADS"] = "1"  # a second thread gains these small models nothing, and others may need it
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout


def copied(name: str, to: Path) -> Path:
    """Copy an example without what running it in its own place may have left there."""
    left = shutil.ignore_patterns("__pycache__", ".*_cache", "baselines", "images.npz", "photographs")
    return Path(shutil.copytree(EXAMPLES / name, to / name, ignore=left))


def weaken(file: Path, line: str) -> None:
    """Make the edit that the file's own comment proposes: another value of the constant."""
    text = file.read_text()
    assert text.count(f"\n{line}  #") == 1
    constant, _, _ = line.partition(" = ")
    assert re.search(rf"\n{line}  # .*\bTry 1\b", text)
    file.write_text(text.replace(f"\n{line}  #", f"\n{constant} = 1  #"))


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_records_passes_and_fails_with_numbers(name: str, tmp_path: Path) -> None:
    drawing, case, constant = SUITES[name]
    folder = copied(name, tmp_path)
    code, said = run(folder, drawing)
    assert code == 0, said

    code, said = run(folder, *PYTEST, "--update-baselines")
    assert code == 0, said
    assert f"{case}: recorded" in said.splitlines()
    assert (folder / "baselines" / "robustness" / f"{case}.json").is_file()

    code, said = run(folder, *PYTEST)
    assert code == 0, said
    model, _, attack = case.partition("/")
    assert re.search(rf"^{model} +{attack} .* same$", said, re.MULTILINE), said

    weaken(folder / "model.py", constant)
    code, said = run(folder, *PYTEST)
    assert code == pytest.ExitCode.TESTS_FAILED, said
    line = next(line for line in said.splitlines() if line.startswith(f"{case}: "))
    assert NUMBERS.search(line), line


def test_the_script_records_passes_and_fails_with_numbers(tmp_path: Path) -> None:
    folder = copied("script", tmp_path)
    code, said = run(folder, "gate.py")
    assert (code, said) == (0, f"recorded: {Path('baselines/brightness/pgd.json')}\n")

    code, said = run(folder, "gate.py")
    assert code == 0, said
    assert said.startswith("same: brightness/pgd: success rate ")

    weaken(folder / "gate.py", "POOL = 8")
    code, said = run(folder, "gate.py")
    assert code == 1, said
    assert said.startswith("regressed: brightness/pgd: ")
    assert NUMBERS.search(said), said
