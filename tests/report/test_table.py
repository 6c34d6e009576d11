"""The table puts failures first and has a line, with aligned columns, for every case, whatever it lacks."""

import re

from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.gate.statistics import paired_rates, wilson
from pytest_robustness.records.measurement import Measurement, Timing
from pytest_robustness.report.table import HEADER, LEGEND, Row, table
from pytest_robustness.suite.suite import Tolerances

from tests.gate.examples import FOOLED, WITHSTOOD, measurement
from tests.gate.strategies import measurements, modest

RULES = Rules(Tolerances(), 0.05 / 6)
SEPARATOR = re.compile(r"  +")


def judged(now: Measurement, then: Measurement | None) -> Row:
    verdict = judge(now, then, RULES)
    return Row(now.case, verdict.status, not verdict.passed, now, verdict)


def cells(line: str) -> list[str]:
    return SEPARATOR.split(line.strip())


def test_failures_come_first_and_otherwise_the_order_stays() -> None:
    rows = [Row(f"m{i}/a", "ab"[i % 3 == 0], failed=i in (3, 4)) for i in range(6)]
    lines = table(rows)
    assert [cells(line)[0] for line, _ in lines] == ["model", "m3", "m4", "m0", "m1", "m2", "m5"]
    assert [failed for _, failed in lines] == [False, True, True, False, False, False, False]


def test_a_case_that_crashed_has_a_row_of_dashes_and_its_word() -> None:
    rows = [judged(measurement(), measurement()), Row("vgg11/cw", "crashed", failed=True)]
    line, failed = table(rows)[1]
    assert failed
    assert cells(line) == ["vgg11", "cw", "-", "-", "-", "-", "-", "-", "crashed"]


def test_a_row_has_the_case_s_figures() -> None:
    then = measurement(FOOLED * 30 + WITHSTOOD * 70, digest="before")
    line, failed = table([judged(measurement(FOOLED * 60 + WITHSTOOD * 40), then)])[1]
    found = cells(line.replace(" %", "%"))
    assert failed
    low, high = (f"{100 * end:.1f}" for end in wilson(60, 100))
    assert found[:7] == ["vgg11", "pgd", "30.0%", f"60.0% [{low}, {high}]", "0.00500", "6.80", "5.00"]
    low, high = (f"{100 * end:+.1f}" for end in paired_rates(30, 30, 0, 40))
    assert f"+30.0 pp [{low}, {high}]" in found[7]
    assert found[-1] == "regressed"


def test_a_metric_that_moved_is_in_the_change_and_one_that_did_not_is_not() -> None:
    then = measurement("!!..", digest="before", unselected="+" * 100)
    now = measurement("!!..", efforts=[2, 2, 5, 5], units=5.1, unselected="+" * 100)
    change = cells(table([judged(now, then)])[1][0])[7]
    assert "effort -53" in change
    for unmoved in ("time", "noise", "accuracy"):
        assert unmoved not in change


def test_of_several_metrics_that_moved_beside_the_success_rate_the_first_is_shown() -> None:
    then = measurement("!!..", digest="before", unselected="+" * 100)
    now = measurement("!!..", efforts=[2, 2, 5, 5], unselected="-" * 100)
    row = judged(now, then)
    assert {metric.metric for metric in row.verdict.moved} == {"effort", "clean accuracy"}
    change = cells(table([row])[1][0])[7]
    assert change.startswith("+0.0 pp")
    assert "effort" in change
    assert "accuracy" not in change


def test_the_first_run_s_rows_have_figures_and_no_change() -> None:
    line, failed = table([judged(measurement("!!!."), None)])[1]
    assert failed
    found = cells(line.replace(" %", "%"))
    assert (found[2], found[6], found[7]) == ("75.0% [30.1, 95.4]", "-", "no baseline")


def test_what_was_not_measured_is_a_dash() -> None:
    nothing = measurement("----", units=None)
    assert cells(table([judged(nothing, nothing)])[1][0])[2:7] == ["-"] * 5
    withstood = cells(table([judged(measurement("...."), None)])[1][0].replace(" %", "%"))
    assert withstood[2:4] == ["0.0% [0.0, 49.0]", "-"]
    one_step = cells(table([judged(measurement(budget=1), None)])[1][0])
    assert one_step[4] == "-"


words = st.sampled_from(("same", "regressed", "no baseline", "crashed", "not comparable", "skipped"))


@modest
@given(st.data())
def test_columns_are_aligned_whatever_the_rows(data: st.DataObject) -> None:
    # times of a size that occurs: others are only wider
    times = st.none() | st.floats(0.01, 9999)
    rows = []
    for one in data.draw(st.lists(st.none() | measurements(), max_size=4)):
        case = one.case if one else "model/attack"
        if one is None or data.draw(st.booleans()):
            rows.append(Row(case, data.draw(words), data.draw(st.booleans()), one))
            continue
        units = data.draw(times)
        timing = Timing(seconds_per_attempt=units, gradient_units=units, unit_spread=0.0)
        one = one.model_copy(update={"timing": timing})
        rows.append(judged(one, data.draw(st.sampled_from((None, one)))))
    lines = [line for line, _ in table(rows)]
    assert len(lines) == 1 + len(rows)
    header = lines[0]
    distances = any(row.measurement and row.measurement.evidence.distance is not None for row in rows)
    successes = [row.verdict.metric("success rate") for row in rows if row.verdict is not None]
    compared = any(metric is not None and metric.before is not None for metric in successes)
    more = [["baseline"] if compared else [], ["distance"] if distances else []]
    names = [*HEADER[:2], *more[0], HEADER[2], *more[1], *HEADER[3:]]
    assert cells(header) == names
    starts = {name: header.index(name) for name in names}
    # rightmost columns of the numbers, which are aligned at their end
    for line in lines:
        assert line == line.rstrip()
        assert len(cells(line)) == len(names)
        for name in ("attack", "change", "verdict"):
            assert line[starts[name] - 1] == " "
            assert line[starts[name]] != " "
        for name in names[2:-2]:
            end = starts[name] + len(name)
            assert line[end] == " "
            assert line[end - 1] != " "


def test_no_rows_make_a_header_alone() -> None:
    assert [cells(line) for line, _ in table([])] == [list(HEADER)]


def test_the_legend_is_a_line_that_fits_a_terminal() -> None:
    assert len(LEGEND.splitlines()) == 1
    assert len(LEGEND) <= 120
