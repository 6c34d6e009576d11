"""What the process is set to while a case runs, and that it is given back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_robustness.evaluate.measure import evaluate
from pytest_robustness.evaluate.runtime import numerics
from pytest_robustness.evaluate.runtime.numerics import standard_numerics

from tests.evaluate import nets
from tests.evaluate.suites import CPU, case_of


def _precisions() -> Any:
    if not hasattr(torch.backends, "fp32_precision"):
        return torch.get_float32_matmul_precision()
    return [numerics._backend(path).fp32_precision for path in numerics.PRECISIONS]


#: Settings that a stranger's code may have switched: how, and how it reads then.
SWITCHED: dict[str, tuple[Callable[[], object], Callable[[], Any]]] = {
    "default dtype": (lambda: torch.set_default_dtype(torch.float64), torch.get_default_dtype),
    "default device": (lambda: torch.set_default_device("meta"), numerics._default_device),
    "matmul precision": (lambda: torch.set_float32_matmul_precision("high"), _precisions),
    "cuDNN off": (lambda: setattr(torch.backends.cudnn, "enabled", False), lambda: torch.backends.cudnn.enabled),
    "benchmarking": (lambda: setattr(torch.backends.cudnn, "benchmark", True), lambda: torch.backends.cudnn.benchmark),
    "oneDNN off": (lambda: setattr(torch.backends.mkldnn, "enabled", False), lambda: torch.backends.mkldnn.enabled),
    "autocast": (lambda: torch.set_autocast_enabled("cpu", True), lambda: torch.is_autocast_enabled("cpu")),
    "anomaly detection": (
        lambda: torch.set_anomaly_enabled(True, False),
        lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
    ),
    "deterministic algorithms": (
        lambda: torch.use_deterministic_algorithms(True, warn_only=True),
        lambda: (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()),
    ),
    "denormals flushed": (lambda: torch.set_flush_denormal(True), numerics._flushes_denormals),
}
if hasattr(torch.backends, "fp32_precision"):
    SWITCHED |= {
        "TF32 everywhere": (
            lambda: setattr(torch.backends, "fp32_precision", "tf32"),
            _precisions,
        ),
        "TF32 in convolutions": (
            lambda: setattr(torch.backends.cudnn.conv, "fp32_precision", "tf32"),
            _precisions,
        ),
    }


@pytest.fixture(autouse=True)
def _nothing_stays() -> Any:
    with standard_numerics():
        yield


@pytest.mark.parametrize("name", SWITCHED)
def test_a_setting_is_the_standard_one_inside_and_what_it_was_afterwards(name: str) -> None:
    switch, read = SWITCHED[name]
    standard = read()
    switch()
    switched = read()
    assert switched != standard
    with standard_numerics() as set_again:
        assert read() == standard
        switch()  # a model's own code, inside
        assert read() == switched
        set_again()
        assert read() == standard
    assert read() == switched
    with pytest.raises(ZeroDivisionError), standard_numerics():
        raise ZeroDivisionError
    assert read() == switched


def test_nothing_is_computed_in_less_than_float32() -> None:
    torch.set_float32_matmul_precision("medium")
    with standard_numerics():
        if hasattr(torch.backends, "fp32_precision"):
            assert {numerics._backend(path).fp32_precision for path in numerics.PRECISIONS} == {"ieee"}
        else:
            assert torch.get_float32_matmul_precision() == "highest"
            assert not torch.backends.cuda.matmul.allow_tf32
            assert not torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize("name", [name for name in SWITCHED if name != "default device"])
def test_what_a_models_code_switches_changes_neither_its_case_nor_the_next(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch, read = SWITCHED[name]
    case, build = case_of(tmp_path), nets.tiny
    expected, standard = evaluate(case, device=CPU), read()

    def factory() -> torch.nn.Module:
        model = build()
        switch()
        return model

    monkeypatch.setattr(nets, "tiny", factory)
    assert evaluate(case, device=CPU).evidence == expected.evidence
    assert read() == standard


@pytest.mark.parametrize("allowed", [True, False])
def test_the_older_flag_of_tf32_can_be_read_inside_and_is_given_back(allowed: bool) -> None:
    """torch.export reads it, and torch raises where it contradicts the newer settings."""
    before = torch.backends.cudnn.allow_tf32
    try:
        torch.backends.cudnn.allow_tf32 = allowed
        precisions = _precisions()
        with numerics.standard_numerics():
            assert torch.backends.cudnn.allow_tf32 is False
        assert torch.backends.cudnn.allow_tf32 is allowed
        assert _precisions() == precisions
    finally:
        torch.backends.cudnn.allow_tf32 = before
