"""The images that baselines are of lie beside them, once for each set, for as long as they are needed."""

import pathlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from pytest_robustness.gate.store import BaselineStore
from pytest_robustness.records.image_list import ImageList

from tests.gate.examples import images, measurement, own_lists, refusal
from tests.gate.strategies import image_lists, modest
from tests.gate.test_store import CASE, NEW, OLD, PowerCut, any_store, everything, replaced, store

__all__ = ["any_store", "store"]  # fixtures

GROWN = measurement("!!..!", unselected="+++")


def list_file(store: BaselineStore, one: ImageList) -> Path:
    return store.folder / f"images-{one.digest[:16]}.json"


def names(*lists: ImageList) -> set[str]:
    return {f"images-{one.digest[:16]}.json" for one in lists}


@given(image_lists)
@modest
def test_a_list_survives_its_file_exactly(one: ImageList) -> None:
    text = one.to_json()
    assert ImageList.from_json(text) == one
    assert ImageList.from_json(text).digest == one.digest
    assert len(text.splitlines()) == 5  # an array a line
    assert text.endswith("}\n")


@given(image_lists, image_lists)
@modest
def test_lists_have_one_digest_exactly_if_they_are_equal(one: ImageList, other: ImageList) -> None:
    assert (one.digest == other.digest) == (one == other)


def test_a_list_is_kept_once_however_many_baselines_are_of_it(store: BaselineStore) -> None:
    others = [measurement("!!..", case=f"vgg11/{attack}") for attack in ("fgsm", "cw")]
    store.write([OLD, *others], own_lists(OLD))
    (listed,) = own_lists(OLD)
    assert everything(store) == {"vgg11", "vgg11/pgd.json", "vgg11/fgsm.json", "vgg11/cw.json", *names(listed)}
    assert store.image_list(OLD.images.digest) == listed
    assert list_file(store, listed).read_text() == listed.to_json()
    assert list_file(store, listed).stat().st_mode & 0o777 == 0o644


def test_lists_are_no_cases(store: BaselineStore) -> None:
    store.write([GROWN], own_lists(GROWN))
    assert store.cases() == {CASE}
    assert store.others({CASE}) == ([], [])


def test_a_list_that_is_there_is_left_as_it_lies(store: BaselineStore) -> None:
    store.write([OLD], own_lists(OLD))
    before = list_file(store, *own_lists(OLD)).stat()
    store.write([NEW], own_lists(NEW))
    after = list_file(store, *own_lists(OLD)).stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


def test_a_damaged_list_is_written_anew(store: BaselineStore) -> None:
    (listed,) = own_lists(OLD)
    store.write([OLD], [listed])
    list_file(store, listed).write_text("half")
    store.write([], [listed])
    assert store.image_list(listed.digest) == listed


LIST_DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "gone": (Path.unlink, "missing, the list of the images that baselines are of"),
    "half a file": (lambda path: path.write_text(path.read_text()[:50]), "not JSON"),
    "a merge conflict": (lambda path: path.write_text("<<<<<<< HEAD\n" + path.read_text()), "merge conflict"),
    "not UTF-8": (lambda path: path.write_bytes(b"\xff"), "cannot be read"),
    "a newer schema": (replaced('"schema": 1', '"schema": 2'), "schema: 2 is not 1"),
    "another label": (replaced('"labels": [0, 1', '"labels": [0, 2'), "keys and labels are not those of its name"),
    "a label too few": (replaced('"labels": [0, 1, 2, 3]', '"labels": [0, 1, 2]'), "4 keys, but 3 labels"),
    "a key that is none": (replaced('"keys": ["', '"keys": ["x'), "keys.0"),
    "another list": (lambda path: path.write_text(images(7).to_json()), "keys and labels are not those of its name"),
}


@pytest.mark.parametrize(("damage", "said"), LIST_DAMAGE.values(), ids=LIST_DAMAGE)
def test_a_damaged_list_costs_one_line_with_its_path_and_what_to_do(
    any_store: BaselineStore, damage: Callable[[Path], object], said: str
) -> None:
    any_store.write([OLD], own_lists(OLD))
    path = list_file(any_store, *own_lists(OLD))
    damage(path)
    message = refusal(lambda: any_store.image_list(OLD.images.digest))
    assert message.startswith(f"{path}: ")
    assert said in message
    assert "restore it, or delete the baselines of these images and record them anew" in message


