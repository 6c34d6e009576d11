"""Workers and GPUs, with a pretended CUDA_VISIBLE_DEVICES: no GPU is needed to test who gets which."""

from types import SimpleNamespace

import pytest
from pytest_robustness.plugin.stash import SHARED_DEVICE
from pytest_robustness.plugin.xdist import workers
from pytest_robustness.plugin.xdist.workers import Distribution

WORKERS = Distribution(SimpleNamespace(suite_path=None))


def specs(count):
    return [SimpleNamespace(popen=True, env={}) for _ in range(count)]


def pinned(workers):
    return [spec.env.get("CUDA_VISIBLE_DEVICES") for spec in workers]


@pytest.fixture
def gpus(monkeypatch):
    return lambda names: monkeypatch.setenv("CUDA_VISIBLE_DEVICES", names)


def test_each_worker_gets_its_own_gpu(gpus):
    gpus("2,5,7")
    workers = specs(3)
    WORKERS.pytest_xdist_setupnodes(workers)
    assert pinned(workers) == ["2", "5", "7"]
    assert all(SHARED_DEVICE not in worker.env for worker in workers)


def test_uuids_are_passed_on(gpus):
    gpus("GPU-8a5, MIG-17")
    workers = specs(2)
    WORKERS.pytest_xdist_setupnodes(workers)
    assert pinned(workers) == ["GPU-8a5", "MIG-17"]


def test_more_workers_than_gpus_share_and_know_it(gpus):
    gpus("0,1")
    workers = specs(3)
    WORKERS.pytest_xdist_setupnodes(workers)
    assert pinned(workers) == ["0", "1", "0"]
    assert all(worker.env[SHARED_DEVICE] for worker in workers)


@pytest.mark.parametrize("nothing", ["", "-1"])
def test_without_gpus_nothing_is_pinned(gpus, nothing):
    gpus(nothing)
    workers = specs(2)
    WORKERS.pytest_xdist_setupnodes(workers)
    assert pinned(workers) == [None, None]
    assert WORKERS.pytest_xdist_auto_num_workers() is None


def test_auto_starts_a_worker_for_each_gpu(gpus):
    gpus("0,1,3")
    assert WORKERS.pytest_xdist_auto_num_workers() == 3


def test_remote_workers_are_left_alone(gpus):
    gpus("0")
    remote = SimpleNamespace(popen=None, env={})
    WORKERS.pytest_xdist_setupnodes([remote])
    assert remote.env == {}


def test_gpus_are_counted_without_starting_cuda(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    listing = "GPU 0: NVIDIA H100 (UUID: GPU-1)\n  MIG 1g.10gb Device 0\nGPU 1: NVIDIA H100 (UUID: GPU-2)\n"
    monkeypatch.setattr(workers.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=listing))
    assert workers.visible_devices() == ["0", "1"]


def test_no_driver_means_no_gpus(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError("nvidia-smi")

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(workers.subprocess, "run", missing)
    assert workers.visible_devices() == []
