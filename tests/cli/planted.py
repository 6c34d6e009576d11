"""A repository in which twelve commits each make one of twelve tiny models easier to attack."""

import os
import shutil
import subprocess
from pathlib import Path

TINYZOO = Path(__file__).with_name("tinyzoo.py")
MODELS = [f"m{number:02}" for number in range(1, 13)]
#: The models that are changed by code and by the suite's table; the others are by their weights.
BY_CODE, BY_TABLE = "m02", "m03"
#: The planted commit before which another one breaks the code, which a third one mends.
BROKEN_BEFORE = "m07"

HEAD = """\
batch_size = 20
suspicious = "warn"

[images]
file = "images.npz"

[attacks.fgsm]
attack = "FGSM"
eps = 0.01
"""
CODE = "from tinyzoo import build\n\n\ndef small():\n    return build('small')\n"
SHOWN = "\n\ndef m02():\n    model = build('small')\n    model.shown = 1.0\n    return model\n"
PROJECT = """\
[tool.pytest.ini_options]
pythonpath = ["."]
addopts = ["-p", "no:hypothesispytest", "-p", "no:anyio"]
robustness_suite = "tiny.toml"
"""
TEST = "def test_robustness(robustness):\n    robustness.check()\n"


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody, in a folder."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, env=clean)
    return done.stdout.decode().strip()


def table(model: str, **changed: str) -> str:
    keys = {"source": "planted:small", "weights": f"weights/{model}.safetensors"} | changed
    return f"\n[models.{model}]\n" + "".join(f'{key} = "{value}"\n' for key, value in keys.items())


def suite(**changed: dict[str, str]) -> str:
    return HEAD + "".join(table(model, **changed.get(model, {})) for model in MODELS)


def weights(path: Path, leak: float) -> None:
    import runpy

    from safetensors.torch import save_file

    path.parent.mkdir(exist_ok=True)
    save_file(runpy.run_path(str(TINYZOO))["build"]("small", leak).state_dict(), path)


def write(folder: Path, images: bytes) -> None:
    """Write the files of the first commit, but for baselines."""
    (folder / "images.npz").write_bytes(images)
    shutil.copy(TINYZOO, folder)
    for model in MODELS:
        weights(folder / "weights" / f"{model}.safetensors", 0.0)
    for name, text in {
        "tiny.toml": suite(),
        "planted.py": CODE,
        "pyproject.toml": PROJECT,
        "test_robustness.py": TEST,
        ".gitignore": "executed.txt\n__pycache__/\n",
    }.items():
        (folder / name).write_text(text)


def commit(folder: Path, subject: str) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", subject)
    return git(folder, "rev-parse", "HEAD")


def plant(folder: Path) -> dict[str, str]:
    """Make all commits after the first, and return the commit that changed each model."""
    found: dict[str, str] = {}
    git(folder, "init", "-q", "-b", "main")
    commit(folder, "Baselines")
    git(folder, "tag", "v1")
    code, changed = CODE, {}
    for model in MODELS:
        if model == BROKEN_BEFORE:
            (folder / "planted.py").write_text("def small(:\n")
            commit(folder, "Half a change")
            (folder / "planted.py").write_text(code)
            commit(folder, "The other half")
        if model == BY_CODE:
            code += SHOWN
            (folder / "planted.py").write_text(code)
            changed[model] = {"source": "planted:m02"}
        elif model == BY_TABLE:
            weights(folder / "weights" / "other.safetensors", 1.0)
            changed[model] = {"weights": "weights/other.safetensors"}
        else:
            weights(folder / "weights" / f"{model}.safetensors", 1.0)
        (folder / "tiny.toml").write_text(suite(**changed))
        found[model] = commit(folder, f"Faster {model}")
    return found
