"""For this repository's own runs: ``tests`` drives pytest itself."""

from contextlib import suppress

pytest_plugins = ["pytester"]

# The same examples in every run, so that no change is held up by a flaw that it has not made. The nightly run looks for
# new ones: --hypothesis-profile default. The suites of models need no hypothesis.
with suppress(ImportError):
    from hypothesis import settings

    settings.register_profile("same examples", derandomize=True)
    settings.load_profile("same examples")
