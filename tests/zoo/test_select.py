"""The images are chosen fairly and from the seed alone."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robustness_tests.zoo import IMAGES, WEIGHTS, cifar10, select

availables = st.lists(st.integers(0, 40), min_size=10, max_size=10)
modest = settings(max_examples=100, deadline=None)


@modest
@given(availables, st.data())
def test_classes_get_equal_shares_as_far_as_there_are_images(available: list[int], data: st.DataObject) -> None:
    total = data.draw(st.integers(0, sum(available)))
    chosen = select.allocate(total, np.array(available))
    assert chosen.sum() == total
    assert (chosen >= 0).all()
    assert (chosen <= available).all()
    # the smallest cannot grow: a class that has images left is at most one behind the largest
    for count, left in zip(chosen, np.array(available) - chosen, strict=True):
        assert not left or count >= chosen.max() - 1


@modest
@given(availables, st.integers(1, 5))
def test_more_than_there_are_is_refused_in_one_line(available: list[int], more: int) -> None:
    with pytest.raises(SystemExit) as caught:
        select.allocate(sum(available) + more, np.array(available))
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert f"only {sum(available)} images" in message
    assert f"not {sum(available) + more}" in message


@modest
@given(st.integers(0, 2**32 - 1), st.integers(10, 300), st.floats(0.1, 1), st.data())
def test_images_are_chosen_among_the_eligible_once_each_and_balanced(
    seed: int, count: int, share: float, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    labels, eligible = rng.integers(0, 10, count), rng.random(count) < share
    total = data.draw(st.integers(0, int(eligible.sum())))
    chosen = select.choose(eligible, labels, total, seed)
    assert len(chosen) == total
    assert (np.diff(chosen) > 0).all()
    assert eligible[chosen].all()
    per_class = np.bincount(labels[chosen], minlength=10)
    assert (per_class == select.allocate(total, np.bincount(labels[eligible], minlength=10))).all()
    assert (chosen == select.choose(eligible.copy(), labels.copy(), total, seed)).all()


def test_another_seed_chooses_other_images_and_all_can_be_chosen() -> None:
    labels = np.arange(200) % 10
    drawn = [select.choose(np.ones(200, dtype=bool), labels, 50, seed).tolist() for seed in range(40)]
    assert len(set(map(tuple, drawn))) == 40
    assert {i for chosen in drawn for i in chosen} == set(range(200))


def test_images_a_model_gets_wrong_do_not_change_which_of_the_others_come_first() -> None:
    labels = np.arange(200) % 10
    every = np.ones(200, dtype=bool)
    first = select.choose(every, labels, 50, 0)
    without = every.copy()
    without[first[0]] = False
    assert len(set(first) - set(select.choose(without, labels, 50, 0))) == 1


@pytest.fixture(scope="module")
def real() -> cifar10.Split:
    """300 real images of known ids, for the test images of CIFAR-10."""
    with np.load(IMAGES / "unselected.npz") as file:
        return cifar10.Split(file["images"][:300], file["labels"][:300].astype(np.int64))


@pytest.fixture
def chosen_into(real: cifar10.Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Runs the command on ``real`` for a suite of two models; gives the folder it wrote."""
    suite = tmp_path / "suite.toml"
    suite.write_text("[models.vgg11]\n[models.vgg11_bn]\n")
    monkeypatch.setattr(select, "SUITE", suite)
    monkeypatch.setattr(cifar10, "load", lambda path: cifar10.Cifar10(real, real))

    def run(name: str, *arguments: str) -> Path:
        output = tmp_path / name
        monkeypatch.setattr(sys, "argv", ["select", "--count", "60", "--output", str(output), *arguments])
        select.main()
        return output

    return run


def test_the_command_writes_images_that_every_model_of_the_suite_gets_right(
    chosen_into: object, real: cifar10.Split, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = chosen_into("images")
    right = select.correct("vgg11", real) & select.correct("vgg11_bn", real)
    assert 0.5 < right.mean() < 0.95
    for name in ("selected", "unselected"):
        with np.load(folder / f"{name}.npz", allow_pickle=False) as file:
            images, labels, ids = file["images"], file["labels"], file["ids"]
        assert len(ids) == len(set(ids.tolist())) == 60
        assert (images == real.images[ids]).all()
        assert (labels == real.labels[ids]).all()
        assert right[ids].all() == (name == "selected")
        if name == "selected":
            assert np.bincount(labels, minlength=10).tolist() == [6] * 10
    shown = capsys.readouterr().out
    assert f"{int(right.sum())} by all so far" in shown
    assert "cat 6" in shown


def test_the_command_writes_the_same_bytes_again_and_others_for_another_seed(chosen_into: object) -> None:
    once, again, other = chosen_into("once"), chosen_into("again"), chosen_into("other", "--seed", "1")
    for name in ("selected.npz", "unselected.npz"):
        assert (once / name).read_bytes() == (again / name).read_bytes()
        assert (once / name).read_bytes() != (other / name).read_bytes()


def test_the_command_leaves_the_shipped_files_alone_when_told_another_folder(chosen_into: object) -> None:
    paths = [*IMAGES.glob("*"), *WEIGHTS.glob("*")]
    before = {path: path.stat().st_mtime_ns for path in paths}
    chosen_into("elsewhere")
    assert {path: path.stat().st_mtime_ns for path in paths} == before


def test_data_that_are_not_cifar_10_are_refused_in_one_line(real: cifar10.Split, tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    np.savez(path, x_train=real.images, y_train=real.labels, x_test=real.images, y_test=real.labels)
    with pytest.raises(SystemExit) as caught:
        cifar10.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: not CIFAR-10")
    assert len(message.splitlines()) == 1


def test_every_image_and_label_counts_in_the_digest_of_the_data(real: cifar10.Split) -> None:
    def altered(key: str) -> cifar10.Split:
        arrays = {"images": real.images.copy(), "labels": real.labels.copy()}
        arrays[key].flat[-1] ^= 1
        return cifar10.Split(**arrays)

    data = [cifar10.Cifar10(real, real)]
    data += [cifar10.Cifar10(altered(key), real) for key in ("images", "labels")]
    data += [cifar10.Cifar10(real, altered(key)) for key in ("images", "labels")]
    assert len({one.digest() for one in data}) == 5
    wider = cifar10.Split(np.asfortranarray(real.images), real.labels.astype(np.int32))
    assert cifar10.Cifar10(wider, wider).digest() == data[0].digest()
