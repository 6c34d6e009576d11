"""Ray as the engine, on a real cluster of two nodes on this machine: the same bits, also when parts of it are lost."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from pytest_robustness.errors import RobustnessError
from pytest_robustness.execute.case import Request, needs_checks
from pytest_robustness.execute.engine import EngineLost, Wanted
from pytest_robustness.execute.engines import open_engine
from pytest_robustness.execute.jobs import Attack
from pytest_robustness.execute.remote import Asked, Remote
from pytest_robustness.suite.engine import EngineTable

from .conftest import IMAGES, write_suite

pytestmark = [pytest.mark.needs("ray"), pytest.mark.cluster]

STORE = 100 * 2**20
PROJECT = "[pytest]\nrobustness_suite = engine.toml\nrobustness_baselines = {baselines}\npythonpath = .\n"
TEST = "def test_robustness(robustness):\n    robustness.check()\n"


def start():
    from ray.cluster_utils import Cluster

    made = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE}
    )
    for _ in range(2):
        made.add_node(num_cpus=1, object_store_memory=STORE)
    return made


@pytest.fixture(scope="module")
def cluster(folder):
    """A head without cores and two nodes of one core, started once more after a minute where that fails."""
    import ray

    try:
        made = start()
    except Exception:  # Ray gives its processes thirty seconds, which a loaded machine exceeds
        ray.shutdown()
        time.sleep(60)
        try:
            made = start()
        except Exception as error:
            pytest.skip(f"NO CLUSTER OF RAY STARTED, twice: {error}")
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture
def engine(cluster, monkeypatch):
    """Returns a function that opens the engine; it is shut down at the end."""
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    opened = []

    def engine(**more):
        opened.append(open_engine(Wanted("ray", more.pop("table", EngineTable()), **more)))
        return opened[-1]

    yield engine
    for one in opened:
        one.shutdown(cancel_futures=True)


def submitted(engine, cases, baselines):
    remote = Remote()
    remote.submit(engine, [Asked(case, baselines.get(case.id), Request(recording=True)) for case in cases])
    return remote


def measured(remote, cases):
    return {
        case.id: remote.measure(case, lambda one: needs_checks(None, one, Request(recording=True))) for case in cases
    }


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for case, one in expected.items():
        assert found[case].model_copy(update={"timing": one.timing}) == one, case


def attacked(engine):
    """How often each image of each case was attacked by jobs that were done."""
    jobs = [job for job, _, _ in engine.done if isinstance(job, Attack)]
    return Counter((job.case.id, place) for job in jobs for place in job.rows or range(IMAGES))


def test_twelve_cases_on_two_nodes_are_those_measured_here(engine, sound):
    cases, expected = sound
    running = engine()
    assert running.workers() == 2
    found = measured(submitted(running, cases, expected), cases)
    assert_equal(found, expected)
    assert set(attacked(running).values()) == {1}
    assert len(attacked(running)) == len(cases) * IMAGES
    parts = Counter(job.case.id for job, _, _ in running.done if isinstance(job, Attack))
    assert sum(count > 1 for count in parts.values()) >= 2
    assert len({node for _, node, _ in running.done}) == 2
    assert running.lost == 0
    _tell_efficiency(running)


def _tell_efficiency(engine):
    done, workers = [one for _, _, one in engine.done], engine.workers()
    span = max(one.ended for one in done) - min(one.started for one in done)
    cpu = span * workers / sum(one.cpu_seconds for one in done)
    busy = sum(one.ended - one.started for one in done) / span / workers
    print(f"{len(done)} tasks in {span:.2f} s, {cpu:.2f} of their CPU time over the workers, busy {busy:.0%}")


def test_a_node_that_is_lost_in_the_middle_changes_nothing(engine, cluster, sound):
    cases, expected = sound
    node = cluster.add_node(num_cpus=1, object_store_memory=STORE)
    running = engine()
    remote = submitted(running, cases, expected)
    before = time.monotonic()
    while not any(one == node.node_id for _, one, _ in running.done) and time.monotonic() - before < 60:
        time.sleep(0.01)
    cluster.remove_node(node, allow_graceful=False)
    assert len(attacked(running)) < len(cases) * IMAGES, "it was lost after the end"
    assert_equal(measured(remote, cases), expected)
    assert set(attacked(running).values()) == {1}


def test_faults_are_errors_of_their_case_alone(engine, tmp_path, folder):
    folder.joinpath("died").unlink(missing_ok=True)
    own = folder / "faults"
    own.mkdir()
    suite = write_suite(own, "first", "dies_once", "dies", "raises")
    shutil.copy(own / "faulty.py", folder)
    cases = [suite.case(f"{model}/fgsm") for model in suite.models]
    running = engine()
    remote = submitted(running, cases, {})
    assert list(measured(remote, cases[:2])) == ["first/fgsm", "dies_once/fgsm"]
    with pytest.raises(RobustnessError, match=r"dies/fgsm: lost 3 times: .*died") as lost:
        measured(remote, cases[2:3])
    assert not isinstance(lost.value, EngineLost)
    with pytest.raises(RobustnessError, match=r"raises.* raised ValueError: no such layer"):
        measured(remote, cases[3:])


def test_a_task_that_takes_too_long_is_ended(engine, folder):
    own = folder / "hangs"
    own.mkdir()
    suite = write_suite(own, "hangs")
    future = engine(timeout=2.0).submit(Attack(suite.case("hangs/fgsm"), None, 1.0))
    with pytest.raises(RobustnessError, match="hangs/fgsm: timed out: its suite's timeout is 2 s"):
        future.result(timeout=100)


def test_an_address_where_nothing_answers_is_said(monkeypatch):
    from pytest_robustness.execute.ray import cluster

    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    monkeypatch.setattr(cluster, "PATIENCE", 0.0)
    monkeypatch.setattr(cluster.ray, "is_initialized", lambda: False)  # a cluster of another test
    with pytest.raises(RobustnessError, match=r"^ray: no Ray cluster at RAY_ADDRESS=127\.0\.0\.1:1: .*refused"):
        open_engine(Wanted("ray", EngineTable()))


def test_what_no_node_has_is_said(engine, sound):
    cases, _ = sound
    future = engine(table=EngineTable(num_gpus=3.0)).submit(Attack(cases[0], None, 1.0))
    with pytest.raises(RobustnessError, match=r"first/fgsm: no node of the Ray cluster has num_cpus = 1, num_gpus = 3"):
        future.result(timeout=100)


def test_a_worker_that_cannot_start_is_said(engine, sound):
    cases, _ = sound
    running = engine()
    sys.path.append(())  # no folder: the worker's constructor raises
    try:
        future = running.submit(Attack(cases[0], None, 1.0))
        with pytest.raises(RobustnessError, match=r"first/fgsm: no worker starts \(3 tried\): .*TypeError"):
            future.result(timeout=100)
    finally:
        sys.path.remove(())


@pytest.fixture
def project(cluster, tmp_path, monkeypatch):
    """A folder in which pytest runs as a process of its own, whose only case hangs."""
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    write_suite(tmp_path, "first", "hangs")
    (tmp_path / "pytest.ini").write_text("[pytest]\nrobustness_suite = engine.toml\npythonpath = .\n")
    (tmp_path / "test_it.py").write_text("def test_robustness(robustness):\n    robustness.check()\n")
    return tmp_path


def hanging(project):
    """Start pytest, and wait until a worker is in the model's factory. Return the run and the worker's process."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        "fgsm",
        "--robustness-engine",
        "ray",
    ]
    run = subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    before = time.monotonic()
    while not (project / "hanging").exists() and time.monotonic() - before < 100 and run.poll() is None:
        time.sleep(0.1)
    return run, int((project / "hanging").read_text())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_what_runs(project, number):
    run, worker = hanging(project)
    run.send_signal(number)
    said, _ = run.communicate(timeout=60)
    assert run.returncode == pytest.ExitCode.INTERRUPTED, said
    assert re.search(r"^not run: . of 2 cases: .*hangs/fgsm$", said, re.MULTILINE), said
    before = time.monotonic()
    while time.monotonic() - before < 20 and _lives(worker):
        time.sleep(0.1)
    assert not _lives(worker)


def _lives(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_lost_head_ends_in_one_line(project, cluster):
    """It is the last test of this file: nothing is left of the cluster."""
    run, _ = hanging(project)
    cluster.head_node.kill_all_processes(check_alive=False)
    said, _ = run.communicate(timeout=120)
    assert run.returncode == pytest.ExitCode.INTERRUPTED, said
    assert re.search(
        r"^(first|hangs)/fgsm: the Ray cluster is lost: its head at .* does not answer", said, re.MULTILINE
    ), said
    assert "the engine is lost" in said
