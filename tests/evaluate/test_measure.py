"""``evaluate`` is a pure function of the case: of nothing else, and without a trace of itself."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
import torch
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate import clean, loaded, work
from pytest_robustness.evaluate.images.image_set import load_images
from pytest_robustness.evaluate.measure import evaluate, identify
from pytest_robustness.evaluate.models import identity
from pytest_robustness.evaluate.models.classifier import Classifier, row_floor
from pytest_robustness.evaluate.rounds import Round, run_in_order
from pytest_robustness.evaluate.runtime.seeding import seeded
from pytest_robustness.evaluate.timing import timing_of
from pytest_robustness.records.evidence import Evidence
from pytest_robustness.records.protocol import Batch
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.suite import Case

from tests.evaluate import nets
from tests.evaluate.suites import (
    ATTACKS,
    COUNT,
    CPU,
    MEAN,
    PGD,
    STD,
    as_tensor,
    case_of,
    labels_of,
    measure,
    pictures,
    write_images,
)

#: Those that draw random numbers, and C&W.
DRAWING = {
    name: ATTACKS[name] for name in ("pgd", "pgd-l2", "apgd", "square", "cw", "ta-pgd", "ta-difgsm", "ta-square")
}


def generators() -> tuple[Any, ...]:
    """The state of every global generator an attack could draw from, in comparable form."""
    _, keys, *rest = np.random.get_state()
    return torch.get_rng_state().tolist(), keys.tolist(), rest, random.getstate()


def use_up_random_numbers() -> None:
    torch.manual_seed(12345)
    random.seed(12345)
    np.random.seed(12345)
    torch.rand(7), random.random(), np.random.rand(3)


@pytest.fixture(autouse=True)
def _generators_as_before() -> Iterator[None]:
    torch_state, numpy_state, python_state = torch.get_rng_state(), np.random.get_state(), random.getstate()
    yield
    torch.set_rng_state(torch_state)
    np.random.set_state(numpy_state)
    random.setstate(python_state)


@pytest.mark.parametrize("name", DRAWING)
def test_the_same_evidence_whatever_the_callers_generators(name: str, tmp_path: Path) -> None:
    case = case_of(tmp_path, DRAWING[name])
    first = measure(case)
    use_up_random_numbers()
    second = measure(case)
    assert second.evidence == first.evidence
    assert second.protocol == first.protocol
    assert 0 < sum(first.evidence.success) < COUNT


@pytest.mark.parametrize("attack", [PGD | {"steps": 3}, {"attack": "CW", "steps": 3, "lr": 0.05}])
def test_the_same_evidence_on_one_thread_and_two(attack: Mapping[str, Any], tmp_path: Path) -> None:
    case = case_of(tmp_path, attack)
    one = measure(case)
    torch.set_num_threads(2)
    two = measure(case)
    assert two.evidence == one.evidence
    assert sum(one.evidence.success) > 0


def test_the_same_evidence_in_another_process(tmp_path: Path) -> None:
    case = case_of(tmp_path, PGD)
    program = (
        "import sys, torch; from pathlib import Path; from pytest_robustness.suite.load import load_suite\n"
        "from pytest_robustness.evaluate.measure import evaluate\n"
        "case = load_suite(Path(sys.argv[1])).case('net/it')\n"
        "print(evaluate(case, device=torch.device('cpu')).evidence.model_dump_json())"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program, str(case.suite.path)],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert Evidence.model_validate_json(done.stdout.splitlines()[-1]) == measure(case).evidence


@pytest.mark.parametrize("name", DRAWING)
def test_the_callers_generators_go_on_as_if_nothing_had_been(name: str, tmp_path: Path) -> None:
    case = case_of(tmp_path, DRAWING[name])
    use_up_random_numbers()
    before = generators()
    measure(case)
    assert generators() == before


def test_generators_come_back_after_an_error() -> None:
    before = generators()
    with pytest.raises(ZeroDivisionError), seeded(0, 0):
        torch.rand(3), random.random(), np.random.rand(3)
        raise ZeroDivisionError
    assert generators() == before


def test_random_numbers_follow_from_seed_and_place_alone() -> None:
    def draw(seed: int, position: int) -> tuple[float, float, float]:
        with seeded(seed, position):
            return float(torch.rand(())), random.random(), float(np.random.rand())

    first = draw(1, 100)
    use_up_random_numbers()
    assert draw(1, 100) == first
    for other in (draw(1, 0), draw(0, 100), draw(11, 0)):
        assert not set(other) & set(first)


def test_a_model_that_draws_its_weights_is_no_exception(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every factory draws weights, if only to overwrite them."""
    monkeypatch.setattr(nets, "tiny", nets.Tiny)
    case = case_of(tmp_path, PGD)
    first = measure(case)
    use_up_random_numbers()
    before = generators()
    second = measure(case)
    assert generators() == before
    assert second.provenance.weights_digest == first.provenance.weights_digest


