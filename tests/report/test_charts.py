"""Charts are to scale, and say in words what they show."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.report.data import Value
from pytest_robustness.report.html.charts import BAR, Scale, Series, before_after, grouped_bars, lines, spans
from pytest_robustness.report.html.figures import curves, differences, families
from pytest_robustness.report.html.heat import CIVIDIS, colour, heats, ink
from pytest_robustness.report.metric_format import FORMATS

from tests.gate.strategies import modest
from tests.report.examples import FAMILIES, report, suite

numbers = st.floats(-1e4, 1e4, allow_nan=False).map(lambda value: round(value, 6))


@modest
@given(st.lists(numbers, min_size=1, max_size=5))
def test_a_scale_has_room_for_its_values_and_few_round_ticks(values):
    scale = Scale.over(values)
    assert scale.low <= min(0, *values, 0) + 1e-6
    assert scale.high >= max(0, *values, 0) - 1e-6
    ticks = scale.ticks(FORMATS["effort"])
    assert 2 <= len(ticks) <= 9
    assert all(above < below for (below, _), (above, _) in pairwise(ticks))
    assert len({text for _, text in ticks}) == len(ticks)


@modest
@given(st.lists(st.integers(-1000, 1000).map(lambda value: value / 1000), min_size=2, max_size=6).filter(any))
def test_bars_are_to_scale(values):
    series = [Series(str(i), {"fgsm": Value(value=value)}) for i, value in enumerate(values)]
    chart = grouped_bars("title", FORMATS["change"], ["fgsm"], series)
    ticks = chart.ticks
    (bottom, low), (top, high) = ticks[0], ticks[-1]
    per_point = (bottom - top) / (float(high) - float(low))
    for mark, value in zip(chart.marks, values, strict=True):
        assert mark.height == pytest.approx(max(abs(value) * 100 * per_point, 0.8), abs=0.25)
        assert mark.y == pytest.approx(chart.zero - max(value, 0) * 100 * per_point, abs=0.25)
        assert FORMATS["change"].show(value) in mark.words
    assert all(right.x - left.x == BAR for left, right in pairwise(chart.marks))
    assert all(0 <= mark.x <= chart.width - BAR for mark in chart.marks)


def test_whiskers_and_published_values_are_where_their_values_are():
    value = Value(value=0.5, interval=(0.4, 0.7))
    chart = grouped_bars("t", FORMATS["success rate"], ["pgd"], [Series("vgg11", {"pgd": value}, {"pgd": 0.7})])
    (mark,) = chart.marks
    assert mark.whisker[0] < mark.y < mark.whisker[1]
    assert mark.published == mark.whisker[0]
    assert mark.words == "vgg11, pgd: 50.0% [40.0%, 70.0%]; published: 70.0%"
    assert chart.table == [["", "pgd"], ["vgg11", "50.0% [40.0%, 70.0%]; published: 70.0%"]]


def test_charts_beside_each_other_share_their_scale():
    small, large = Series("a", {"x": Value(value=1.0)}), Series("b", {"x": Value(value=9.0)})
    first, second = (grouped_bars("t", FORMATS["time"], ["x"], [one], [small, large]) for one in (small, large))
    assert first.ticks == second.ticks


def test_nothing_to_draw_is_no_chart():
    assert grouped_bars("t", FORMATS["effort"], ["fgsm"], [Series("vgg11", {})]) is None
    assert lines("t", FORMATS["success rate"], "epsilon", [Series("vgg11", {"0.01": Value(value=1.0)})]) is None


def test_bars_before_and_after_share_an_axis():
    bar = before_after("effort", FORMATS["effort"], 4.0, 2.0, (1.0, 3.0), "words", worse=True)
    assert (bar.before, bar.after, bar.low, bar.high) == (1.0, 0.5, 0.25, 0.75)
    rate = before_after("success rate", FORMATS["success rate"], 0.2, 0.4, (0.3, 1.4), "words", worse=True)
    assert (rate.before, rate.after, rate.high) == (0.2, 0.4, 1.0)


def test_spans_share_a_zero():
    first, second = spans([Value(value=0.1, interval=(0.0, 0.2)), Value(value=-0.2)])
    assert first.zero == second.zero == first.low
    assert second.value < second.zero < first.value < first.high
    assert spans([]) == []


def test_every_family_has_a_chart_for_every_metric(zoo_report):
    figures = {figure.title: figure for figure in families(zoo_report)}
    assert set(figures) == {"success rate", "noise rate", "effort", "time"}
    for name, figure in figures.items():
        assert [chart.title for chart in figure.charts] == list(FAMILIES)
        attacks = [text for _, text in figure.charts[0].groups]
        assert attacks == (["pgd", "cw"] if name == "effort" else ["fgsm", "pgd", "cw"])
        assert len(figure.charts[0].marks) == 8 * len(attacks)
        assert figure.commands[0].endswith("-m vgg")


def test_models_of_no_family_are_shown_together(tmp_path):
    found = report(suite(tmp_path, {"vgg": ["vgg11"]}, groups={}))
    (chart,) = next(families(found)).charts
    assert chart.title == "models"
    assert "-m" not in next(families(found)).commands[0]


def test_variants_have_their_mean_and_their_published_value(zoo_report):
    data = zoo_report.model_dump(by_alias=True)
    data["published"] = [
        {"of": "batch norm", "attack": "mean", "metric": "change in success rate", "value": 0.02, "source": "somebody"}
    ]
    (figure,) = differences(type(zoo_report).model_validate(data, strict=False))
    (chart,) = figure.charts
    assert [text for _, text in chart.groups] == ["fgsm", "pgd", "cw", "mean"]
    assert [text for _, text in chart.legend][-1] == "batch norm (4)"
    assert [mark.published is not None for mark in chart.marks].count(True) == 1
    assert chart.published


def test_several_epsilons_of_one_attack_make_a_curve(tmp_path):
    attacks = {f"pgd{i}": {"attack": "PGD", "eps": eps, "steps": 10} for i, eps in enumerate((0.005, 0.01, 0.02))}
    attacks["other"] = {"attack": "PGD", "eps": 0.03, "steps": 40}  # another attack
    found = report(suite(tmp_path, {"vgg": ["vgg11", "vgg11_bn"]}, attacks=attacks))
    (figure,) = curves(found)
    (chart,) = figure.charts
    assert "pgd0, pgd1, pgd2" in figure.title
    assert len(chart.marks) == 6
    assert [text for _, text in chart.groups] == ["0.005", "0.01", "0.02"]
    assert len(chart.lines) == 2
    assert all(left.x < right.x for left, right in pairwise(chart.marks[:3]))


def test_one_epsilon_is_no_curve(zoo_report):
    assert list(curves(zoo_report)) == []


def test_colours_run_from_one_end_to_the_other():
    assert (colour(0), colour(1), colour(-1), colour(2)) == (CIVIDIS[0], CIVIDIS[-1], CIVIDIS[0], CIVIDIS[-1])


def test_text_on_every_colour_can_be_read():
    def luminance(text):
        parts = [int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for i in range(101):
        light = luminance(colour(i / 100))
        contrast = (light + 0.05) / 0.05 if ink(colour(i / 100)) == "#000" else 1.05 / (light + 0.05)
        assert contrast >= 4.5


def test_the_easier_attack_is_nearer_to_yellow(zoo):
    worse = report(zoo, {"vgg11/pgd": 0.9})
    shown = {heat.metric: dict(heat.rows) for heat in heats(worse)}
    by_rate = {case.model: case.success_rate.value for case in worse.cases if case.attack == "pgd"}
    by_effort = {case.model: case.effort.value for case in worse.cases if case.attack == "pgd"}
    weakest = min(by_effort, key=by_effort.get)
    assert shown["effort"][weakest][1].paper == CIVIDIS[-1]
    assert shown["success rate"]["vgg11"][1].paper == colour(by_rate["vgg11"])
    assert shown["success rate"]["vgg11"][1].mark == "▼"


def test_what_was_not_run_has_no_colour(zoo):
    found = heats(report(zoo, only=["vgg11/fgsm", "vgg13/pgd"], troubles={"vgg13/pgd": "crashed"}))
    rows = dict(found[0].rows)
    assert [cell.text for cell in rows["vgg13"]] == ["", "crashed"]
    assert all(cell.paper is None for cell in rows["vgg13"])
