"""Tells where a run's code came from, for ``bisect``: a package installed in editable mode is not the commit's.

It is loaded by ``-p`` in a run of ``bisect`` alone, and writes the name of the first module that was imported from the
user's checkout to a file.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pytest_robustness.files import real

#: The user's checkout, the temporary one, and the file to write.
VARIABLES = ("PYTEST_ROBUSTNESS_NOT_FROM", "PYTEST_ROBUSTNESS_FROM", "PYTEST_ROBUSTNESS_ORIGIN")


def pytest_sessionfinish() -> None:
    """Write down what was imported from the wrong checkout."""
    wrong, right, file = (os.environ.get(name, "") for name in VARIABLES)
    if not (wrong and right and file):
        return
    ours = Path(__file__).parents[1]
    for name, module in sorted(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if not path:
            continue
        place = real(Path(path))
        if place.is_relative_to(wrong) and not any(
            place.is_relative_to(other) for other in (right, real(Path(sys.prefix)), real(ours))
        ):
            Path(file).write_text(f"{name} ({place})", encoding="utf-8")
            return
