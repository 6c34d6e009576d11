"""Models of one run compared with one another: nothing is judged, changes, intervals and p values are shown."""

from pathlib import Path

import pytest
from pytest_robustness.gate.variants import Contrast, contrasts
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.report.table import VARIANTS, variants_table
from pytest_robustness.suite.suite import Suite

from tests.gate.examples import FOOLED, WITHSTOOD, images, measurement
from tests.suite.examples import ATTACK, IMAGES, MODEL, folder, loaded

__all__ = ["folder"]  # a fixture

NAMES = ("plain", "normed", "deep", "deeper")
MODELS = "".join(MODEL.replace("small", name) for name in NAMES)
PGD = '[attacks.pgd]\nattack = "PGD"\n'


def variant(base: str, update: str, group: str = "") -> str:
    return f'[[variants]]\nbase = "{base}"\nupdate = "{update}"\n' + (f'group = "{group}"\n' if group else "")


def suite(folder: Path, *variants: str) -> Suite:
    return loaded(folder, IMAGES + MODELS + ATTACK + PGD + "".join(variants))


def measured(suite: Suite, **fooled: int) -> dict[str, Measurement]:
    """Every case of the models named, of a hundred images as many fooled as said."""
    return {
        case.id: measurement(
            FOOLED * fooled[case.model_name] + WITHSTOOD * (100 - fooled[case.model_name]),
            case=case.id,
            digest=case.model_name,
            unselected="+" * 10,
        )
        for case in suite.cases()
        if case.model_name in fooled
    }


def found(suite: Suite, **fooled: int) -> list[Contrast]:
    return list(contrasts(suite, measured(suite, **fooled)))


def test_a_variant_is_compared_under_each_attack_and_averaged_over_them(folder: Path) -> None:
    lines = found(suite(folder, variant("plain", "normed")), plain=40, normed=55)
    assert [(one.models, one.attack) for one in lines] == [
        ("plain -> normed", "fgsm"),
        ("plain -> normed", "pgd"),
        ("plain -> normed", "mean"),
    ]
    for one in lines:
        success = one.metrics["success rate"]
        assert success.change == pytest.approx(0.15)
        assert success.p_value == pytest.approx(2**-15)
        assert success.images == 100
    assert {"success rate", "noise rate", "effort", "clean accuracy"} <= lines[0].metrics.keys()
    assert lines[2].metrics.keys() == {"success rate"}


def test_the_update_is_what_comes_after(folder: Path) -> None:
    there, back = variant("plain", "normed"), variant("normed", "plain")
    for pair, change in ((there, 0.15), (back, -0.15)):
        lines = found(suite(folder, pair), plain=40, normed=55)
        assert [one.metrics["success rate"].change for one in lines] == pytest.approx([change] * 3)


def test_a_variant_whose_cases_are_not_all_there_is_left_out(folder: Path) -> None:
    three = suite(folder, variant("plain", "normed"), variant("deep", "deeper"))
    measurements = measured(three, plain=1, normed=2, deep=3, deeper=4)
    for missing in ("plain/pgd", "normed/fgsm"):
        some = {case: one for case, one in measurements.items() if case != missing}
        assert {one.models for one in contrasts(three, some)} == {"deep -> deeper"}
    assert list(contrasts(three, {})) == []


def test_a_variant_over_other_images_is_left_out(folder: Path) -> None:
    """Merged of two runs: no place in one set is a place in the other."""
    pair = suite(folder, variant("plain", "normed"))
    measurements = measured(pair, plain=40, normed=55)
    other = measurement(FOOLED * 100, case="normed/pgd", unselected="+" * 10, listed=images(range(100, 200)))
    assert list(contrasts(pair, measurements | {"normed/pgd": other})) == []
    blind = measurement(FOOLED * 100, case="normed/pgd", unselected="+" * 11)
    assert list(contrasts(pair, measurements | {"normed/pgd": blind})) == []


def test_a_group_pools_its_variants_image_by_image(folder: Path) -> None:
    grouped = suite(folder, variant("plain", "normed", "batch norm"), variant("deep", "deeper", "batch norm"))
    last = found(grouped, plain=40, normed=50, deep=40, deeper=45)[-1]
    assert (last.models, last.attack) == ("batch norm (2)", "mean")
    success = last.metrics["success rate"]
    assert success.change == pytest.approx(0.075)
    assert success.images == 100
    assert success.p_value == pytest.approx(2**-10)  # of ten images that moved, not of thirty attacks on them


def test_a_group_of_which_one_variant_is_left_is_not_said_twice(folder: Path) -> None:
    grouped = suite(folder, variant("plain", "normed", "batch norm"), variant("deep", "deeper", "batch norm"))
    alone = found(grouped, plain=40, normed=50, deep=40)
    assert {one.models for one in alone} == {"plain -> normed"}
    apart = suite(folder, variant("plain", "normed", "one"), variant("deep", "deeper", "two"), variant("plain", "deep"))
    names = [one.models for one in found(apart, plain=40, normed=50, deep=40, deeper=45)]
    assert names == ["plain -> normed"] * 3 + ["deep -> deeper"] * 3 + ["plain -> deep"] * 3


def test_the_table_has_a_line_for_each_with_two_sided_p_values(folder: Path) -> None:
    lines = variants_table(found(suite(folder, variant("plain", "normed")), plain=40, normed=45))
    header, *rows = lines
    assert all(name in header for name in VARIANTS)
    assert len(rows) == 3
    for row, attack in zip(rows, ("fgsm", "pgd", "mean"), strict=True):
        assert row.startswith("plain -> normed")
        assert attack in row
        assert "+5.0 pp [" in row
        assert f"{2 * 2**-5:.2g}" in row.split()  # either model might have been the worse
    level = variants_table(found(suite(folder, variant("plain", "normed")), plain=40, normed=40))
    assert all("1" in row.split() for row in level[1:])


def test_without_variants_there_is_nothing_but_a_header(folder: Path) -> None:
    assert found(suite(folder), plain=40, normed=45) == []
    assert len(variants_table([])) == 1
