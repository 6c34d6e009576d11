"""Reports what fails a run besides its tests as tests of their own, in the terminal's counts and JUnit's XML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

#: The file such tests seem to lie in.
PLACE = "robustness"
#: The plugin that remembers failed tests to run them again, which is not possible for these.
LAST_FAILED = "lfplugin"
#: The class of the plugin that writes JUnit's XML, which is registered without a name.
JUNIT = "LogXML"


def report(config: pytest.Config, failures: Iterable[str], *, alone: bool) -> None:
    """Report a failed test to other plugins for each of the failures, which are lines of text.

    A line's beginning, up to its first colon, names the test. When no test failed (``alone``), all plugins are told,
    so that no count says that all passed. Otherwise only JUnit's XML is: the terminal shows the lines anyway, and
    counts the real tests.
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
    """Yield each failure with a name of its own."""
    used: dict[str, int] = {}
    for text in failures:
        name = text.partition(": ")[0]
        used[name] = used.get(name, 0) + 1
        yield (name if used[name] == 1 else f"{name} ({used[name]})"), text
