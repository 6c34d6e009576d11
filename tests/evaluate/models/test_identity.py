"""What is found out about a model is remembered under a key that is its own."""

from __future__ import annotations

import os
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_robustness.evaluate.measure import identify
from pytest_robustness.evaluate.models.identity import model_key

from tests.evaluate.suites import CPU, PGD, case_of

WEIGHTS, THEN = "net.pth", (1_000_000_000, 1_000_000_000)


def key(folder: Path, device: torch.device = CPU, **given: Any) -> Hashable:
    return model_key(case_of(folder, **{"attack": PGD, "weights": WEIGHTS} | given), device)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file of weights, which nobody reads here."""
    path = tmp_path / WEIGHTS
    path.write_bytes(b"weights")
    os.utime(path, THEN)
    return path


@pytest.mark.parametrize("given", [{}, {"attack": {"attack": "CW", "steps": 3}}, {"seed": 5}, {"batch_size": 7}])
def test_the_cases_of_a_model_have_one_key(given: dict[str, Any], weights: Path) -> None:
    assert key(weights.parent, **given) == key(weights.parent)


@pytest.mark.parametrize(("content", "seconds"), [(b"WEIGHTS", THEN[0] + 1), (b"weights and more", THEN[0])])
def test_a_file_of_weights_of_another_time_or_size_is_another_model(
    content: bytes, seconds: int, weights: Path
) -> None:
    before = key(weights.parent)
    weights.write_bytes(content)
    os.utime(weights, (seconds, seconds))
    assert key(weights.parent) != before


@pytest.mark.parametrize(
    "given",
    [
        {"memory_format": "channels_last"},
        {"source": "tests.evaluate.nets:other_architecture"},
        {"weights": None},
        {"device": torch.device("cuda", 0)},
    ],
)
def test_another_source_device_or_memory_format_is_another_model(given: dict[str, Any], weights: Path) -> None:
    assert key(weights.parent, **given) != key(weights.parent)


def test_another_suites_model_of_the_same_name_is_another(weights: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    assert key(other, weights=None) != key(weights.parent, weights=None)


def test_what_a_suite_says_of_outputs_and_arguments_is_part_of_a_model(tmp_path: Path) -> None:
    """Neither weights nor operators need to show which of two outputs of one shape is looked at."""
    source = "tests.evaluate.nets:two_heads"
    keys: list[dict[str, Any]] = [{"output": 0}, {"output": 1}, {"output": 0, "arguments": {"other": True}}]
    seen = [identify(case_of(tmp_path, source=source, **more), device=CPU)[1].weights_digest for more in keys]
    assert len(set(seen)) == 3
    again = identify(case_of(tmp_path, source=source, output=0), device=CPU)[1].weights_digest
    assert again == seen[0]
