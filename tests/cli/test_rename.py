"""`rename`: a model, an attack or a suite that got another name keeps what it is held against."""

import shutil

import pytest
from pytest_robustness.cli.main import main

OK, FAILED, USAGE = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR


@pytest.fixture
def renamed(recorded):
    recorded.edit("tiny.toml", "[models.small]", "[models.compact]")
    return recorded


def test_a_renamed_model_is_recognised_by_its_weights_and_keeps_its_baselines(renamed, capsys):
    before = renamed.evidence()
    result = renamed.run()
    assert result.ret == FAILED
    (line,) = (line for line in result.outlines if line.startswith("FAILED: baselines of cases"))
    assert "compact has the weights of small: if it was renamed, keep its baselines by `python -m " in line
    command = line.partition("`")[2].partition("`")[0].split()
    assert command[:3] == ["python", "-m", "pytest_robustness"]
    assert main(command[3:]) == 0
    assert "2 baselines of small are now those of compact" in capsys.readouterr().out
    assert renamed.measurement("compact/pgd").evidence == before["small/pgd"]
    assert not (renamed.baselines / "tiny/small").exists()
    assert renamed.run().ret == OK


def test_a_model_that_is_new_is_no_other_ones_new_name(recorded):
    recorded.edit("tiny.toml", "[models.small]", '[models.other]\nsource = "tinyzoo:large"\n\n[models.small]')
    recorded.edit("tiny.toml", '[models.large]\nsource = "tinyzoo:large"\n', "")
    result = recorded.run()
    assert "other has the weights of large" in result.stdout.str()
    recorded.edit("tiny.toml", '[models.other]\nsource = "tinyzoo:large"', '[models.other]\nsource = "tinyzoo:tiny"')
    assert "has the weights of" not in recorded.run().stdout.str()


def test_an_attack_is_renamed_under_every_model(recorded, capsys):
    recorded.edit("tiny.toml", "[attacks.pgd]", "[attacks.iterated]")
    assert main(["rename", "tiny.toml", "pgd", "iterated"]) == 0
    assert "2 baselines of pgd are now those of iterated" in capsys.readouterr().out
    assert recorded.run().ret == OK


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("small", "large", "small is still a model of it: rename it there first"),
        ("nothing", "large", "no baselines of the model 'nothing'"),
        ("small", "nothing", "no model and no attack 'nothing' in it"),
        ("nothing", "pgd", "no baselines of the attack 'nothing'"),
    ],
)
def test_what_cannot_be_renamed_is_one_line_and_nothing_is_touched(recorded, old, new, said, capsys):
    before = recorded.files()
    assert main(["rename", "tiny.toml", old, new]) == USAGE
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert recorded.files() == before


def test_nothing_is_written_over(renamed, capsys):
    there = renamed.baselines / "tiny/compact/pgd.json"
    there.parent.mkdir()
    there.write_text("mine")
    before = renamed.files()
    assert main(["rename", "tiny.toml", "small", "compact"]) == USAGE
    assert "compact/pgd.json: is there already" in capsys.readouterr().err
    assert renamed.files() == before


def test_somebody_elses_file_is_left_where_it_is(renamed):
    mine = renamed.baselines / "tiny/small/mine.json"
    mine.write_text('{"mine": 1}')
    assert main(["rename", "tiny.toml", "small", "compact"]) == 0
    assert mine.read_text() == '{"mine": 1}'
    assert renamed.baseline("compact/fgsm").exists()


@pytest.fixture
def moved(recorded):
    (recorded.path / "tiny.toml").rename(recorded.path / "robust.toml")
    recorded.edit("pyproject.toml", '"tiny.toml"', '"robust.toml"')
    return recorded


def test_a_renamed_suite_is_recognised_by_its_models_and_keeps_its_baselines(moved, capsys):
    before = moved.files()
    result = moved.run()
    assert result.ret == FAILED
    (line,) = (line for line in result.outlines if "if the suite was renamed" in line)
    assert "robust has no baselines, and there are some of 4 of its cases, with the same weights, in" in line
    command = line.partition("`")[2].partition("`")[0].split()
    assert command[:3] == ["python", "-m", "pytest_robustness"]
    assert main([*command[3:-3], "robust.toml", *command[-2:]]) == 0
    assert "4 baselines of tiny are now those of robust" in capsys.readouterr().out
    after = moved.files()
    owner = {"tiny/suite.txt", "robust/suite.txt"}
    assert {name.replace("tiny/", "robust/"): one for name, one in before.items() if name not in owner} == {
        name: one for name, one in after.items() if name not in owner
    }
    assert moved.run().ret == OK
    assert (moved.baselines / "robust/suite.txt").read_text() == "robust.toml\n"


def test_a_copied_suite_is_not_taken_for_a_renamed_one(moved, capsys):
    shutil.copy(moved.path / "robust.toml", moved.path / "tiny.toml")
    before = moved.files()
    said = moved.run().stdout.str()
    print(said[-3000:])
    assert "was renamed" not in said
    assert main(["rename", "robust.toml", "tiny", "robust"]) == USAGE
    assert "tiny: these baselines are of another suite, whose file is still there" in capsys.readouterr().err
    assert moved.files() == before


def test_another_suites_models_are_not_recognised(moved):
    moved.edit("robust.toml", 'source = "tinyzoo:small"', 'source = "tinyzoo:large"')
    moved.edit("robust.toml", '[models.large]\nsource = "tinyzoo:large"\n', "")
    said = moved.run().stdout.str()
    assert "no baseline" in said
    assert "was renamed" not in said


@pytest.mark.parametrize(
    ("old", "there", "said"),
    [
        ("nothing", False, "nothing: no baselines of a suite 'nothing'"),
        ("tiny", True, "robust: is there already: delete it, if it is not to be kept"),
        ("../tiny", False, "no baselines of a suite"),
    ],
)
def test_a_suite_that_cannot_be_renamed_is_one_line(moved, old, there, said, capsys):
    if there:
        (moved.baselines / "robust").mkdir()
        (moved.baselines / "robust" / "mine.json").write_text("mine")
    before = moved.files()
    assert main(["rename", "robust.toml", old, "robust"]) == USAGE
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert moved.files() == before
