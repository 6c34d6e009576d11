"""The directions of imports, as CONTRIBUTING.md draws them, and who may import which library.

Every import counts: at the top of a file, inside a function, under TYPE_CHECKING, relative, or by ``import_module`` of
a literal name. A room knows what it names.
"""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
import pytest_robustness

PACKAGE = Path(pytest_robustness.__file__).parent

#: From the ground up. A room may import what is below it, and itself; rooms of one floor do not know each other.
FLOORS = (
    {"errors", "files", "mistaken"},
    {"extensions"},  # what other packages declare
    {"records"},  # plain data: what is stored and sent
    {"suite"},  # what a user asks for
    {"gate", "evaluate"},  # evidence -> verdict; model + attack + images -> evidence
    {"execute", "report"},  # a case -> a result; verdicts -> something to look at
    {"setup"},  # somebody's repository and model -> the files that gate them
    {"plugin", "cli", "api"},  # pytest; the command line; the functions for programs
    {"training"},  # those functions in a training loop
    {"callbacks"},  # the same for trainers of other packages
    {"__init__"},  # the public names
    {"__main__"},
)
#: The same inside evaluate; "" is its own files.
EVALUATE = ({"runtime"}, {"models"}, {"images"}, {"attacks"}, {""}, {"health"})
#: Where each foreign library may be imported: a room, or one file of it.
OWNERS = {
    "PIL": "evaluate.images evaluate.gallery evaluate.attacks.corruptions",
    "datasets": "evaluate.images.sources",
    "filelock": "evaluate gate",
    "huggingface_hub": "evaluate.models.libraries",
    "jinja2": "report.html",
    "lightning": "callbacks",
    "mlflow": "plugin.loggers.mlflow",
    "numpy": "evaluate gate",
    "onnx": "evaluate.models",
    "onnxruntime": "evaluate.models",
    "pydantic": "records suite gate report",
    "pydantic_core": "suite",
    "pytest": "plugin",
    "pytest_benchmark": "plugin.benchmark",
    "pytorch_lightning": "callbacks",
    "ray": "execute.ray",
    "safetensors": "evaluate.models",
    "timm": "evaluate.models.libraries evaluate.images",
    "torch": "evaluate api",
    "torchattacks": "evaluate.attacks",
    "transformers": "evaluate.models.libraries",
    "torchvision": "evaluate.models.libraries evaluate.images",
    "tqdm": "evaluate.images",
    "wandb": "plugin.loggers.wandb",
    "xdist": "plugin.xdist",
}


class House:
    """A package on disk and what its files import."""

    def __init__(self, package: Path) -> None:
        self.modules = {self._name(package, path): path for path in sorted(package.rglob("*.py"))}
        self.name = PACKAGE.name
        self.imports = {name: sorted(set(self._imports(name, path))) for name, path in self.modules.items()}

    @staticmethod
    def _name(package: Path, path: Path) -> str:
        parts = path.relative_to(package).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)

    def _imports(self, module: str, path: Path) -> Iterator[str]:
        """Absolute names of all that a file imports."""
        tree = ast.parse(path.read_text(encoding="utf-8"))
        importers = {"import_module", "__import__"} | {
            alias.asname
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "importlib"
            for alias in node.names
            if alias.asname
        }
        package = [self.name, *(module.split(".") if path.name == "__init__.py" else module.split(".")[:-1])]
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                above = package[: len(package) - node.level + 1] if node.level else []
                source = ".".join([*above, *([node.module] if node.module else [])])
                yield from (f"{source}.{alias.name}" for alias in node.names)
            elif isinstance(node, ast.Call) and (name := _imported_by_call(node, importers)):
                level = len(name) - len(name.lstrip("."))
                above = package[: len(package) - level + 1] if level else []
                yield ".".join([*above, name.lstrip(".")])

    def own(self, name: str) -> str | None:
        """The module of this package that an import names, or None for a foreign one."""
        first, *parts = name.split(".")
        if first != self.name:
            return None
        while parts and ".".join(parts) not in self.modules:
            parts.pop()
        return ".".join(parts) or "__init__"

    def breaches(self) -> Iterator[str]:
        """What is wrong with the house, a line each."""
        for module, names in self.imports.items():
            if _floor(_room(module)) is None or _inside(module) is None:
                yield f"{module}: no room of this house: give it a floor, or a room that has one"
                continue
            for name in names:
                target = self.own(name)
                if target is None:
                    yield from self._foreign(module, name)
                elif target != module:
                    yield from self._direction(module, target)
        yield from self._circles()

    @staticmethod
    def _foreign(module: str, name: str) -> Iterator[str]:
        owners = OWNERS.get(name.split(".")[0])
        if owners is not None and not any(f"{module}.".startswith(f"{owner}.") for owner in owners.split()):
            yield f"{module} imports {name}, which is of {owners}"

    @staticmethod
    def _direction(module: str, target: str) -> Iterator[str]:
        here, there = _floor(_room(module)), _floor(_room(target))
        if there is None or here is None:
            return  # the target's own line says it
        if _room(target) != _room(module):
            if there >= here:
                yield f"{module} -> {target} goes {'up' if there > here else 'across'}"
        elif _room(module) == "evaluate" and (_inside(target) or 0) > (_inside(module) or 0):
            yield f"{module} -> {target} goes up inside evaluate"

    def _circles(self) -> Iterator[str]:
        graph = {module: {self.own(name) for name in names} - {None, module} for module, names in self.imports.items()}
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            yield f"circle: {' -> '.join(error.args[1])}"


