import pytest
from pytest_robustness.gate.pairing import Lists
from pytest_robustness.gate.run_verdict import judge_run
from pytest_robustness.report.build import build

from tests.gate.examples import images, measurement
from tests.report import examples

FMN = {"attack": "FMN", "parameters": {"steps": 10}, "distance": "inf"}
COUNT = 240


@pytest.fixture(scope="session")
def zoo(tmp_path_factory):
    """A suite like the zoo's."""
    return examples.suite(tmp_path_factory.mktemp("zoo"))


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Two models and their variant."""
    return examples.suite(tmp_path_factory.mktemp("small"), {"vgg": ["vgg11", "vgg11_bn"]})


@pytest.fixture(scope="session")
def zoo_report(zoo):
    """Of all its cases, nothing changed."""
    return examples.report(zoo)


@pytest.fixture(scope="session")
def compared(small):
    """A report with what its baselines say: vgg11 fell under fgsm and pgd, and under cw, which has distances."""
    then, now = {}, {}
    for case in (case.id for case in small.cases()):
        worse = case.startswith("vgg11/")
        for seen, other in ((then, False), (now, worse)):
            if case.endswith("cw"):
                scale = 0.7 if other else 1.0
                far = [round(scale * (i + 1) / 1000, 6) for i in range(COUNT)]
                seen[case] = measurement("!" * COUNT, case=case, distances=far, protocol=FMN, digest=str(other))
            else:
                letters = "".join("!" if i % 3 == 0 or (other and i % 10 == 4) else "." for i in range(COUNT))
                seen[case] = measurement(letters, case=case, digest=str(other))
    lists = Lists([images(COUNT)])
    judged = judge_run(small, now, then.get, lists)
    return build(
        examples.run(
            small,
            measurements=now,
            verdicts=judged.verdicts,
            pooled=judged.together,
            failures=judged.failures,
            pairs=judged.pairs,
            lists=lists,
            diagnoses=judged.diagnoses,
            galleries=[],
        )
    )
