"""Averages over attacks and groups, and published values beside them."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from pytest_robustness.errors import RobustnessError
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.provenance import Architecture
from pytest_robustness.report.averages import Averages, group_facts, model_facts
from pytest_robustness.report.model_table import extra_tables
from pytest_robustness.report.published import Beside, beside, load_published
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.suite import Suite

from tests.gate.examples import measurement

IMAGENET = load_suite(Path(__file__).parents[2] / "robustness_tests" / "imagenet.toml")

SUITE = """\
published = "published.toml"

[images]
folder = "photographs"

[models.plain]
source = "torchvision:vgg11"
[models.normed]
source = "torchvision:vgg11_bn"
[models.other]
source = "timm:inception_v4"

[groups]
both = ["plain", "normed"]

[[variants]]
base = "plain"
update = "normed"
group = "batch norm"

[attacks.fgsm]
attack = "FGSM"
eps = 0.01
[attacks.pgd]
attack = "PGD"
eps = 0.01
[attacks.far]
attack = "PGD"
eps = 0.04
on_request = true
"""
PUBLISHED = """\
title = "Somebody: A paper"
short = "Somebody"

[models.plain]
success_rate = 0.5
seconds = 2.5
top_5_accuracy = 0.9

[variants."batch norm"]
fgsm = 0.0393

