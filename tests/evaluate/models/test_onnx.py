"""Files of ONNX: modules with gradients that agree with onnxruntime, or black boxes. Needs the extra ``onnx``."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.measure import identify
from pytest_robustness.evaluate.models.classifier import Classifier
from pytest_robustness.evaluate.models.contract import Contract
from pytest_robustness.evaluate.models.load import load_model
from torch import Tensor, nn
from torch.nn import functional

from tests.evaluate import nets
from tests.evaluate.suites import ATTACKS, CPU, as_tensor, case_of, measure, pictures

pytestmark = pytest.mark.needs("onnx")
onnx: Any = import_module("onnx") if find_spec("onnx") else None

IMAGES = as_tensor(pictures(5))


def export(path: Path, model: nn.Module | None = None, *, opset: int = 17, fixed: bool = False) -> None:
    axes = None if fixed else {"x": {0: "n"}, "y": {0: "n"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            (model or nets.tiny()).eval(),
            (IMAGES,),
            str(path),
            dynamo=False,
            opset_version=opset,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes=axes,
        )


@pytest.mark.parametrize("attack", ["fgsm", "pgd", "square"])
def test_a_file_is_attacked_as_the_model_it_was_exported_from(attack: str, tmp_path: Path) -> None:
    export(tmp_path / "a.onnx")
    usual = measure(case_of(tmp_path, ATTACKS[attack]))
    now = measure(case_of(tmp_path, ATTACKS[attack], source="a.onnx"))
    assert now.evidence.success == usual.evidence.success
    assert now.evidence.effort == usual.evidence.effort
    assert now.provenance.model == "a.onnx"
    assert now.provenance.code_digest is not None


def test_operators_need_no_name_of_their_own(tmp_path: Path) -> None:
    export(tmp_path / "a.onnx")
    program = onnx.load(tmp_path / "a.onnx")
    for node in program.graph.node:
        node.name = ""
    program.graph.node[0].name = "Relu_1"  # which onnx2torch calls the second of two without a name
    onnx.save(program, tmp_path / "a.onnx")
    usual = measure(case_of(tmp_path, ATTACKS["pgd"]))
    assert measure(case_of(tmp_path, ATTACKS["pgd"], source="a.onnx")).evidence.success == usual.evidence.success


class Reshaped(nets.Tiny):
    """One whose program has the size of its batch in it."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).reshape(len(IMAGES), 2, nets.CLASSES // 2).flatten(1)


@pytest.mark.parametrize("black_box", [False, True])
def test_a_fixed_batch_runs_in_chunks_where_it_must(tmp_path: Path, *, black_box: bool) -> None:
    export(tmp_path / "fixed.onnx", nets.seeded(Reshaped), fixed=True)
    usual = measure(case_of(tmp_path, ATTACKS["square"]))
    how = {"black_box": True} if black_box else {}
    with pytest.warns(UserWarning, match="exported for batches of 5, and runs in chunks of 5"):
        now = measure(case_of(tmp_path, ATTACKS["square"], source="fixed.onnx", **how))
    assert now.evidence.success == usual.evidence.success


