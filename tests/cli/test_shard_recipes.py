"""examples/shards: each recipe's script, run as its scheduler would, measures shards that are merged and judged."""

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import pytest_robustness
from pytest_robustness.cli.main import main
from pytest_robustness.records.shard import Shard

RECIPES = Path(__file__).parents[2] / "examples" / "shards"
COUNT = 2
#: Takes the place of a program: notes its arguments.
NOTED = """\
#!/bin/sh
exec {python} -c "import json, sys; print(json.dumps(sys.argv[1:]), file=open('noted', 'a'))" "$@"
"""


@pytest.fixture
def repository(project):
    """A repository as the recipes presume it, with baselines."""
    (project.path / "robustness_tests").mkdir()
    shutil.move(project.path / "test_robustness.py", project.path / "robustness_tests")
    shutil.move(project.path / "tiny.toml", project.path / "robustness.toml")
    project.edit("pyproject.toml", "tiny.toml", "robustness.toml")
    project.record()
    return project


def blocks(name, key):
    """The shell scripts in a file of YAML: those that follow ``key``."""
    text = (RECIPES / name).read_text()
    found = re.findall(rf"^( *){key} \|\n((?:\1 +.*\n)+)", text, re.MULTILINE)
    return [textwrap.dedent(block) for _, block in found]


def gitlab(job):
    """The lines of a job's script as the shell gets them."""
    text = (RECIPES / "gitlab-ci.yml").read_text().partition(f"\n{job}:\n")[2]
    return "\n".join(re.findall(r"^    - (p.*)$", text.partition("\n\n")[0], re.MULTILINE))


MEASURING = {
    "github": (lambda: blocks("github.yml", "run:")[0], lambda n: {"SHARD": n, "SHARDS": COUNT, "CI": "true"}),
    "gitlab": (lambda: gitlab("measure"), lambda n: {"CI_NODE_INDEX": n, "CI_NODE_TOTAL": COUNT, "CI": "true"}),
    "slurm": (
        lambda: (RECIPES / "slurm.sh").read_text(),
        lambda n: {"SLURM_ARRAY_TASK_ID": n + 6, "SLURM_ARRAY_TASK_MIN": 7, "SLURM_ARRAY_TASK_COUNT": COUNT},
    ),
    "kubernetes": (
        lambda: blocks("kubernetes.yaml", "-")[0],
        lambda n: {"JOB_COMPLETION_INDEX": n - 1, "SHARDS": COUNT, "PARTS": "."},
    ),
}
JUDGING = {
    "github": lambda: blocks("github.yml", "- run:")[-1],
    "gitlab": lambda: gitlab("judge"),
    "slurm": lambda: (RECIPES / "slurm_judge.sh").read_text(),
    "kubernetes": lambda: (RECIPES / "slurm_judge.sh").read_text(),
}


def shell(project, script, programs, **variables):
    """Run a script as schedulers do, with these programs in the place of others."""
    folder = project.path / "bin"
    folder.mkdir(exist_ok=True)
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    search = f"{folder}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {name: str(value) for name, value in variables.items()} | {"PATH": search}
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=project.path, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def noted(project):
    lines = (project.path / "noted").read_text().splitlines()
    (project.path / "noted").unlink()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("name", MEASURING)
def test_a_recipe_measures_every_shard_and_judges(repository, name, capsys):
    script, variables = MEASURING[name]
    stand_in = NOTED.format(python=sys.executable)
    for number in range(1, COUNT + 1):
        programs = {"pytest": stand_in, "srun": '#!/bin/sh\nexec "$@"\n'}
        status, told = shell(repository, script(), programs, **variables(number))
        assert status == 0, told
        (words,) = noted(repository)
        assert repository.run(*words).ret == 0
        found = Shard.from_json((repository.path / f"part{number}.json").read_text())
        assert (found.shard, len(found.plan.shards), found.complete) == (number, COUNT, True)
    status, told = shell(repository, JUDGING[name](), {"python": stand_in}, CI="true")
    assert status == 0, told
    commands = noted(repository)
    assert [words[:2] for words in commands] == [["-m", "pytest_robustness"]] * 3
    assert [words[2] for words in commands] == ["merge", "report", "judge"]
    assert [main(words[2:]) for words in commands] == [0, 0, 0]
    assert "robustness: passed: 4 cases: 4 same" in capsys.readouterr().out
    assert (repository.path / "report.html").exists()


def test_a_recipe_with_the_real_programs(repository):
    """SLURM's, with a case that cannot be measured: its task fails, and the judge says so and does not pass."""
    package = Path(pytest_robustness.__file__).parents[1]
    where = {"PYTHONPATH": str(package), "OMP_NUM_THREADS": "1"}
    python = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
    programs = {"pytest": python.replace('"$@"', '-m pytest "$@"'), "python": python, "srun": '#!/bin/sh\nexec "$@"\n'}
    repository.behave(large_pgd="broken")
    script, variables = MEASURING["slurm"]
    statuses = [shell(repository, script(), programs, **variables(n), **where)[0] for n in (1, 2)]
    assert sorted(statuses) == [0, 2]
    status, told = shell(repository, JUDGING["slurm"](), programs, **where)
    assert status == 2
    assert "not measured: large/pgd: " in told
    assert "robustness: could not be judged: 4 cases: " in told


def test_the_numbers_of_a_recipe_agree():
    text = (RECIPES / "github.yml").read_text()
    (count,), (listed,) = re.findall(r"SHARDS: (\d+)", text), re.findall(r"shard: (\[.*\])", text)
    assert json.loads(listed) == list(range(1, int(count) + 1))
    text = (RECIPES / "kubernetes.yaml").read_text()
    (completions,), (given,) = re.findall(r"completions: (\d+)", text), re.findall(r'SHARDS\n +value: "(\d+)"', text)
    assert completions == given
