"""Cases in parts, by the engine that is this process: equal to whole ones, and asked for no more than once."""

from collections import Counter

import pytest
from pytest_robustness.execute.case import Request, needs_checks
from pytest_robustness.execute.engine import Wanted
from pytest_robustness.execute.engines import open_engine
from pytest_robustness.execute.in_process import InProcess
from pytest_robustness.execute.jobs import Attack, CheckMasking, CleanAnswers, Identify, Pictures
from pytest_robustness.execute.remote import Asked, Remote
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.suite.engine import EngineTable


class Counting(InProcess):
    """Counts the jobs that it runs."""

    def __init__(self, wanted: Wanted, workers: int) -> None:
        super().__init__(wanted)
        self.ran: list = []
        self.count = workers

    def workers(self) -> int:
        return self.count

    def run(self, job):
        self.ran.append(job)
        return super().run(job)


def submitted(cases, baselines, *, workers=2, request=None, progress=lambda case, done, total: None):
    remote = Remote(progress)
    engine = Counting(Wanted("in-process", EngineTable(), progress=remote.progress), workers)
    request = request or Request(recording=True)
    remote.submit(engine, [Asked(case, baselines.get(case.id), request) for case in cases])
    return remote, engine


def without_timing(measurement: Measurement, like: Measurement) -> Measurement:
    return measurement.model_copy(update={"timing": like.timing})


def always(provenance):
    return True


@pytest.fixture(scope="module")
def measured(sound):
    cases, expected = sound
    seen = {}
    remote, engine = submitted(
        cases, expected, progress=lambda case, *numbers: seen.setdefault(case, []).append(numbers)
    )
    return {case.id: remote.measure(case, always) for case in cases}, engine.ran, seen


def test_parts_make_the_measurement_that_a_whole_case_makes(sound, measured):
    _, expected = sound
    found, ran, _ = measured
    for case, one in expected.items():
        assert without_timing(found[case], one) == one
    parts = Counter(job.case.id for job in ran if isinstance(job, Attack))
    assert sum(count > 1 for count in parts.values()) >= 2
    rows = sum(one.timing.rows - one.timing.padding for one in found.values())
    assert rows == sum(one.timing.rows - one.timing.padding for one in expected.values())


def test_what_is_of_a_model_is_done_once(measured):
    _, ran, _ = measured
    for kind in (CleanAnswers, CheckMasking):
        assert Counter(job.case.model_name for job in ran if isinstance(job, kind)) == dict.fromkeys(
            ("first", "second", "third"), 1
        )
    rows = Counter((job.case.id, place) for job in ran if isinstance(job, Attack) for place in job.rows or range(96))
    assert set(rows.values()) == {1}
    assert len(rows) == 12 * 96


def test_progress_counts_the_images_of_all_parts(measured):
    _, _, seen = measured
    for numbers in seen.values():
        assert numbers[-1] == (96, 96)
        assert [done for done, _ in numbers] == sorted({done for done, _ in numbers})


def test_late_news_of_a_part_are_not_passed_on(sound):
    cases, _ = sound
    seen = []
    remote, _ = submitted(cases[:1], {}, progress=lambda *news: seen.append(news))
    job = Attack(cases[0], range(48), 1.0)
    for done in (48, 16, 48):
        remote.progress(job, done)
    assert seen == [(cases[0].id, 48, 96)]


def test_only_what_changed_is_attacked(sound):
    cases, expected = sound
    chosen = [case for case in cases if case.attack_name == "fgsm"]
    other = expected["first/fgsm"]
    moved = other.provenance.model_copy(update={"weights_digest": "0" * 64})
    baselines = {**expected, "first/fgsm": other.model_copy(update={"provenance": moved})}
    remote, engine = submitted(chosen, baselines, request=Request(changed_only=True))
    for case in chosen:
        remote.identify(case)
    assert {type(job) for job in engine.ran} == {Identify}
    first = chosen[0]
    remote.measure(first, lambda one: needs_checks(baselines[first.id], one, Request()))
    assert {job.case.id for job in engine.ran if isinstance(job, Attack | CheckMasking)} == {"first/fgsm"}


def test_pictures_are_made_where_the_model_is(sound):
    cases, expected = sound
    remote, engine = submitted(cases[:1], {})
    gallery = remote.gallery(cases[0], expected[cases[0].id])
    assert gallery.problem is None
    assert gallery.pictures
    assert [type(job) for job in engine.ran] == [Pictures]


def test_what_is_cancelled_never_runs(sound):
    cases, _ = sound
    remote, engine = submitted(cases, {})
    engine.shutdown(cancel_futures=True)
    with pytest.raises(BaseException, match=r"^$"):
        remote.measure(cases[0], always)
    assert engine.ran == []


def test_the_engine_in_this_process_has_a_name():
    assert open_engine(Wanted("in-process", EngineTable())).workers() == 1
