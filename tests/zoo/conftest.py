"""One thread, because weights may depend on how many there are. What a command sets for its process is set back."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _torch_as_it_was() -> Iterator[None]:
    deterministic = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=()):
        yield
    torch.use_deterministic_algorithms(deterministic)
