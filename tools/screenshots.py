"""Makes the pictures of docs/: a terminal in which the gate fails, and the report of that run.

``python -m tools.screenshots`` runs in the repository. It copies examples/own_model, records, changes the model as the
example says, and runs the gate. The terminal is drawn as text, the report is looked at by a headless Chromium.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from html import escape
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
CHANGE = ("SMOOTH = 4 ", "SMOOTH = 1 ")
#: Without the plugins that only lengthen the output.
PLAIN = [
    "-p",
    "no:benchmark",
    "-p",
    "no:xdist",
    "-p",
    "no:hypothesispytest",
    "-p",
    "no:anyio",
    "-p",
    "no:cacheprovider",
]
COLUMNS = 122
COLOURS = {"1": "font-weight:bold", "31": "fill:#ff7b72", "32": "fill:#7ee787", "33": "fill:#e3b341"}
CODE = re.compile(r"\x1b\[([\d;]*)m")
#: Of a character, and of the margin, in pixels.
WIDTH, HEIGHT, MARGIN = 7.23, 17, 14
VIEWPORT = (1280, 1470)


def main() -> None:
    """Write all pictures."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("no Chromium to look at the report with")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "own_model"
        shutil.copytree(
            ROOT / "examples" / "own_model", project, ignore=shutil.ignore_patterns("baselines", "__pycache__")
        )
        _run(project, "draw_images.py")
        _run(project, "-m", "pytest", "--update-baselines", *PLAIN)
        model = project / "model.py"
        model.write_text(model.read_text(encoding="utf-8").replace(*CHANGE), encoding="utf-8")
        said = _run(project, "-m", "pytest", "--color=yes", "--robustness-report", "report.html", *PLAIN, status=1)
        shown = said.replace(str(project), "~/own_model")
        (IMAGES / "regressed.svg").write_text(
            terminal("pytest --robustness-report report.html", shown), encoding="utf-8"
        )
        _look(chromium, project / "report.html", IMAGES / "report.png")


def _run(project: Path, *arguments: str, status: int = 0) -> str:
    """Run Python in the project. Raises SystemExit when it ends with another status."""
    environment = {key: value for key, value in os.environ.items() if key not in ("CI", "PYTEST_ADDOPTS")}
    environment |= {"COLUMNS": str(COLUMNS), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != status:
        raise SystemExit(f"{' '.join(arguments)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def terminal(command: str, said: str) -> str:
    """Draw a terminal as SVG: a command, and what it said with its colours. Long lines are broken."""
    lines = [[(f"$ {command}", "1")], *_lines(said.rstrip("\n"))]
    width, height = round(COLUMNS * WIDTH + 2 * MARGIN), len(lines) * HEIGHT + 2 * MARGIN
    rows = "\n".join(_row(line, MARGIN + (number + 0.75) * HEIGHT) for number, line in enumerate(lines))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace" font-size="12">\n'
        f'<rect width="100%" height="100%" rx="6" fill="#161b22"/>\n<g fill="#d0d7de">\n{rows}\n</g>\n</svg>\n'
    )


def _lines(said: str) -> Iterator[list[tuple[str, str]]]:
    """Yield lines of at most ``COLUMNS`` characters, as runs of text with the codes of their colours."""
    codes = ""
    for line in said.split("\n"):
        runs: list[tuple[str, str]] = []
        room = COLUMNS
        for index, part in enumerate(CODE.split(line)):
            if index % 2:
                codes = "" if part in ("", "0") else f"{codes};{part}"
                continue
            while len(part) > room:
                runs.append((part[:room], codes))
                yield runs
                runs, part, room = [], part[room:], COLUMNS
            if part:
                runs.append((part, codes))
                room -= len(part)
        yield runs


def _row(runs: list[tuple[str, str]], y: float) -> str:
    """Draw a line. Each run is as wide as its characters, whatever font there is."""
    texts, column = [], 0
    for text, codes in runs:
        style = ";".join(COLOURS[code] for code in dict.fromkeys(codes.split(";")) if code in COLOURS)
        if text.strip():
            x = MARGIN + column * WIDTH
            look = f' style="{style}"' if style else ""
            texts.append(
                f'<text x="{x:.1f}" y="{y:.1f}" textLength="{len(text) * WIDTH:.1f}" xml:space="preserve"{look}>'
                f"{escape(text)}</text>"
            )
        column += len(text)
    return "".join(texts)


def _look(chromium: str, page: Path, picture: Path) -> None:
    """Take a picture of a page, and store it in few colours."""
    shot = page.with_suffix(".png")
    size = f"--window-size={VIEWPORT[0]},{VIEWPORT[1]}"
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", size, f"--screenshot={shot}"]
    subprocess.run([chromium, *options, page.as_uri()], check=True, capture_output=True, timeout=120)
    with Image.open(shot) as image:
        image.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(picture, optimize=True)


if __name__ == "__main__":
    main()
