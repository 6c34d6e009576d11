"""What a process keeps between batches, and what a case is said to need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from pytest_robustness.evaluate.runtime import memory

PROGRAM = """
import json, resource, sys
import torch
from pytest_robustness.evaluate.runtime.memory import PeakMemory, keep

def batch(megabytes):
    del_me = [torch.ones(2**18) for _ in range(megabytes)]

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

if sys.argv[1] == "keep":
    keep()
before = PeakMemory(torch.device("cpu")).bytes()
batch(200)
large = PeakMemory(torch.device("cpu"))
batch(200)
start = faults()
for _ in range(10):
    batch(200)
start, large = faults() - start, large.bytes()
small = PeakMemory(torch.device("cpu"))
batch(5)
print(json.dumps({"faults": start, "large": large - before, "small": small.bytes() - before}))
"""

gnu = pytest.mark.skipif(memory._libc() is None, reason="another C library")


def ran(how: str) -> dict[str, Any]:
    # a small block in malloc's cache of a thread may lie at the heap's end, and then nothing is given back, keep or not
    environment = os.environ | {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}
    command = [sys.executable, "-c", PROGRAM, how]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@gnu
def test_a_batch_finds_the_memory_of_the_last_one() -> None:
    assert ran("keep")["faults"] < ran("plainly")["faults"] / 10


@gnu
@pytest.mark.parametrize("how", ["keep", "plainly"])
def test_what_an_earlier_case_needed_is_not_the_next_ones(how: str) -> None:
    found = ran(how)
    assert 150 * 2**20 < found["large"] < 300 * 2**20
    assert found["small"] < 50 * 2**20


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_such(name: str) -> None:
        raise OSError(name)

    memory._libc.cache_clear()
    monkeypatch.setattr("ctypes.CDLL", none_such)
    try:
        memory.keep()
        memory.give_back()
    finally:
        memory._libc.cache_clear()
