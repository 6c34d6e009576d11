"""``python -m pytest_robustness images``: from data sets people have to the images of a suite."""

from __future__ import annotations

import sys
import tomllib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pytest_robustness.cli.main import main
from pytest_robustness.evaluate.images.folders import read_list
from pytest_robustness.evaluate.images.image_set import load_images
from pytest_robustness.suite.load import load_suite

USAGE = pytest.ExitCode.USAGE_ERROR
MODEL = '\n[models.any]\nsource = "anywhere:model"\n\n[attacks.fgsm]\nattack = "FGSM"\neps = 0.01\n'


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def random_images(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


def save_arrays(images: np.ndarray, labels: np.ndarray) -> list[str]:
    np.save("x.npy", images)
    np.save("y.npy", labels)
    return ["images", "x.npy", "--labels", "y.npy", "-o", "out.npz"]


def pasted(said: str) -> str:
    """The lines that a suite is said to need."""
    return said.partition("for the suite:\n")[2]


def written() -> dict[str, np.ndarray]:
    with np.load("out.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.mark.parametrize("order", ["last", "first", "grey", "floats", "black and white", "columns of labels"])
def test_arrays_become_the_images_of_a_suite(order: str, capsys: pytest.CaptureFixture[str]) -> None:
    images, labels = random_images(12, 6, 5, 1 if order == "grey" else 3), np.arange(12) % 4
    if order == "black and white":
        images = np.where(images > 127, 255, 0).astype(np.uint8)
    given = {
        "first": images.transpose(0, 3, 1, 2),
        "grey": images[..., 0],
        "floats": (images / 255).astype(np.float32),
        "black and white": images > 0,
    }.get(order, images)
    command = save_arrays(given, labels[:, None].astype(np.uint8) if order == "columns of labels" else labels)
    assert main(command) == 0
    said = capsys.readouterr().out
    assert said.startswith("12 images of x.npy, 4 classes, 3 of each, 5 x 6 " + ("grey" if order == "grey" else "RGB"))
    found = load_images(Path("out.npz"))
    np.testing.assert_array_equal(found.pixels.numpy(), images.transpose(0, 3, 1, 2))
    assert found.labels.tolist() == labels.tolist()
    assert found.ids.tolist() == list(range(12))
    Path("suite.toml").write_text(pasted(said) + MODEL)
    assert load_suite(Path("suite.toml").absolute()).images.file == Path("out.npz").absolute()


def test_a_second_run_writes_the_same_bytes() -> None:
    command = save_arrays(random_images(20, 4, 4, 3), np.arange(20) % 2)
    assert main([*command, "--limit", "7"]) == 0
    first = Path("out.npz").read_bytes()
    assert main([*command, "--limit", "7"]) == 0
    assert Path("out.npz").read_bytes() == first
    assert main([*command, "--limit", "7", "--seed", "1"]) == 0
    assert Path("out.npz").read_bytes() != first


def test_balanced_draws_take_as_many_of_each_class(capsys: pytest.CaptureFixture[str]) -> None:
    labels = np.repeat([0, 1, 2], [50, 8, 2])
    command = save_arrays(random_images(60, 4, 4, 3), labels)
    assert main([*command, "--limit", "12", "--balanced"]) == 0
    assert Counter(written()["labels"].tolist()) == {0: 5, 1: 5, 2: 2}
    assert "drawn blindly with seed 0, balanced\n" in capsys.readouterr().out
    assert main([*command, "--limit", "12"]) == 0
    assert Counter(written()["labels"].tolist())[0] > 7, "blindly, classes keep their shares"
    assert "not balanced" in capsys.readouterr().out
    assert main([*command, "--limit", "99"]) == 0
    assert "fewer than the 99 of --limit" in capsys.readouterr().out


def test_images_that_are_there_twice_are_replaced_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    images, labels = random_images(10, 4, 4, 3), np.zeros(10, int)
    images[7], images[8], labels[8] = images[3], images[4], 5
    assert main(save_arrays(images, labels)) == 0
    said = capsys.readouterr().out
    kept = set(written()["ids"].tolist())
    assert len(kept) == 8
    assert len(kept & {3, 7}) == len(kept & {4, 8}) == 1
    assert "1 are there twice and are left out: image " in said
    assert "1 are there twice with another label and are left out: image " in said
    assert "4 of 6 classes have no image: 1, 2, 3, 4\n" in said


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (random_images(3, 4, 4, 4), np.arange(3), "x.npy: uint8 of (3, 4, 4, 4), not (N, H, W)"),
        (random_images(3, 4, 4, 3), np.eye(3, dtype=int), "y.npy: int64 of (3, 3), not (3,) integers; of one-hot rows"),
        (random_images(3, 4, 4, 3), np.arange(4), "y.npy: int64 of (4,), not (3,) integers"),
        (random_images(3, 4, 4, 3), np.arange(3) - 1, "y.npy: label -1 is negative"),
        (random_images(3, 4, 4, 3) * 1.0, np.arange(3), "and should be in [0, 1]: divide by 255"),
        (np.full((3, 4, 4), -0.5), np.arange(3), "from -0.5 to -0.5, and should be in [0, 1]: save it before any"),
        (np.full((3, 4, 4), np.nan), np.arange(3), "and should be in [0, 1]"),
        (np.full((3, 4, 4), 256), np.arange(3), "from 256 to 256, and should be in [0, 255]"),
    ],
)
def test_arrays_that_are_no_images_are_refused(
    images: np.ndarray, labels: np.ndarray, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(save_arrays(images, labels)) == USAGE
    assert said in capsys.readouterr().err
    assert not Path("out.npz").exists()


def photographs() -> None:
    """Six files of several sizes in two folders, one of them broken, and their table."""
    for number, image in enumerate(random_images(5, 12, 10, 3)):
        path = Path("photos", f"p {number}.png")
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).resize((10 + number, 12)).save(path)
    Path("photos", "broken.png").write_text("no image")
    lines = [f"photos/p {number}.png;{'dog' if number % 2 else 'cat'};cam{number % 3};x{number}" for number in range(5)]
    rows = ["Filename;label;camera;ids", *lines, "photos/broken.png;cat;cam0;y", "photos/gone.png;dog;cam1;z"]
    Path("table.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(rows).encode() + b"\r\n")


def test_a_table_becomes_an_archive_with_its_columns(capsys: pytest.CaptureFixture[str]) -> None:
    photographs()
    Path("names.txt").write_text("dog\nfish\ncat\n")
    command = ["images", "table.csv", "-o", "out.npz", "--classes", "names.txt"]
    assert main(command) == USAGE
    assert "give --size" in capsys.readouterr().err
    assert main([*command, "--size", "8", "--resize", "9"]) == 0
    said = capsys.readouterr().out
    found = written()
    assert found["images"].shape == (5, 8, 8, 3)
    assert found["labels"].tolist() == [2, 0, 2, 0, 2]
    assert found["camera"].tolist() == ["cam0", "cam1", "cam2", "cam0", "cam1"]
    assert "2 cannot be read and are left out: " in said
    assert "photos/gone.png (No such file or directory)" in said
    assert "1 of 3 classes have no image: fish" in said
    assert "column 'ids' left out" in said
    read = tomllib.loads(pasted(said))
    assert read["slices"] == ["camera"]
    assert read["images"]["classes"] == ["dog", "fish", "cat"]
    Path("suite.toml").write_text(pasted(said) + MODEL)
    assert load_suite(Path("suite.toml").absolute()).columns == ("camera",)


def test_a_table_becomes_a_list_of_its_files(capsys: pytest.CaptureFixture[str]) -> None:
    photographs()
    assert main(["images", "table.csv", "-o", "selected.csv"]) == 0
    said = capsys.readouterr().out
    found = read_list(Path("selected.csv"))
    assert [one.path for one in found] == [f"photos/p {number}.png" for number in range(5)]
    assert [one.label for one in found] == [0, 1, 0, 1, 0]
    assert all(one.read(Path()) for one in found), "each is what its digest says"
    read = tomllib.loads(pasted(said))["images"]
    assert read == {"folder": ".", "selected": "selected.csv", "unselected": "selected.csv", "classes": ["cat", "dog"]}
    assert main(["images", "table.csv", "-o", "selected.csv"]) == 0, "nothing is lost"
    Path("selected.csv").write_text(Path("selected.csv").read_text().replace(",camera", ",mine"))
    assert main(["images", "table.csv", "-o", "selected.csv"]) == USAGE
    assert "which would be lost" in capsys.readouterr().err
    assert main(["images", "table.csv", "-o", "list.csv", "--size", "8"]) == USAGE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        ("path,label\n", "should have a line of names and a line for each image"),
        ("a,b\n1,2\n", "no column path or image or filename or file; it has a, b: name one by --image-column"),
        ("path,label\nx.png\n", "line 2: 1 values, and 2 columns"),
        ("path,label\n\nx.png,\n", "line 3: no label"),
        ("path,path\nx.png,1\n", "column 'path' is there twice"),
        ("path,label\nx.png,-1\n", "label -1 is negative"),
        ("path,label\nx.png,1\n", "no image can be read: x.png (No such file or directory)"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(text: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("t.csv").write_text(text)
    assert main(["images", "t.csv", "-o", "out.npz"]) == USAGE
    assert said in capsys.readouterr().err


def test_a_list_names_no_file_outside_of_its_folder(capsys: pytest.CaptureFixture[str]) -> None:
    photographs()
    Path("deep").mkdir()
    Path("deep", "t.csv").write_text("path,label\n../photos/p 0.png,1\n")
    assert main(["images", "deep/t.csv", "-o", "list.csv"]) == USAGE
    assert "lies outside of deep" in capsys.readouterr().err
    assert main(["images", "deep/t.csv", "-o", "out.npz"]) == 0


@pytest.mark.parametrize("content", [b"", b"somebody's", "own", "folder"])
def test_what_is_no_image_set_is_never_overwritten(content: bytes | str, capsys: pytest.CaptureFixture[str]) -> None:
    command = save_arrays(random_images(3, 4, 4, 3), np.arange(3))
    path = Path("out.npz")
    if content == "folder":
        path.mkdir()
    elif content == "own":
        np.savez(path, images=1, labels=2, ids=3, camera=4)
    else:
        path.write_bytes(content)
    before = None if content == "folder" else path.read_bytes()
    assert main(command) == USAGE
    assert "out.npz: " in capsys.readouterr().err
    assert before is None or path.read_bytes() == before
    assert main([*command[:-1], "y.npy"]) == USAGE


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["x.npy", "-o", "out.npz"], "give its labels by --labels"),
        (["x.npy", "--labels", "y.npy", "-o", "out.txt"], "should end in .npz"),
        (["x.npy", "--labels", "y.npy", "-o", "list.csv"], "has no files that a list could name"),
        (["x.npy", "--labels", "y.npy", "--split", "test", "-o", "out.npz"], "--split: means nothing for x.npy"),
        (["x.npy", "--labels", "y.npy", "--resize", "3", "-o", "out.npz"], "go with --size"),
        (["folder", "-o", "out.npz"], "should be torchvision:NAME"),
        (["torchvision:Nothing", "--root", ".", "-o", "out.npz"], "has no data set of this name"),
        (["torchvision:CIFAR10", "-o", "out.npz"], "say by --root DIR"),
        (["torchvision:CIFAR10", "--root", ".", "-o", "out.npz"], "put it into ., or give --download"),
        (["torchvision:CIFAR10", "--root", ".", "--split", "val", "-o", "out.npz"], "has train and test"),
        (["torchvision:VOCDetection", "--root", ".", "-o", "out.npz"], "torchvision:VOCDetection: "),
    ],
)
def test_usage_errors_are_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    save_arrays(random_images(3, 4, 4, 3), np.arange(3))
    assert main(["images", *arguments]) == USAGE
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


