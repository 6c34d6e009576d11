"""A command whose extra is not installed says in one line which one it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pytest_robustness.cli import schema
from pytest_robustness.cli.main import main

WITHOUT = """\
import sys
sys.modules["tqdm"] = None
from pytest_robustness.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
COMMANDS = {
    "select": ("select", "suite.toml"),
    "images": ("images", "images.npz", "-o", "made.npz"),
    "init": ("init", "--model", "timm:resnet18", "--images", "images.npz", "--yes"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_extra_is_named(command: str, tmp_path: Path) -> None:
    words = [sys.executable, "-c", WITHOUT, *COMMANDS[command]]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    told = f"ERROR: {command} needs tqdm: pip install 'pytest-robustness[suite]'\n"
    assert (done.returncode, done.stdout, done.stderr) == (4, "", told)
    assert not list(tmp_path.iterdir())


def test_a_part_of_a_package_is_of_its_extra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    def run(options: object) -> int:
        raise ModuleNotFoundError("No module named 'jinja2.sandbox'", name="jinja2.sandbox")

    monkeypatch.setattr(schema, "run", run)
    assert main(["schema"]) == 4
    assert capsys.readouterr().err == "ERROR: schema needs jinja2.sandbox: pip install 'pytest-robustness[report]'\n"


@pytest.mark.parametrize("name", ["pytest_robustness.gone", None])
def test_what_no_extra_brings_is_a_fault_of_the_code(name: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(options: object) -> int:
        raise ModuleNotFoundError("gone", name=name)

    monkeypatch.setattr(schema, "run", run)
    with pytest.raises(ModuleNotFoundError, match="gone"):
        main(["schema"])
