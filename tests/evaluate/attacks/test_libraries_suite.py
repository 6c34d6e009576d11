"""A suite that names an attack of each library, and of each kind of ours, on real images and models."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from pytest_robustness.evaluate.attacks.registry import LIBRARIES, attack_library
from pytest_robustness.evaluate.measure import evaluate
from pytest_robustness.evaluate.trial import Stopwatch
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.suite.load import load_suite

from tests.evaluate.attacks.batches import needs

SUITE = load_suite(Path(__file__).with_name("libraries.toml"))
#: Images of each case.
COUNT = 16
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


@cache
def measured(case_id: str) -> Measurement:
    return evaluate(SUITE.case(case_id), device=torch.device("cpu"), stopwatch=Stopwatch(COUNT))


@pytest.mark.parametrize("model", SUITE.models)
@pytest.mark.parametrize("library", LIBRARIES)
def test_an_attack_of_each_library_is_a_case_like_any_other(library: str, model: str) -> None:
    needs(library)
    measurement = measured(f"{model}/{library}")
    protocol, aggregates, evidence = measurement.protocol, measurement.aggregates, measurement.evidence
    distribution = attack_library(library).distribution
    assert measurement.provenance.attacks == f"{distribution} {version(distribution)}"
    assert protocol.attack == SUITE.attacks[library].attack
    assert protocol.batch is not None
    assert protocol.batch.size == COUNT
    assert aggregates.attempts == COUNT
    if library == "adv_lib":
        assert protocol.distance == "inf"
        assert evidence.effort is None
        assert aggregates.distance is not None
        ours = measured(f"{model}/fmn").aggregates.distance
        assert ours == pytest.approx(aggregates.distance, rel=0.2)
    else:
        assert protocol.distance is None
        assert evidence.effort is not None
        assert aggregates.successes > 0
        assert protocol.stop == "first-success"


@pytest.mark.parametrize("model", SUITE.models)
@pytest.mark.parametrize("library", ["torchattacks", "foolbox", "art"])
def test_pgd_fools_as_many_whosever_it_is(library: str, model: str) -> None:
    """With the same radius, steps and step size; the starts are drawn otherwise."""
    needs(library)
    theirs, ours = measured(f"{model}/{library}"), measured(f"{model}/pgd")
    assert abs(theirs.aggregates.successes - ours.aggregates.successes) <= 2


@pytest.mark.parametrize("model", SUITE.models)
def test_each_kind_of_ours_is_a_case_of_the_same_suite(model: str) -> None:
    pgd, fmn, fog, worst = (measured(f"{model}/{name}") for name in ("pgd", "fmn", "fog", "worst"))
    for one in (pgd, fmn, fog, worst):
        assert one.protocol.batch is None
        assert one.aggregates.attempts == COUNT
    assert fmn.protocol.distance == "inf"
    assert fmn.aggregates.distance is not None
    assert fog.protocol.parameters["severity"] == 3
    assert worst.aggregates.successes >= pgd.aggregates.successes