@pytest.mark.parametrize(
    "mode",
    [torch.no_grad, torch.inference_mode],
)
def test_the_callers_gradient_mode_does_not_matter(mode: Any, tmp_path: Path) -> None:
    case = case_of(tmp_path, PGD)
    with mode():
        inside = measure(case).evidence
    assert inside == measure(case).evidence


@pytest.mark.parametrize("name", ["pgd", "cw", "ta-pgd"])
def test_other_batch_mates_change_no_evidence(name: str, tmp_path: Path) -> None:
    """Every third image stays where it is; the others make place for harder, easier and wrong ones."""
    images, mates = pictures(), pictures(seed=9)
    stays = np.arange(COUNT) % 3 == 0
    mixed = np.where(stays[:, None, None, None], images, mates)
    labels, others = labels_of(images), labels_of(mixed, wrong=(1, 4, 5, 25, 53))
    mixed_labels = np.where(stays, labels, others)
    first = measure(case_of(tmp_path, DRAWING[name], images=images, labels=labels)).evidence
    second = measure(case_of(tmp_path, DRAWING[name], images=mixed, labels=mixed_labels)).evidence
    assert first.success != second.success
    for mine, yours in (
        (first.correct, second.correct),
        (first.success, second.success),
        (first.effort, second.effort),
        (first.noise, second.noise),
    ):
        assert mine is not None
        assert yours is not None
        assert mine[::3] == yours[::3]


@pytest.mark.parametrize("attack", [PGD, PGD | {"stop": "full"}, ATTACKS["cw"], ATTACKS["square"], ATTACKS["ta-pgd"]])
def test_without_attempts_nothing_is_attacked(attack: Mapping[str, Any], tmp_path: Path) -> None:
    ran: list[Round] = []
    case = case_of(tmp_path, attack, labels=labels_of(pictures(), wrong=range(COUNT)))
    measurement = evaluate(case, device=CPU, run_rounds=ran.extend)
    assert ran == []
    assert measurement.evidence.correct == measurement.evidence.success == [0] * COUNT
    assert measurement.evidence.noise == [None] * COUNT
    assert measurement.evidence.effort in (None, [None] * COUNT)
    assert measurement.aggregates.success_rate is None
    assert measurement.timing.doubt == "no attempts"


def test_answers_of_one_colour_are_counted_out_and_told(tmp_path: Path) -> None:
    case = case_of(tmp_path, {"attack": "tests.evaluate.attacks.own:black"})
    told = rf"net/it: {COUNT - 3} answers of tests.evaluate.attacks.own:black are one colour all over, .*: not counted"
    with pytest.warns(UserWarning, match=told):
        assert measure(case).evidence.success == [0] * COUNT


def test_one_batch_without_attempts_leaves_the_others_alone(tmp_path: Path) -> None:
    usual = measure(case_of(tmp_path, PGD)).evidence
    labels = labels_of(pictures(), wrong=(3, *range(24, 48), 50))
    holed = measure(case_of(tmp_path, PGD, labels=labels)).evidence
    assert holed.success[24:48] == holed.correct[24:48] == [0] * 24
    for part in (slice(0, 24), slice(48, None)):
        assert holed.model_dump(include={"success"})["success"][part] == usual.success[part]
        assert holed.noise[part] == usual.noise[part]


