"""What fails a run beside its tests, as tests of their own: in the terminal's counts and in JUnit's XML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

#: The file such tests seem to lie in.
PLACE = "robustness"
#: Remembers the tests that failed, to run them again: these cannot be.
LAST_FAILED = "lfplugin"
#: Writes JUnit's XML; it has no name.
JUNIT = "LogXML"


def report(config: pytest.Config, failures: Iterable[str], *, alone: bool) -> None:
    """Tell plugins of a test that failed for each of the failures, which are lines.

    A line's beginning, up to its first colon, names the test. Where no test failed (``alone``) everybody is told, so
    that no count says that all passed; else JUnit's XML only: a terminal has the lines, and counts the tests there are.
    """
    plugins = config.pluginmanager
    tell = plugins.subset_hook_caller(
        "pytest_runtest_logreport",
        [
            plugin
            for plugin in plugins.get_plugins()
            if plugin is plugins.get_plugin(LAST_FAILED) or not (alone or type(plugin).__name__ == JUNIT)
        ],
    )
    for name, text in _named(failures):
        for when in ("setup", "call", "teardown"):
            failed = when == "call"
            tell(
                report=pytest.TestReport(
                    nodeid=f"{PLACE}::{name}",
                    location=(PLACE, None, name),
                    keywords={},
                    outcome="failed" if failed else "passed",
                    longrepr=text if failed else None,
                    when=when,
                )
            )


def _named(failures: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each with a name of its own."""
    used: dict[str, int] = {}
    for text in failures:
        name = text.partition(": ")[0]
        used[name] = used.get(name, 0) + 1
        yield (name if used[name] == 1 else f"{name} ({used[name]})"), text
