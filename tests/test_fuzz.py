"""Files that are stored, or that users write: whatever is in them is read, or refused in one line that names the file.

Never another exception, never a hang, and nothing in them is executed.
"""

from __future__ import annotations

import io
import re
import time
import warnings
import zipfile
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pytest_robustness.cli import report
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.attacks.registry import resolve
from pytest_robustness.evaluate.images.folders import Photograph, problem, write_list
from pytest_robustness.evaluate.images.image_set import load_images
from pytest_robustness.evaluate.images.load import class_names, scan_images
from pytest_robustness.evaluate.models.load import load_model
from pytest_robustness.gate.anchor import Anchor, AnchorRules
from pytest_robustness.gate.store import BaselineStore
from pytest_robustness.report.published import beside, load_published
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.tables import Images
from safetensors.torch import save

from tests.evaluate import nets
from tests.gate.examples import FOOLED, WITHSTOOD, WRONG, images, measurement
from tests.report import examples

#: CPU seconds that no file of this size is worth.
PATIENCE = 10.0
SUITE = """\
batch_size = 20
published = "published.toml"
[images]
file = "images.npz"
classes = ["cat", "dog"]
[normalisation]
mean = [0.5, 0.5, 0.5]
[models.a]
source = "tests.evaluate.nets:tiny"
[models.b]
source = "torchvision:vgg11"
weights = "net.pth"
[groups]
both = ["a", "b"]
[[variants]]
base = "a"
update = "b"
group = "change"
[attacks.pgd]
attack = "PGD"
eps = 0.01
steps = 3
max_success_rate = 0.5
[attacks.own]
attack = "module:Class"
size = 1e-3
"""
PUBLISHED = """\
title = "A paper"
short = "paper"
[models.a]
success_rate = 0.5
seconds = 2.5
[variants.change]
pgd = -0.25
[attacks.pgd]
eps = 0.01
steps = 3
"""


@dataclass(frozen=True)
class Kind:
    """A kind of file: its name, a sound one, and what reads it."""

    name: str
    sound: bytes = field(repr=False)
    read: Callable[[Path], object] = field(repr=False)


class Evil:
    """Whoever unpickles it leaves a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.trace,)


def arrays(**changed: object) -> bytes:
    file = io.BytesIO()
    images = np.arange(4 * 5 * 5 * 3, dtype=np.uint8).reshape(4, 5, 5, 3)
    np.savez(file, **({"images": images, "labels": np.arange(4), "ids": np.arange(4)} | changed))
    return file.getvalue()


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO(arrays())
    with np.load(file) as sound, zipfile.ZipFile(changed := io.BytesIO(), "w") as archive:
        for name in sound.files:
            archive.writestr(f"{name}.npy", members.get(name) or sound.zip.read(f"{name}.npy"))
    return changed.getvalue()


def pickled(state: object) -> bytes:
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def read_suite(path: Path) -> None:
    for case in load_suite(path).cases():
        resolve(case)


def read_published(path: Path) -> None:
    suite = load_suite(path.with_name("suite.toml")).model_copy(update={"published": path})
    published = load_published(suite)
    assert published is not None
    beside(published, suite, {})


def read_classes(path: Path) -> None:
    images = Images(folder=path.parent / "photographs", classes=str(path))
    class_names(images)
    scan_images(images)


def read_weights(path: Path) -> None:
    suite = load_suite(path.with_name("suite.toml"))
    model = suite.models["a"].model_copy(update={"weights": path})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, of odd weights
        load_model(suite.model_copy(update={"models": {"a": model}}).case("a/pgd"))


def read_report(path: Path) -> None:
    for suffix in (".md", ".html"):
        parser = ArgumentParser()
        report.add(parser)
        report.run(parser.parse_args([str(path), "-o", str(path.with_suffix(suffix))]))


def read_rules(path: Path) -> None:
    Anchor(path.parents[1], load_suite(path.parents[2] / "suite.toml")).violations()


def read_list(path: Path) -> None:
    said = problem(Images(folder=path.parent / "photographs", selected=path), "select")
    assert said is None or len(said.splitlines()) == 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the files under test refer to."""
    path = tmp_path_factory.mktemp("fuzz")
    (path / "suite.toml").write_text(SUITE)
    (path / "published.toml").write_text(PUBLISHED)
    (path / "images.npz").write_bytes(arrays())
    (path / "net.pth").touch()
    for name in ("cat/1.png", "dog/1.png"):
        (path / "photographs" / name).parent.mkdir(parents=True)
        Image.new("RGB", (9, 9)).save(path / "photographs" / name)
    return path