def test_all_successes_are_a_result_like_any_other(tmp_path: Path) -> None:
    measurement = measure(case_of(tmp_path, PGD | {"eps": 1.0, "alpha": 0.25, "steps": 20}))
    assert measurement.aggregates.success_rate == 1
    assert measurement.aggregates.robust_accuracy == 0
    assert measurement.evidence.success == measurement.evidence.correct


def test_no_images_are_refused_because_a_gate_without_them_would_always_pass(tmp_path: Path) -> None:
    with pytest.raises(RobustnessError, match=r"images\.npz: images: there are none"):
        measure(case_of(tmp_path, PGD, images=pictures()[:0], labels=np.zeros(0, np.int64)))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("pgd", [(27, 56), (51, 56), (56, 56)]), ("ta-pgd", [(26, 56), (49, 56), (56, 56)])],  # three are wrong when clean
)
def test_progress_counts_images_round_by_round(name: str, expected: list[tuple[int, int]], tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    measurement = evaluate(
        case_of(tmp_path, ATTACKS[name]),
        device=CPU,
        progress=lambda *images: done.append(images),
        time_unreliable_because="a reason",
    )
    assert done == expected
    assert measurement.timing.doubt == "a reason"
    assert measurement.timing.rounds == 3


class Counting:
    """Counts the forwards of clean images, of two of which digests are made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.digests = self.answers = 0
        digest, answers = identity.code_digest, clean.answers
        monkeypatch.setattr(identity, "code_digest", lambda *given: self._count("digests", digest(*given)))
        monkeypatch.setattr(work, "answers", lambda *given: self._count("answers", answers(*given)))

    def _count(self, name: str, result: Any) -> Any:
        setattr(self, name, getattr(self, name) + 1)
        return result


def test_a_models_clean_images_are_computed_once_for_all_of_its_cases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path / "blind.npz", pictures(seed=5), labels_of(pictures(seed=5)))
    alone = [measure(case_of(tmp_path, attack, unselected="blind.npz")) for attack in (PGD, ATTACKS["cw"])]
    counting, model_cache = Counting(monkeypatch), clean.ModelCache()
    together = [
        evaluate(case_of(tmp_path, attack, unselected="blind.npz"), device=CPU, model_cache=model_cache)
        for attack in (PGD, ATTACKS["cw"])
    ]
    assert (counting.digests, counting.answers) == (1, 2)  # of the attacked and of the unselected images
    for mine, theirs in zip(together, alone, strict=True):
        assert (mine.evidence, mine.provenance) == (theirs.evidence, theirs.provenance)


def test_what_is_remembered_is_of_these_weights_and_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counting, model_cache = Counting(monkeypatch), clean.ModelCache()
    weights = tmp_path / "net.pth"
    torch.save(nets.tiny().state_dict(), weights)
    first = evaluate(case_of(tmp_path, PGD, weights="net.pth"), device=CPU, model_cache=model_cache)
    changed = nets.tiny()
    with torch.no_grad():
        next(changed.parameters()).neg_()
    torch.save(changed.state_dict(), weights)
    second = evaluate(case_of(tmp_path, PGD, weights="net.pth"), device=CPU, model_cache=model_cache)
    assert second.provenance.weights_digest != first.provenance.weights_digest
    assert second.evidence.correct != first.evidence.correct
    others = pictures(seed=9)
    third = evaluate(case_of(tmp_path, PGD, weights="net.pth", images=others), device=CPU, model_cache=model_cache)
    assert third.evidence.correct != second.evidence.correct
    assert (counting.digests, counting.answers) == (2, 3)


def test_unselected_images_give_clean_accuracy_only(tmp_path: Path) -> None:
    images = pictures(30, seed=5)
    write_images(tmp_path / "blind.npz", images, labels_of(images, wrong=(0, 1, 29)))
    plain, blind = (measure(case_of(tmp_path, PGD, unselected=name)) for name in (None, "blind.npz"))
    assert blind.evidence.unselected_correct == [0, 0, *[1] * 27, 0]
    assert blind.aggregates.clean_accuracy == 0.9
    assert plain.evidence == blind.evidence.model_copy(update={"unselected_correct": None})


def test_the_protocol_says_what_was_done(tmp_path: Path) -> None:
    measurement = measure(case_of(tmp_path, PGD, batch_size=20, row_floor=8, seed=3))
    protocol = measurement.protocol
    assert measurement.case == "net/it"
    assert (protocol.batch, protocol.seed, protocol.dtype) == (None, 3, "float32")
    assert (protocol.attack, protocol.stop, protocol.distance) == ("PGD", "first-success", None)
    assert protocol.parameters == {
        "eps": 0.03,
        "alpha": 0.0075,
        "steps": 10,
        "norm": "inf",
        "random_start": True,
        "restarts": 1,
        "loss": "scale-free",
    }
    assert protocol.shape == [3, nets.SIZE, nets.SIZE]
    assert measurement.images.count == COUNT
    assert measurement.provenance.row_floor == 8


def test_the_protocol_of_an_attack_on_whole_batches_has_the_set_and_the_size(tmp_path: Path) -> None:
    measurement = measure(case_of(tmp_path, ATTACKS["ta-pgd"], batch_size=20))
    assert measurement.protocol.batch == Batch(size=20, images=measurement.images.digest)


def test_another_memory_format_is_another_protocol(tmp_path: Path) -> None:
    plain, other = (measure(case_of(tmp_path, PGD, memory_format=name)) for name in ("contiguous", "channels_last"))
    assert "memory_format" not in plain.protocol.model_dump()  # what was stored before there was a choice stays valid
    assert other.protocol.first_difference(plain.protocol) == 'memory_format: "channels_last" is now null'
    assert other.evidence.correct == plain.evidence.correct


def test_a_floor_of_rows_keeps_the_other_memory_format_bit_equal_too(tmp_path: Path) -> None:
    """Active sets of any size against whole batches: efforts and successes would differ by rounding alone."""
    active, whole = (
        measure(case_of(tmp_path, PGD | {"stop": stop}, memory_format="channels_last")).evidence
        for stop in ("first-success", "full")
    )
    assert (active.success, active.effort) == (whole.success, whole.effort)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("four_classes", "the model has 4 classes, but an image's label is 9"),
        ("nan_logits", "the model's logits are not finite"),
    ],
)
def test_a_model_that_does_not_fit_is_an_error_in_one_line(source: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(RobustnessError) as error:
        measure(case_of(tmp_path, PGD, source=f"tests.evaluate.nets:{source}"))
    assert str(error.value) == f"{tmp_path / 'suite.toml'}: models.net: {said}"


@pytest.mark.parametrize("source", ["vector_logits", "remembers"])
def test_a_model_that_breaks_its_contract_is_an_error_in_one_line(source: str, tmp_path: Path) -> None:
    with pytest.raises(RobustnessError) as error:
        measure(case_of(tmp_path, PGD, source=f"tests.evaluate.nets:{source}"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("dropout_left_on", "draws random numbers"),
        ("numpy_noise", "draws random numbers"),
        ("dropout_under_gradients", "answers otherwise while gradients are computed"),
        ("noise_by_position", "looks at the other images of its batch"),
        ("batch_statistics", "looks at the other images of its batch"),
        ("counts_its_calls", "remembers what it saw before"),
        ("tires_after_twenty_calls", "remembers what it saw before"),
    ],
)
@pytest.mark.parametrize("attack", [PGD, ATTACKS["ta-pgd"], ATTACKS["square"]], ids=["rows", "batches", "forwards"])
def test_a_model_that_is_no_function_of_the_image_is_an_error_that_names_the_kind(
    source: str, kind: str, attack: Mapping[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(RobustnessError) as error:
        measure(case_of(tmp_path, attack, source=f"tests.evaluate.nets:{source}"))
    assert str(error.value).startswith(f"{tmp_path / 'suite.toml'}: models.net: gives the same image other logits")
    assert kind in str(error.value)


@pytest.mark.parametrize("key", ["mean", "std"])
def test_a_normalisation_of_other_channels_is_an_error_in_one_line(key: str, tmp_path: Path) -> None:
    case = case_of(tmp_path, PGD)
    path = case.suite.path
    path.write_text(path.read_text().replace(f"{key} = [", f"{key} = [0.1, "))
    with pytest.raises(RobustnessError) as error:
        measure(load_suite(path).case("net/it"))
    assert str(error.value).startswith(f"{path}: normalisation.{key}: ")
    assert "4 values for images of 3 channels" in str(error.value)


def test_out_of_memory_names_the_batch_size_and_gives_the_model_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, model = case_of(tmp_path, {"attack": "tests.evaluate.nets:RunsOutOfMemory", "norm": "inf"}), nets.tiny()
    monkeypatch.setattr(nets, "tiny", lambda: model)
    with pytest.raises(RobustnessError) as error:
        measure(case)
    assert str(error.value).startswith(f"{tmp_path / 'suite.toml'}: batch_size: ")
    assert "net/it does not fit into memory in batches of 24: CUDA out of memory" in str(error.value)
    assert "\n" not in str(error.value)
    assert all(module.training for module in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_logits_that_are_no_numbers_under_attack_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clean images are whole 255ths; what lies between them is not a number to this model."""

    class OnWholePixelsOnly(torch.nn.Module):
        def __init__(self, body: torch.nn.Module) -> None:
            super().__init__()
            self.body = body

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            levels = (images * STD + MEAN) * 255
            between = ((levels - levels.round()).abs() > 0.05).flatten(1).any(1, keepdim=True)
            return torch.where(between, torch.nan, self.body(images))

    model = OnWholePixelsOnly(nets.tiny())
    monkeypatch.setattr(nets, "tiny", lambda: model)
    monkeypatch.setattr(nets.Answer, "answer", lambda attack, images, labels: (images + 0.001).clamp(0, 1))
    unwatched = {"attack": "tests.evaluate.nets:Answer", "norm": "inf"}  # which asks about clean images only
    for attack in (PGD, PGD | {"stop": "full"}, unwatched):
        with pytest.raises(RobustnessError, match="under attack are not finite"):
            measure(case_of(tmp_path, attack))


class MadeRound:
    """A round whose clock shows what a test wants."""

    def __init__(self, seconds: float, rows: int, units: Sequence[tuple[float, int]] = ()) -> None:
        self.attack_seconds, self.rows, self.units = seconds, rows, list(units)
        self.gradient_rows = self.padding = rows // 2
        self.outcomes: list[Any] = []

    def before(self) -> None: ...

    def __call__(self) -> None: ...

    def after(self) -> None: ...


def test_time_is_the_median_cost_of_a_row_times_the_rows() -> None:
    """A slow round and a slow unit are outliers; the second round computed fewer rows at the usual cost."""
    rounds = [
        MadeRound(20.0, 100, [(10.0, 100), (30.0, 100)]),
        MadeRound(10.0, 50),
        MadeRound(99.0, 100, [(10.0, 100)]),
    ]
    timing = timing_of(rounds, attempts=60, images=80, time_unreliable_because="a reason")
    assert timing.gradient_units == 2 * 250 / 80
    assert timing.seconds_per_attempt == 129 / 60
    assert (timing.rows, timing.gradient_rows, timing.padding, timing.rounds) == (250, 125, 125, 3)
    assert (timing.attack_seconds, timing.unit_seconds, timing.unit_rows) == (129, 50, 300)
    assert timing.doubt == "a reason"


@pytest.mark.parametrize(
    ("attacks", "units", "spread"),
    [
        ((10, 20, 40, 80, 160), (1, 1), 30 / 40),
        ((10, 10, 10), (1, 2, 4), 1 / 2),
        ((10, 10, 10), (1, 1, 9), 0),
    ],
)
def test_the_spread_is_of_units_or_rounds_whichever_is_larger(
    attacks: Sequence[float], units: Sequence[float], spread: float
) -> None:
    """The median absolute deviation over the median, as if it were a normal distribution's standard deviation."""
    rounds = [MadeRound(seconds, 1) for seconds in attacks]
    rounds[0].units = [(seconds, 1) for seconds in units]
    timing = timing_of(rounds, attempts=1, images=1, time_unreliable_because=None)
    assert timing.unit_spread == pytest.approx(spread / NormalDist().inv_cdf(0.75), abs=1e-4)


@pytest.mark.parametrize(("time", "expected"), [("clock", [1, 0, 1, 0, 1]), ("work", [0] * 5)])
@pytest.mark.parametrize("name", ["pgd", "ta-pgd"])
def test_a_unit_is_timed_at_the_start_in_the_middle_and_at_the_end_where_the_clock_judges(
    name: str, time: str, expected: list[int], tmp_path: Path
) -> None:
    seen: list[Round] = []

    def run(rounds: Sequence[Round]) -> None:
        run_in_order(rounds)
        seen.extend(rounds)

    evaluate(case_of(tmp_path, ATTACKS[name], batch_size=12, time=time), device=CPU, run_rounds=run)
    assert [len(one.units) for one in seen] == expected
    assert all(seconds > 0 for one in seen for seconds in (one.attack_seconds, *[unit for unit, _ in one.units]))


def test_the_suites_seed_decides_what_a_model_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nets, "tiny", nets.Tiny)
    drawn = [identify(case_of(tmp_path, PGD, seed=seed), device=CPU)[1].weights_digest for seed in (0, 1, 0)]
    assert drawn[0] == drawn[2] != drawn[1]


