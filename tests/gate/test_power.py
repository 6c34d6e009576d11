"""The power of the gate's test: against scipy, against the gate's own verdicts, and against the published table."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.gate.power import CAUGHT, Setup, images_to_catch, paired, smallest_caught
from pytest_robustness.gate.statistics import sign_flip
from scipy.stats import binom

#: The level of one case of three attacks, and the tolerance, of which docs/statistics.md has the table.
LEVEL, TOLERANCE = 0.05 * 0.4 / 3 / 6, 0.01
STATISTICS = Path(__file__).parents[2] / "docs" / "statistics.md"


@given(
    images=st.integers(1, 40),
    discordance=st.floats(0.01, 1.0),
    part=st.floats(0.0, 1.0),
    level=st.sampled_from([0.001, 0.006, 0.05, 1.0]),
    tolerance=st.sampled_from([-1.0, 0.0, 0.01, 0.05]),
)
def test_it_is_the_chance_of_all_outcomes_that_the_gates_own_test_rejects(images, discordance, part, level, tolerance):
    setup = Setup(images, discordance, part * discordance)
    share = setup.lost / discordance
    changed, lost = (axis.ravel() for axis in np.indices((images + 1, images + 1)))
    worse = (2 * lost - changed) / images
    caught = (lost <= changed) & (worse > tolerance + 1e-9)
    caught &= (level == 1) | (binom.sf(lost - 1, changed, 0.5) <= level)
    expected = (binom.pmf(changed, images, discordance) * binom.pmf(lost, changed, share))[caught].sum()
    assert paired(setup, level, tolerance) == pytest.approx(expected, abs=1e-9)


def test_simulated_runs_that_the_gate_rejects_are_as_many():
    setup, runs = Setup(200, 0.2, 0.1), 2000
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(setup.images, [setup.lost, setup.won, 1 - setup.discordance], runs)
    caught = np.mean([sign_flip([1] * lost + [-1] * won) <= 0.01 for lost, won, _ in drawn.tolist()])
    assert caught == pytest.approx(paired(setup, 0.01, 0.0), abs=4 * 0.5 / runs**0.5)


def test_the_smallest_changes_are_those_of_the_published_table():
    table = STATISTICS.read_text(encoding="utf-8").partition("<!-- gate_power: smallest change -->")[2]
    rows = [line.split("|")[1:4] for line in table.partition("<!-- end -->")[0].splitlines() if "%" in line]
    assert len(rows) == 16
    for images, discordance, published in rows:
        found = smallest_caught(
            partial(paired, level=LEVEL, tolerance=TOLERANCE),
            int(images.replace(",", "")),
            float(discordance.strip(" %")) / 100,
        )
        shown = "-" if found is None else f"{100 * found:.1f}"
        assert abs(float(shown) - float(published.strip(" *"))) <= 0.1001 if found else published.strip(" *") == shown


def test_as_many_images_as_are_named_catch_the_change_and_fewer_do_not():
    power = partial(paired, level=LEVEL, tolerance=TOLERANCE)
    images = images_to_catch(power, 0.03, 0.1)
    assert images is not None
    assert power(Setup(images, 0.1, 0.03)) >= CAUGHT > power(Setup(int(0.97 * images), 0.1, 0.03))


def test_no_number_of_images_catches_a_change_within_the_tolerance():
    assert images_to_catch(partial(paired, level=LEVEL, tolerance=0.03), 0.02, 0.1) is None


def test_nothing_changes_nothing_is_caught():
    assert paired(Setup(100, 0.0, 0.0), 0.05, 0.0) == 0
    assert smallest_caught(partial(paired, level=0.001, tolerance=0.0), 5, 1.0) is None
