"""Verdicts of the zoo's pairs, recomputed from the baseline files without any of the gate's code."""

import json
import math
from pathlib import Path
from statistics import NormalDist

import pytest
from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.gate.pairing import Pair
from pytest_robustness.gate.pooled import judge_pooled
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.suite.load import load_suite
from scipy.stats import binomtest

from robustness_tests.zoo import SUITE

FOLDER = Path(__file__).parents[1] / "baselines" / "zoo"
ZOO = load_suite(SUITE)
ATTACKS = ZOO.regular_attacks
PAIRS = [(one.base, one.update) for one in ZOO.variants]
PAIRS += [(update, base) for base, update in PAIRS]
LEVEL = 0.05 * 0.9 * 0.4 / len(ATTACKS) / 6  # each model is in a group, which takes a tenth of its alpha
POOLED = 0.05 * 0.25 / 2
NEAR = 1.3  # a p value this close to the level is beyond the normal approximation below


def stored(model, attack):
    return json.loads((FOLDER / model / f"{attack}.json").read_text())


def outcome(worsening, tolerance, p_value):
    if abs(worsening) <= tolerance:
        return {"same"}
    beyond = "regressed" if worsening > 0 else "improved"
    if LEVEL / NEAR < p_value < LEVEL * NEAR:
        return {beyond, "inconclusive"}
    return {beyond} if p_value <= LEVEL else {"inconclusive"}


def rate(before, after, sign, tolerance):
    """Outcomes that are right, for a share of the images; sign 1 where a larger one is worse."""
    lost = sum(sign * (b - a) > 0 for a, b in zip(before, after, strict=True))
    won = sum(sign * (b - a) < 0 for a, b in zip(before, after, strict=True))
    p_value = binomtest(max(lost, won), lost + won, alternative="greater").pvalue if lost + won else 1.0
    return lost, won, p_value, outcome((lost - won) / len(before), tolerance, p_value)


def mean(before, after, tolerance):
    """Outcomes that are right, for a mean whose fall is worse."""
    pairs = [(a, b) for a, b in zip(before, after, strict=True) if a is not None and b is not None]
    sum_before, sum_after = (sum(values) for values in zip(*pairs, strict=True))
    z = abs(sum_before - sum_after) / math.sqrt(sum((a - b) ** 2 for a, b in pairs))
    return sum_after / sum_before - 1, outcome(1 - sum_after / sum_before, tolerance, NormalDist().cdf(-z))


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(("base", "update"), PAIRS, ids=lambda name: name)
def test_a_candidate_s_verdict(base, update, attack):
    then, now = stored(base, attack)["evidence"], stored(update, attack)["evidence"]
    texts = [(FOLDER / model / f"{attack}.json").read_text() for model in (base, update)]
    before, after = map(Measurement.from_json, texts)
    verdict = judge(after, before, Rules.of(ZOO.case(f"{base}/{attack}")))
    said = {metric.metric: metric for metric in verdict.metrics}

    assert set(then["correct"]) == set(now["correct"]) == {1}
    lost, won, p_value, right = rate(then["success"], now["success"], 1, 0.01)
    success = said["success rate"]
    assert success.outcome in right
    assert (success.lost, success.won) == (lost, won)
    assert success.p_value == pytest.approx(p_value, rel=1e-9)

    *_, right = rate(then["unselected_correct"], now["unselected_correct"], -1, 0.01)
    assert said["clean accuracy"].outcome in right
    change, right = mean(then["noise"], now["noise"], 0.05)
    assert said["noise rate"].outcome in right
    assert said["noise rate"].change == pytest.approx(change)
    assert ("effort" in said) == (attack in {"pgd", "cw"})
    if "effort" in said:
        change, right = mean(then["effort"], now["effort"], 0.05)
        assert said["effort"].outcome in right
        assert said["effort"].change == pytest.approx(change)
    own = [metric for metric in verdict.metrics if metric.metric != "clean accuracy"]  # which is the model's
    assert verdict.passed == all(metric.outcome != "regressed" for metric in own)


@pytest.mark.parametrize(("base", "update"), PAIRS, ids=lambda name: name)
def test_a_candidate_s_pooled_verdict(base, update):
    sums, discordant = [0] * 1000, 0
    measured = []
    for attack in ATTACKS:
        texts = [(FOLDER / model / f"{attack}.json").read_text() for model in (base, update)]
        measured.append(Pair.of_same_images(*map(Measurement.from_json, texts)))
        then, now = (json.loads(text)["evidence"]["success"] for text in texts)
        discordant += then != now  # an attack under which no image changed is left out
        sums = [total + b - a for total, a, b in zip(sums, then, now, strict=True)]
    said = judge_pooled(measured, Rules.pooled(ZOO))
    change = sum(sums) / (1000 * discordant)
    assert said.change == pytest.approx(change)
    z = abs(sum(sums)) / math.sqrt(sum(total * total for total in sums))
    assert said.p_value == pytest.approx(NormalDist().cdf(-z), rel=0.3, abs=1e-6)
    if abs(change) > 0.01 and not POOLED / NEAR < said.p_value < POOLED * NEAR:
        beyond = "regressed" if change > 0 else "improved"
        assert said.outcome == (beyond if said.p_value < POOLED else "inconclusive")
    elif abs(change) <= 0.01:
        assert said.outcome == "same"
