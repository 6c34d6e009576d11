"""The package that docs/extending.md shows is used as it says."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.docs import NAMED, ROOT, Page

PAGE = Page(ROOT / "docs" / "extending.md")
TESTS = """\
def test_robustness(robustness):
    robustness.check()


def test_health(robustness_health):
    robustness_health.check()
"""


@pytest.fixture
def repository(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the page's suite and hooks, where the page's package is installed."""
    points, suite = PAGE.blocks("toml")
    for code in PAGE.blocks("python"):
        named = NAMED.match(code)
        assert named is not None
        (pytester.path / named[1]).write_text(code)
    info = pytester.mkdir("shop_robustness-1.0.dist-info")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-robustness\nVersion: 1.0\n")
    groups = tomllib.loads(points)["project"]["entry-points"]
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in of.items()) for group, of in groups.items()
    ]
    (info / "entry_points.txt").write_text("".join(lines))
    photographs = pytester.mkdir("photographs")
    rng = np.random.default_rng(0)
    for label in range(3):
        (photographs / str(label)).mkdir()
        for number in range(6):
            pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(photographs / str(label) / f"{number}.png")
    images = '[images]\nfolder = "photographs"\nlabels = "predicted"\n'
    pgd = '[attacks.pgd]\nattack = "PGD"\neps = 0.05\nalpha = 0.02\n'
    (pytester.path / "robustness.toml").write_text(images + suite + pgd)
    (pytester.path / "test_robustness.py").write_text(TESTS)
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\n")
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(pytester.path), prepend=":")
    return pytester.path


def test_the_package_of_the_page_is_used(repository: Path, pytester: pytest.Pytester) -> None:
    plain = ["-p", "no:cacheprovider", "-p", "no:benchmark", "-p", "no:xdist"]
    recorded = pytester.runpytest_subprocess("--update-baselines", "-k", "not test_health", *plain)
    assert recorded.ret == pytest.ExitCode.OK
    (command,) = PAGE.commands()
    judged = pytester.runpytest_subprocess(*command.split()[1:], *plain, "-s", "-rA")
    said = judged.stdout.str()
    assert "verdict: small/fade same" in said
    assert "report: 2 cases" in said
    assert "several classes: " in said
    (header,) = (line for line in judged.outlines if line.startswith("model "))
    assert "quick" in header
    assert (repository / "verdicts.csv").read_text() == "small/fade,same\nsmall/pgd,same\n"
