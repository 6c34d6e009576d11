"""Where the files lie that are written, and that none of them is there already."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pytest_robustness.errors import RobustnessError
from pytest_robustness.setup.repository import Repository

#: The suite that pytest finds without a setting, beside its configuration.
SUITE, TEST = "robustness.toml", "test_robustness.py"
#: The folder of the lists of images, beside the suite, and their names.
LISTS, SELECTED, CLEAN = "robustness_images", "selected.csv", "clean.csv"
#: What a test module has that needs nothing more.
CHECKS = "robustness.check()"


@dataclass(frozen=True)
class Places:
    """Holds the paths of what is written, absolute."""

    repository: Repository
    suite: Path
    test: Path

    @classmethod
    def of(cls, repository: Repository, suite: Path | None, test: Path | None) -> Places:
        """Return the places that were named, or the usual ones.

        Raises RobustnessError, naming the file, when one is taken, or a suite has no ending of one.
        """
        places = cls(
            repository,
            suite.absolute() if suite else repository.root / SUITE,
            test.absolute() if test else repository.test_folder / TEST,
        )
        if places.suite.suffix != ".toml":
            raise RobustnessError(f"--suite {suite}: should end in .toml")
        if not places.suite.is_relative_to(repository.base):
            raise RobustnessError(f"--suite {suite}: should lie in the repository, {repository.base}")
        free(places.suite, "it is a suite already, and stays as it is; for a second one give --suite OTHER.toml")
        for name in (SELECTED, CLEAN):
            free(places.lists / name, "move it away, or give --suite OTHER_FOLDER/robustness.toml")
        if not places.has_test:
            free(places.test, "it does something else, and stays as it is; give --test OTHER.py")
        return places

    @property
    def lists(self) -> Path:
        return self.suite.parent / LISTS

    @property
    def has_test(self) -> bool:
        """Return whether there is a test already that does what is needed."""
        try:
            return CHECKS in self.test.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return False

    @property
    def is_found(self) -> bool:
        """Return whether pytest finds the suite without a setting."""
        return self.suite == self.repository.root / SUITE

    def beside_suite(self, path: Path) -> str:
        """Return a path as the suite names it: relative to its folder, or absolute when it lies elsewhere."""
        if not path.is_relative_to(self.repository.base):
            return path.as_posix()
        return Path(os.path.relpath(path, self.suite.parent)).as_posix()


def free(path: Path, otherwise: str) -> None:
    """Raise RobustnessError when there is a file, or a link to nothing, of this name."""
    if os.path.lexists(path):
        raise RobustnessError(f"{path}: is there already: {otherwise}; nothing was written")
