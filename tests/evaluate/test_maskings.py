"""What looks like robustness and is none is called suspicious, on a real model; what is sound never is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.clean import ModelCache
from pytest_robustness.evaluate.health import examine
from pytest_robustness.execute.case import Request, run_case
from pytest_robustness.execute.measuring import Here
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import Verdict
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.suite import Suite

from robustness_tests import zoo
from tests.evaluate import zoo as shipped

IMAGES = 60
SUITE = f"""\
memory_format = "channels_last"
images = {{ file = "images.npz" }}
normalisation = {{ mean = {list(zoo.MEAN)}, std = {list(zoo.STD)} }}
models.net = {{ source = "tests.evaluate.masked:sound" }}
attacks.fgsm = {{ attack = "FGSM", eps = 0.01 }}
attacks.pgd = {{ attack = "PGD", eps = 0.01, alpha = 0.0025, steps = 10 }}
"""

#: What becomes of FGSM and PGD, and the check that says why.
SUSPICIOUS = {
    "temperature_1000": "margin loss",
    "temperature_10": "flat logits",
    "rounded_to_16_levels": "gradients",
    "rounded_to_64_levels": "gradients",
    "rounded_to_256_levels": "transfer",
    "rounded_logits": "unbounded",
    "decoy_gradient": "gradient agreement",
    "k_winners_10": "gradient agreement",
    "k_winners_15": "gradient agreement",
    "dead_zone_wide": "gradient agreement",
    "saturating_tanh": "gradient agreement",
    "half_of_the_channels_detached": "random directions",
    "all_but_a_band_detached": "random directions",
    "blurred_gradient": "random directions",
    "stripe_detached": "random directions",
    "border_detached": "random directions",
    "sigmoid_head": "even logits",
}
#: Honest: about as easy to fool, or harder, or easier, and said to be so.
HONEST = {
    "logits_times_30": {"same", "inconclusive"},
    "tanh_of_five": {"inconclusive"},
    "squared": {"inconclusive"},
    "softmax_head": {"same"},
    "log_softmax_head": {"same"},
    "detector": {"regressed"},
    "dead_zone_mild": {"inconclusive", "suspicious"},
    "ensemble_of_log_means": {"improved"},
    "resisting": {"improved"},
}
REFUSED = {
    "jpeg_inside": "the model gives no gradient for its input",
    "gradient_of_nan": "the model's logits or gradients under attack are not finite",
    "dropout_under_gradients": "answers otherwise while gradients are computed",
}


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    folder = tmp_path_factory.mktemp("masked")
    pixels, labels = shipped.pixels(IMAGES)
    whole = (pixels.permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8)
    np.savez(folder / "images.npz", images=whole, labels=labels.numpy(), ids=np.arange(IMAGES))
    (folder / "suite.toml").write_text(SUITE)
    return load_suite(folder / "suite.toml")


@pytest.fixture(scope="module")
def baselines(suite: Suite) -> dict[str, Measurement]:
    cache = ModelCache()
    return {
        case.id: run_case(case, None, Request(recording=True), measuring=Here(model_cache=cache)).measurement
        for case in suite.cases()
    }


def verdicts(suite: Suite, baselines: dict[str, Measurement], name: str) -> list[Verdict]:
    candidate, cache = suite.with_candidate(f"net=tests.evaluate.masked:{name}", Path()), ModelCache()
    return [
        run_case(case, baselines[case.id], Request(), measuring=Here(model_cache=cache)).verdict
        for case in candidate.cases()
    ]


def test_the_sound_model_passes_every_check(baselines: dict[str, Measurement]) -> None:
    for one in baselines.values():
        assert one.findings
        assert all(finding.passed for finding in one.findings)


@pytest.mark.parametrize(("name", "check"), SUSPICIOUS.items())
def test_a_masked_model_is_suspicious(name: str, check: str, suite: Suite, baselines: dict[str, Measurement]) -> None:
    for verdict in verdicts(suite, baselines, name):
        success = verdict.metric("success rate")
        assert success is not None
        assert success.outcome == "suspicious", verdict.reason
        assert not verdict.passed
        assert f"{check}: " in success.text


@pytest.mark.parametrize(("name", "outcomes"), HONEST.items())
def test_what_masks_nothing_has_an_honest_verdict(
    name: str, outcomes: set[str], suite: Suite, baselines: dict[str, Measurement]
) -> None:
    found = verdicts(suite, baselines, name)
    assert {verdict.metrics[0].outcome for verdict in found} <= outcomes | {"inconclusive", "same"}
    assert any(verdict.metrics[0].outcome in outcomes for verdict in found)


@pytest.mark.parametrize(("name", "said"), REFUSED.items())
def test_what_is_no_attack_or_no_function_is_an_error(
    name: str, said: str, suite: Suite, baselines: dict[str, Measurement]
) -> None:
    with pytest.raises(RobustnessError, match=said):
        verdicts(suite, baselines, name)


def test_a_bounded_head_in_front_of_which_logits_are_large_fails_one_check(suite: Suite) -> None:
    """All its decisions are VGG11's, and PGD on its loss fools a tenth less: of 40 images that may be chance."""
    candidate = suite.with_candidate("net=tests.evaluate.masked:tanh_of_vgg11", Path())
    (failed,) = (one for one in examine(candidate, "net", level="masking") if not one.passed)
    assert failed.check == "even logits"
    assert f"of {IMAGES} images" in failed.numbers


def test_a_softmax_head_changes_no_check_of_directions(suite: Suite) -> None:
    """Its probabilities hardly move where it is sure; their logarithms do."""
    candidate = suite.with_candidate("net=tests.evaluate.masked:softmax_head", Path())
    passed = {one.check: one.passed for one in examine(candidate, "net", level="masking")}
    assert passed["gradient agreement"]
    assert passed["random directions"]


def test_a_model_that_really_resists_passes_every_check(suite: Suite) -> None:
    candidate = suite.with_candidate("net=tests.evaluate.masked:resisting", Path())
    findings = examine(candidate, "net", level="cheap")
    assert [str(one) for one in findings if not one.passed] == []


@pytest.mark.parametrize("name", zoo.ARCHITECTURES)
def test_no_model_of_the_zoo_fails_a_masking_check(name: str) -> None:
    assert [str(one) for one in examine(shipped.suite(), name, level="masking") if not one.passed] == []
