"""``--robustness-log mlflow`` and ``wandb``: what a run found, where runs are tracked."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_robustness.plugin.loggers import LOGGERS
from pytest_robustness.plugin.loggers.values import metrics, parameters
from pytest_robustness.report.data import Report

from tests.cli.conftest import Project
from tests.report import examples

LOG = "--robustness-log"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A report of many cases, of which one is worse."""
    return examples.report(examples.suite(tmp_path_factory.mktemp("zoo")), {"vgg11/pgd": 0.2})


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite store of MLflow without runs; to make one takes seconds."""
    import mlflow

    path = tmp_path_factory.mktemp("mlflow") / "store.db"
    mlflow.MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def store(empty_store: Path, project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of a store of the project's own, to which everything is logged."""
    import mlflow

    path = project.path / "store.db"
    shutil.copy(empty_store, path)
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{path}")
    experiment = mlflow.create_experiment("gate", artifact_location=(project.path / "artifacts").as_uri())
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment)
    yield mlflow.MlflowClient()
    mlflow.set_tracking_uri(before)


def runs(store: Any) -> list[Any]:
    return list(store.search_runs([os.environ["MLFLOW_EXPERIMENT_ID"]]))


@pytest.mark.needs("mlflow")
def test_mlflow_has_what_the_report_has(recorded: Project, store: Any) -> None:
    recorded.behave(small_pgd="weak")
    result = recorded.run(LOG, "mlflow", "--robustness-json", "report.json", "-p", "no:benchmark")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (run,) = runs(store)
    result.stdout.fnmatch_lines([f"mlflow: logged to run {run.info.run_id}"])
    report = Report.from_json((recorded.path / "report.json").read_text())
    assert run.data.metrics == metrics(report)
    assert run.data.metrics["robustness/small/pgd/success_rate"] == next(
        case.success_rate.value for case in report.cases if case.case == "small/pgd"
    )
    assert run.data.metrics["robustness/passed"] == 0
    assert run.data.params == parameters(report)
    assert run.data.params["robustness/pgd/attack"].startswith("PGD(alpha=0.005, eps=0.01, loss=scale-free, norm=inf, ")
    assert run.data.tags["robustness/sentence"] == report.sentence
    assert run.info.status == "FINISHED"
    folder = recorded.path / "artifacts" / run.info.run_id / "artifacts" / "robustness"
    assert "<!doctype html>" in (folder / "robustness.html").read_text()
    logged = Report.from_json((folder / "robustness.json").read_text())
    assert logged.cases == report.cases