@pytest.fixture(scope="module")
def kinds(folder: Path) -> Mapping[str, Kind]:
    state, suite = nets.tiny().state_dict(), load_suite(folder / "suite.toml")
    listed = folder / "listed.csv"
    write_list(listed, [Photograph("cat/1.png", 0, "0" * 64), Photograph("dog/1.png", 1, "1" * 64)])
    baseline = measurement(2 * FOOLED + WITHSTOOD + WRONG, case="a/pgd")
    small = examples.report(examples.suite(folder, {"vgg": ["vgg11", "vgg11_bn"]}), worse={"vgg11/pgd": 0.3})
    found = [
        Kind("fuzzed.toml", SUITE.encode(), read_suite),
        Kind("values.toml", PUBLISHED.encode(), read_published),
        Kind("baselines/fuzz/a/pgd.json", baseline.to_json().encode(), lambda _: store(folder).read("a/pgd")),
        Kind("baselines/fuzz/vgg11/pgd.json", OLD.read_bytes(), lambda _: store(folder).read("vgg11/pgd")),
        Kind(LIST, images(4).to_json().encode(), lambda _: store(folder).image_list(images(4).digest)),
        Kind("anchors/suite/rules.json", AnchorRules.of(suite).model_dump_json().encode(), read_rules),
        Kind("fuzzed.csv", listed.read_bytes(), read_list),
        Kind("classes.txt", b"cat, Katze\ndog\n", read_classes),
        Kind("fuzzed.npz", arrays(), load_images),
        Kind("fuzzed.safetensors", save(state), read_weights),
        Kind("fuzzed.pth", pickled(state), read_weights),
        Kind("report.json", small.to_json().encode(), read_report),
        Kind("old.json", OLD_REPORT.read_bytes(), read_report),
    ]
    return {kind.name: kind for kind in found}


def store(folder: Path) -> BaselineStore:
    return BaselineStore(folder / "baselines", "fuzz")


#: Of an earlier version.
OLD = Path(__file__).parent / "records" / "schema_1.json"
OLD_REPORT = Path(__file__).parent / "report" / "schema_1.json"
LIST = f"baselines/fuzz/images-{images(4).digest[:16]}.json"
NAMES = (
    "fuzzed.toml", "values.toml", "baselines/fuzz/a/pgd.json", "baselines/fuzz/vgg11/pgd.json", LIST,
    "anchors/suite/rules.json", "fuzzed.csv", "classes.txt", "fuzzed.npz", "fuzzed.safetensors", "fuzzed.pth",
    "report.json", "old.json",
)  # fmt: skip
#: Instead of a value: of another type, out of all reach, or none.
VALUES = (
    b"", b"0", b"-1", b"1e999", b"-1e308", b"5e-324", b"nan", b"NaN", b"0x" + b"f" * 4000, b"9" * 5000, b"true",
    b"null", b"[]", b"{}", b'""', b'"\\ud800"', b'"\\u0000"', b'"a\\nb"', b'"' + b"a" * 300 + b'"', b"[" * 2000,
    b"1979-05-27", b"\xff", b"..", b"/",
)  # fmt: skip
VALUE = re.compile(rb'"[^"\n]*"|[\w.+-]+')


@st.composite
def damaged(draw: st.DrawFn, sound: bytes) -> bytes:
    """The file after up to three changes: bits flipped, parts cut out, put in, or doubled, values exchanged."""
    data = sound
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from((1, 2, 8, 64, 10**9))))
        part = data[start:end]
        change = draw(st.sampled_from(("flip", "cut", "insert", "double", "value", "value", "value")))
        if change == "value":
            places = list(VALUE.finditer(data[:20_000]))
            if places:
                place = draw(st.sampled_from(places))
                data = data[: place.start()] + draw(st.sampled_from(VALUES)) + data[place.end() :]
            continue
        mask = draw(st.integers(1, 255)) if change == "flip" else 0
        instead = {
            "flip": bytes(byte ^ mask for byte in part[:8]) + part[8:],
            "cut": b"",
            "insert": draw(st.binary(max_size=8)) + part,
            "double": part + part[:1000],
        }
        data = data[:start] + instead[change] + data[end:]
    return data


