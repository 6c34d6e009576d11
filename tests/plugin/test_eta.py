"""How much of a run is left is said by what is known, and only then."""

import pytest
from pytest_robustness.plugin.eta import Expected, RunProgress, duration


def remaining(workers=1, **seconds):
    return RunProgress({case.replace("_", "/"): Expected(time, 100) for case, time in seconds.items()}, workers)


def test_nothing_runs_nothing_is_said():
    assert remaining(a_pgd=10.0).line([""]) == ""


def test_a_line_has_cases_images_time_and_what_runs():
    run = remaining(a_pgd=10.0, b_pgd=20.0, c_pgd=30.0)
    run.finish("a/pgd", 10.0)
    assert run.line(["b/pgd 50/100", "c/pgd 0/100"]) == "1/3 cases, 150 images, 40 s left: b/pgd 50/100, c/pgd 0/100"


def test_a_slow_machine_shows_in_what_is_left():
    run = remaining(a_pgd=10.0, b_pgd=10.0)
    assert run.seconds_left({}) == 20
    run.finish("a/pgd", 30.0)
    assert run.seconds_left({}) == 30
    assert run.seconds_left({"b/pgd": 0.5}) == 15


def test_workers_share_what_is_left_but_no_case():
    run = remaining(workers=3, a_pgd=10.0, b_pgd=10.0, c_pgd=10.0, d_pgd=30.0)
    assert run.seconds_left({}) == 20
    for case in ("a/pgd", "b/pgd", "c/pgd"):
        run.finish(case, 10.0)
    assert run.seconds_left({}) == 30


@pytest.mark.parametrize(("known", "left"), [(None, None), (10.0, 20.0)])
def test_a_case_never_recorded_takes_as_long_as_others_do(known, left):
    assert remaining(a_pgd=known, b_pgd=None).seconds_left({}) == left


def test_without_any_record_finished_cases_tell():
    run = remaining(a_pgd=None, b_pgd=None)
    assert "left" not in run.line(["a/pgd 1/100"])
    run.finish("a/pgd", 12.0)
    assert run.seconds_left({}) == 12


def test_what_was_not_selected_is_not_counted():
    run = remaining(a_pgd=10.0)
    run.finish("z/pgd", 5.0)
    assert run.line(["a/pgd 5/100"]).startswith("0/1 cases, 5 images")


def test_a_set_that_grew_takes_longer_and_counts_whole():
    run = remaining(a_pgd=10.0, b_pgd=10.0)
    assert run.line(["a/pgd 0/150"]) == "0/2 cases, 0 images, 30 s left: a/pgd 0/150"
    run.finish("a/pgd", 15.0)
    assert run.line(["b/pgd 75/150"]) == "1/2 cases, 225 images, 8 s left: b/pgd 75/150"


@pytest.mark.parametrize(("seconds", "text"), [(5, "5 s"), (600, "10 min"), (3600 * 2.5, "2.5 h")])
def test_durations_are_rough(seconds, text):
    assert duration(seconds) == text
