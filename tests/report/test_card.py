"""The card's YAML is read by the hub's own parser as what was meant, whatever names and values there are."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.cli.main import main
from pytest_robustness.errors import RobustnessError
from pytest_robustness.report.card import _block, card
from pytest_robustness.report.data import Value

from tests.gate.strategies import modest
from tests.report.examples import HOSTILE, report

USAGE = 4


@pytest.fixture(scope="module")
def found(small):
    return report(small, {"vgg11/fgsm": 0.4})


def parsed(text):
    hub = pytest.importorskip("huggingface_hub")
    return hub.ModelCard(text)


def test_the_hub_reads_each_rate_with_its_attack_and_interval(found):
    data = parsed(card(found, "vgg11")).data
    assert data.model_name == "vgg11"
    rates = {(one.metric_type, one.metric_args.get("attack")): one for one in data.eval_results}
    for case in (case for case in found.cases if case.model == "vgg11"):
        one = next(
            one
            for one in data.eval_results
            if (one.metric_type, one.metric_name) == ("adversarial_success_rate", f"success rate under {case.attack}")
        )
        assert one.metric_value == round(case.success_rate.value, 6)
        assert one.metric_args["interval_95"] == [round(end, 6) for end in case.success_rate.interval]
        attack = next(attack for attack in found.attacks if attack.name == case.attack)
        assert one.metric_args["protocol"] == attack.protocol_digest
        assert {key: one.metric_args[key] for key in attack.parameters} == attack.parameters
        assert one.dataset_args == {"images": 200, "sha256": "a" * 64}
        assert (one.task_type, one.dataset_type) == ("image-classification", "zoo")
    clean = rates["accuracy", None]
    assert clean.metric_value == round(found.models[0].clean_accuracy.value, 6)


plain = st.booleans() | st.integers(-(10**6), 10**6) | st.floats(allow_nan=False, allow_infinity=False)


@modest
@given(
    st.text(st.characters(codec="utf-8"), min_size=1),
    st.dictionaries(st.text(st.characters(codec="utf-8")), plain | st.text(st.characters(codec="utf-8")), min_size=1),
    st.lists(plain, max_size=3),
)
def test_yaml_reads_whatever_was_written(text, table, listed):
    yaml = pytest.importorskip("yaml")
    value = {"name": text, "args": table, "interval_95": listed, "rows": [{"type": text, "deep": {"x": text}}]}
    assert yaml.safe_load("\n".join(_block(value, 0))) == value


def test_hostile_names_stay_text(small):
    made = report(small, {"vgg11/fgsm": 0.4})
    attacks = [one.model_copy(update={"parameters": {HOSTILE: HOSTILE, "tiny": 1e-05}}) for one in made.attacks]
    text = card(made.model_copy(update={"suite": HOSTILE, "attacks": attacks}), "vgg11")
    data = parsed(text).data
    args = data.eval_results[0].metric_args
    assert (args[HOSTILE], args["tiny"]) == (HOSTILE, 1e-05)
    assert "<script>" not in text.partition("\n## ")[2]


def test_the_section_has_rates_limits_and_the_worst_case(found):
    section = card(found, "vgg11").partition("\n## ")[2]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + 3
    fgsm = next(case for case in found.cases if case.case == "vgg11/fgsm")
    assert f"{fgsm.success_rate.value:.1%}" in next(row for row in rows if row.startswith("| fgsm "))
    assert "no rate is a guarantee" in section
    assert re.search(r"worst case, over fgsm, pgd: \d+\.\d%", section)


def test_masking_checks_that_fail_stand_in_the_section(found):
    cases = [case.model_copy(update={"doubts": ["gradients: 40 of 40 are zero"]}) for case in found.cases]
    section = card(found.model_copy(update={"cases": cases}), "vgg11")
    assert "- gradients: 40 of 40 are zero" in section
    assert "fails masking checks" not in card(found, "vgg11")


def test_values_without_an_interval_have_none(found):
    (first, *others) = found.cases
    bare = first.model_copy(update={"success_rate": Value(value=0.5)})
    text = card(found.model_copy(update={"cases": [bare, *others]}), "vgg11")
    assert "value: 0.5\n" in text


@pytest.mark.parametrize("name", [None, "vgg99"])
def test_it_must_be_clear_which_model_is_meant(found, name):
    with pytest.raises(RobustnessError, match="vgg11, vgg11_bn"):
        card(found, name)


def test_the_only_model_needs_no_name(small):
    assert card(report(small, only=["vgg11/pgd"])) == card(report(small, only=["vgg11/pgd"]), "vgg11")


def test_the_command_writes_and_never_over_what_is_not_its_own(found, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.json").write_text(found.to_json())
    assert main(["card", "r.json", "--model", "vgg11", "-o", "CARD.md"]) == 0
    assert (tmp_path / "CARD.md").read_text().startswith(card(found, "vgg11") + "<!-- pytest-robustness card ")
    assert parsed((tmp_path / "CARD.md").read_text()).data.model_name == "vgg11"
    assert main(["card", "r.json", "--model", "vgg11_bn", "-o", "CARD.md"]) == 0
    assert (tmp_path / "CARD.md").read_text().startswith(card(found, "vgg11_bn"))
    (tmp_path / "README.md").write_text("# Mine\n")
    for arguments in (
        ["r.json", "--model", "vgg11", "-o", "README.md"],
        ["r.json"],
        ["none.json"],
        ["r.json", "-o", "card.txt"],
        ["README.md", "-o", "CARD.md"],
    ):
        capsys.readouterr()
        assert main(["card", *arguments]) == USAGE
        assert len(capsys.readouterr().err.strip().splitlines()) <= 3
    assert (tmp_path / "README.md").read_text() == "# Mine\n"
    assert main(["card", "r.json", "--model", "vgg11"]) == 0
    assert capsys.readouterr().out == card(found, "vgg11")


@pytest.mark.parametrize("edit", ["a line more", "in the middle", "no mark", "line ends"])
def test_what_somebody_added_to_a_card_is_never_lost(found, tmp_path, monkeypatch, edit):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.json").write_text(found.to_json())
    arguments = ["card", "r.json", "--model", "vgg11", "-o", "CARD.md"]
    assert main(arguments) == 0
    text = (tmp_path / "CARD.md").read_text()
    edited = {
        "a line more": text + "\n## Training data\n",
        "in the middle": text.replace("\n## ", "\nMine.\n\n## "),
        "no mark": text.rpartition("<!--")[0],
        "line ends": text.replace("\n", "\r\n"),
    }[edit]
    (tmp_path / "CARD.md").write_bytes(edited.encode())
    assert main(arguments) == (0 if edit == "line ends" else USAGE)
    assert (tmp_path / "CARD.md").read_bytes() == (text if edit == "line ends" else edited).encode()


def test_what_a_reader_would_take_for_granted_is_told(small, found):
    """A candidate in the model's place, a run that was cut short, and attacks that were left out."""
    part = report(small, only=["vgg11/pgd"])
    section = card(part.model_copy(update={"candidate": "vgg11=mine:<b>", "complete": False}))
    assert "--candidate vgg11=mine:&#60;b&#62;." in section
    assert "cut short" in section
    assert "not measured by in this run: fgsm, cw." in section
    whole = card(found, "vgg11").partition("\n## ")[2]
    assert not any(word in whole for word in ("candidate", "cut short", "not measured"))
