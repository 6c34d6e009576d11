"""A repository whose baselines changed in ways that are known: what each commit did is planted, not measured."""

import os
import subprocess
from pathlib import Path

from pytest_robustness.records.measurement import Measurement

from tests.gate.examples import images, measurement

IMAGES = 400
SUITE = """\
[images]
file = "images.npz"

[models.vgg11]
source = "zoo:vgg11"

[models.net]
source = "zoo:resnet"

[attacks.pgd]
attack = "PGD"
eps = 0.01
alpha = 0.0025
steps = 10

[attacks.fgsm]
attack = "FGSM"
eps = 0.01
"""


def fooled(count: int, case: str, digest: str = "a" * 64, **more: object) -> Measurement:
    """A measurement in which the first so many of the images are fooled."""
    clean = "." * 180 + "-" * 20
    return measurement("!" * count + "." * (IMAGES - count), case=case, digest=digest, unselected=clean, **more)


class Repository:
    """A repository that grows by commits, an hour apart."""

    def __init__(self, path: Path) -> None:
        self.path, self.hours = path, 0
        self.folder = "baselines/tiny"
        self.commits: list[str] = []
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        when = f"2026-03-01T{self.hours // 60:02}:{self.hours % 60:02}:00Z"
        told = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        told |= {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *identity, *arguments], cwd=self.path, check=True, capture_output=True, env=told)
        return done.stdout.decode().strip()

    def file(self, case: str) -> Path:
        return self.path / self.folder / f"{case}.json"

    def put(self, one: Measurement) -> None:
        self.text(one.case, one.to_json())

    def text(self, case: str, text: str) -> None:
        self.file(case).parent.mkdir(parents=True, exist_ok=True)
        self.file(case).write_text(text)

    def commit(self, subject: str) -> str:
        self.hours += 60
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", subject)
        self.commits.append(self.git("rev-parse", "HEAD"))
        return self.commits[-1]


def planted(path: Path) -> Repository:
    """Twelve planted changes and more, each by a commit whose subject says what it is."""
    made = Repository(path)
    (path / "tiny.toml").write_text(SUITE)
    (path / "pyproject.toml").write_text('[tool.pytest.ini_options]\nrobustness_suite = "tiny.toml"\n')
    for listed in (images(IMAGES), images(200, "unselected")):
        (path / made.folder).mkdir(parents=True, exist_ok=True)
        (path / made.folder / f"images-{listed.digest[:16]}.json").write_text(listed.to_json())
    made.put(fooled(100, "vgg11/pgd"))
    made.put(fooled(60, "vgg11/fgsm"))
    made.put(fooled(200, "resnet/pgd"))
    made.commit("1 the first baselines")
    made.text("resnet/cw", "<<<<<<< HEAD\n{}\n")
    made.commit("2 a baseline that never parses")
    made.git("tag", "v1.0")
    made.put(fooled(140, "vgg11/pgd", "b" * 64))
    made.commit("3 forty images lost")
    for number, count in ((4, 64), (5, 68), (6, 72)):
        made.put(fooled(count, "vgg11/fgsm", str(number) * 64))
        made.commit(f"{number} four images lost, within the tolerance")
    made.put(fooled(150, "resnet/pgd", "c" * 64))
    made.commit("7 fifty images won")
    made.git("tag", "-a", "v1.1", "-m", "the second release")
    stronger = {"parameters": {"eps": 0.02, "alpha": 0.0025, "steps": 10, "random_start": True}}
    made.put(fooled(300, "resnet/pgd", "c" * 64, protocol=stronger))
    made.commit("8 another protocol")
    made.put(fooled(300, "net/pgd", "c" * 64, protocol=stronger))
    made.file("resnet/pgd").unlink()
    made.commit("9 resnet is called net")
    made.git("checkout", "-q", "-b", "feature")
    made.put(fooled(170, "vgg11/pgd", "d" * 64))
    made.commit("on a branch: thirty images lost")
    made.put(fooled(180, "vgg11/pgd", "e" * 64))
    made.commit("on a branch: ten images more")
    made.git("checkout", "-q", "main")
    (path / "notes.txt").write_text("nothing of a baseline\n")
    made.commit("of no interest")
    made.git("merge", "-q", "--no-ff", "feature", "-m", "10 a merge")
    text = made.file("vgg11/fgsm").read_text()
    made.text("vgg11/fgsm", text.replace('"schema": 2', '"schema": 99'))
    made.commit("11 a schema of the future")
    made.text("vgg11/fgsm", text)
    made.put(fooled(300, "net/fgsm", "c" * 64))
    made.commit("12 the schema is mended, and a case is new")
    made.git("mv", "baselines", "robust")
    made.folder = "robust/tiny"
    pyproject = path / "pyproject.toml"
    pyproject.write_text(pyproject.read_text() + 'robustness_baselines = "robust"\n')
    made.commit("13 the folder is another")
    made.file("net/fgsm").unlink()
    made.put(fooled(180, "vgg11/pgd", "e" * 64, torch="2.15.0"))
    made.commit("14 a case is gone")
    made.git("branch", "release", "HEAD~4")
    made.git("checkout", "-q", "release")
    made.commit("a fix of the release")
    made.git("tag", "v1.1.1")
    made.git("checkout", "-q", "main")
    return made