[attacks.pgd]
eps = 0.02
"""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    (tmp_path / "suite.toml").write_text(SUITE)
    (tmp_path / "published.toml").write_text(PUBLISHED)
    return load_suite(tmp_path / "suite.toml")


def measured(**outcomes: str) -> dict[str, Measurement]:
    """``plain_fgsm="!!.-"``: fooled, fooled, withstood, wrong."""
    found = {}
    for name, letters in outcomes.items():
        case = name.replace("_", "/")
        one = measurement(letters, case=case, unselected="..-.", top_5="....")
        made = Architecture(parameters=1234567, layers=11, activations=["ReLU"])
        timing = one.timing.model_copy(update={"seconds_per_attempt": 2.0, "peak_memory": 2**30})
        provenance = one.provenance.model_copy(update={"architecture": made})
        found[case] = one.model_copy(update={"timing": timing, "provenance": provenance})
    return found


WHOLE = {"plain_fgsm": "!!..", "plain_pgd": "!!!.", "normed_fgsm": "!!!.", "normed_pgd": "!!!!"}


def test_a_models_averages_are_over_its_regular_attacks(suite: Suite) -> None:
    facts = model_facts(suite, measured(**WHOLE, plain_far="!!!!", other_fgsm="...."))
    assert [one.model for one in facts] == ["plain", "normed"]  # other has not met every attack
    plain = facts[0]
    assert plain.averages == Averages(
        success_rate=0.625, noise_rate=0.005, seconds=2.0, units=5.0, top_1=0.75, top_5=1.0
    )
    assert (plain.architecture and plain.architecture.layers, plain.peak_memory) == (11, 2**30)


def test_a_groups_averages_are_over_all_of_its_models_or_not_at_all(suite: Suite) -> None:
    (both,) = group_facts(suite, model_facts(suite, measured(**WHOLE)))
    assert (both.group, both.models, both.averages.success_rate) == ("both", 2, (0.625 + 0.875) / 2)
    assert group_facts(suite, model_facts(suite, measured(plain_fgsm="!!", plain_pgd="!!"))) == []


def test_an_average_of_something_missing_is_missing() -> None:
    known = Averages(*(0.5 for _ in fields(Averages)))
    unknown = Averages(*(None for _ in fields(Averages)))
    assert Averages.of_models([known, unknown]) == unknown
    assert Averages.of_models([known, known]) == known


def test_published_values_stand_beside_measured_ones(suite: Suite) -> None:
    published = load_published(suite)
    assert published is not None
    assert beside(published, suite, measured(**WHOLE)) == [
        Beside("plain", "mean", "success rate", 0.5, 0.625),
        Beside("plain", "mean", "seconds", 2.5, 2.0),
        Beside("plain", "", "top-5 accuracy", 0.9, 1.0),
        Beside("batch norm", "fgsm", "success rate change", 0.0393, 0.25),
        Beside("", "pgd", "eps", 0.02, 0.01),
    ]
    unmeasured = beside(published, suite, measured(plain_fgsm="!!"))
    assert [one.measured for one in unmeasured] == [None, None, None, None, 0.01]


def test_the_change_is_on_images_that_both_models_get_right(suite: Suite) -> None:
    published = load_published(suite)
    assert published is not None
    found = beside(published, suite, measured(plain_fgsm="-!..", normed_fgsm="!!!-"))
    assert found[3].measured == 0.5  # of the second and third image


def test_the_table_marks_what_is_published(suite: Suite) -> None:
    models, published = extra_tables(suite, measured(**WHOLE))
    assert re.split(r"  +", models[0]) == [
        "model", "parameters", "layers", "activation", "input", "success rate", "noise rate", "s/attempt", "units",
        "top-1", "top-5", "memory",
    ]  # fmt: skip
    assert re.split(r"  +", models[1]) == [
        "plain", "1,234,567", "11", "ReLU", "32 x 32", "62.5%", "0.00500", "2", "5.00", "75.00%", "100.00%", "1.00 GiB",
    ]  # fmt: skip
    assert models[3].startswith("both (2) ")
    assert published[0].split("  ")[-1] == "published (Somebody)"
    rows = [re.split(r"  +", line.strip()) for line in published[1:-1]]
    assert rows == [
        ["plain", "mean", "success rate", "62.50%", "50.00%"],
        ["plain", "mean", "seconds", "2.00", "2.50"],
        ["plain", "top-5 accuracy", "100.00%", "90.00%"],
        ["batch norm", "fgsm", "success rate change", "+25.00 pp", "+3.93 pp"],
        ["pgd", "eps", "0.01", "0.02"],
    ]
    assert published[-1].startswith("published: as Somebody: A paper states it, not measured here")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[models.plain]", "[models.plane]", "models.plane: not in "),
        ('"batch norm"', '"batch"', "variants.batch: not in "),
        ("fgsm = 0.0393", "fgms = 0.0393", "variants.batch norm.fgms: no attack of "),
        ("[attacks.pgd]", "[attacks.pdg]", "attacks.pdg: not in "),
        (
            "success_rate = 0.5",
            "success_rate = 50",
            "models.plain.success_rate: input should be less than or equal to 1",
        ),
        ("seconds", "second", "models.plain.second: unknown key (known: noise_rate, seconds"),
        ('short = "Somebody"\n', "", "short: field required"),
        ("[models.plain]", "[models.plain", "not TOML"),
    ],
)
def test_a_mistake_names_file_and_key(suite: Suite, old: str, new: str, said: str) -> None:
    path = suite.path.with_name("published.toml")
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(RobustnessError) as error:
        load_published(suite)
    assert str(error.value).startswith(f"{path}: {said}")
    assert "\n" not in str(error.value)


def test_the_papers_values_are_those_of_its_text() -> None:
    published = load_published(IMAGENET)
    assert published is not None
    values = beside(published, IMAGENET, {})
    found = {(one.subject, one.attack, one.quantity): one.published for one in values}
    assert {attack: found["batch norm", attack, "success rate change"] for attack in ("fgsm", "pgd", "cw")} == {
        "fgsm": 0.0393,
        "pgd": 0.0063,
        "cw": 0.018,
    }
    inceptions = ("inception_v3", "inception_v4", "inception_resnet_v2")
    assert [found[model, "mean", "success rate"] for model in inceptions] == [0.7333, 0.4857, 0.4023]
    assert [found[model, "mean", "seconds"] for model in inceptions] == [1.91, 2.4, 3.5]
    assert [found[model, "mean", "noise rate"] for model in inceptions] == [0.00907, 0.00961, 0.00976]
    mobilenets = ("mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large")
    assert [found[model, "mean", "success rate"] for model in mobilenets] == [0.9763, 0.9227, 0.911]
    top_5 = [found[model, "", "top-5 accuracy"] for model in IMAGENET.models]
    assert top_5 == [
        0.8875, 0.8982, 0.8926, 0.9049, 0.9035, 0.9161, 0.9082, 0.9207, 0.9345, 0.953, 0.953, 0.9029, 0.874, 0.9134,
    ]  # fmt: skip
    assert (found["", "pgd", "eps"], found["", "pgd_04", "eps"]) == (0.01, 0.04)
    assert all(one.measured == one.published for one in values if one.subject == "")
