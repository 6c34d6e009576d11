"""The same cases give the same evidence: again, on more threads, among more processes, in any order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from pytest_robustness.evaluate.clean import ModelCache
from pytest_robustness.evaluate.measure import evaluate
from pytest_robustness.records.evidence import Evidence
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.suite import Suite

from robustness_tests.zoo import IMAGES, SUITE

CPU = torch.device("cpu")
#: Of different families: plain convolutions with batch norm, depthwise ones with squeeze-and-excitation, branches.
MODELS = ("vgg11_bn", "mobilenet_v3_small", "inception_v3")
ATTACKS = ("pgd", "cw")
REPEATS, WORKERS, THREADS = 20, (1, 2, 3), (1, 2)
#: Two whole batches and a smaller one, no larger than a process of the nightly run has time for.
COUNT, BATCH = 40, 16
Found = dict[str, Evidence]


def slice_of_the_zoo(folder: Path, count: int) -> Path:
    """A file of selected images, evenly spread over all of them."""
    with np.load(IMAGES / "selected.npz") as arrays:
        rows = np.arange(0, len(arrays["ids"]), len(arrays["ids"]) // count)[:count]
        np.savez(folder / "slice.npz", **{name: arrays[name][rows] for name in arrays.files})
    return folder / "slice.npz"


def suite_of(images: Path) -> Suite:
    """The zoo on these images, in batches that are soon compacted to the row floor."""
    suite = load_suite(SUITE)
    only = suite.images.model_copy(update={"file": images, "unselected": None})
    return suite.model_copy(update={"images": only, "batch_size": BATCH})


def measured(images: Path, cases: Sequence[str], threads: int) -> Found:
    """The evidence of cases, in this order, as a worker finds it: what is known of a model is found once."""
    torch.set_num_threads(threads)
    suite, memory = suite_of(images), ModelCache()
    return {case: evaluate(suite.case(case), device=CPU, model_cache=memory).evidence for case in cases}


def test_a_model_is_attacked_the_same_way_again(tmp_path: Path) -> None:
    images = slice_of_the_zoo(tmp_path, BATCH)
    cases = [f"vgg11_bn/{attack}" for attack in ATTACKS]
    first = measured(images, cases, threads=1)
    assert [sum(evidence.success) > 0 for evidence in first.values()] == [True, True]
    for threads, order in ((1, cases), (2, cases[::-1])):
        assert measured(images, order, threads) == first


@pytest.fixture
def processes() -> Iterator[list[ProcessPoolExecutor]]:
    """As many as any run needs, each by itself, so that a case runs where it is sent."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(ProcessPoolExecutor(1, mp_context=get_context("spawn"))) for _ in range(max(WORKERS))
        ]


@pytest.mark.nightly
def test_twenty_repeats_agree_image_by_image(tmp_path: Path, processes: list[ProcessPoolExecutor]) -> None:
    """Whatever the threads, the processes and the order."""
    images = slice_of_the_zoo(tmp_path, COUNT)
    cases = [f"{model}/{attack}" for model in MODELS for attack in ATTACKS]
    first = processes[0].submit(measured, images, cases, 1).result()
    assert all(any(evidence.success) for evidence in first.values())
    differing = []
    for repeat in range(REPEATS):
        workers = WORKERS[repeat % len(WORKERS)]
        threads = THREADS[repeat % len(THREADS)] if workers == 1 else 1  # as cores are shared: they would only wait
        order = Random(repeat).sample(cases, len(cases))
        running = [
            process.submit(measured, images, order[worker::workers], threads)
            for worker, process in enumerate(processes[:workers])
        ]
        found: Found = {case: evidence for one in running for case, evidence in one.result().items()}
        assert set(found) == set(cases)
        differing += [f"{case} on {threads} threads, {workers} workers" for case in cases if found[case] != first[case]]
    assert differing == []
