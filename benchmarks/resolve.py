"""Which versions of other projects change beside this package: none.

    python benchmarks/resolve.py

pip resolves each project alone, and beside the core and beside ``[suite]``, and installs nothing. What has another
version then is listed; the exit status is 1 if anything has. What is only added is counted. It takes a current pip:
that of 2023 looks for half an hour at what sagemaker asks for.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: What a team that trains classifiers has in its environment.
PROJECTS = ("mlflow", "sagemaker", "datasets", "transformers", "wandb", "lightning")
#: This package by what is asked of it.
KINDS = {"core": f"{ROOT}", "[suite]": f"{ROOT}[suite]"}
#: The one extra of a library of attacks that does move versions, shown on request.
TORCHATTACKS = {"[torchattacks]": f"{ROOT}[torchattacks]"}

Versions = dict[str, str]


def resolve(requirements: list[str], python: str) -> Versions:
    """Names and versions that pip would install into an empty environment. Raises RuntimeError where it cannot."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [python, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
        command += ["--disable-pip-version-check", "--report", str(report), *requirements]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "pip failed")
        installed = json.loads(report.read_text(encoding="utf-8"))["install"]
    return {_name(one["metadata"]["name"]): one["metadata"]["version"] for one in installed}


def _name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def moved(alone: Versions, beside: Versions) -> Iterator[str]:
    """What has another version, or is gone, a line each."""
    for name, version in sorted(alone.items()):
        if beside.get(name) != version:
            yield f"{name} {version} -> {beside.get(name, 'none')}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("projects", nargs="*", default=PROJECTS, help="other projects than the usual ones")
    parser.add_argument("--python", default=sys.executable, help="whose pip resolves, and for which version")
    parser.add_argument("--torchattacks", action="store_true", help="also beside [torchattacks], which moves some")
    options = parser.parse_args()
    kinds = KINDS | (TORCHATTACKS if options.torchattacks else {})
    print(f"| project | alone | {' | '.join(f'beside {kind}' for kind in kinds)} |")
    print(f"|---|---|{'---|' * len(kinds)}")
    failed = False
    for project in options.projects:
        alone = resolve([project], options.python)
        cells = [f"{alone[_name(project)]}, {len(alone)} packages"]
        for kind, path in kinds.items():
            beside = resolve([project, path], options.python)
            changes = list(moved(alone, beside))
            failed |= bool(changes) and kind in KINDS
            cells.append("; ".join(changes) or f"nothing moved, {len(beside) - len(alone)} added")
        print(f"| {project} | {' | '.join(cells)} |", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
