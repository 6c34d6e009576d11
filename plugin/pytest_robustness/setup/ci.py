"""The workflow of somebody's repository: measure and judge, in two jobs, by the merge base."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pytest_robustness.files import is_file
from pytest_robustness.setup.places import Places, free
from pytest_robustness.setup.repository import Repository
from pytest_robustness.setup.texts import HOME, filled
from pytest_robustness.setup.wishes import Wishes

#: The place of each service's file. GitLab reads one file, which includes others.
GITHUB, GITLAB = ".github/workflows/robustness.yml", ".gitlab/robustness.yml"
GITLAB_ROOT = ".gitlab-ci.yml"
INCLUDE = f"include:\n  - local: {GITLAB}\n"
#: Extras besides those that every workflow needs, by what a model's source begins or ends with.
EXTRAS: Mapping[str, Callable[[str], bool]] = {
    "onnx": lambda source: source.endswith(".onnx"),
    "transformers": lambda source: source.startswith("transformers:"),
}


def service_of(repository: Repository) -> str:
    """Return the service that the repository seems to be on: the one whose files it has; GitHub when it has none."""
    top = repository.base
    return "gitlab" if is_file(top / GITLAB_ROOT) or (top / ".gitlab").is_dir() else "github"


def check_free(service: str, repository: Repository) -> None:
    """Raise RobustnessError, naming the file, when the service's workflow is there already."""
    free(repository.base / {"github": GITHUB, "gitlab": GITLAB}[service], "it stays as it is; give --ci none")


def workflow(service: str, wishes: Wishes, places: Places) -> dict[Path, str]:
    """Return the files of a service, ``github`` or ``gitlab``, by their places."""
    top = places.repository.base
    values = _values(wishes, places, top)
    if service == "github":
        return {top / GITHUB: filled("github.yml", **values | _indented(values, " " * 10, "      # "))}
    files = {top / GITLAB: filled("gitlab.yml", **values | _indented(values, " " * 6, "  # "))}
    if not is_file(top / GITLAB_ROOT):
        files[top / GITLAB_ROOT] = INCLUDE
    return files


def extras(source: str) -> str:
    """Return the extras of this package that a workflow installs."""
    return ",".join(["suite", "report", *(name for name, needed in EXTRAS.items() if needed(source))])


def _values(wishes: Wishes, places: Places, top: Path) -> dict[str, Any]:
    repository, suite, test = places.repository, places.suite, places.test
    named = repository.configuration.values.get("robustness_baselines") if repository.configuration else None
    release = version("pytest-robustness")
    from_root = repository.root
    extra = extras(wishes.model["source"])
    install = [*_installs(from_root, top), f"pip install 'pytest-robustness[{extra}]=={release}'"]
    outside = wishes.is_folder and not wishes.images.is_relative_to(top)
    return {
        "home": HOME,
        "version": release,
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "branch": json.dumps(repository.main_branch),
        "dependencies": json.dumps(_relative(_dependencies(from_root) or suite, top)),
        "lfs": "\n          lfs: true" if _uses_lfs(top) else "",
        "test": shlex.quote(_relative(test, top)),
        "suite": shlex.quote(_relative(suite, top)),
        "baselines": shlex.quote(_relative(repository.root / str(named or "baselines"), top)),
        "install": install,
        "images": "fetch the photographs first, and name their folder by PYTEST_ROBUSTNESS_IMAGES" if outside else "",
    }


def _indented(values: Mapping[str, Any], indent: str, comment: str) -> dict[str, str]:
    told = f"{comment}{values['images']}\n" if values["images"] else ""
    return {"install": "\n".join(indent + line for line in values["install"]), "images": told}


def _installs(root: Path, top: Path) -> list[str]:
    """Return how the repository's own code is installed from its top, as far as the files of pytest's root say it."""
    lines = []
    if is_file(root / "requirements.txt"):
        lines.append(f"pip install -r {shlex.quote(_relative(root / 'requirements.txt', top))}")
    if is_file(root / "setup.py") or (is_file(root / "pyproject.toml") and _is_package(root / "pyproject.toml")):
        lines.append(f"pip install -e {'.' if root == top else shlex.quote('./' + _relative(root, top))}")
    return lines


def _is_package(path: Path) -> bool:
    text = path.read_text(encoding="utf-8", errors="replace")
    return any(line.strip() in ("[project]", "[build-system]", "[tool.poetry]") for line in text.splitlines())


def _dependencies(root: Path) -> Path | None:
    """Return the file that says what is installed, by which pip's cache is kept."""
    names = ("requirements.txt", "pyproject.toml", "setup.py")
    return next((root / name for name in names if is_file(root / name)), None)


def _uses_lfs(top: Path) -> bool:
    path = top / ".gitattributes"
    return is_file(path) and "filter=lfs" in path.read_text(encoding="utf-8", errors="replace")


def _relative(path: Path, top: Path) -> str:
    return path.relative_to(top).as_posix() if path.is_relative_to(top) else path.as_posix()