def told(case: Case, line: str) -> Case:
    """The case of the same suite with a line more about its images."""
    path = case.suite.path
    path.write_text(path.read_text().replace("[images]\n", f"[images]\n{line}\n"))
    return load_suite(path).case(case.id)


def test_where_labels_are_what_the_model_says_every_image_is_an_attempt(tmp_path: Path) -> None:
    said, wrong = (labels_of(pictures(), wrong=which) for which in ((), range(0, COUNT, 2)))
    given = measure(case_of(tmp_path, PGD, labels=said)).evidence
    predicted = measure(told(case_of(tmp_path, PGD, labels=wrong), 'labels = "predicted"'))
    assert predicted.evidence == given
    assert predicted.evidence.correct == [1] * COUNT
    assert predicted.protocol.labels == "predicted"


def test_top_5_counts_labels_among_the_five_largest_logits(tmp_path: Path) -> None:
    images = pictures(30, seed=5)
    labels = np.arange(30) % nets.CLASSES
    write_images(tmp_path / "blind.npz", images, labels)
    evidence = measure(told(case_of(tmp_path, ATTACKS["fgsm"], unselected="blind.npz"), "top_5 = true")).evidence
    with torch.no_grad():
        ranked = nets.tiny().eval()((as_tensor(images) - MEAN) / STD).argsort(1, descending=True).tolist()
    places = [order.index(label) for order, label in zip(ranked, labels.tolist(), strict=True)]
    assert {0, 4, 5} <= set(places)
    assert evidence.unselected_correct == [int(place == 0) for place in places]
    assert evidence.unselected_top_5 == [int(place < 5) for place in places]


