"""docs/cluster.md: what can be copied from it is well formed."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from pytest_robustness.suite.engine import EngineTable

PAGE = (Path(__file__).parents[1] / "docs" / "cluster.md").read_text()


def block(language):
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found


def test_the_table_of_an_engine_is_one():
    table = EngineTable.model_validate(tomllib.loads(block("toml"))["engine"])
    assert table.of("mine").memory == 48 * 10**9
    assert table.of("vgg11").memory == 16 * 10**9
    keys = set(re.findall(r"^(\w+) =", block("toml"), re.MULTILINE))
    assert keys >= EngineTable.model_fields.keys() - {"models", "runtime_env"}


def test_the_recipe_for_slurm_is_a_script():
    subprocess.run(["bash", "-n"], input=block("bash"), text=True, check=True)


def test_the_recipe_for_kubernetes_is_a_job_of_kuberay():
    yaml = pytest.importorskip("yaml")
    job = yaml.safe_load(block("yaml"))
    (group,) = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    (container,) = group["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert "--robustness-engine ray" in job["spec"]["entrypoint"]


def test_the_tables_were_written_by_their_command():
    for name in ("attacks", "schedule"):
        (table,) = re.findall(rf"<!-- cluster_schedule: {name} -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)
        assert table.count("\n") >= 8
