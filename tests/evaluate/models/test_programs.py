"""Models that are files, program and weights in one, and black boxes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.clean import ModelCache
from pytest_robustness.evaluate.health import CHECKS, examine, masking_findings
from pytest_robustness.evaluate.images.load import attacked_images
from pytest_robustness.evaluate.loaded import loaded_classifier
from pytest_robustness.evaluate.measure import identify
from pytest_robustness.evaluate.models.programs.black_box import BlackBox
from pytest_robustness.records.measurement import Measurement
from torch import nn

from tests.evaluate import nets
from tests.evaluate.suites import ATTACKS, CPU, as_tensor, case_of, measure, pictures

pytestmark = pytest.mark.filterwarnings("ignore:.*jit.*:DeprecationWarning")
IMAGES = as_tensor(pictures(6))


def exported(path: Path, *, rows: int | None = None, model: nn.Module | None = None) -> None:
    dynamic = None if rows else ({0: torch.export.Dim("rows", min=2)},)
    program = torch.export.export(model or nets.tiny().eval(), (IMAGES[: rows or 2],), dynamic_shapes=dynamic)
    torch.export.save(program, path)


#: A way to write the tiny net down, by the file's name.
FILES: dict[str, Callable[[Path], Any]] = {
    "scripted.pt": lambda path: torch.jit.script(nets.tiny()).save(path),
    "traced.ts": lambda path: torch.jit.trace(nets.tiny().eval(), IMAGES).save(path),
    "frozen.torchscript": lambda path: torch.jit.freeze(torch.jit.script(nets.tiny().eval())).save(path),
    "exported.pt2": exported,
    "of-five.pt2": lambda path: exported(path, rows=5),
}


def of_file(folder: Path, name: str, attack: str = "pgd") -> Measurement:
    FILES[name](folder / name)
    return measure(case_of(folder, ATTACKS[attack], source=name))


@pytest.mark.filterwarnings("ignore:.*it was exported for batches")
@pytest.mark.parametrize("attack", ["pgd", "square"])
@pytest.mark.parametrize("name", FILES)
def test_a_file_is_attacked_as_the_model_it_was_made_of(name: str, attack: str, tmp_path: Path) -> None:
    usual, now = measure(case_of(tmp_path, ATTACKS[attack])), of_file(tmp_path, name, attack)
    assert now.evidence.correct == usual.evidence.correct
    assert now.evidence.success == usual.evidence.success
    assert now.evidence.effort == usual.evidence.effort
    assert now.provenance.model == name


def test_a_fixed_batch_is_said(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"of-five\.pt2: it was exported for batches of 5, and runs in chunks of 5"):
        of_file(tmp_path, "of-five.pt2")


def test_a_file_is_known_by_its_bytes_and_the_suite_s_terms(tmp_path: Path) -> None:
    FILES["traced.ts"](tmp_path / "a.ts")
    case = case_of(tmp_path, source="a.ts")
    digests = [identify(case, device=CPU)[1]]
    assert identify(case, device=CPU)[1] == digests[0]
    digests.append(identify(case_of(tmp_path, source="a.ts", channels="BGR"), device=CPU)[1])
    torch.jit.trace(nets.seeded(nets.Tiny, 4).eval(), IMAGES).save(tmp_path / "a.ts")
    digests.append(identify(case_of(tmp_path, source="a.ts"), device=CPU)[1])
    assert len({one.weights_digest for one in digests}) == 3
    assert {one.code_digest is None for one in digests} == {False}


WRONG: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    "weights": ("a.pt", lambda path: torch.save(nets.tiny().state_dict(), path), "it has weights and no program: name"),
    "a page": ("a.pt2", lambda path: path.write_text("<!doctype html>"), "it is an HTML page, and not the file itself"),
    "a pointer": ("a.ts", lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"), "Git LFS poin"),
    "noise": ("a.torchscript", lambda path: path.write_bytes(b"\1\2" * 99), "cannot be read as TorchScript"),
    "of train mode": ("a.pt2", lambda path: exported(path, model=nets.tiny().train()), "it was exported in train mode"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_file_that_is_none_is_told_in_one_line(what: str, tmp_path: Path) -> None:
    name, write, said = WRONG[what]
    write(tmp_path / name)
    with pytest.raises(RobustnessError) as error:
        measure(case_of(tmp_path, source=name))
    assert str(error.value).startswith(f"{tmp_path / 'suite.toml'}: models.net.source: {tmp_path / name}: ")
    assert said in str(error.value)
    assert "weights_only" not in str(error.value)
    assert "\n" not in str(error.value)


BOX: dict[str, Any] = {"source": "tests.evaluate.nets:scores", "black_box": True, "version": "1"}


@pytest.mark.parametrize("attack", ["square", "ta-square"])
def test_a_black_box_is_attacked_as_the_model_in_it(attack: str, tmp_path: Path) -> None:
    usual, now = measure(case_of(tmp_path, ATTACKS[attack])), measure(case_of(tmp_path, ATTACKS[attack], **BOX))
    assert now.evidence == usual.evidence
    assert now.provenance.code_digest is not None


@pytest.mark.parametrize(
    ("answer", "more"),
    [
        (lambda scores: scores.argmax(1), {}),
        (lambda scores: scores.argmax(1, keepdims=True), {}),
        (lambda scores: scores.argmax(1).tolist(), {}),
        (lambda scores: {"scores": np.eye(10)[scores.argmax(1)], "took": "12 ms"}, {"output": "scores"}),
    ],
)
def test_a_black_box_may_answer_with_labels_or_in_a_dict(
    answer: Any, more: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = case_of(tmp_path, ATTACKS["square"], **BOX, **more)
    scores = nets.scores
    monkeypatch.setattr(nets, "scores", lambda images: answer(np.asarray(scores(images))))
    images = case.suite.images.model_copy(update={"classes": tuple("abcdefghij")})
    known = measure(dataclasses.replace(case, suite=case.suite.model_copy(update={"images": images})))
    assert known.evidence.correct == measure(case_of(tmp_path, ATTACKS["square"])).evidence.correct


def test_a_black_box_of_two_classes_may_be_quite_sure() -> None:
    assert BlackBox(lambda images: np.float64([0, 1, 1]), None)(torch.zeros(3, 3, 4, 4)).tolist() == [0, 1, 1]


def test_a_black_box_has_no_gradients(tmp_path: Path) -> None:
    with pytest.raises(RobustnessError, match="gives no gradient for its input") as error:
        measure(case_of(tmp_path, ATTACKS["pgd"], **BOX))
    assert "\n" not in str(error.value)


def test_another_version_is_another_model(tmp_path: Path) -> None:
    known = [identify(case_of(tmp_path, **BOX | {"version": one}), device=CPU)[1] for one in ("1", "2", "1")]
    assert known[0] == known[2]
    assert known[0].weights_digest != known[1].weights_digest


def test_a_black_box_is_not_blamed_for_having_no_gradients(tmp_path: Path) -> None:
    case = case_of(tmp_path, ATTACKS["square"], **BOX)
    with loaded_classifier(case, attacked_images(case), CPU) as classifier:
        assert masking_findings(case, classifier, ModelCache()) == []
    checks = {level: [one.check for one in examine(case.suite, "net", device=CPU, level=level)] for level in CHECKS}
    assert checks == {
        "cheap": ["accuracy", "deterministic", "batch mates", "logits", "noise"],
        "heavy": ["shifted logits", "budget and box"],
        "masking": [],
    }


@pytest.mark.parametrize(
    ("answer", "classes", "said"),
    [
        (lambda images: images.mean((1, 2, 3)) > 0, 10, "the black box answered with ndarray: should be scores or lab"),
        (lambda images: [0] * len(images), None, "answers with labels: the suite's images.classes should name them"),
        (lambda images: np.arange(len(images)) * 1.0, 10, "answered with labels of float64: should be integers"),
        (lambda images: {"other": 1}, 10, "the black box answered with dict: should be scores or labels"),
        (lambda images: [12] * len(images), 10, "the black box answered with labels from 12 to 12, of 10 classes"),
        (lambda images: np.zeros((3, 10)), 10, "the model returned a tensor of (3, 10) for "),
        (lambda images: 1 / 0, 10, "the model raised ZeroDivisionError: division by zero (test_programs.py"),
    ],
)
def test_an_answer_that_is_none_is_told(
    answer: Any, classes: int | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = case_of(tmp_path, ATTACKS["square"], **BOX)
    monkeypatch.setattr(nets, "scores", answer)
    names = None if classes is None else tuple(map(str, range(classes)))
    images = case.suite.images.model_copy(update={"classes": names})
    suite = case.suite.model_copy(update={"images": images})
    with pytest.raises(RobustnessError) as error:
        measure(suite.case(case.id))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_labels_alone_are_enough_to_be_attacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of(tmp_path, ATTACKS["square"], **BOX)
    monkeypatch.setattr(nets, "scores", lambda images, scores=nets.scores: scores(images).argmax(1))
    names = tuple(map(str, range(nets.CLASSES)))
    suite = case.suite.model_copy(update={"images": case.suite.images.model_copy(update={"classes": names})})
    now = measure(suite.case(case.id))
    assert now.aggregates.attempts == measure(case_of(tmp_path)).aggregates.attempts
    assert now.aggregates.successes > 0


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"source": "tests.evaluate.nets:scores", "black_box": True}, "models.net: a black box needs a version"),
        ({"source": "torchvision:vgg11", "black_box": True, "version": "1"}, "a black box is a function"),
        ({"version": "1"}, "a version is of a black box"),
        ({"source": "a.ts", "arguments": {}, "weights": "a.ts"}, "weights and arguments are of a model that is built"),
        ({"source": "b.pt2"}, "models.net.source: no such file: "),
        ({"source": "b.h5"}, "models.net.source: should be package.module:factory, torchvision:NAME, timm:NAME, "),
    ],
)
def test_keys_that_do_not_go_together_are_told(keys: dict[str, Any], said: str, tmp_path: Path) -> None:
    (tmp_path / "a.ts").touch()
    with pytest.raises(RobustnessError) as error:
        case_of(tmp_path, **{key: value for key, value in keys.items() if value != {}})
    assert said in str(error.value)
    assert "\n" not in str(error.value)