def test_a_data_set_of_torchvision_is_read_without_a_network(capsys: pytest.CaptureFixture[str]) -> None:
    raw = Path("data", "FashionMNIST", "raw")
    raw.mkdir(parents=True)
    for part, count in (("train", 5), ("t10k", 30)):  # the format of MNIST: a magic number, sizes, bytes
        images, labels = random_images(count, 28, 28), (np.arange(count) % 3).astype(np.uint8)
        header = b"".join(number.to_bytes(4, "big") for number in (0x803, count, 28, 28))
        Path(raw, f"{part}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        header = b"".join(number.to_bytes(4, "big") for number in (0x801, count))
        Path(raw, f"{part}-labels-idx1-ubyte").write_bytes(header + labels.tobytes())
    command = ["images", "torchvision:FashionMNIST", "--root", "data", "-o", "out.npz"]
    assert main(command) == 0
    said = capsys.readouterr().out
    found = written()
    np.testing.assert_array_equal(found["images"][..., 0], random_images(30, 28, 28))
    assert found["labels"].tolist() == [number % 3 for number in range(30)]
    assert "30 images of torchvision:FashionMNIST (test), 3 classes, 10 of each, 28 x 28 grey" in said
    assert "7 of 10 classes have no image: Dress, Coat, " in said
    assert main([*command, "--split", "train", "--mode", "RGB"]) == 0
    assert written()["images"].shape == (5, 28, 28, 3)


def test_a_folder_of_torchvision_is_a_list_too() -> None:
    photographs()
    for number in range(4):
        place = Path("tree", "ab"[number % 2])
        place.mkdir(parents=True, exist_ok=True)
        Path("photos", f"p {number}.png").rename(place / f"{number}.png")
    assert main(["images", "torchvision:ImageFolder", "--root", "tree", "-o", "list.csv"]) == 0
    assert [(one.path, one.label) for one in read_list(Path("list.csv"))] == [
        ("a/0.png", 0),
        ("a/2.png", 0),
        ("b/1.png", 1),
        ("b/3.png", 1),
    ]


def test_without_the_package_of_hugging_face_it_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # restored afterwards
    assert main(["images", "hf:folder", "-o", "out.npz"]) == USAGE
    assert "needs the package datasets: pip install 'pytest-robustness[datasets]'" in capsys.readouterr().err


@pytest.mark.needs("datasets")
@pytest.mark.parametrize("parts", [True, False])
def test_a_data_set_of_hugging_face(
    parts: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    images = random_images(9, 8, 8, 3)
    features = datasets.Features(
        picture=datasets.Image(),
        animal=datasets.ClassLabel(names=["cat", "dog", "emu"]),
        camera=datasets.Value("string"),
        text=datasets.Value("string"),
    )
    rows = {
        "picture": [Image.fromarray(image) for image in images],
        "animal": [number % 2 for number in range(9)],
        "camera": [f"cam{number % 3}" for number in range(9)],
        "text": ["long " * 50] * 9,
    }
    table = datasets.Dataset.from_dict(rows, features)
    (datasets.DatasetDict(train=table.select([0]), test=table) if parts else table).save_to_disk("saved")
    assert main(["images", "hf:saved", "-o", "out.npz", *(["--split", "test"] if parts else [])]) == 0
    said = capsys.readouterr().out
    found = written()
    np.testing.assert_array_equal(found["images"], images)
    assert found["labels"].tolist() == rows["animal"]
    assert found["camera"].tolist() == rows["camera"]
    assert "column 'text' left out" in said
    assert "1 of 3 classes have no image: emu" in said
    assert tomllib.loads(pasted(said))["images"]["classes"] == ["cat", "dog", "emu"]
    for wrong, what in {"--split": "nosuch", "--image-column": "nosuch", "--label-column": "nosuch"}.items():
        assert main(["images", "hf:saved", "-o", "out.npz", wrong, what]) == USAGE
        assert "nosuch" in capsys.readouterr().err
    assert main(["images", "hf:nobody/nothing", "-o", "out.npz"]) == USAGE
    assert "give --download" in capsys.readouterr().err
