"""The evidence of a case is the same in whatever state its caller is, and the caller's generators go on as before."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytest_robustness.evaluate.measure import identify
from pytest_robustness.evaluate.runtime.seeding import seeded
from pytest_robustness.records.evidence import Evidence

from tests.evaluate import nets
from tests.evaluate.suites import ATTACKS, COUNT, CPU, PGD, case_of, labels_of, measure, pictures

#: Those that draw random numbers, and C&W.
DRAWING = {
    name: ATTACKS[name] for name in ("pgd", "pgd-l2", "apgd", "square", "cw", "ta-pgd", "ta-difgsm", "ta-square")
}


def generators() -> tuple[Any, ...]:
    """The state of every global generator an attack could draw from, in comparable form."""
    _, keys, *rest = np.random.get_state()
    return torch.get_rng_state().tolist(), keys.tolist(), rest, random.getstate()


def use_up_random_numbers() -> None:
    torch.manual_seed(12345)
    random.seed(12345)
    np.random.seed(12345)
    torch.rand(7), random.random(), np.random.rand(3)


@pytest.fixture(autouse=True)
def _generators_as_before() -> Iterator[None]:
    torch_state, numpy_state, python_state = torch.get_rng_state(), np.random.get_state(), random.getstate()
    yield
    torch.set_rng_state(torch_state)
    np.random.set_state(numpy_state)
    random.setstate(python_state)


@pytest.mark.parametrize("name", DRAWING)
def test_the_same_evidence_whatever_the_callers_generators(name: str, tmp_path: Path) -> None:
    case = case_of(tmp_path, DRAWING[name])
    first = measure(case)
    use_up_random_numbers()
    second = measure(case)
    assert second.evidence == first.evidence
    assert second.protocol == first.protocol
    assert 0 < sum(first.evidence.success) < COUNT


@pytest.mark.parametrize("attack", [PGD | {"steps": 3}, {"attack": "CW", "steps": 3, "lr": 0.05}])
def test_the_same_evidence_on_one_thread_and_two(attack: Mapping[str, Any], tmp_path: Path) -> None:
    case = case_of(tmp_path, attack)
    one = measure(case)
    torch.set_num_threads(2)
    two = measure(case)
    assert two.evidence == one.evidence
    assert sum(one.evidence.success) > 0


def test_the_same_evidence_in_another_process(tmp_path: Path) -> None:
    case = case_of(tmp_path, PGD)
    program = (
        "import sys, torch; from pathlib import Path; from pytest_robustness.suite.load import load_suite\n"
        "from pytest_robustness.evaluate.measure import evaluate\n"
        "case = load_suite(Path(sys.argv[1])).case('net/it')\n"
        "print(evaluate(case, device=torch.device('cpu')).evidence.model_dump_json())"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program, str(case.suite.path)],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert Evidence.model_validate_json(done.stdout.splitlines()[-1]) == measure(case).evidence


@pytest.mark.parametrize("name", DRAWING)
def test_the_callers_generators_go_on_as_if_nothing_had_been(name: str, tmp_path: Path) -> None:
    case = case_of(tmp_path, DRAWING[name])
    use_up_random_numbers()
    before = generators()
    measure(case)
    assert generators() == before


def test_generators_come_back_after_an_error() -> None:
    before = generators()
    with pytest.raises(ZeroDivisionError), seeded(0, 0):
        torch.rand(3), random.random(), np.random.rand(3)
        raise ZeroDivisionError
    assert generators() == before


def test_random_numbers_follow_from_seed_and_place_alone() -> None:
    def draw(seed: int, position: int) -> tuple[float, float, float]:
        with seeded(seed, position):
            return float(torch.rand(())), random.random(), float(np.random.rand())

    first = draw(1, 100)
    use_up_random_numbers()
    assert draw(1, 100) == first
    for other in (draw(1, 0), draw(0, 100), draw(11, 0)):
        assert not set(other) & set(first)


def test_a_model_that_draws_its_weights_is_no_exception(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every factory draws weights, if only to overwrite them."""
    monkeypatch.setattr(nets, "tiny", nets.Tiny)
    case = case_of(tmp_path, PGD)
    first = measure(case)
    use_up_random_numbers()
    before = generators()
    second = measure(case)
    assert generators() == before
    assert second.provenance.weights_digest == first.provenance.weights_digest


@pytest.mark.parametrize(
    "mode",
    [torch.no_grad, torch.inference_mode],
)
def test_the_callers_gradient_mode_does_not_matter(mode: Any, tmp_path: Path) -> None:
    case = case_of(tmp_path, PGD)
    with mode():
        inside = measure(case).evidence
    assert inside == measure(case).evidence


@pytest.mark.parametrize("name", ["pgd", "cw", "ta-pgd"])
def test_other_batch_mates_change_no_evidence(name: str, tmp_path: Path) -> None:
    """Every third image stays where it is; the others make place for harder, easier and wrong ones."""
    images, mates = pictures(), pictures(seed=9)
    stays = np.arange(COUNT) % 3 == 0
    mixed = np.where(stays[:, None, None, None], images, mates)
    labels, others = labels_of(images), labels_of(mixed, wrong=(1, 4, 5, 25, 53))
    mixed_labels = np.where(stays, labels, others)
    first = measure(case_of(tmp_path, DRAWING[name], images=images, labels=labels)).evidence
    second = measure(case_of(tmp_path, DRAWING[name], images=mixed, labels=mixed_labels)).evidence
    assert first.success != second.success
    for mine, yours in (
        (first.correct, second.correct),
        (first.success, second.success),
        (first.effort, second.effort),
        (first.noise, second.noise),
    ):
        assert mine is not None
        assert yours is not None
        assert mine[::3] == yours[::3]


def test_the_suites_seed_decides_what_a_model_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nets, "tiny", nets.Tiny)
    drawn = [identify(case_of(tmp_path, PGD, seed=seed), device=CPU)[1].weights_digest for seed in (0, 1, 0)]
    assert drawn[0] == drawn[2] != drawn[1]
