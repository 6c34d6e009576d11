"""Whole models to workers, longest first: a simulation of xdist's workers, who start a test once they know the next."""

from collections import deque
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.plugin.xdist.scheduling import ModelScheduling


class Worker:
    """What the scheduler sees of a worker, and a worker's own queue."""

    def __init__(self, name):
        self.gateway = SimpleNamespace(id=name)
        self.shutting_down = False
        self.queue = deque()
        self.done = []

    def send_runtest_some(self, indices):
        assert not self.shutting_down
        self.queue.extend(indices)

    def shutdown(self):
        self.shutting_down = True

    @property
    def ready(self):
        """It has a test, and knows what follows."""
        return len(self.queue) >= 2 or (self.shutting_down and bool(self.queue))


class Run:
    def __init__(self, seconds, workers, others=()):
        names = [f"gw{index}" for index in range(workers)]
        config = SimpleNamespace(getvalue=lambda _: ["popen"] * workers, getoption=lambda _: None, hook=None)
        self.seconds = seconds
        self.collection = [*(f"test_robustness.py::test_robustness[{case}]" for case in seconds), *others]
        self.scheduler = ModelScheduling(config, None, seconds)
        self.workers = [self.join(name) for name in names]
        self.scheduler.schedule()

    def join(self, name):
        worker = Worker(name)
        self.scheduler.add_node(worker)
        self.scheduler.add_node_collection(worker, self.collection)
        return worker

    def finish_one(self, worker):
        index = worker.queue.popleft()
        worker.done.append(self.collection[index])
        self.scheduler.mark_test_complete(worker, index, 1.0)

    def finish(self):
        """Until nobody is ready; afterwards nothing may be left."""
        while ready := [worker for worker in self.workers if worker.ready]:
            for worker in ready:
                self.finish_one(worker)
        assert not self.scheduler.pending
        assert not any(worker.queue for worker in self.workers)
        assert all(worker.shutting_down for worker in self.workers)

    def crash(self, worker):
        """The worker dies in the test it runs; another takes its place. Returns the test that is lost."""
        lost = self.scheduler.remove_node(worker)
        worker.queue.clear()
        worker.shutdown()
        self.workers.append(self.join(f"{worker.gateway.id}'"))
        self.scheduler.schedule()
        return lost

    def done(self):
        return sorted(nodeid for worker in self.workers for nodeid in worker.done)


def models_of(nodeids):
    return [nodeid.partition("[")[2].partition("/")[0] for nodeid in nodeids]


seconds = st.one_of(st.none(), st.floats(0, 100))
grids = st.builds(
    lambda times: {f"model{m}/attack{a}": t for m, row in enumerate(times) for a, t in enumerate(row)},
    st.lists(st.lists(seconds, min_size=1, max_size=4), min_size=1, max_size=8),
)
others = st.integers(0, 5).map(lambda count: [f"test_other.py::test_{index}" for index in range(count)])


@given(grids, st.integers(1, 5), others)
def test_each_test_is_run_once_and_no_worker_waits_for_ever(grid, workers, other):
    run = Run(grid, workers, other)
    run.finish()
    assert run.done() == sorted(run.collection)


@given(grids, st.integers(1, 5))
def test_a_model_is_one_workers_where_models_are_enough(grid, workers):
    run = Run(grid, workers)
    run.finish()
    models = models_of(run.collection)
    if len(set(models)) >= workers:
        homes = [set(models_of(worker.done)) for worker in run.workers]
        assert sum(len(home) for home in homes) == len(set(models))


@given(grids, st.integers(2, 4), st.data())
def test_a_dead_worker_loses_its_test_and_no_other(grid, workers, data):
    run = Run(grid, workers)
    lost = []
    for _ in range(data.draw(st.integers(1, 3))):
        for _ in range(data.draw(st.integers(0, 5))):
            ready = [worker for worker in run.workers if worker.ready]
            if ready:
                run.finish_one(data.draw(st.sampled_from(ready)))
        busy = [worker for worker in run.workers if worker.ready]
        if busy:
            lost.append(run.crash(data.draw(st.sampled_from(busy))))
    run.finish()
    assert sorted([*run.done(), *lost]) == sorted(run.collection)


def test_the_longest_model_goes_first_and_one_never_timed_before_it():
    grid = {"short/a": 1, "short/b": 1, "long/a": 1, "long/b": 9, "new/a": None, "middle/a": 5}
    run = Run(grid, 1)
    run.finish()
    assert list(dict.fromkeys(models_of(run.workers[0].done))) == ["new", "long", "middle", "short"]


def test_workers_share_the_cases_of_a_single_model():
    run = Run({"only/fgsm": 1, "only/pgd": 5, "only/cw": 11}, 3)
    assert [len(worker.queue) for worker in run.workers] == [1, 1, 1]
    run.finish()


def test_longest_first_ends_early():
    """Seven models of 4, 3, 3, 2, 2, 1, 1 on two workers: eight each, which no order beats."""
    times = {"a": 1, "b": 3, "c": 2, "d": 4, "e": 1, "f": 3, "g": 2}
    run = Run({f"{model}/{half}": time / 2 for model, time in times.items() for half in "xy"}, 2)
    clock = dict.fromkeys(run.workers, 0.0)
    while ready := [worker for worker in run.workers if worker.ready]:
        worker = min(ready, key=clock.__getitem__)
        clock[worker] += run.seconds[run.collection[worker.queue[0]].partition("[")[2].rstrip("]")]
        run.finish_one(worker)
    assert max(clock.values()) <= 9


def test_other_tests_come_last():
    run = Run({"model/fgsm": 0.001}, 1, ["a.py::test_first", "b.py::test_second"])
    run.finish()
    assert run.workers[0].done == [run.collection[0], "a.py::test_first", "b.py::test_second"]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_without_cases_tests_are_sent_as_xdist_does(workers):
    names = [f"test_{index}" for index in range(100)]
    run = Run({}, workers, names)
    first = len(run.workers[0].queue)
    assert first == max(2, 100 // workers // 4)
    run.finish()
    assert run.done() == sorted(names)


def test_different_collections_are_an_error_and_nothing_is_sent():
    reports = []
    config = SimpleNamespace(
        getvalue=lambda _: ["popen"] * 2,
        getoption=lambda _: None,
        hook=SimpleNamespace(pytest_collectreport=lambda report: reports.append(report)),
    )
    scheduler = ModelScheduling(config, None, {"m/a": 1.0, "m/b": 1.0})
    workers = [Worker("gw0"), Worker("gw1")]
    for worker, case in zip(workers, "ab", strict=True):
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, [f"t.py::t[m/{case}]"])
    scheduler.schedule()
    assert len(reports) == 1
    assert not any(worker.queue for worker in workers)
