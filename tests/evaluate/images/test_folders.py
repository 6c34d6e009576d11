"""Folders of photographs: every layout, what is named that cannot be used, and lists that notice changes."""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
import unicodedata
import warnings
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from threading import current_thread, main_thread

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.images.folders import Photograph, problem, read_list, scan, write_list
from pytest_robustness.evaluate.images.load import (
    attacked_images,
    imagenet_classes,
    photograph_set,
    scan_images,
    unselected_images,
)
from pytest_robustness.evaluate.images.selection import with_digests
from pytest_robustness.records.protocol import Preprocessing
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.suite import Suite

SQUARE = Preprocessing(resize=8, crop=8)


def write(folder: Path, paths: Sequence[str]) -> Path:
    """An image of its own colour for each path."""
    for index, path in enumerate(paths):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 11), (index * 20 % 256, 50, 90)).save(folder / path, "PNG")
    return folder


def suite_of(folder: Path, *images: str, model: str = "") -> Suite:
    text = ["[preprocessing]", "resize = 8", "crop = 8", "[images]", 'folder = "photographs"', *images]
    text += ["[models.it]", 'source = "tests.evaluate.nets:tiny"', model]
    (folder / "suite.toml").write_text("\n".join([*text, "[attacks.fgsm]", 'attack = "FGSM"', "eps = 0.01"]) + "\n")
    return load_suite(folder / "suite.toml")


def labels(folder: Path, classes: Sequence[Sequence[str]] | None = None) -> dict[str, int]:
    return {one.path: one.label for one in scan(folder, classes).photographs}


def test_class_folders_are_labelled_in_sorted_order(tmp_path: Path) -> None:
    write(tmp_path, ["zebra/1.png", "ape/b.JPEG", "ape/a.png", "ape/deeper/c.webp", "ape/.hidden.png", "ape/notes.txt"])
    assert labels(tmp_path) == {"ape/a.png": 0, "ape/b.JPEG": 0, "ape/deeper/c.webp": 0, "zebra/1.png": 1}


def test_numbers_from_0_on_are_the_labels_they_say(tmp_path: Path) -> None:
    """Sorted as text 10 would come before 2."""
    write(tmp_path, [f"{number}/a.png" for number in range(12)])
    assert labels(tmp_path) == {f"{number}/a.png": number for number in range(12)}
    shutil.rmtree(tmp_path / "3")  # no longer all there: as text, as torchvision has it
    assert labels(tmp_path)["10/a.png"] == 2


@pytest.mark.parametrize(
    ("paths", "empty", "said"),
    [
        (
            ["cat/1.png", "eel/1.png"],
            ["dog"],
            "dog has no image: a class without would give its label to the next: ",
        ),
        (["cat/1.png", "eel/1.png"], ["dog/deeper"], "dog has no image"),
        (["train/cat/1.png", "test/cat/2.png"], [], "has test and train on top, and no classes: name one of these"),
        (["Train/1.png"], [], "has Train on top, and no classes"),
    ],
)
def test_folders_that_are_no_classes_are_told(paths: list[str], empty: list[str], said: str, tmp_path: Path) -> None:
    write(tmp_path, paths)
    for name in empty:
        (tmp_path / name).mkdir(parents=True)
    with pytest.raises(RobustnessError) as error:
        scan(tmp_path, None)
    assert str(error.value).startswith(f"{tmp_path}: {said}")
    known = [[name] for name in ("cat", "dog", "eel", "train", "test", "Train")]
    assert scan(tmp_path, known).photographs  # who says which they are, is believed


@pytest.mark.parametrize("top", ["", "val/"])
@pytest.mark.parametrize("hidden", [".ipynb_checkpoints", "__MACOSX"])
def test_folders_that_programs_leave_behind_are_no_classes(hidden: str, top: str, tmp_path: Path) -> None:
    left = [f"{hidden}/1.png", f"{hidden}/cat/1.png", f"{hidden}/cat/._1.png", f"dog/{hidden}/2.png"]
    write(tmp_path, [f"{top}{path}" for path in (*left, "cat/1.png", "dog/1.png")])
    (tmp_path / hidden).mkdir(exist_ok=True)
    assert labels(tmp_path) == {f"{top}cat/1.png": 0, f"{top}dog/1.png": 1}
    assert len(scan(tmp_path, [[hidden], ["cat"], ["dog"]]).photographs) == 2


