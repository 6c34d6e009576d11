"""The step of the action: runs pytest with all outputs, and says what came of it. Inputs are ROBUSTNESS_* variables."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

#: What pytest's exit statuses are called; every other one is an error.
OUTCOMES = {0: "passed", 1: "failed"}

#: What is written, by the name of pytest's option, and the measurements.
FILES = {"report": "robustness.html", "json": "robustness.json", "markdown": "robustness.md"}
RUN = "run.zip"


def main() -> int:
    folder = Path(os.environ["RUNNER_TEMP"], "pytest-robustness")
    folder.mkdir(parents=True, exist_ok=True)
    for file in (*FILES.values(), RUN):  # of this action's earlier use in the same job
        (folder / file).unlink(missing_ok=True)
    try:
        command = pytest_command(folder)
    except ValueError as error:  # of shlex: a quote that does not close
        print(f"::error::inputs tests and options: {error}")
        return 4
    if find_spec("pytest_robustness") is None:
        own = Path(__file__).resolve().parents[1]
        subprocess.run([sys.executable, "-m", "pip", "install", f"{own}[suite,report]"], check=True)
    print(shlex.join(command), flush=True)
    code = subprocess.run(command, check=False).returncode
    outcome = OUTCOMES.get(code, "error")
    append("GITHUB_OUTPUT", f"outcome={outcome}\nfolder={folder}\n")
    if outcome == "error":
        append(
            "GITHUB_STEP_SUMMARY", f"### ⚠️ Robustness was not judged\n\npytest ended with status {code}: see its log\n"
        )
    return code


def pytest_command(folder: Path) -> list[str]:
    """Return the command line of pytest. Raises ValueError for inputs that cannot be split into words."""
    given = {name: os.environ.get(f"ROBUSTNESS_{name}", "") for name in ("TESTS", "SUITE", "OPTIONS", "MEASUREMENTS")}
    words = [sys.executable, "-m", "pytest"]
    if given["SUITE"]:
        words.append(f"--robustness-suite={given['SUITE']}")
    words += [f"--robustness-{name}={folder / file}" for name, file in FILES.items()]
    if given["MEASUREMENTS"] != "false":
        words.append(f"--robustness-run={folder / RUN}")
    return [*words, *shlex.split(given["OPTIONS"]), *shlex.split(given["TESTS"])]


def append(variable: str, text: str) -> None:
    """Append a text to the file that a variable of GitHub names, if it names one."""
    if path := os.environ.get(variable):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    sys.exit(main())