def test_a_list_s_link_that_leads_out_is_not_followed(store: BaselineStore, tmp_path: Path) -> None:
    (listed,) = own_lists(OLD)
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text(listed.to_json())
    store.folder.mkdir(parents=True)
    list_file(store, listed).symlink_to(elsewhere)
    assert "leads out of" in refusal(lambda: store.image_list(listed.digest))
    assert "leads out of" in refusal(lambda: store.write([OLD], [listed]))
    assert elsewhere.read_text() == listed.to_json()


# --- lists that are needed, and others ---------------------------------------------------------------------------


def test_a_list_goes_with_the_last_baseline_that_is_of_it(store: BaselineStore) -> None:
    other = measurement("!!..", case="vgg11/fgsm")
    store.write([OLD, other], own_lists(OLD))
    store.write([GROWN], own_lists(GROWN))
    assert names(*own_lists(OLD), *own_lists(GROWN)) <= everything(store)
    store.write([GROWN.model_copy(update={"case": "vgg11/fgsm"})], own_lists(GROWN))
    assert everything(store) == {"vgg11", "vgg11/pgd.json", "vgg11/fgsm.json", *names(*own_lists(GROWN))}
    store.remove(["vgg11/fgsm"])
    assert names(*own_lists(GROWN)) <= everything(store)
    store.remove([CASE])
    assert everything(store) == set()


STRANGERS = {
    "images-notes.json": '{"mine": 1}',
    "images-0123456789abcdef.json": '{"mine": 1}',
    "images-fedcba9876543210.json": images(3).to_json(),  # of another name
    f"images-{images(4).digest[:16]}.txt": images(4).to_json(),
}


def test_a_stranger_s_file_is_left_alone(store: BaselineStore) -> None:
    store.folder.mkdir(parents=True)
    for name, text in STRANGERS.items():
        (store.folder / name).write_text(text)
    (store.folder / "images-aaaaaaaaaaaaaaaa.json").mkdir()
    store.write([OLD], own_lists(OLD))
    store.write([GROWN], own_lists(GROWN))
    store.remove([CASE])
    assert everything(store) == {*STRANGERS, "images-aaaaaaaaaaaaaaaa.json"}
    for name, text in STRANGERS.items():
        assert (store.folder / name).read_text() == text


@pytest.mark.parametrize("text", ["<<<<<<< HEAD\n", '{"images": 3}', "[]"])
def test_while_a_baseline_cannot_be_read_no_list_goes(store: BaselineStore, text: str) -> None:
    """It may be the one that needs it."""
    store.write([OLD], own_lists(OLD))
    damaged = store.path("vgg11/fgsm")
    damaged.write_text(text)
    store.write([GROWN], own_lists(GROWN))
    assert names(*own_lists(OLD)) <= everything(store)
    damaged.unlink()
    store.write([GROWN], own_lists(GROWN))
    assert not names(*own_lists(OLD)) & everything(store)


def test_a_baseline_of_an_earlier_version_needs_no_list(store: BaselineStore) -> None:
    path = store.path("vgg11/pgd")
    path.parent.mkdir(parents=True)
    path.write_text((Path(__file__).parents[1] / "records" / "schema_1.json").read_text())
    other = measurement("!!..", case="vgg11/fgsm")
    store.write([other], own_lists(other))
    store.remove(["vgg11/fgsm"])
    assert everything(store) == {"vgg11", "vgg11/pgd.json"}


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_crash_anywhere_between_lists_and_baseline_leaves_the_old_or_the_new_with_its_lists(
    store: BaselineStore, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    store.write([OLD], own_lists(OLD))
    real, calls = pathlib.Path.replace, []

    def replace(old: Path, new: Path) -> Path:
        calls.append(new)
        if len(calls) == cut:
            raise PowerCut
        return real(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(pathlib.Path, "replace", replace)
        with pytest.raises(PowerCut):
            store.write([GROWN], own_lists(GROWN))
    assert calls[-1].name == ("pgd.json" if cut == 3 else calls[-1].name)
    assert [path.name.startswith("images-") for path in calls] == [True, True, False][:cut]  # lists first
    found = store.read(CASE)
    assert found == OLD
    for one in own_lists(found):
        assert store.image_list(one.digest) == one
    store.write([GROWN], own_lists(GROWN))
    assert everything(store) == {"vgg11", "vgg11/pgd.json", *names(*own_lists(GROWN))}


def test_a_crash_before_old_lists_are_removed_leaves_the_new_baseline_with_its_lists(
    store: BaselineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write([OLD], own_lists(OLD))

    def cut(*_: object, **__: object) -> None:
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(pathlib.Path, "unlink", cut)
        with pytest.raises(PowerCut):
            store.write([GROWN], own_lists(GROWN))
    assert store.read(CASE) == GROWN
    for one in own_lists(GROWN):
        assert store.image_list(one.digest) == one