def _imported_by_call(call: ast.Call, importers: set[str]) -> str | None:
    """The literal name that ``import_module``, whatever it is called here, is given; None for any other call."""
    called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    given = [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "name")]
    if called not in importers or not given or not isinstance(given[0], ast.Constant):
        return None
    return given[0].value if isinstance(given[0].value, str) else None


def _room(module: str) -> str:
    return module.partition(".")[0]


def _floor(room: str) -> int | None:
    return next((number for number, rooms in enumerate(FLOORS) if room in rooms), None)


def _inside(module: str) -> int | None:
    """The floor inside evaluate; None for a room of it that has no floor."""
    parts = module.split(".")
    if parts[0] != "evaluate":
        return 0
    known = any(parts[1] in rooms for rooms in EVALUATE) if len(parts) > 1 else False
    room = parts[1] if known or len(parts) > 2 else ""
    return next((number for number, rooms in enumerate(EVALUATE) if room in rooms), None)


def test_the_house_stands() -> None:
    assert list(House(PACKAGE).breaches()) == []


def test_every_foreign_library_has_an_owner() -> None:
    used = {name.split(".")[0] for names in House(PACKAGE).imports.values() for name in names}
    foreign = used - set(__import__("sys").stdlib_module_names) - {PACKAGE.name}
    assert foreign - OWNERS.keys() == set(), "imported, and of no room: give each an owner in OWNERS"


#: A file, a line added to it, and what is said of it.
PLANTED = {
    "up": ("gate/store.py", "from pytest_robustness.report import table", "gate.store -> report.table goes up"),
    "across": (
        "gate/store.py",
        "from pytest_robustness.evaluate.runtime import clock",
        "gate.store -> evaluate.runtime.clock goes across",
    ),
    "across above": (
        "execute/case.py",
        "from pytest_robustness.report import table",
        "execute.case -> report.table goes across",
    ),
    "in a function": (
        "records/base.py",
        "def late():\n    from pytest_robustness.suite import load",
        "records.base -> suite.load goes up",
    ),
    "for types only": (
        "records/base.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pytest_robustness.suite.suite import Suite",
        "records.base -> suite.suite goes up",
    ),
    "relative": ("records/base.py", "from ..suite import load", "records.base -> suite.load goes up"),
    "by name": (
        "gate/store.py",
        "import importlib\nimportlib.import_module('pytest_robustness.plugin.stash')",
        "gate.store -> plugin.stash goes up",
    ),
    "by the name of an argument": (
        "gate/store.py",
        "import importlib\nimportlib.import_module(name='torch')",
        "gate.store imports torch, which is of evaluate api",
    ),
    "by another name": (
        "gate/store.py",
        "from importlib import import_module as load\nload('torch')",
        "gate.store imports torch, which is of evaluate api",
    ),
    "by a relative name": (
        "gate/store.py",
        "import importlib\nimportlib.import_module('..plugin.stash', __package__)",
        "gate.store -> plugin.stash goes up",
    ),
    "a room of evaluate without a floor": (
        "evaluate/extra/new.py",
        "",
        "evaluate.extra.new: no room of this house: give it a floor, or a room that has one",
    ),
    "a library outside of its files": (
        "evaluate/measure.py",
        "import timm",
        "evaluate.measure imports timm, which is of evaluate.models.libraries evaluate.images",
    ),
    "of the package itself": ("files.py", "from pytest_robustness import __version__", "files -> __init__ goes up"),
    "inside evaluate": (
        "evaluate/models/weights.py",
        "from pytest_robustness.evaluate.images import folders",
        "evaluate.models.weights -> evaluate.images.folders goes up inside evaluate",
    ),
    "no room": ("extra.py", "", "extra: no room of this house: give it a floor, or a room that has one"),
    "torch in the gate": ("gate/store.py", "import torch", "gate.store imports torch, which is of evaluate api"),
    "torch for types": (
        "plugin/fixtures.py",
        "if TYPE_CHECKING:\n    from torch import Tensor",
        "plugin.fixtures imports torch.Tensor, which is of evaluate api",
    ),
    "pytest in a report": ("report/table.py", "import pytest", "report.table imports pytest, which is of plugin"),
    "ray anywhere": (
        "execute/case.py",
        "def far():\n    import ray",
        "execute.case imports ray, which is of execute.ray",
    ),
    "circle": (
        "records/base.py",
        "from pytest_robustness.records import protocol",
        "circle: records.base -> records.protocol -> records.base",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_breach_is_caught(name: str, tmp_path: Path) -> None:
    file, line, said = PLANTED[name]
    shutil.copytree(PACKAGE, tmp_path / "house", ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "house" / file
    path.parent.mkdir(exist_ok=True)
    path.write_text((path.read_text() if path.exists() else "") + f"\n{line}\n")
    found = list(House(tmp_path / "house").breaches())
    if name == "circle":
        assert len(found) == 1
        assert set(found[0].removeprefix("circle: ").split(" -> ")) == {"records.base", "records.protocol"}
    else:
        assert said in found