def is_read_or_refused(kind: Kind, folder: Path, data: bytes) -> bool:
    """Whether it is read."""
    path = folder / kind.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    started, said = time.process_time(), None
    try:
        kind.read(path)
    except RobustnessError as error:
        said = str(error)
    assert time.process_time() - started < PATIENCE
    if said is None:
        return True
    assert str(path) in said
    assert len(said.splitlines()) == 1
    assert said.encode()  # what cannot be encoded, no terminal shows
    return False


@pytest.mark.parametrize("name", NAMES)
def test_a_sound_file_is_read(name: str, kinds: Mapping[str, Kind], folder: Path) -> None:
    assert list(kinds) == list(NAMES)
    assert is_read_or_refused(kinds[name], folder, kinds[name].sound)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(
    name: str, data: st.DataObject, kinds: Mapping[str, Kind], folder: Path
) -> None:
    is_read_or_refused(kinds[name], folder, data.draw(damaged(kinds[name].sound)))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(name: str, data: bytes, kinds: Mapping[str, Kind], folder: Path) -> None:
    is_read_or_refused(kinds[name], folder, data)


def toml(old: str, new: str) -> bytes:
    assert old in SUITE
    return SUITE.replace(old, new, 1).encode()


#: What was found once, by these tests or by reading: each raised something else, or said it in several lines.
FOUND: dict[str, tuple[str, bytes]] = {
    "a number of thousands of digits": ("fuzzed.toml", toml("_rate = 0.5", f"_rate = 0x{'f' * 4000}")),
    "a file's name that is too long": ("fuzzed.toml", toml("images.npz", "a" * 300)),
    "weights' name that is too long": ("fuzzed.toml", toml("net.pth", f"{'a' * 300}.pth")),
    "a file's name of two lines": ("fuzzed.toml", toml("images.npz", r"a\nb.npz")),
    "classes of no image": ("classes.txt", b"cow\n"),
    "no classes": ("classes.txt", b""),
    "a path of two lines, twice": ("fuzzed.csv", b"path,label,sha256\n" + 2 * (b'"a\nb",0,' + b"0" * 64 + b"\n")),
    "a path that is too long": ("fuzzed.csv", b"path,label,sha256\n" + b"a" * 300 + b",0," + b"0" * 64),
    "an array that is none": ("fuzzed.npz", zipped(labels=b"no array")),
    "images without height": ("fuzzed.npz", arrays(images=np.zeros((4, 0, 5, 3), np.uint8))),
    "labels that are times": ("fuzzed.npz", arrays(labels=np.arange(4).astype("m8[s]"))),
    "weights without names": ("fuzzed.pth", pickled({1: torch.ones(1)})),
    "a zip file of another version": (
        "fuzzed.npz",
re.sub(rb"(PK\x01\x02..)..", lambda found: found[1] + b"\xff\xff", arrays(), flags=re.DOTALL),
    ),
    "weights of eight bits": (
        "fuzzed.pth",
        pickled({name: value.to(torch.float8_e4m3fn) for name, value in nets.tiny().state_dict().items()}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", FOUND)
def test_what_was_found_stays_mended(what: str, kinds: Mapping[str, Kind], folder: Path) -> None:
    name, data = FOUND[what]
    is_read_or_refused(kinds[name], folder, data)


@pytest.mark.parametrize("value", ["1e308", "-1e308", "5e-324", "1e999", "NaN", "-0.0", "123456789"])
def test_no_number_of_a_report_is_too_odd_for_its_page(value: str, kinds: Mapping[str, Kind], folder: Path) -> None:
    """All of them at once: a page draws and writes whatever it is given, or the file is refused."""
    kind = kinds["report.json"]
    data = re.sub(r"-?\b\d+\.\d+(e-?\d+)?(?=[,\s\]}])", value, kind.sound.decode())
    assert data.count(value) > 100
    is_read_or_refused(kind, folder, data.encode())


@pytest.mark.parametrize("name", ["fuzzed.pth", "fuzzed.npz"])
def test_nothing_in_a_file_is_executed(name: str, kinds: Mapping[str, Kind], folder: Path) -> None:
    trace = folder / "executed"
    evil = Evil(trace)
    data = arrays(labels=np.array([evil] * 4)) if name.endswith(".npz") else pickled({"first.weight": evil})
    trace.unlink(missing_ok=True)  # numpy pickles more than once
    assert not is_read_or_refused(kinds[name], folder, data)
    assert not trace.exists()