@pytest.mark.needs("mlflow")
def test_mlflow_takes_the_run_that_there_is(recorded: Project, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    with mlflow.start_run() as run:
        assert recorded.run(LOG, "mlflow", "-k", "small and fgsm", "-p", "no:benchmark").ret == 0
        assert mlflow.active_run() is not None, "it goes on"
        assert runs(store)[0].info.status == "RUNNING"
    other = store.create_run(os.environ["MLFLOW_EXPERIMENT_ID"]).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", other)
    assert recorded.run(LOG, "mlflow", "-k", "large and fgsm", "-p", "no:benchmark").ret == 0
    names = {one.info.run_id: set(one.data.metrics) for one in runs(store)}
    assert names.keys() == {run.info.run_id, other}
    assert "robustness/small/fgsm/success_rate" in names[run.info.run_id]
    assert "robustness/large/fgsm/success_rate" in names[other]
    assert store.get_run(other).info.status == "RUNNING"


@pytest.mark.needs("mlflow")
@pytest.mark.parametrize(("behaviour", "code"), [("usual", 0), ("weak", 1)])
def test_an_error_of_a_logger_changes_nothing_and_is_one_line(
    behaviour: str, code: int, recorded: Project, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded.behave(small_fgsm=behaviour)
    how = ("-k", "small and fgsm", "-p", "no:benchmark")
    without = recorded.run(*how)
    monkeypatch.setenv("MLFLOW_RUN_ID", "no\nsuch run")
    result = recorded.run(LOG, "mlflow", *how)
    assert result.ret == without.ret == code
    assert recorded.table(result) == recorded.table(without)
    (line,) = (line for line in result.outlines if line.startswith("mlflow: "))
    assert line.startswith("mlflow: not everything was logged, which changes no verdict: MlflowException: ")
    assert "Traceback" not in result.stdout.str()


@pytest.mark.needs("mlflow")
def test_without_a_terminal_it_is_logged_too(recorded: Project, store: Any) -> None:
    assert recorded.run(LOG, "mlflow", "-k", "small and fgsm", "-p", "no:benchmark", "-p", "no:terminal").ret == 0
    assert len(runs(store)) == 1


@pytest.mark.needs("mlflow")
def test_a_trial_is_not_logged(recorded: Project, store: Any) -> None:
    result = recorded.run(LOG, "mlflow", "-k", "small and fgsm", "--robustness-limit", "8", "-p", "no:benchmark")
    assert runs(store) == []
    result.stdout.fnmatch_lines(["mlflow: nothing was logged: nothing was measured and judged"])


@pytest.mark.needs("mlflow")
def test_a_large_suite_with_odd_names_is_logged_whole(store: Any, zoo: Report) -> None:
    from pytest_robustness.plugin.loggers import mlflow as logger

    case = next(case for case in zoo.cases if case.measured)
    many = [case.model_copy(update={"model": f"a+b.{n}", "case": f"a+b.{n}/{case.attack}"}) for n in range(400)]
    attacks = [zoo.attacks[0].model_copy(update={"name": f"attack{n}"}) for n in range(200)]
    report = zoo.model_copy(update={"cases": many, "attacks": attacks})
    logger.log(report, [])
    (run,) = runs(store)
    assert run.data.metrics == metrics(report)
    assert len(run.data.metrics) > logger.METRICS
    assert run.data.params == parameters(report)


@pytest.mark.needs("wandb")
def test_wandb_has_what_the_report_has(recorded: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline. Read back from the file that would be sent later."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(recorded.path))
    monkeypatch.setenv("WANDB_DATA_DIR", str(recorded.path / "staging"))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(recorded.path / "cache"))
    monkeypatch.setenv("WANDB_RUN_ID", "theirs")
    result = recorded.run(
        LOG, "wandb", "--robustness-json", "report.json", "-k", "small", "-p", "no:benchmark", "-p", "no:xdist"
    )
    assert result.ret == 0
    result.stdout.fnmatch_lines(["wandb: logged to run theirs, offline in *"])
    report = Report.from_json((recorded.path / "report.json").read_text())
    (file,) = recorded.path.glob("wandb/offline-run-*/run-theirs.wandb")
    found = sent(file)
    for name, value in metrics(report).items():
        assert found["history"][name] == pytest.approx(value, abs=1e-12)
    assert parameters(report).items() <= found["config"].items()
    assert found["summary"]["robustness/sentence"] == report.sentence
    assert found["artifacts"] == {"robustness-tiny": {"robustness.html", "robustness.json"}}


def records(log: bytes) -> Iterator[bytes]:
    """The records of a log in LevelDB's format: blocks of 32 KiB, whose parts have a checksum, length and kind."""
    place, whole = 7, b""  # after the file's own header, which is part of the first block
    while place + 7 <= len(log):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        length, kind = int.from_bytes(log[place + 4 : place + 6], "little"), log[place + 6]
        whole += log[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield whole
            whole = b""


def sent(file: Path) -> dict[str, Any]:
    """What a run's file of Weights & Biases has."""
    from wandb.proto import wandb_internal_pb2

    found: dict[str, Any] = {"history": {}, "config": {}, "summary": {}, "artifacts": {}}
    for data in records(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        kind = record.WhichOneof("record_type")
        if kind in ("history", "summary", "config"):
            given = getattr(record, kind)
            for item in given.item if kind == "history" else given.update:
                name = item.key or "/".join(item.nested_key)
                found[kind][name] = json.loads(item.value_json)
        elif kind == "run":
            found["config"] |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
        elif kind == "request" and record.request.HasField("log_artifact"):
            artifact = record.request.log_artifact.artifact
            found["artifacts"][artifact.name] = {entry.path for entry in artifact.manifest.contents}
        elif kind == "artifact":
            found["artifacts"][record.artifact.name] = {entry.path for entry in record.artifact.manifest.contents}
    return found


def test_nothing_is_logged_that_was_not_asked_for(recorded: Project) -> None:
    result = recorded.run("-k", "small and fgsm", "-p", "no:benchmark")
    assert result.ret == 0
    assert not any(f"{name}:" in line for line in result.outlines for name in LOGGERS)
    assert not {path.name for path in recorded.path.iterdir()} & {"mlruns", "mlflow.db", "wandb"}


def test_another_logger_is_a_usage_error(project: Project) -> None:
    result = project.run(LOG, "tensorboard")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


@pytest.mark.parametrize("name", LOGGERS)
def test_a_package_that_is_missing_is_told_before_anything_runs(
    name: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_robustness.plugin.loggers.find_spec", lambda module: None)
    result = project.run(LOG, name)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: --robustness-log {name}: not installed: pip install 'pytest-robustness[{name}]'" in result.errlines
    assert project.executed() == []


def test_a_run_without_a_suite_has_nothing_to_log(project: Project) -> None:
    project.edit("pyproject.toml", 'robustness_suite = "tiny.toml"', "")
    result = project.run(LOG, "mlflow", "--collect-only")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: --robustness-log: no suite to report on: name one by --robustness-suite" in result.errlines


def test_names_and_values_fit_every_server(zoo: Report) -> None:
    assert all(len(value) <= 500 for value in parameters(zoo).values())
    assert all(name.startswith("robustness/") for name in {**metrics(zoo), **parameters(zoo)})
    assert metrics(zoo)["robustness/passed"] == zoo.passed
    assert all(isinstance(value, float) for value in metrics(zoo).values())
