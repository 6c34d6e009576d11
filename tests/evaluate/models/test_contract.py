"""How a model takes an image and answers, where that is not the usual way."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.models.classifier import Classifier
from pytest_robustness.evaluate.models.contract import Contract
from torch import Tensor, nn
from torch.nn import functional

from tests.evaluate import nets
from tests.evaluate.suites import ATTACKS, as_tensor, case_of, measure, pictures

IMAGES = as_tensor(pictures(6))


@dataclass
class Answer:
    logits: Tensor
    features: Tensor


Pair = namedtuple("Pair", ["features", "logits"])


def usual() -> tuple[Tensor, Tensor]:
    """Logits of the tiny net, and the gradient of their weighted sum."""
    return asked(nets.tiny(), Contract())


def asked(model: nn.Module, contract: Contract, **how: Any) -> tuple[Tensor, Tensor]:
    images = IMAGES.clone().requires_grad_()
    with Classifier(model, contract=contract, **how) as classifier:
        logits = classifier(images)
        weights = torch.arange(logits.shape[1], dtype=logits.dtype)
        (gradient,) = torch.autograd.grad((logits * weights).sum(), images)
    return logits.detach(), gradient


def test_an_image_comes_in_the_models_own_terms() -> None:
    """By channels, range, mean and std in the range's units, layout, in this order."""
    seen: list[Tensor] = []
    model = nets.Head(lambda logits: logits)
    forward = model.body.forward

    def channels_last(images: Tensor) -> Tensor:
        seen.append(images.detach())
        return forward(images.permute(0, 3, 1, 2))

    model.body.forward = channels_last
    contract = Contract(reverse=True, range=(0.0, 255.0), last=True)
    asked(model, contract, mean=(104.0, 117.0, 123.0), std=(2.0, 3.0, 4.0))
    blue, green, red = (IMAGES[:, channel] * 255 for channel in (2, 1, 0))
    expected = torch.stack([(blue - 104) / 2, (green - 117) / 3, (red - 123) / 4], -1)
    assert seen[0].is_contiguous()
    assert torch.equal(seen[0], expected)


@pytest.mark.parametrize(
    ("answer", "output"),
    [
        (lambda logits: {"logits": logits, "loss": None}, "logits"),
        (lambda logits: (logits * 0, logits), 1),
        (lambda logits: Answer(logits, logits * 0), "logits"),
        (lambda logits: Pair(logits * 0, logits), "logits"),
    ],
)
def test_the_logits_are_taken_out_of_an_answer(answer: Callable[[Tensor], Any], output: str | int) -> None:
    found, gradient = asked(nets.Head(answer), Contract(output=output))
    assert torch.equal(found, usual()[0])
    assert torch.equal(gradient, usual()[1])


@pytest.mark.parametrize(
    ("answer", "output", "said"),
    [
        (lambda logits: {"logits": logits}, "scores", "no output 'scores': it is a dict with logits"),
        (lambda logits: (logits,), 1, "no output 1: it is a tuple of 1"),
        (lambda logits: Answer(logits, logits), "scores", "no output 'scores': it is a Answer with logits, features"),
        (lambda logits: logits, "logits", "no output 'logits': it is a tensor of (6, 10)"),
        (lambda logits: {"logits": logits}, None, "a dict with logits for 6 images, not (6, K) logits; output = "),
    ],
)
def test_an_output_that_is_not_there_is_told(answer: Any, output: Any, said: str) -> None:
    with pytest.raises(RobustnessError) as error:
        asked(nets.Head(answer), Contract(output=output))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


SOFTMAX: dict[str, Callable[[Tensor], Tensor]] = {
    "a module": nn.Softmax(1),
    "a function": lambda logits: functional.softmax(logits, dim=1),
    "torch's": lambda logits: torch.softmax(logits, 1),
    "a method, by name": lambda logits: logits.softmax(dim=-1),
}


@pytest.mark.parametrize("kind", SOFTMAX)
def test_a_softmax_that_can_be_seen_is_cut_off(kind: str) -> None:
    """Also where another, in attention say, came before it."""

    def answer(logits: Tensor) -> Tensor:
        return SOFTMAX[kind](logits + 0 * logits.softmax(1))

    found, gradient = asked(nets.Head(answer), Contract(head="softmax"))
    assert torch.equal(found, usual()[0])
    assert torch.equal(gradient, usual()[1])


def test_probabilities_of_other_origin_become_logarithms_whose_slopes_are_finite() -> None:
    def answer(logits: Tensor) -> Tensor:
        return torch.softmax(1000 * logits, 1) * 1.0

    found, gradient = asked(nets.Head(answer), Contract(head="softmax"))
    assert bool(found.isfinite().all())
    assert bool(gradient.isfinite().all())
    mild, _ = asked(nets.Head(lambda logits: torch.softmax(logits, 1) * 1.0), Contract(head="softmax"))
    torch.testing.assert_close(mild, usual()[0].log_softmax(1))


SIGMOID: dict[str, Callable[[Tensor], Tensor]] = {
    "torch's": torch.sigmoid,
    "a function": functional.sigmoid,
    "a module": nn.Sigmoid(),
    "by hand": lambda logits: 1 / (1 + (-logits).exp()),
    "by its logarithm": lambda logits: functional.logsigmoid(logits).exp(),
}


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
@pytest.mark.parametrize("sigmoid", [None, *SIGMOID])
def test_one_logit_or_one_probability_is_two_classes(shape: tuple[int, ...], sigmoid: str | None) -> None:
    def answer(logits: Tensor) -> Tensor:
        one = logits[:, 0].reshape(shape)
        return one if sigmoid is None else SIGMOID[sigmoid](one)

    found, gradient = asked(nets.Head(answer), Contract(head="probability" if sigmoid else "sigmoid"))
    torch.testing.assert_close(found, torch.stack([torch.zeros(6), usual()[0][:, 0]], 1), rtol=1e-4, atol=1e-4)
    assert bool(gradient.flatten(1).any(1).all())


