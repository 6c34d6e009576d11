"""Give the baselines of a model, an attack or a whole suite its new name, after it was renamed.

Without this a renamed model has no baseline, and what it is held against is lost.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_robustness.errors import RobustnessError
from pytest_robustness.records.case_id import CaseId

if TYPE_CHECKING:
    from pytest_robustness.gate.store import BaselineStore
    from pytest_robustness.suite.suite import Suite


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("suite", type=Path, help="TOML file, with the new name in it, or of it")
    parser.add_argument("old", help="name that the baselines have: of a model, an attack or the suite")
    parser.add_argument("new", help="name that it has now; a suite's is its file's, without .toml")
    parser.add_argument("--baselines", type=Path, default=Path("baselines"), help="(default: %(default)s)")


def run(options: argparse.Namespace) -> int:
    """Rename the baselines and say how many there were."""
    from pytest_robustness.gate.store import BaselineStore
    from pytest_robustness.suite.load import load_suite

    suite = load_suite(options.suite, files=False)
    store = BaselineStore(options.baselines, suite.name)
    if options.new == suite.name and options.new not in {**suite.models, **suite.all_attacks}:
        return _rename_suite(suite, BaselineStore(options.baselines, options.old), store)
    renamed = _renamed(suite, store, options.old, options.new)
    found = {old: store.read(old) for old in renamed}
    for new in renamed.values():
        if store.path(new).exists():
            raise RobustnessError(f"{store.path(new)}: is there already: delete it, if it is not to be kept")
    store.write(one.model_copy(update={"case": renamed[old]}) for old, one in found.items() if one is not None)
    store.remove(renamed)  # last: after an interruption every baseline is still there, under one name or both
    print(f"{len(renamed)} baselines of {options.old} are now those of {options.new}, in {store.folder}")
    return 0


def _rename_suite(suite: Suite, old: BaselineStore, new: BaselineStore) -> int:
    """Move all baselines of a suite whose file has another name now.

    Raises RobustnessError when another suite still has them, there are none, or some have the new name already.
    """
    from pytest_robustness.gate.owner import claim, is_taken

    root = Path.cwd()
    if is_taken(old.folder, suite.path, root):
        raise RobustnessError(f"{old.folder}: these baselines are of another suite, whose file is still there")
    count = sum(map(old.is_ours, old.cases()))
    if not count:
        raise RobustnessError(f"{old.folder}: no baselines of a suite {old.folder.name!r}")
    old.move(new.folder)
    claim(new.folder, suite.path, root)
    print(f"{count} baselines of {old.folder.name} are now those of {suite.name}, in {new.folder}")
    return 0


def _renamed(suite: Suite, store: BaselineStore, old: str, new: str) -> dict[str, str]:
    """Return the new name of each case of the renamed model or attack, by its old name.

    Raises RobustnessError when the new name is not in the suite, the old one still is, or no baseline has the old one.
    """
    for kind, names in (("model", list(suite.models)), ("attack", list(suite.all_attacks))):
        if new in names:
            if old in names:
                raise RobustnessError(f"{suite.path}: {old} is still a {kind} of it: rename it there first")
            cases = {case: CaseId(case) for case in store.cases()}
            mine = [case for case, one in cases.items() if (one.model if kind == "model" else one.attack) == old]
            ours = sorted(case for case in mine if store.is_ours(case))
            if not ours:
                raise RobustnessError(f"{store.folder}: no baselines of the {kind} {old!r}")
            return {
                case: CaseId.of(*((new, cases[case].attack) if kind == "model" else (cases[case].model, new)))
                for case in ours
            }
    raise RobustnessError(f"{suite.path}: no model and no attack {new!r} in it")
