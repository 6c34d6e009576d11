"""Records every case with pytest-benchmark, also from workers. Only this module and ``reruns`` know its internals.

It disables itself under xdist. Here each case's rounds are measured where they run, sent with the test's report, and
added to the controller's session, which writes, compares and shows them as if they were its own.
"""

from __future__ import annotations

import cProfile
import json
from collections.abc import Generator, Iterator, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_robustness.plugin import reruns
from pytest_robustness.plugin.collection import case_of

if TYPE_CHECKING:
    from pytest_robustness.evaluate.rounds import Round
    from pytest_robustness.records.measurement import Measurement

ATTRIBUTE = "_robustness_benchmark"


def register(config: pytest.Config, *, worker: bool) -> None:
    """Choose how rounds are run, and bridge workers and controller."""
    manager = config.pluginmanager
    usable = manager.hasplugin("benchmark") and not (
        config.getoption("benchmark_skip") and not config.getoption("benchmark_only")
    )
    manager.register(Benchmarked() if usable else Direct(), "robustness-rounds")
    if not usable:
        return
    if worker:
        manager.register(Worker(config), "robustness-benchmark-worker")
        return
    manager.register(reruns.BenchmarkReruns(), "robustness-benchmark-reruns")
    if config.getoption("dist", "no") != "no":
        manager.register(Controller(config), "robustness-benchmark-controller")


class Direct:
    """Makes the same measurement in a plain loop, without pytest-benchmark or when benchmarks are to be skipped."""

    @pytest.fixture
    def robustness_rounds(self) -> DirectRounds:
        return DirectRounds()


class DirectRounds:
    def __call__(self, rounds: Sequence[Round]) -> None:
        from pytest_robustness.evaluate.rounds import run_in_order

        run_in_order(rounds)

    def describe(self, measurement: Measurement) -> None:
        """Do nothing: there is no benchmark that could record the measurement."""


class Benchmarked:
    @pytest.fixture
    def robustness_rounds(self, request: pytest.FixtureRequest, benchmark: Any) -> Generator[BenchmarkedRounds]:
        worker = hasattr(request.config, "workerinput")
        if worker and not request.config.getoption("benchmark_disable"):
            benchmark.disabled = False  # xdist disabled it, not the user
        yield BenchmarkedRounds(benchmark)
        benchmark.skipped = True  # a case without attempts times nothing: no warning that it was not used


class BenchmarkedRounds:
    """Runs each round of a case as a round of its benchmark; ``before`` and ``after`` are not timed."""

    def __init__(self, benchmark: Any) -> None:
        self.benchmark = benchmark

    def __call__(self, rounds: Sequence[Round]) -> None:
        from pytest_robustness.evaluate.rounds import run_in_order

        if self.benchmark.disabled:
            self.benchmark.pedantic(run_in_order, args=(rounds,))
            return
        remaining: Iterator[Round] = iter(rounds)
        profile = cProfile.Profile() if self.benchmark.cprofile else None
        self.benchmark.cprofile = False  # with it set, pytest-benchmark runs one more round, and a case is run once

        def setup() -> tuple[tuple[Round], dict[str, Any]]:
            following = next(remaining)
            following.before()
            return (following,), {}

        def run(one: Round) -> None:
            if profile:
                profile.runcall(one)
            else:
                one()

        self.benchmark.pedantic(run, setup=setup, teardown=lambda one: one.after(), rounds=len(rounds))
        if profile:
            self.benchmark._save_cprofile(profile)

    def describe(self, measurement: Measurement) -> None:
        aggregates, timing = measurement.aggregates, measurement.timing
        self.benchmark.extra_info.update(
            success_rate=aggregates.success_rate if measurement.has_success_rate else None,
            distance=aggregates.distance,
            noise_rate=aggregates.noise_rate,
            effort=aggregates.effort,
            forwards=aggregates.forwards,
            gradients=aggregates.gradients,
            gradient_units=measurement.gradient_units,
            seconds_per_attempt=timing.seconds_per_attempt,
            device=measurement.provenance.device,
        )


class Worker:
    """Keeps pytest-benchmark from loading and saving here, and puts the case's statistics on its report."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        for option in ("json", "save", "autosave", "compare", "compare_fail", "histogram"):
            setattr(config.option, f"benchmark_{option}", None)
        self.only = _hide_only(config)

    def pytest_sessionstart(self) -> None:
        self.config._benchmarksession.only = self.only  # type: ignore[attr-defined]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        session = self.config._benchmarksession  # type: ignore[attr-defined]
        session.xdist_benchmark_found = getattr(session, "xdist_benchmark_found", False) and any(
            case_of(item) is None and "benchmark" in getattr(item, "fixturenames", ()) for item in items
        )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        fixture = getattr(item, "funcargs", {}).get("benchmark")
        if call.when == "call" and case_of(item) and fixture is not None and fixture.stats:
            from pytest_benchmark.utils import safe_dumps

            row = fixture.stats.as_dict(include_data=True) | {"has_error": fixture.has_error}
            setattr(report, ATTRIBUTE, safe_dumps(row))
        return report


class Controller:
    """Takes the workers' statistics into its own session."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.only = _hide_only(config)

    def pytest_sessionstart(self) -> None:
        self.config._benchmarksession.only = self.only  # type: ignore[attr-defined]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        text = report.__dict__.pop(ATTRIBUTE, None)
        if text is not None:
            row = json.loads(text)
            row["extra_info"]["worker"] = report.node.gateway.id
            self.config._benchmarksession.benchmarks.append(_revived(row))  # type: ignore[attr-defined]


def _hide_only(config: pytest.Config) -> bool:
    """Clear --benchmark-only and return whether it was set: pytest-benchmark refuses it under xdist when it starts."""
    only = bool(config.getoption("benchmark_only")) and not config.getoption("benchmark_disable")
    if only:
        config.option.benchmark_only = False
    return only


def _revived(row: dict[str, Any]) -> Any:
    """Return the statistics of a benchmark that ran elsewhere, as pytest-benchmark keeps them."""
    from pytest_benchmark.stats import Metadata

    stats = row["stats"]
    names = ("name", "fullname", "group", "param", "params", "extra_info", "has_error")
    source = SimpleNamespace(cprofile_stats=None, **{name: row[name] for name in names})
    benchmark = Metadata(source, iterations=stats["iterations"], options=row["options"])
    benchmark.stats.data = stats["data"]
    return benchmark