def test_a_folder_of_nearly_the_name_of_macos_s_is_a_class(tmp_path: Path) -> None:
    write(tmp_path, ["__macosx/1.png", "__MACOSX 2/1.png"])
    assert labels(tmp_path) == {"__MACOSX 2/1.png": 0, "__macosx/1.png": 1}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_name_is_the_same_however_its_accents_are_written(form: str, tmp_path: Path) -> None:
    name = unicodedata.normalize(form, "p\u00e9lican")
    write(tmp_path, [f"{name}/1.png", "ape/1.png"])
    for other in ("NFC", "NFD"):
        classes = [["ape"], [unicodedata.normalize(other, "p\u00e9lican")]]
        assert sorted(labels(tmp_path, classes).values()) == [0, 1]


def test_flat_files_are_labelled_by_the_wnid_they_begin_with(tmp_path: Path) -> None:
    write(tmp_path, ["n01440764_10026.JPEG", "n01443537_2.JPEG", "other.JPEG"])
    found = scan(tmp_path, imagenet_classes())
    assert {one.path: one.label for one in found.photographs} == {"n01440764_10026.JPEG": 0, "n01443537_2.JPEG": 1}
    assert found.unknown == ["other.JPEG"]
    assert len(found.missing) == 998


def test_of_torchvisions_imagenet_the_validation_images_are_taken(tmp_path: Path) -> None:
    write(tmp_path, ["val/n01440764/a.JPEG", "val/n15075141/b.JPEG", "train/n01440764/c.JPEG"])
    assert labels(tmp_path, imagenet_classes()) == {"val/n01440764/a.JPEG": 0, "val/n15075141/b.JPEG": 999}


def test_imagenets_classes_have_wnids_and_plain_names(tmp_path: Path) -> None:
    write(tmp_path, ["tench/a.png", "great_white_shark/a.png", "great white shark/b.png", "n02012849/a.png"])
    assert labels(tmp_path, imagenet_classes()) == {
        "great white shark/b.png": 2,
        "great_white_shark/a.png": 2,
        "n02012849/a.png": 134,
        "tench/a.png": 0,
    }


def test_a_name_of_two_classes_is_no_name(tmp_path: Path) -> None:
    write(tmp_path, ["crane/a.png", "bird/a.png"])
    found = scan(tmp_path, [["bird", "crane"], ["machine", "crane"]])
    assert [one.path for one in found.photographs] == ["bird/a.png"]
    assert found.unknown == ["crane"]


def test_classes_of_a_file_name_several_names_each(tmp_path: Path) -> None:
    write(tmp_path / "photographs", ["dog/1.png", "Katze/1.png", "cat/1.png"])
    (tmp_path / "classes.txt").write_text("dog\ncat, Katze\nmouse\n")
    found = scan_images(suite_of(tmp_path, 'classes = "classes.txt"').images)
    assert {one.path: one.label for one in found.photographs} == {"Katze/1.png": 1, "cat/1.png": 1, "dog/1.png": 0}
    assert found.missing == ["mouse"]


@pytest.mark.parametrize("paths", [[], ["notes.txt"], ["dog/1.png"]])
def test_a_folder_without_an_image_of_a_class_is_an_error(paths: list[str], tmp_path: Path) -> None:
    for path in paths:
        write(tmp_path, [path])
    with pytest.raises(RobustnessError) as error:
        scan(tmp_path, [["cat"]])
    assert str(error.value).startswith(f"{tmp_path}: no image")


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    folder, elsewhere = write(tmp_path / "here", ["ape/1.png"]), write(tmp_path / "there", ["zebra/1.png"])
    (folder / "zebra").symlink_to(elsewhere / "zebra")
    for name in ("again", "anew"):  # of two that lead back, each would be followed from within the other
        (folder / "ape" / name).symlink_to(folder)
    assert labels(folder) == {"ape/1.png": 0, "zebra/1.png": 1}


def test_a_name_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, ["ape/1.png"])
    odd = tmp_path / "ape" / os.fsdecode(b"\xff.png")
    try:
        odd.touch()
    except OSError:
        pytest.skip("no such names in this file system")
    with pytest.raises(RobustnessError) as error:
        labels(tmp_path)
    assert str(error.value) == f"{tmp_path}: no list can hold the name 'ape/\\udcff.png': rename it"


