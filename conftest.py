"""For this repository's own runs: ``tests`` drives pytest itself."""

pytest_plugins = ["pytester"]
