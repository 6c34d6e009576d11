"""The files of a case on another machine: by their content, wherever they lie."""

import shutil
from hashlib import sha256

import pytest
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.images.load import image_lists
from pytest_robustness.execute.ray.files import Copies, digests_of, localised
from pytest_robustness.suite.load import load_suite

from .conftest import write_suite


@pytest.fixture
def case(tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "w.safetensors").write_bytes(b"weights")
    (folder / "other.pt").write_bytes(b"program")
    more = '\n[models.file]\nsource = "other.pt"\n\n[[variants]]\nbase = "first"\nupdate = "file"\n'
    suite = write_suite(folder, "first", more=more)
    (folder / "engine.toml").write_text(
        suite.path.read_text().replace('"faulty:first"', '"faulty:first"\nweights = "w.safetensors"')
    )
    return load_suite(suite.path).case("first/fgsm")


def test_the_files_are_images_weights_and_those_of_related_models(case):
    folder = case.suite.path.parent
    expected = {"images.npz", "clean.npz", "w.safetensors", "other.pt"}
    assert digests_of(case) == {
        str(folder / name): sha256((folder / name).read_bytes()).hexdigest() for name in expected
    }


def test_files_at_their_own_path_are_used_there(case, tmp_path):
    copies = Copies(tmp_path / "copies")
    assert copies.lacking(digests_of(case)) == []
    assert localised(case, digests_of(case), copies).suite == case.suite


def test_files_that_are_not_here_are_used_as_copies(case, tmp_path):
    digests, lists = digests_of(case), image_lists(case)
    data = {path: open(path, "rb").read() for path in digests}  # noqa: PTH123, SIM115
    shutil.move(case.suite.path.parent, tmp_path / "elsewhere")
    copies = Copies(tmp_path / "copies")
    assert set(copies.lacking(digests)) == set(digests)
    for path, wanted in digests.items():
        copies.store(path, wanted, data[path])
    assert copies.lacking(digests) == []
    moved = localised(case, digests, copies)
    assert image_lists(moved) == lists
    assert moved.model.weights.read_bytes() == b"weights"
    assert moved.suite.models["file"].file.read_bytes() == b"program"
    assert moved.id == case.id
    assert case.suite.images.file.parent != moved.suite.images.file.parent


def test_another_file_at_the_same_path_is_not_taken_for_it(case, tmp_path):
    digests = digests_of(case)
    weights = case.suite.path.parent / "w.safetensors"
    weights.write_bytes(b"others'")
    assert Copies(tmp_path / "copies").lacking(digests) == [str(weights)]


def test_a_damaged_copy_is_not_taken(case, tmp_path):
    digests, copies = digests_of(case), Copies(tmp_path / "copies")
    weights = case.suite.path.parent / "w.safetensors"
    weights.unlink()
    copies.store(str(weights), digests[str(weights)], b"half")
    assert copies.lacking(digests) == [str(weights)]


def test_a_folder_of_photographs_is_mounted_or_named_on_the_node(tmp_path, monkeypatch, case):
    photographs = tmp_path / "photographs"
    suite = case.suite.model_copy(
        update={
            "images": case.suite.images.model_copy(update={"file": None, "unselected": None, "folder": photographs})
        }
    )
    monkeypatch.delenv("PYTEST_ROBUSTNESS_IMAGES", raising=False)
    with pytest.raises(RobustnessError, match=r"photographs is not on the node .* PYTEST_ROBUSTNESS_IMAGES"):
        localised(suite.case(case.id), {}, Copies(tmp_path))
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setenv("PYTEST_ROBUSTNESS_IMAGES", str(own))
    assert localised(suite.case(case.id), {}, Copies(tmp_path)).suite.images.folder == own


def test_the_model_that_a_candidate_replaces_is_at_hand_too(case, tmp_path):
    suite = case.suite.with_candidate("first=faulty:second", tmp_path)
    candidate = suite.case(case.id)
    digests = digests_of(candidate)
    (weights,) = (path for path in digests if path.endswith("w.safetensors"))
    copies = Copies(tmp_path / "copies")
    copies.store(weights, digests[weights], b"weights")
    (case.suite.path.parent / "w.safetensors").unlink()
    related = next(localised(candidate, digests, copies).suite.relatives("first"))
    assert related.models["first"].weights.read_bytes() == b"weights"