@given(
    rows=st.lists(
        st.builds(
            Photograph,
            st.text(
                st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp"), exclude_characters="\\/"),
                min_size=1,
            ).filter(lambda name: name not in (".", "..")),
            st.integers(0, 999_999_999),
            st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
        ),
        min_size=1,
        unique_by=lambda one: one.path,
    )
)
def test_a_list_is_read_as_it_was_written(rows: list[Photograph], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("lists") / "list.csv"
    write_list(path, rows)
    assert read_list(path) == rows


@given(
    names=st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp")), min_size=1),
        unique=True,
        max_size=3,
    ).filter(lambda names: not {"path", "label", "sha256"} & set(names)),
    data=st.data(),
)
def test_columns_of_one_s_own_are_read_as_they_were_written(
    names: list[str], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    values = st.fixed_dictionaries(
        {name: st.text(st.characters(codec="utf-8", exclude_categories=("Cc",))) for name in names}
    )
    rows = [Photograph(f"{i}.png", i, f"{i:064x}", data.draw(values)) for i in range(3)]
    path = tmp_path_factory.mktemp("lists") / "list.csv"
    write_list(path, rows)
    assert read_list(path) == rows


SOUND = ["path,label,sha256", f"a/b.png,3,{'0' * 64}"]
BROKEN: dict[str, tuple[list[str], str]] = {
    "empty": ([], "it is empty"),
    "no header": (SOUND[1:], "line 1: should be path,label,sha256"),
    "no image": (SOUND[:1], "lists no image"),
    "negative label": ([SOUND[0], f"a,-1,{'0' * 64}"], "line 2: should be"),
    "label that is no number": ([*SOUND, f"a,x,{'0' * 64}"], "line 3: should be"),
    "short digest": ([SOUND[0], "a,1,00"], "line 2: should be"),
    "a column too many": ([SOUND[0], SOUND[1] + ",x"], "line 2: should be"),
    "a column too few": (
        [SOUND[0] + ",camera", SOUND[1]],
        "line 2: should be a path inside the folder, a label,",
    ),
    "a column without a name": ([SOUND[0] + ",", SOUND[1] + ",x"], "line 1: '': no name of a column"),
    "a column twice": ([SOUND[0] + ",x,x", SOUND[1] + ",1,2"], "line 1: 'x': no name of a column, or there twice"),
    "a column of ours twice": ([SOUND[0] + ",label", SOUND[1] + ",1"], "line 1: 'label': no name of a column, or"),
    "a path out of the folder": ([SOUND[0], f"a/../../b,1,{'0' * 64}"], "line 2: should be a path inside the folder"),
    "an absolute path": ([SOUND[0], f"/etc/passwd,1,{'0' * 64}"], "line 2: should be a path inside the folder"),
    "a path with a line end": ([SOUND[0], f'"a\nb",1,{"0" * 64}'], "line 2: should be a path inside the folder"),
    "the folder itself": ([SOUND[0], f".,1,{'0' * 64}"], "line 2: should be a path inside the folder"),
    "another way to write a path": ([*SOUND, f"a/./b.png,3,{'0' * 64}"], "line 3: should be a path inside the folder"),
    "twice the same": ([*SOUND, SOUND[1]], "line 3: a/b.png is listed twice"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_list_names_file_and_line(kind: str, tmp_path: Path) -> None:
    lines, said = BROKEN[kind]
    path = tmp_path / "list.csv"
    path.write_text("".join(f"{line}\n" for line in lines))
    with pytest.raises(RobustnessError) as error:
        read_list(path)
    assert str(error.value).startswith(f"{path}: {said}")
    assert "\n" not in str(error.value)


@given(data=st.binary(max_size=200))
def test_no_bytes_make_a_list_fail_otherwise(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.csv"
    path.write_bytes(data)
    with contextlib.suppress(RobustnessError):
        read_list(path)


@pytest.fixture
def listed(tmp_path: Path) -> Suite:
    """A suite with a list of two images of three."""
    folder = write(tmp_path / "photographs", ["ape/1.png", "ape/2.png", "zebra/1.png"])
    suite = suite_of(tmp_path, 'selected = "chosen.csv"', 'unselected = "drawn.csv"')
    found = scan_images(suite.images).photographs
    write_list(tmp_path / "chosen.csv", with_digests(folder, [found[0], found[2]]))
    write_list(tmp_path / "drawn.csv", with_digests(folder, list(found)))
    return suite


def test_the_listed_images_are_loaded_in_the_lists_order(listed: Suite) -> None:
    images = attacked_images(listed.case("it/fgsm"))
    assert list(images.names) == ["ape/1.png", "zebra/1.png"]
    assert images.labels.tolist() == [0, 1]
    assert images.pixels.shape == (2, 3, 8, 8)
    assert images.pixels[:, 0, 0, 0].tolist() == [0, 40]
    unselected = unselected_images(listed.case("it/fgsm"))
    assert unselected is not None
    assert len(unselected) == 3


def test_classes_may_be_listed_in_the_suite(tmp_path: Path) -> None:
    write(tmp_path / "photographs", ["dog/1.png", "cat/1.png", "mouse/1.png"])
    images = attacked_images(suite_of(tmp_path, 'classes = ["dog", "cat"]').case("it/fgsm"))
    assert dict(zip(images.names, images.labels.tolist(), strict=True)) == {"cat/1.png": 1, "dog/1.png": 0}


def test_images_are_decoded_once(listed: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    first = attacked_images(listed.case("it/fgsm"))
    monkeypatch.setattr(Photograph, "read", None)
    assert attacked_images(listed.case("it/fgsm")) is first


def test_a_changed_image_is_an_error(listed: Suite, tmp_path: Path) -> None:
    changed = tmp_path / "photographs" / "zebra" / "1.png"
    Image.new("RGB", (9, 11)).save(changed)
    with pytest.raises(RobustnessError, match="sha256 differs") as error:
        attacked_images(listed.case("it/fgsm"))
    assert str(error.value).startswith(f"{changed}: changed since it was chosen")


def test_files_labels_and_their_order_identify_a_folders_images_and_names_do_not(tmp_path: Path) -> None:
    folder = write(tmp_path, ["a/1.png", "a/2.png", "b/1.png"])
    one, two, three = scan(folder, None).photographs
    (folder / "b" / "2.png").write_bytes((folder / "b" / "1.png").read_bytes())
    sets: list[list[Photograph]] = [
        [one, two, three],
        [two, one, three],
        [one, two],
        [one, two, Photograph("b/1.png", 7)],
    ]
    digests = [photograph_set(folder, photographs, SQUARE).identity.digest for photographs in sets]
    assert len(set(digests)) == len(sets)
    renamed = [one, two, Photograph("b/2.png", three.label)]
    assert photograph_set(folder, renamed, SQUARE).identity.digest == digests[0]
    assert photograph_set(folder, renamed, SQUARE).keys[2] == sha256((folder / "b" / "2.png").read_bytes()).hexdigest()


def test_without_a_list_every_image_is_attacked(tmp_path: Path) -> None:
    write(tmp_path / "photographs", ["x/1.png", "y/2.png", "3.png"])
    suite = suite_of(tmp_path, 'labels = "predicted"')
    assert list(attacked_images(suite.case("it/fgsm")).names) == ["3.png", "x/1.png", "y/2.png"]
    given = attacked_images(suite_of(tmp_path).case("it/fgsm"))
    assert list(given.names) == ["x/1.png", "y/2.png"]


def test_what_is_of_no_class_is_left_out_and_said(tmp_path: Path) -> None:
    write(tmp_path / "photographs", ["ape/1.png", "cat/1.png", "vase/1.png"])
    suite = suite_of(tmp_path, 'classes = ["ape", "cat"]')
    with pytest.warns(UserWarning, match="what is of no class is left out: vase"):
        assert len(attacked_images(suite.case("it/fgsm"))) == 2


#: Three images of formats that nothing reads, what macOS makes of one, and files that are no images.
UNREAD = ["ape/1.HEIC", "ape/2.avif", "cat/3.heic", "cat/._4.heic", "cat/notes.txt", "cat/list.csv", "cat/README"]


@pytest.mark.parametrize("labels", ['classes = ["ape", "cat"]', "", 'labels = "predicted"'])
def test_images_that_nothing_reads_are_counted_and_said(labels: str, tmp_path: Path) -> None:
    write(tmp_path / "photographs", ["ape/1.png", "cat/1.jfif", "cat/2.JPE", *UNREAD])
    suite = suite_of(tmp_path, labels)
    with pytest.warns(UserWarning, match="left out") as told:
        assert list(attacked_images(suite.case("it/fgsm")).names) == ["ape/1.png", "cat/1.jfif", "cat/2.JPE"]
    said = {str(one.message) for one in told}
    assert said == {f"{tmp_path / 'photographs'}: 3 files are left out, as nothing reads them: .avif, .heic"}


@pytest.mark.parametrize("classes", [None, [["ape"], ["cat"]]])
def test_where_no_image_is_read_its_suffix_is_said(classes: list[list[str]] | None, tmp_path: Path) -> None:
    write(tmp_path, UNREAD)
    with pytest.raises(RobustnessError) as error:
        scan(tmp_path, classes)
    unread = "3 files are left out, as nothing reads them: .avif, .heic"
    assert str(error.value) == f"{tmp_path}: no images in this folder; {unread}"
    write(tmp_path, ["ape/1.png"])
    if classes is None:
        with pytest.raises(RobustnessError, match=f"cat has no image: .*; {unread}"):
            scan(tmp_path, None)


def test_what_is_left_out_of_a_split_is_said_of_it_alone(tmp_path: Path) -> None:
    write(tmp_path, ["val/ape/1.png", "val/ape/2.heic", "train/ape/1.heic"])
    assert scan(tmp_path, None).notes == ["1 files are left out, as nothing reads them: .heic"]


@pytest.mark.parametrize(
    ("beside", "note"),
    [
        (["train/ape/1.png", "test/1.png"], ["only val/ is taken, and not test/, train/"]),
        (["validation/ape/1.png", "1.png"], ["only val/ is taken, and not 1.png, validation/"]),
        (["train/archive.tar", "valuable/.1.png", ".cache/1.png", "__MACOSX/val/1.png"], []),
    ],
)
def test_what_lies_beside_a_split_that_is_taken_is_said(beside: list[str], note: list[str], tmp_path: Path) -> None:
    write(tmp_path / "photographs", ["val/ape/1.png", *beside])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert list(attacked_images(suite_of(tmp_path).case("it/fgsm")).names) == ["val/ape/1.png"]
    assert [str(one.message) for one in told] == [f"{tmp_path / 'photographs'}: {line}" for line in note]


def test_no_thread_changes_the_filters_of_warnings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are the process's: what one thread restored would be what another had set, and nobody warned any more."""
    folder = write(tmp_path, [f"x/{index}.png" for index in range(8)])
    threads = []
    enter = warnings.catch_warnings.__enter__
    monkeypatch.setattr(
        warnings.catch_warnings, "__enter__", lambda self: (threads.append(current_thread()), enter(self))[1]
    )
    photograph_set(folder, list(scan(folder, None).photographs), SQUARE)
    assert set(threads) == {main_thread()}


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "photographs", ["x/1.png"])
    (folder / "x" / "2.png").write_text("no image")
    with pytest.raises(RobustnessError) as error:
        attacked_images(suite_of(tmp_path).case("it/fgsm"))
    assert str(error.value).startswith(f"{folder / 'x' / '2.png'}: no image that can be read")


def test_a_sample_of_a_set_is_nobody_elses_set(listed: Suite) -> None:
    images = attacked_images(listed.case("it/fgsm"))
    part = images.sample(1)
    assert (len(part), part.identity.count) == (1, 1)
    row = list(images.names).index(part.names[0])
    assert torch.equal(part.pixels, images.pixels[row : row + 1])
    assert part.identity.digest != images.identity.digest


def test_what_is_missing_of_a_folder_is_said_with_what_to_do(listed: Suite, tmp_path: Path) -> None:
    assert problem(listed.images, "select") is None
    (tmp_path / "photographs" / "zebra" / "1.png").unlink()
    assert problem(listed.images, "select") == (
        f"{tmp_path / 'photographs'} lacks 1 of the images that were chosen, the first zebra/1.png"
    )
    (tmp_path / "drawn.csv").unlink()
    said = problem(listed.with_folder(tmp_path / "nowhere").images, "select")
    assert said == (
        f"no folder of images {tmp_path / 'nowhere'}: give --robustness-images DIR or set PYTEST_ROBUSTNESS_IMAGES; "
        f"no images chosen in {tmp_path / 'drawn.csv'}: choose them with `select`"
    )


def test_a_list_is_a_table_that_others_can_read(listed: Suite, tmp_path: Path) -> None:
    with (tmp_path / "chosen.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["path"], row["label"], len(row["sha256"])) for row in rows] == [
        ("ape/1.png", "0", 64),
        ("zebra/1.png", "1", 64),
    ]
    assert np.unique([row["sha256"] for row in rows]).size == 2
