"""What the report says of single images against the baseline, and how the page shows it."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.gate.pairing import Lists, pair
from pytest_robustness.gate.slices import Keys
from pytest_robustness.report.against_baseline import RATIOS, SLICES, log_ratios, slices, worst_case
from pytest_robustness.report.data import Report
from pytest_robustness.report.html.against_baseline import CASES, dot_lines
from pytest_robustness.report.html.page import render

from tests.gate.examples import images, measurement
from tests.gate.strategies import modest
from tests.report.examples import gallery

FMN = {"attack": "FMN", "parameters": {"steps": 10}, "distance": "inf"}


def test_the_data_survives_its_file(compared):
    assert Report.from_json(compared.to_json()) == compared


def test_the_data_has_what_the_baseline_says(compared):
    cases = {case.case: case for case in compared.cases}
    pgd, cw, same = cases["vgg11/pgd"], cases["vgg11/cw"], cases["vgg11_bn/pgd"]
    assert pgd.diagnosis.rule == "one slice"
    worst = pgd.slices[0]
    assert (worst.name, worst.images, worst.lost, worst.won, worst.value) == ("class 4", 24, 16, 0, 1.0)
    assert len(pgd.slices) == 10 <= SLICES
    assert len(cw.log_ratios) == RATIOS
    assert cw.log_ratios[0] == pytest.approx(-0.3567, abs=1e-3)
    assert len(cw.baseline_curve) == len(cw.security_curve) == 20
    assert all(a < b for (a, _), (b, _) in zip(cw.security_curve, cw.baseline_curve, strict=True))
    assert (same.diagnosis, same.log_ratios) == (None, [])
    models = {model.name: model.worst_case for model in compared.models}
    assert (models["vgg11_bn"].baseline, models["vgg11_bn"].robust_accuracy.value) == (160 / 240, 160 / 240)
    assert models["vgg11"].robust_accuracy.value == 144 / 240
    assert models["vgg11"].attacks == ["fgsm", "pgd"]


def test_the_page_shows_it(compared):
    page = render(compared)
    for section in ("worst", "slices", "curves", "distances", "failed"):
        assert f'id="{section}"' in page
        assert f'href="#{section}"' in page
    assert "The lost images are concentrated in one part of the set." in page
    assert "60.0% [" in page
    assert page.count('class="dots"') == 1
    assert page.count('class="line was"') == 2
    assert "class 4: " in page
    header = re.search(r"<thead>.*?robust accuracy.*?</thead>", page)[0]
    assert header.count(">baseline<") == 5
    assert "<script" not in page


def test_a_page_of_old_data_has_none_of_it(zoo_report):
    page = render(zoo_report)
    for section in ("slices", "distances", "doubts"):
        assert f'id="{section}"' not in page


def test_why_a_value_is_suspicious_stands_once(compared):
    (first, *others) = compared.cases
    metrics = [
        one.model_copy(
            update={"outcome": "suspicious", "text": f"{one.text}; suspicious: gradients: all zero", "fails": True}
        )
        for one in first.metrics
    ]
    doubted = first.model_copy(
        update={
            "word": "suspicious",
            "failed": True,
            "metrics": metrics,
            "doubts": ["gradients: all zero"],
            "reason": "long",
        }
    )
    page = render(compared.model_copy(update={"cases": [doubted, *others], "failures": [], "notes": []}))
    assert page.count("<li>gradients: all zero</li>") == 1
    assert 'id="doubts"' in page
    assert '<a href="#doubts">masking checks fail</a>' in page
    assert "; suspicious: gradients" not in page.partition('id="grid"')[0]


def test_pictures_say_whether_they_are_lost_or_won(compared):
    shown = gallery("vgg11/pgd", pictures=3)
    lost, won, worst = shown.pictures
    pictures = [
        lost.model_copy(update={"why": "lost"}),
        won.model_copy(update={"why": "won", "noise_rate": None}),
        worst,
    ]
    page = render(compared.model_copy(update={"galleries": [shown.model_copy(update={"pictures": pictures})]}))
    assert page.count('<strong class="lost">lost</strong>') == 1
    assert "withstood" in page.partition('<strong class="won">won</strong>')[2][:200]


def test_of_many_cases_not_all_are_drawn(compared):
    case = next(case for case in compared.cases if case.log_ratios)
    many = [case.model_copy(update={"case": f"m{i}/cw", "model": f"m{i}"}) for i in range(60)]
    page = render(compared.model_copy(update={"cases": many}))
    assert page.count('class="dots"') == page.count('class="line was"') == CASES
    assert len(page) < 6_000_000


def test_dots_lie_on_the_side_they_belong_to(compared):
    (line,) = dot_lines(compared)
    assert line.middle < 165
    assert "200 of 200 dots nearer" in line.words


letters = st.lists(st.text("!.-", min_size=12, max_size=12), min_size=1, max_size=4)


@modest
@given(letters, st.data())
def test_the_worst_case_is_what_withstands_every_attack(now, data):
    then = [data.draw(st.text("!.-", min_size=12, max_size=12)) for _ in now]

    def withstood(sides):
        return sum(all(one == "." for one in image) for image in zip(*sides, strict=True)) / 12

    cases = [f"a/x{i}" for i in range(len(now))]
    current = [measurement(one, case=case) for case, one in zip(cases, now, strict=True)]
    pairs = {
        case: pair(measurement(one, case=case), found, Lists())
        for case, one, found in zip(cases, then, current, strict=True)
    }
    found = worst_case(current, pairs)
    assert found.robust_accuracy.value == withstood(now)
    assert found.baseline == withstood(then)
    low, high = found.robust_accuracy.interval
    assert low <= found.robust_accuracy.value <= high
    assert worst_case(current, {}).baseline is None
    assert worst_case([measurement("!", case="a/f", distances=[0.1], protocol=FMN)], {}) is None


@modest
@given(st.lists(st.floats(0.001, 10), min_size=1, max_size=500))
def test_ratios_are_in_order_and_keep_both_ends(distances):
    then = measurement("!" * len(distances), distances=[1.0] * len(distances), protocol=FMN)
    now = measurement("!" * len(distances), distances=distances, protocol=FMN)
    found = log_ratios(pair(then, now, Lists()))
    assert found == sorted(found)
    assert len(found) <= RATIOS
    if found:
        exact = sorted(distances)
        assert found[0] == pytest.approx(math.log(exact[0]), abs=1e-3)
        assert found[-1] == pytest.approx(math.log(exact[-1]), abs=1e-3)


def test_slices_of_distances_are_medians(small):
    far = [0.1] * 20 + [0.2] * 20
    then = measurement("!" * 40, distances=far, protocol=FMN, listed=images(40))
    now = measurement(
        "!" * 40, distances=[x / 2 if i % 10 < 5 else x for i, x in enumerate(far)], protocol=FMN, listed=images(40)
    )
    suite = small.model_copy(update={"slices": ["half"]})
    halves = images(40).model_copy(update={"columns": {"half": ["low" if i % 10 < 5 else "high" for i in range(40)]}})
    found = slices(suite, pair(then, now, Lists()), Keys(Lists([halves])))
    assert [one.name for one in found] == ["half low", "half high"]
    assert [(one.metric, one.lost, one.won) for one in found] == [("distance", 20, 0), ("distance", 0, 0)]
    assert found[0].value == pytest.approx(found[0].baseline / 2)