def test_probabilities_of_0_and_1_have_logits_that_are_finite() -> None:
    found, gradient = asked(nets.Head(lambda logits: (logits[:, 0] > 0).float() + 0 * logits[:, 0]), PROBABILITY)
    assert bool(found.isfinite().all())
    assert bool(gradient.isfinite().all())


PROBABILITY = Contract(head="probability")


@pytest.mark.parametrize("sigmoid", SIGMOID)
def test_a_probability_that_is_called_a_logit_is_told(sigmoid: str) -> None:
    """Taken as a logit every image would be of the second class."""
    model = nets.Head(lambda logits: SIGMOID[sigmoid](logits[:, 0]))
    with Classifier(model, contract=Contract(head="sigmoid")) as classifier:
        classifier(IMAGES[:2])  # of two images it might be one
        with pytest.raises(RobustnessError, match=r'answers are all between 0 and 1, as .*: say head = "probability"'):
            classifier(as_tensor(pictures(8)))


@pytest.mark.parametrize(
    ("answer", "head", "said"),
    [
        (lambda logits: logits, "softmax", 'the model\'s are from .*: say head = "logits"'),
        (lambda logits: logits.log_softmax(1), "softmax", 'the model\'s are from .*: say head = "logits"'),
        (lambda logits: logits.sigmoid(), "softmax", 'and do not add up to 1: say head = "logits"'),
        (lambda logits: 9 * logits[:, 0], "probability", 'the model\'s are from .*: say head = "sigmoid"'),
    ],
)
def test_answers_that_are_no_probabilities_are_told(answer: Any, head: str, said: str) -> None:
    with pytest.raises(RobustnessError, match=said) as error:
        asked(nets.Head(answer), Contract(head=head))
    assert "\n" not in str(error.value)


def changed_in_place(logits: Tensor) -> Tensor:
    shares = logits.softmax(1)
    shares.data *= torch.linspace(0.5, 1, shares.shape[1])
    shares.data /= shares.data.sum(1, keepdim=True)
    return shares


def test_a_softmax_that_was_changed_afterwards_is_not_cut_off() -> None:
    found, _ = asked(nets.Head(changed_in_place), Contract(head="softmax"))
    torch.testing.assert_close(found.softmax(1), changed_in_place(usual()[0].clone()), rtol=1e-3, atol=1e-4)


def test_a_softmax_over_the_batch_is_not_one_over_the_classes() -> None:
    with pytest.raises(RobustnessError, match="do not add up to 1"):
        asked(nets.Head(lambda logits: logits.softmax(0)), Contract(head="softmax"))


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_one_logit_without_a_word_names_the_key(shape: tuple[int, ...]) -> None:
    with pytest.raises(RobustnessError, match='say head = "sigmoid" in the suite'):
        asked(nets.Head(lambda logits: logits[:, 0].reshape(shape)), Contract())


def test_a_sigmoid_head_of_several_classes_is_told() -> None:
    with pytest.raises(RobustnessError, match='with head = "sigmoid" it should be one number for each'):
        asked(nets.tiny(), Contract(head="sigmoid"))


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16, torch.float64])
def test_a_model_is_measured_in_its_own_precision(precision: torch.dtype, tmp_path: Path) -> None:
    model = nets.tiny().eval().to(precision)
    with torch.no_grad():
        expected = model(IMAGES.to(precision)).float()
    found, gradient = asked(model, Contract())
    assert found.dtype == gradient.dtype == torch.float32
    assert torch.equal(found, expected)
    assert not torch.equal(found, usual()[0])


def test_what_is_not_its_usual_precision_is_said(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="net computes in float16, and is measured as it is"):
        half = measure(case_of(tmp_path, ATTACKS["pgd"], source="tests.evaluate.nets:half"))
    assert half.provenance.weights_digest != measure(case_of(tmp_path, ATTACKS["pgd"])).provenance.weights_digest
    assert half.aggregates.successes


@pytest.mark.parametrize("how", ["module", "wrapper", "part"])
def test_what_is_compiled_runs_eagerly_and_says_so(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(torch.compiler, "set_stance"):
        pytest.skip("of torch 2.6 and newer")

    def refuse(*args: object) -> None:
        raise AssertionError("it was compiled")

    model = nets.tiny()
    if how == "module":
        model.compile(backend=refuse)
    elif how == "wrapper":
        model = torch.compile(model, backend=refuse)
    else:
        model.norm = torch.compile(model.norm, backend=refuse)
    case = case_of(tmp_path, ATTACKS["pgd"])
    usual = measure(case)
    monkeypatch.setattr(nets, "tiny", lambda: model)
    with pytest.warns(UserWarning, match="models.net is compiled: it runs eagerly while it is measured"):
        now = measure(case)
    assert now.evidence == usual.evidence
    with pytest.raises(Exception, match="it was compiled"):  # as it would be elsewhere
        model(IMAGES)


@pytest.mark.parametrize("attack", ["pgd", "square", "ta-pgd"])
def test_a_model_of_other_terms_is_attacked_as_the_same_one_of_usual_terms(attack: str, tmp_path: Path) -> None:
    usual = measure(case_of(tmp_path, ATTACKS[attack]))
    (tmp_path / "other").mkdir()
    contract = {"channels": "BGR", "layout": "NHWC", "output": "scores", "head": "softmax"}
    other = measure(case_of(tmp_path / "other", ATTACKS[attack], source="tests.evaluate.nets:other_terms", **contract))
    assert other.evidence == usual.evidence
    assert other.protocol == usual.protocol
