"""How a suite's alpha is shared: by attacks, by metrics, by groups and by what is judged together."""

from pathlib import Path

import pytest
from pytest_robustness.suite.load import load_suite

from tests.gate.examples import refusal
from tests.suite.examples import SOUND, folder, loaded, written

__all__ = ["folder"]  # a fixture


def test_the_pooled_test_has_half_of_what_attacks_have_together(folder: Path) -> None:
    more = '[attacks.pgd]\nattack = "PGD"\n[models.large]\nsource = "a:b"\n'
    for text in (SOUND, SOUND + more):
        assert loaded(folder, text).pooled_level == pytest.approx(0.05 / 8)
        assert loaded(folder, "alpha = 0.4\n" + text).pooled_level == pytest.approx(0.05)
        assert loaded(folder, text + "[levels]\ntogether = 0.2\n").pooled_level == pytest.approx(0.005)


def test_two_fifths_of_alpha_are_shared_by_the_regular_attacks_and_a_case_s_six_metrics(folder: Path) -> None:
    two_models = SOUND + '[models.large]\nsource = "a:b"\n'
    assert [case.level for case in loaded(folder, two_models).cases()] == pytest.approx([0.05 * 0.4 / 6] * 2)
    more = '[attacks.pgd]\nattack = "PGD"\n[attacks.cw]\nattack = "CW"\n'
    for asked in ("", '[attacks.slow]\nattack = "PGD"\nsteps = 1000\non_request = true\n'):
        cases = list(loaded(folder, "alpha = 0.3\n" + two_models + more + asked).cases())
        assert [case.level for case in cases] == pytest.approx([0.3 * 0.4 / 3 / 6] * len(cases))
        assert [case.weight for case in cases] == pytest.approx([0.4 / 3 / 6] * len(cases))
    own = loaded(folder, two_models + "[levels]\ncases = 0.3\n")
    assert own.case("small/fgsm").level == pytest.approx(0.05 * 0.3 / 6)


def test_groups_take_a_tenth_of_their_models_alpha_and_share_it(folder: Path) -> None:
    models = SOUND + "".join(f'[models.{name}]\nsource = "a:b"\n' for name in ("large", "lone"))
    none = loaded(folder, models)
    assert {none.alpha_of(name) for name in none.models} == {0.05}
    one = loaded(folder, models + '[groups]\nboth = ["small", "large"]\n')
    assert [one.alpha_of(name) for name in one.models] == pytest.approx([0.045, 0.045, 0.05])
    assert [case.level for case in one.cases()] == pytest.approx([0.045 * 0.4 / 6] * 2 + [0.05 * 0.4 / 6])
    assert one.group_level == pytest.approx(0.005)
    more = '[groups]\nboth = ["small", "large"]\nmine = ["small"]\nother = ["lone"]\n'
    assert loaded(folder, models + more).group_level == pytest.approx(0.0025)  # small is in two
    assert loaded(folder, "alpha = 0.2\n" + models + more).group_level == pytest.approx(0.01)


def test_shares_of_alpha_are_declared_and_add_up_to_one_at_most(folder: Path) -> None:
    usual = loaded(folder, SOUND).levels
    assert (usual.cases, usual.together, usual.clean, usual.slices) == (0.40, 0.25, 0.10, 0.25)
    assert loaded(folder, SOUND + "[levels]\nslices = 0.1\ncases = 0.55\n").levels.cases == 0.55
    path = written(folder, SOUND + "[levels]\ncases = 0.5\n")
    assert "shares of alpha add up to 1.1: their sum is 1 at most" in refusal(lambda: load_suite(path))
    for share in ("0", "-0.1", "1.1"):
        path = written(folder, SOUND + f"[levels]\nclean = {share}\n")
        assert "levels.clean" in refusal(lambda path=path: load_suite(path))