def test_a_label_that_is_one_class_too_many_is_an_error_in_one_line(tmp_path: Path) -> None:
    labels = labels_of(pictures())
    labels[-1] = nets.CLASSES
    with pytest.raises(RobustnessError, match=r"models\.net: the model has 10 classes, but an image's label is 10$"):
        measure(case_of(tmp_path, PGD, labels=labels))


def test_clean_images_too_are_computed_in_batches_of_the_floor_at_least(tmp_path: Path) -> None:
    """So that what is right when clean is what an attack sees, to the last bit."""
    case, model, sizes = case_of(tmp_path, ATTACKS["fgsm"]), nets.tiny(), list[int]()
    model.register_forward_pre_hook(lambda module, given: sizes.append(len(given[0])))
    with Classifier(model) as classifier:
        clean.answers(classifier, load_images(tmp_path / "images.npz"), case, 16)
    assert sizes == [24, 24, 16]


def test_on_a_gpu_every_forward_is_as_large_as_a_batch(tmp_path: Path) -> None:
    case = case_of(tmp_path, row_floor=8, batch_size=24)
    assert row_floor(case, torch.device("cuda", 0)) == 24
    assert row_floor(case, CPU) == 8


def test_on_a_gpu_memory_is_laid_out_as_usual(tmp_path: Path) -> None:
    """torch's gradients of channels_last were wrong there."""
    case = case_of(tmp_path, memory_format="channels_last")
    assert loaded._memory_format(case, torch.device("cuda", 0)) is torch.contiguous_format
    assert loaded._memory_format(case, CPU) is torch.channels_last
