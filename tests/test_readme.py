"""What the README tells a reader to type does what it says."""

import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from pytest_robustness.cli import main
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.model import Model

from robustness_tests.zoo import cifar10, describe, select, train
from tests.cli import bundles
from tests.report import examples

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"^\$ (.+)$", README, re.MULTILINE)


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands(start):
    return [command for command in COMMANDS if command.startswith(start)]


@pytest.fixture(autouse=True)
def _no_ci(monkeypatch):
    for name in ("CI", "GITHUB_STEP_SUMMARY", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"):
        monkeypatch.delenv(name, raising=False)


def test_every_command_is_run_here_or_by_ci():
    script = (ROOT / ".ci" / "run").read_text()
    here = {*commands("pytest robustness_tests"), *commands("python -m")}
    others = [command for command in COMMANDS if command not in here]
    own_repository = "pip install 'pytest-robustness[suite]'"  # once it is published
    suite_extra = "pip install -c constraints.txt -e '.[suite]'"  # part of [test], which CI installs
    for command in others:
        assert command in (own_repository, suite_extra) or command in script, command
    assert len(here) == 20


@pytest.fixture
def checkout(pytester):
    for name in ("robustness_tests", "baselines"):
        shutil.copytree(ROOT / name, pytester.path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "conftest.py"):
        shutil.copy(ROOT / name, pytester.path)
    return pytester


@pytest.mark.parametrize("command", [one for one in commands("pytest robustness_tests") if "imagenet" in one])
def test_the_papers_suite_without_images_ends_in_one_line(checkout, command):
    result = checkout.runpytest_subprocess(*shlex.split(command)[1:], "-p", "no:cacheprovider")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = (line for line in result.errlines if line)
    suite = checkout.path / "robustness_tests" / "imagenet.toml"
    assert line.startswith(f"ERROR: {suite}: images: no folder of images {checkout.path / 'DIR'}: give ")
    assert line.endswith("choose them with `python -m pytest_robustness select robustness_tests/imagenet.toml`")


def evidence(row):
    """The words of a row up to its time, which is the machine's, and its noise rate as a number."""
    words = row.split()
    if words[6] == "-":  # the distance, which has a column only where a case has one
        del words[6]
    *words, noise, effort = words[:8]
    return [*words, effort], float(noise)


@pytest.mark.parametrize("command", [one for one in commands("pytest robustness_tests") if "imagenet" not in one])
def test_the_gate_on_the_zoo(checkout, command):
    """On a case or two; CI runs all."""
    case = checkout.path / "baselines/zoo/vgg11/fgsm.json"
    before = case.read_bytes()
    if "missing" in command:
        case.unlink()
    chosen = "vgg11/fgsm or vgg11/pgd" if "-k" in command else "vgg11/fgsm"
    arguments = shlex.split(command)[1:]
    if "--robustness-anchor" in arguments:
        (recording,) = commands("python -m pytest_robustness anchor")
        assert checkout.run(sys.executable, *shlex.split(recording)[1:]).ret == 0
    if "-k" in arguments:
        at = arguments.index("-k") + 1
        arguments[at] = f"({arguments[at]}) and ({chosen})"
    else:
        arguments += ["-k", chosen]
    result = checkout.runpytest_subprocess(*arguments, "-p", "no:cacheprovider")
    candidate = "--candidate" in command
    assert result.ret == (1 if candidate else 0)
    result.assert_outcomes(
        failed=candidate, passed=not candidate, deselected=result.parseoutcomes().get("deselected", 0)
    )
    attack = "pgd" if "-k" in command else "fgsm"
    (row,) = (line for line in result.outlines if line.split()[:2] == ["vgg11", attack])
    if not (candidate or "missing" in command or "changed" in command):
        (told,) = (line for line in README.splitlines() if line.split()[:2] == ["vgg11", attack])
        stored = json.loads((ROOT / "baselines/zoo/vgg11" / f"{attack}.json").read_text())["aggregates"]["noise_rate"]
        assert evidence(told)[1] == float(f"{stored:.5f}")
        # vgg11/pgd's is a tie: 0.005235 stored, 0.005233 on another kind of CPU; five digits round it either way
        assert evidence(row) == (evidence(told)[0], pytest.approx(stored, rel=0, abs=5.1e-6))
    assert case.exists()
    if "missing" not in command:
        assert case.read_bytes() == before


@pytest.mark.parametrize("place", ["robustness.toml", "suites/robustness.toml"])
def test_a_readers_own_suite(pytester, place):
    """The TOML and Python blocks as they stand, with a model and images of the reader's."""
    suite, configuration = blocks("toml")
    (test_module,) = (block for block in blocks("python") if "def test_" in block)
    folder = (pytester.path / place).parent
    folder.mkdir(exist_ok=True)
    (pytester.path / place).write_text(suite.replace("0.01", "0.1").replace("0.0025", "0.025"))
    needed = configuration if folder != pytester.path else "[tool.pytest.ini_options]\n"
    (pytester.path / "pyproject.toml").write_text(needed + 'pythonpath = ["."]\n')
    (pytester.path / "test_robustness.py").write_text(test_module)
    package = pytester.mkpydir("mypackage")
    (package / "models.py").write_text(
        "from torch import nn\n\n\ndef resnet():\n    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 3))\n"
    )
    make_readers_files(folder)
    recorded = pytester.runpytest_inprocess("--update-baselines")
    assert recorded.ret == 0
    assert (pytester.path / "baselines/robustness/resnet/pgd.json").is_file()
    judged = pytester.runpytest_inprocess()
    assert judged.ret == 0
    judged.stdout.fnmatch_lines(["resnet *pgd *same"])


def make_readers_files(folder):
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    layer = torch.nn.Linear(3 * 8 * 8, 3)
    save_file({"1.weight": layer.weight.detach(), "1.bias": layer.bias.detach()}, folder / "resnet.safetensors")
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
    pixels = torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).float() / 255
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    labels = layer(((pixels - mean) / std).flatten(1)).argmax(1).numpy()
    np.savez(folder / "images.npz", images=images, labels=labels, ids=np.arange(20))


