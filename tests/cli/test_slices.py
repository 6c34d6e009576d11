"""Slices by a column of one's own: of an .npz, of a list of photographs, under the gate and under `judge`."""

import json
import shutil
import sys

import numpy as np
import pytest
from pytest_robustness.cli.main import main
from pytest_robustness.evaluate.images.folders import read_list, write_list

from tests.cli.photographs import use_folder

OK, FAILED, USAGE = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR


def rewrite(project, **arrays):
    path = project.path / "images.npz"
    with np.load(path) as file:
        np.savez(path.with_name("other.npz"), **{**file, **arrays})
    shutil.move(path.with_name("other.npz"), path)


@pytest.fixture
def sliced(project):
    """The first half of the images is of one camera, the other of another."""
    rewrite(project, camera=np.array(["north"] * 20 + ["south"] * 20))
    project.edit("tiny.toml", "batch_size = 20\n", 'batch_size = 20\nslices = ["camera"]\n')
    return project


def stored(project):
    return [json.loads(path.read_text()) for path in project.baselines.rglob("images-*.json")]


def test_a_camera_that_got_worse_is_named(sliced):
    sliced.record()
    assert stored(sliced)
    assert all(set(one) == {"schema", "keys", "labels"} for one in stored(sliced))
    assert sliced.run().ret == OK
    sliced.behave(small_fgsm="weak", small_pgd="weak")
    result = sliced.run("--robustness-run", "run", "-n", "2")
    assert result.ret == FAILED
    (line,) = (line for line in result.outlines if line.startswith("FAILED: small, camera "))
    assert " under " in line
    shutil.copytree(sliced.baselines, sliced.path / "base")
    assert main(["judge", "run", "--suite", "tiny.toml", "--baselines", "base"]) == 1
    (found,) = (sliced.path / "run").rglob("images-*.json")
    without = json.loads(found.read_text())
    del without["columns"]
    found.write_text(json.dumps(without))
    assert main(["judge", "run", "--suite", "tiny.toml", "--baselines", "base"]) == 1


def test_that_a_run_lost_its_columns_is_said(sliced, capsys):
    sliced.record()
    sliced.edit("tiny.toml", "time = 1e6", "time = 1e6\nsuccess_rate = 1.0\nrobust_accuracy = 1.0\nnoise_rate = 9.0")
    sliced.behave(small_fgsm="weak")
    assert sliced.run("--robustness-run", "run").ret == OK
    assert main(["judge", "run", "--suite", "tiny.toml", "--baselines", "baselines"]) == 0
    (found,) = (sliced.path / "run").rglob("images-*.json")
    without = json.loads(found.read_text())
    assert without.pop("columns") == {"camera": ["north"] * 20 + ["south"] * 20}
    found.write_text(json.dumps(without))
    capsys.readouterr()
    capsys.readouterr()
    assert main(["judge", "run", "--suite", "tiny.toml", "--baselines", "baselines"]) == 2
    assert "not judged: slices: the run's list of images has no column 'camera'" in capsys.readouterr().out


@pytest.mark.parametrize("value", ["a\nrc=0", "\x1b[31mred", "x" * 101])
def test_a_value_that_would_forge_or_flood_the_summary_is_refused(sliced, value):
    rewrite(sliced, camera=np.array([value] * 40))
    result = sliced.run()
    assert result.ret == FAILED
    assert "is no name of a slice: should be a short line of text" in result.stdout.str()
    assert value not in result.stdout.str()


def test_a_column_that_is_not_there_is_an_error_in_one_line(sliced):
    sliced.edit("tiny.toml", '["camera"]', '["lens"]')
    result = sliced.run()
    assert result.ret == FAILED
    assert "images.npz: lens: no such array, which the suite slices by" in result.stdout.str()


def test_photographs_have_their_columns_in_their_list_and_a_new_selection_refuses_to_drop_them(
    sliced, monkeypatch, capsys
):
    use_folder(sliced)
    path = sliced.path / "selected.csv"
    found = read_list(path)
    for place, one in enumerate(found):
        one.columns["camera"] = "north" if place < 20 else "south"
    write_list(path, found)
    assert path.read_text().startswith("path,label,sha256,camera\n")
    sliced.record()
    sliced.behave(small_fgsm="weak", small_pgd="weak")
    result = sliced.run()
    assert result.ret == FAILED
    assert [line for line in result.outlines if line.startswith("FAILED: small, camera ")]
    monkeypatch.setattr(sys, "path", [str(sliced.path), *sys.path])
    before = path.read_bytes()
    assert main(["select", "tiny.toml", "--workers", "1"]) == USAGE
    assert "selected.csv: has columns of one's own (camera), which would be lost" in capsys.readouterr().err
    assert path.read_bytes() == before
    path.write_text(path.read_text().replace(",camera\n", ",lens\n"))
    said = "selected.csv: line 1: no column 'camera', which the suite slices by"
    assert said in sliced.run().stdout.str()
