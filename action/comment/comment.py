"""The step of the comment's action: writes or edits one comment on the pull request whose commit was measured.

The artifact was made where the pull request's code runs, so it is data that is read, and nothing of it is believed to
say where to write: the pull request is asked of GitHub, and the Markdown is made here, of the data.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

#: What tells our comment from others of the same account.
MARK = "<!-- pytest-robustness -->"
#: The most characters of a comment; GitHub takes 65,536.
LENGTH = 65_000
#: What the rendering needs of the plugin's dependencies: no torch.
NEEDS = ("filelock", "numpy", "pydantic")
#: Python, without the modules of the folder it is started in: there may be a checkout of the pull request.
PYTHON = (sys.executable, "-P", "-m")


def main() -> int:
    pull = pull_request()
    if pull is None:
        print(f"no open pull request has the commit {os.environ['HEAD_SHA']}: nothing to comment on")
        return 0
    folder = Path(os.environ["RUNNER_TEMP"], "pytest-robustness")
    text = f"{MARK}\n{rendered(folder)}\n[The run with its report]({os.environ['RUN_URL']})\n"
    body = folder.with_name("comment.md")
    body.write_text(text, encoding="utf-8")
    where = f"repos/{os.environ['GITHUB_REPOSITORY']}/issues/{pull}/comments"
    known = [comment for page in gh(where, "--paginate", "--slurp") for comment in page]
    # people could write the mark, too, and their comments are not edited
    ours = [one["id"] for one in known if one["body"].startswith(MARK) and one["user"]["type"] == "Bot"]
    if ours:
        gh(f"repos/{os.environ['GITHUB_REPOSITORY']}/issues/comments/{ours[0]}", "-X", "PATCH", "-F", f"body=@{body}")
    else:
        gh(where, "-X", "POST", "-F", f"body=@{body}")
    return 0


def pull_request() -> int | None:
    """Return the number of the open pull request whose newest commit was measured, by what GitHub says."""
    head = f"{os.environ['HEAD_OWNER']}:{os.environ['HEAD_BRANCH']}"
    pulls = gh(f"repos/{os.environ['GITHUB_REPOSITORY']}/pulls", "-X", "GET", "-f", "state=open", "-f", f"head={head}")
    return next((one["number"] for one in pulls if one["head"]["sha"] == os.environ["HEAD_SHA"]), None)


def rendered(folder: Path) -> str:
    """Return the report's data as Markdown, or why there is none."""
    data, file = folder / "robustness.json", folder.with_name("rendered.md")
    if not data.is_file():
        return "### ⚠️ Robustness was not measured\n\nThe run left no report: see its log."
    install()
    file.unlink(missing_ok=True)
    told = subprocess.run(
        [*PYTHON, "pytest_robustness", "report", data, "-o", file],
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode or not file.is_file():
        print(told.stdout, told.stderr)
        return "### ⚠️ Robustness: the report cannot be read\n\nThe artifact's data is no report of this version."
    text = file.read_text(encoding="utf-8")
    if len(text) > LENGTH:
        text = text[:LENGTH].rpartition("\n")[0] + "\n\n(cut: the report has it all)\n"
    return text


def install() -> None:
    """Install this action's version of the plugin, without torch, where there is none."""
    if find_spec("pytest_robustness") is None:
        pip = [*PYTHON, "pip", "install", "-q"]
        subprocess.run([*pip, *NEEDS], check=True)
        subprocess.run([*pip, "--no-deps", Path(__file__).resolve().parents[2]], check=True)


def gh(path: str, *arguments: str) -> Any:
    """Return what GitHub answers to a call of its API."""
    answer = subprocess.run(["gh", "api", path, *arguments], stdout=subprocess.PIPE, check=True)
    return json.loads(answer.stdout or "null")


if __name__ == "__main__":
    sys.exit(main())
