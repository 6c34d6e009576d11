"""The page of a history: its size with many commits, and what a browser makes of it."""

import re

import pytest
from pytest_robustness.records.verdict import MetricVerdict
from pytest_robustness.report.data import Value
from pytest_robustness.report.history.data import Commit, History, ModelChange, Series, Step, Tag, Version
from pytest_robustness.report.html.history import render

from tests.report.examples import HOSTILE
from tests.report.test_browser import CHROMIUM, DRIVER, browser, luminance, show  # noqa: F401

METRICS = {"success rate": 0.5, "robust accuracy": 0.4, "distance": 0.3, "effort": 4.5, "noise rate": 0.005}


def version(case, step, *, wave=0.0, **more):
    values = {
        name: Value(value=value * (1 + wave), interval=(value * (0.9 + wave), value * (1.1 + wave)))
        for name, value in (METRICS | {"clean accuracy": 0.8}).items()
    }
    given = {
        "step": step,
        "case": case,
        "images": 1000,
        "attempts": 900,
        "values": values,
        "weights_digest": f"{step:064x}",
        "code_digest": None,
        "protocol_digest": "0" * 64,
        "torch": "2.14.1",
        "device": "a CPU",
        "norm": "2",
    }
    return Version(**given | more)


def history(models=14, attacks=4, steps=150, subject="A change"):
    """A history in which every step changes every case, and every fifth of them significantly."""
    worse = MetricVerdict(metric="success rate", outcome="regressed", text=f"success rate {subject}", worse=True)
    cases = [(f"model_{model}", f"attack_{attack}") for model in range(models) for attack in range(attacks)]
    commits = [
        Commit(commit=f"{step:040x}", when=f"2026-01-{step % 28 + 1:02}T00:00:00+00:00", subject=subject)
        for step in range(1, steps + 1)
    ]
    return History(
        schema=1,
        suite="many",
        folders=["baselines/many"],
        head="f" * 40,
        shallow=False,
        steps=[
            Step(
                **one.model_dump(),
                number=number,
                written=len(cases),
                models=[ModelChange(model=f"model_{model}", changes=["weights a -> b"]) for model in range(models)],
            )
            for number, one in enumerate(commits, 1)
        ],
        tags=[Tag(name=f"v1.{step}", commit="f" * 40, after=step) for step in range(0, steps, 7)],
        series=[
            Series(
                case=f"{model}/{attack}",
                model=model,
                attack=attack,
                versions=[
                    version(
                        f"{model}/{attack}",
                        step,
                        wave=0.1 * (step % 7),
                        metrics=[worse] if step % 5 == 0 else [],
                        breaks="protocol differs" if step % 50 == 0 else None,
                    )
                    for step in range(1, steps + 1)
                ],
            )
            for model, attack in cases
        ],
        unreadable=[],
        notes=[],
    )


@pytest.fixture(scope="module")
def many():
    return render(history())


def test_a_page_of_150_commits_and_56_cases_can_be_mailed(many):
    assert len(many.encode()) < 6_000_000
    assert "Too many for a page" in many
    assert len(re.findall(r'class="line"', many)) == 5 * 56 + 14


def test_lines_break_and_marks_are_of_the_significant_steps(many):
    path = re.search(r'class="line" d="([^"]+)"', many)[1]
    assert path.count("M") == 1 + 3
    assert path.count("L") == 150 - 4
    assert many.count('<g class="worse"><title>step') == 56 * 30


def test_a_small_history_has_its_numbers_as_a_table():
    page = render(history(models=1, attacks=1, steps=3))
    assert "50.0% [45.0%, 55.0%]" not in page.partition('id="numbers"')[0]
    assert page.count("<td>55.0% [50.0%, 60.0%]</td>") == 1


def test_hostile_text_is_only_text():
    page = render(history(models=1, attacks=1, steps=5, subject=HOSTILE))
    assert "<script" not in page
    assert HOSTILE not in page


@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium with its driver is installed")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_its_window_and_can_be_read(browser, many, tmp_path, width, scheme):  # noqa: F811
    file = tmp_path / "history.html"
    subject = "w" * 200
    file.write_text(many if width == 1280 else render(history(models=3, attacks=9, steps=6, subject=subject)))
    asked = show(browser, file.as_uri(), width, scheme)
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    style = "const s = getComputedStyle(document.querySelector(arguments[0])); return s[arguments[1]]"
    paper = luminance(browser.execute_script(style, "body", "backgroundColor"))
    for ink in (browser.execute_script(style, "body", "color"), browser.execute_script(style, "svg .soft", "fill")):
        written = luminance(ink)
        assert (max(paper, written) + 0.05) / (min(paper, written) + 0.05) >= 4.5
