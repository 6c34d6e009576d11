"""Print a pip constraint for the lowest version of each direct dependency that pyproject.toml promises."""

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
extras = project["optional-dependencies"]
for requirement in (*project["dependencies"], *extras["suite"], *extras["report"]):
    found = re.fullmatch(r"([\w.-]+)>=([\d.]+)", requirement)
    if found is None:
        sys.exit(f"{requirement}: should promise a lowest version: NAME>=VERSION")
    print(f"{found[1]}=={found[2]}.*")