def test_a_batch_of_one_that_can_take_more_takes_more(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    export(tmp_path / "fixed.onnx", fixed=True)
    assert (
        measure(case_of(tmp_path, source="fixed.onnx")).evidence.success == measure(case_of(tmp_path)).evidence.success
    )
    assert not [one for one in recwarn if "exported for batches" in str(one.message)]


def test_a_softmax_at_the_end_is_cut_off(tmp_path: Path) -> None:
    """Sure of itself as this one is, probabilities would have no slopes left."""
    export(tmp_path / "sure.onnx", nets.Head(lambda logits: functional.softmax(200 * logits, 1)))
    case = case_of(tmp_path, source="sure.onnx", head="softmax")
    with Classifier(load_model(case), contract=Contract.of(case.model)) as classifier:
        torch.testing.assert_close(classifier(IMAGES), 200 * nets.tiny().eval()(IMAGES))


def test_a_black_box_gives_no_gradient_and_the_same_answers(tmp_path: Path) -> None:
    export(tmp_path / "a.onnx")
    box = {"source": "a.onnx", "black_box": True}
    with pytest.raises(RobustnessError, match="gives no gradient for its input"):
        measure(case_of(tmp_path, **box))
    usual, now = measure(case_of(tmp_path, ATTACKS["square"])), measure(case_of(tmp_path, ATTACKS["square"], **box))
    assert now.evidence.success == usual.evidence.success


def unknown(path: Path) -> None:
    """With an operator that onnxruntime has and onnx2torch has not."""
    export(path, nets.Head(lambda logits: torch.cumsum(logits, 1)))
    model = onnx.load(path)
    for node in model.graph.node:
        if node.op_type == "CumSum":
            node.op_type = "Hardmax"
            del node.input[1:]
    onnx.save(model, path)


WRONG: dict[str, tuple[Callable[[Path], Any], str]] = {
    "an operator that is not known": (unknown, "onnx2torch has no operator Hardmax of version 13: torch.onnx.export("),
    "noise": (lambda path: path.write_bytes(b"\1\2\3" * 50), "cannot be read by onnxruntime: "),
    "a pointer": (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"), "a Git LFS pointer"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_read_is_told_in_one_line(what: str, tmp_path: Path) -> None:
    write, said = WRONG[what]
    write(tmp_path / "a.onnx")
    with pytest.raises(RobustnessError) as error:
        measure(case_of(tmp_path, source="a.onnx"))
    assert str(error.value).startswith(f"{tmp_path / 'suite.toml'}: models.net.source: {tmp_path / 'a.onnx'}: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_conversion_that_answers_otherwise_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnx2torch

    convert = onnx2torch.convert
    monkeypatch.setattr("onnx2torch.convert", lambda path: nn.Sequential(convert(path), nn.Hardtanh(-1e-3, 1e-3)))
    export(tmp_path / "a.onnx")
    with pytest.raises(RobustnessError, match="as a module of torch it answers otherwise than by onnxruntime, by "):
        measure(case_of(tmp_path, source="a.onnx"))


def test_weights_beside_a_file_are_part_of_what_it_is(tmp_path: Path) -> None:
    export(tmp_path / "a.onnx")
    model = onnx.load(tmp_path / "a.onnx")
    beside = {"save_as_external_data": True, "location": "a.data", "size_threshold": 0}
    onnx.save(model, tmp_path / "a.onnx", **beside)
    before = identify(case_of(tmp_path, source="a.onnx"), device=CPU)[1].weights_digest
    data = bytearray((tmp_path / "a.data").read_bytes())
    data[3] ^= 1
    (tmp_path / "a.data").write_bytes(data)
    os.utime(tmp_path / "a.onnx")
    assert identify(case_of(tmp_path, source="a.onnx"), device=CPU)[1].weights_digest != before


def test_a_file_of_half_precision_is_measured_in_it(tmp_path: Path) -> None:
    export(tmp_path / "half.onnx")
    model = onnx.load(tmp_path / "half.onnx")
    convert = pytest.importorskip("onnxconverter_common", reason="onnxconverter_common is not installed")
    onnx.save(convert.float16.convert_float_to_float16(model), tmp_path / "half.onnx")
    with pytest.warns(UserWarning, match="computes in float16"):
        assert measure(case_of(tmp_path, source="half.onnx")).aggregates.successes


def test_sides_that_a_file_leaves_open_are_found(tmp_path: Path) -> None:
    """Its last layer fits one size only."""
    body = nn.Sequential(nn.Flatten(), nn.Linear(3 * nets.SIZE * nets.SIZE, nets.CLASSES))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        axes = {"x": {0: "n", 2: "h", 3: "w"}}
        how = {"dynamo": False, "opset_version": 17, "input_names": ["x"], "dynamic_axes": axes}
        torch.onnx.export(body.eval(), (IMAGES,), str(tmp_path / "open.onnx"), **how)
    with pytest.raises(RobustnessError, match=r"open\.onnx: onnxruntime runs it on no image of 224, 32, "):
        measure(case_of(tmp_path, source="open.onnx"))