def tiny_cifar10(count=60):
    rng = np.random.default_rng(0)

    def split():
        return cifar10.Split(
            rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8), np.arange(count, dtype=np.int64) % 10
        )

    return cifar10.Cifar10(split(), split())


def test_init_without_a_terminal_names_the_flags_of_the_readme(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", None)
    (command,) = commands("python -m pytest_robustness init")
    assert main.main(shlex.split(command)[3:]) == pytest.ExitCode.USAGE_ERROR
    for flag in capsys.readouterr().err.strip().rpartition("give ")[2].split(", "):
        assert f"{flag} " in README or f"{flag}`" in README


def test_the_rendering_command(monkeypatch, tmp_path):
    (command,) = commands("python -m pytest_robustness report")
    suite = examples.suite(tmp_path, {"vgg": ["vgg11"]})
    (tmp_path / "report.json").write_text(examples.report(suite).to_json())
    monkeypatch.chdir(tmp_path)
    assert main.main(shlex.split(command)[3:]) == 0
    assert "All 3 cases of zoo" in (tmp_path / "report.html").read_text()


def test_the_evidence_commands(monkeypatch, tmp_path, capsys):
    (card,), (bundle,), (verify,) = (
        commands(f"python -m pytest_robustness {name}") for name in ("card", "bundle", "verify")
    )
    suite = examples.suite(tmp_path, {"vgg": ["vgg11", "vgg11_bn"]})
    (tmp_path / "report.json").write_text(examples.report(suite).to_json())
    bundles.make(tmp_path, suite="suite")
    monkeypatch.chdir(tmp_path)
    for command in (card, bundle, verify):
        assert main.main(shlex.split(command)[3:]) == 0
    assert "model-index:" in (tmp_path / "CARD.md").read_text()
    assert "the verdict follows from the evidence: passed" in capsys.readouterr().out


def test_the_training_command(monkeypatch, tmp_path, capsys):
    (command,) = commands("python -m robustness_tests.zoo.train")
    monkeypatch.setattr(cifar10, "load", lambda path: tiny_cifar10())
    monkeypatch.setattr("torch.use_deterministic_algorithms", lambda mode: None)
    monkeypatch.setattr("torch.set_num_threads", lambda threads: None)
    folders = ["--epochs", "1", "--output", str(tmp_path), "--checkpoints", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [*shlex.split(command)[2:], *folders])
    train.main()
    assert (tmp_path / "vgg11.safetensors").exists()
    assert (tmp_path / "vgg11_bn.safetensors").exists()
    assert "vgg11_bn: top-1" in capsys.readouterr().out


def test_the_selection_command(monkeypatch, tmp_path, capsys):
    (command,) = commands("python -m robustness_tests.zoo.select")
    monkeypatch.setattr(cifar10, "load", lambda path: tiny_cifar10())
    monkeypatch.setattr(select, "correct", lambda name, split: np.ones(len(split.labels), dtype=bool))
    monkeypatch.setattr(sys, "argv", [*shlex.split(command)[2:], "--count", "30", "--output", str(tmp_path)])
    select.main()
    with np.load(tmp_path / "selected.npz") as file:
        assert np.bincount(file["labels"]).tolist() == [3] * 10
    assert (tmp_path / "unselected.npz").exists()
    assert "airplane 3" in capsys.readouterr().out


def test_the_page_of_the_zoo(monkeypatch, tmp_path, capsys):
    (command,) = commands("python -m robustness_tests.zoo.describe")
    monkeypatch.setattr(cifar10, "load", lambda path: tiny_cifar10())
    monkeypatch.setattr(sys, "argv", [*shlex.split(command)[2:], "--output", str(tmp_path / "page.md")])
    describe.main()
    assert (tmp_path / "page.md").read_text().startswith("# The zoo")
    assert "14 models" in capsys.readouterr().out


def test_the_notebooks_lines_judge_a_model(tmp_path, monkeypatch):
    from tests.evaluate import nets
    from tests.evaluate.suites import as_tensor, labels_of, pictures

    (code,) = (block for block in blocks("python") if "import Baselines" in block)
    monkeypatch.chdir(tmp_path)
    images = pictures()
    given = {"model": nets.tiny(), "images": as_tensor(images), "labels": labels_of(images)}
    exec(code, given)
    assert given["verdict"].status == "no baseline"
    exec(code, given)
    assert given["verdict"].passed
    assert (tmp_path / "baselines" / "mine" / "pgd.json").is_file()


def test_the_lines_of_every_kind_of_model_are_read(tmp_path):
    text = (ROOT / "docs" / "models.md").read_text()
    tables = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    for name in set(re.findall(r'"([\w.-]+\.(?:pth|safetensors|pt|pt2|onnx))"', text)):
        (tmp_path / name).touch()
    rest = '[images]\nfolder = "photographs"\n[attacks.pgd]\nattack = "PGD"\neps = 0.01\nalpha = 0.0025\n'
    (tmp_path / "suite.toml").write_text("\n".join([*tables, rest]))
    models = load_suite(tmp_path / "suite.toml").models
    assert len(models) == 10
    shown = set(re.findall(r"^(\w+) =", "\n".join(tables), re.MULTILINE))
    assert set(Model.model_fields) - {"like", "preprocessing"} <= shown
