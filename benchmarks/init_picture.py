"""Draw docs/init.svg: a terminal session from nothing to a verdict, on the photographs example.

Every command is run for real in a copy of the example without its suite and its test, and its output is drawn as it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "init.svg"
#: What is there when the session begins: photographs, a model, and pytest's settings.
KEPT = ("model.py", "pyproject.toml", "draw_photographs.py")
#: What is typed; those that are shown as they are, and what of the output is of no use in a picture.
COMMANDS = (
    "python -m pytest_robustness init --model model:Scenes --images photographs --crop 32 --yes",
    "pytest -q --update-baselines",
    "sed -i 's/SMOOTH = 3/SMOOTH = 1/' model.py    # a change that is right as often, and easier to attack",
    "pytest -q",
)
#: Plugins of pytest that the example does not need, whose tables would fill the picture.
WITHOUT = "-p no:benchmark -p no:cacheprovider"
WIDTH, SIZE, LINE, MARGIN = 126, 13, 18, 16
GLYPH = 0.602 * SIZE  # of fonts in which all glyphs are as wide
COLOURS = {"$ ": "#7ee787", "FAILED": "#ff7b72", "E ": "#ff7b72"}
PLAIN = "#d0d7de"


def main() -> None:
    """Run the session and write the picture."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "photographs")
        folder.mkdir()
        for name in KEPT:
            shutil.copy(ROOT / "examples" / "photographs" / name, folder)
        run("python draw_photographs.py", folder)
        (folder / "draw_photographs.py").unlink()
        lines = []
        for command in COMMANDS:
            lines += [f"$ {command}", *run(command, folder), ""]
    PICTURE.write_text(drawn(lines[:-1]), encoding="utf-8")
    print(f"{PICTURE}: {len(lines)} lines, {PICTURE.stat().st_size:,} bytes")


def run(command: str, folder: Path) -> list[str]:
    """Return what a command says, in lines that fit."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    dropped = ("CI", "GITHUB_STEP_SUMMARY")
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    environment |= {"PATH": programs, "COLUMNS": str(WIDTH), "PY_COLORS": "0", "PYTEST_ADDOPTS": WITHOUT}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    if done.returncode not in (0, 1):
        raise SystemExit(f"{command}: {said}")
    return [part for line in said.strip("\n").splitlines() for part in textwrap.wrap(line, WIDTH) or [""]]


def drawn(lines: list[str]) -> str:
    """Return lines of text as an SVG picture."""
    width, height = round(WIDTH * GLYPH + 2 * MARGIN), LINE * len(lines) + 2 * MARGIN
    rows = []
    for number, line in enumerate(lines):
        colour = next((one for start, one in COLOURS.items() if line.startswith(start)), PLAIN)
        place = f'x="{MARGIN}" y="{MARGIN + LINE * number + SIZE}"'
        if line:
            rows.append(f'<text {place} fill="{colour}" xml:space="preserve">{escape(line)}</text>')
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"',
            f'     font-family="ui-monospace, Menlo, Consolas, monospace" font-size="{SIZE}" role="img">',
            "<title>A terminal: init looks at a model and photographs, pytest records, and refuses a change</title>",
            f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>',
            *rows,
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    main()
