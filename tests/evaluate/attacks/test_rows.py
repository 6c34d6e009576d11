"""The active batch: an image is attacked for itself, its work is counted, and nothing broken passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.active_batch import NEVER
from pytest_robustness.evaluate.attacks.apgd import APGD
from pytest_robustness.evaluate.attacks.bim import BIM
from pytest_robustness.evaluate.attacks.cw import CW
from pytest_robustness.evaluate.attacks.ddn import DDN
from pytest_robustness.evaluate.attacks.fgsm import FGSM
from pytest_robustness.evaluate.attacks.fmn import FMN
from pytest_robustness.evaluate.attacks.mifgsm import MIFGSM
from pytest_robustness.evaluate.attacks.pgd import PGD
from pytest_robustness.evaluate.attacks.rows import Rows, after_steps
from pytest_robustness.evaluate.attacks.square import Square
from pytest_robustness.evaluate.models.classifier import Classifier
from torch import Tensor

from tests.evaluate import nets, zoo
from tests.evaluate.run_rows import Outcome, run
from tests.evaluate.suites import MEAN, STD, as_tensor, labels_of, pictures

FLOOR = 16
IMAGES = as_tensor(pictures())
LABELS = torch.from_numpy(labels_of(pictures(), wrong=()))

#: At these, some of the tiny net's images are fooled and some are not.
ATTACKS: dict[str, Callable[[], Any]] = {
    "fgsm": lambda: FGSM(0.03),
    "bim": lambda: BIM(0.02, 0.008, 3),
    "mifgsm": lambda: MIFGSM(0.02, 0.008, 4),
    "pgd": lambda: PGD(0.02, 0.008, 3, restarts=3),
    "pgd-2": lambda: PGD(0.3, 0.1, 3, norm="2"),
    "apgd": lambda: APGD(0.02, steps=8, restarts=2),
    "apgd-2": lambda: APGD(0.3, "2", steps=8, loss="dlr"),
    "apgd-t": lambda: APGD(0.02, steps=4, loss="targeted", targets=4),
    "square": lambda: Square(0.06, queries=25),
    "square-2": lambda: Square(1.2, "2", queries=25),
    "cw": lambda: CW(steps=20),
    "fmn": lambda: FMN(steps=3),
    "ddn": lambda: DDN(steps=6, init=0.1),
}
named = pytest.mark.parametrize("name", ATTACKS)


def shuffled(count: int, seed: int = 0) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))


#: Which of the images are attacked, in which order, and how many at once.
ARRANGEMENTS: dict[str, tuple[Tensor, int]] = {
    "another order": (shuffled(56), 56),
    "a smaller batch": (torch.arange(56), 20),
    "one at a time": (torch.arange(5), 1),
    "some of them, in another order, in a batch of a length that divides nothing": (shuffled(56, 1)[:31], 7),
    "one alone": (torch.tensor([17]), 100),
    "twice in a batch": (torch.arange(24) % 12, 24),
}


@pytest.fixture(scope="module")
def tiny() -> Iterator[Classifier]:
    with Classifier(nets.tiny(), mean=(MEAN,), std=(STD,)) as borrowed:
        yield borrowed


@named
@pytest.mark.parametrize("stops", [True, False])
def test_an_image_is_attacked_for_itself(name: str, stops: bool, tiny: Classifier) -> None:
    whole = run(ATTACKS[name](), tiny, IMAGES, LABELS, row_floor=FLOOR, stops=stops)
    assert 0 < int(whole.fooled.sum()) < len(LABELS)
    for index, capacity in ARRANGEMENTS.values():
        part = run(ATTACKS[name](), tiny, IMAGES[index], LABELS[index], capacity=capacity, row_floor=FLOOR, stops=stops)
        assert whole.same_as(part, index)


@named
def test_other_mates_change_no_image(name: str, tiny: Classifier) -> None:
    mates = as_tensor(pictures(seed=9))
    mates[::3] = IMAGES[::3]
    with torch.no_grad():
        labels = tiny(mates).argmax(1)
    among = run(ATTACKS[name](), tiny, mates, labels, row_floor=FLOOR)
    alone = run(ATTACKS[name](), tiny, IMAGES[::3], LABELS[::3], row_floor=FLOOR)
    assert among.same_as(alone, slice(None, None, 3))


@pytest.mark.parametrize("name", ["pgd", "apgd", "square"])
def test_the_seed_and_the_key_matter_and_nothing_else_is_drawn(name: str, tiny: Classifier) -> None:
    images, labels = IMAGES[:24], LABELS[:24]
    state = torch.random.get_rng_state()
    first = run(ATTACKS[name](), tiny, images, labels, row_floor=FLOOR)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(123)
    assert first.same_as(run(ATTACKS[name](), tiny, images, labels, row_floor=FLOOR))
    assert not first.same_as(run(ATTACKS[name](), tiny, images, labels, row_floor=FLOOR, seed=1))
    keys = [f"{number:064x}" for number in range(1, 25)]  # their first digits are all zero
    assert not first.same_as(run(ATTACKS[name](), tiny, images, labels, row_floor=FLOOR, keys=keys))


@pytest.mark.parametrize("model", zoo.MODELS)
def test_an_image_of_the_zoo_is_attacked_for_itself(model: str) -> None:
    """The order, the others, the capacity and the row in the batch are all other ones."""
    attacks = [PGD(0.006, 0.003, 2, restarts=2), APGD(0.006, steps=2, loss="targeted", targets=2), CW(steps=6)]
    images, labels = zoo.pixels(28)
    index = shuffled(28)[:20]
    both = [place for place, one in enumerate(index.tolist()) if one < 24]
    with zoo.classifier(model) as classifier:
        for attack in (*attacks, FMN(steps=3), Square(0.05, queries=6)):
            whole = run(attack, classifier, images[:24], labels[:24], row_floor=FLOOR)
            part = run(attack, classifier, images[index], labels[index], capacity=17, row_floor=FLOOR)
            assert whole.same_as(select(part, torch.tensor(both)), index[both])
            assert bool(whole.fooled.any())


def select(outcome: Outcome, rows: Tensor) -> Outcome:
    fields = (outcome.adversarial, outcome.fooled, outcome.first, outcome.forwards, outcome.gradients)
    return Outcome(*(field[rows] for field in fields), outcome.batch)


# --- what is counted: of a model that is told by a pixel when it is to be fooled ------------------------------------

TAG, NEEDED, LEVEL = 0, 1, 2  # pixels of an image: who it is, above what it is fooled, what an attack wrote into it
SCALE = 1000  # so that they lie in [0, 1]


class Counting:
    """Says 1 where the level is above what is needed, and counts the rows computed for each image."""

    def __init__(self) -> None:
        self.rows: dict[int, int] = {}
        self.backwards: dict[int, int] = {}

    def __call__(self, images: Tensor) -> Tensor:
        tag, needed, level = images.flatten(1).unbind(1)
        for one in (tag * SCALE).round().long().tolist():
            self.rows[one] = self.rows.get(one, 0) + 1
            self.backwards[one] = self.backwards.get(one, 0) + torch.is_grad_enabled()
        return torch.stack((needed, level), 1)


class Levels:
    """Writes levels[restart][step] into the image."""

    def __init__(self, *levels: list[float], gradient: bool = True) -> None:
        self.levels, self.restarts, self.gradient = torch.tensor(levels), len(levels), gradient

    def start(self, rows: Rows) -> None:
        rows["candidate"] = self.written(rows, rows.step)

    def written(self, rows: Rows, step: Tensor) -> Tensor:
        level = self.levels[rows["restart"], step] / SCALE
        return torch.cat((rows.clean[:, :, :, :LEVEL], level.view(-1, 1, 1, 1)), 3)

    def candidates(self, rows: Rows) -> Tensor:
        return rows["candidate"]

    def update(self, rows: Rows, logits: Tensor, gradient: Tensor | None, fooled: Tensor) -> Tensor:
        assert (gradient is not None) == self.gradient
        rows["candidate"] = self.written(rows, rows.step + 1)
        return after_steps(rows, self.levels.shape[1] - 1)


def counted(attack: Levels, needed: list[float], **options: Any) -> tuple[Outcome, Counting]:
    images = torch.tensor([[tag, one, 0] for tag, one in enumerate(needed)]).view(-1, 1, 1, 3) / SCALE
    model, labels = Counting(), torch.zeros(len(needed), dtype=torch.int64)
    return run(attack, model, images, labels, **options), model


RISING = ([10.0, 20, 30, 40], [110.0, 120, 130, 140], [210.0, 220, 230, 240])  # three steps, and the last look
#: Above what an image is fooled: forwards, gradients, and gradients before its first success.
WORK = {
    5: (2, 0, 0),  # at once, and a look at the answer
    25: (4, 2, 2),  # in the third forward, and a look
    35: (4, 3, 3),  # by the last iterate
    45: (6, 3, 3),  # four in vain; the next restart's first, and a look
    125: (8, 5, 5),
    135: (8, 6, 6),
    235: (12, 9, 9),
    500: (12, 9, NEVER),
}


@pytest.mark.parametrize("capacity", [1, 3, 100])
@pytest.mark.parametrize("row_floor", [1, 4])
def test_work_is_counted_exactly(capacity: int, row_floor: int) -> None:
    outcome, model = counted(Levels(*RISING), list(WORK), capacity=capacity, row_floor=row_floor)
    found = zip(outcome.forwards.tolist(), outcome.gradients.tolist(), outcome.first.tolist(), strict=True)
    assert dict(zip(WORK, found, strict=True)) == WORK
    assert outcome.fooled.tolist() == [needed < 500 for needed in WORK]
    batch = outcome.batch
    assert sum(model.rows.values()) == batch.rows == int(outcome.forwards.sum()) + batch.padding
    assert sum(model.backwards.values()) == batch.gradient_rows
    if row_floor == 1:
        assert batch.padding == 0
        assert model.rows == dict(enumerate(outcome.forwards.tolist()))  # image by image
    else:
        assert batch.padding > 0


def test_an_attack_without_gradients_has_none_computed() -> None:
    outcome, model = counted(Levels(RISING[0], gradient=False), [15.0, 500.0])
    assert outcome.forwards.tolist() == [3, 4]
    assert outcome.gradients.tolist() == [0, 0]
    assert outcome.first.tolist() == [0, NEVER]
    assert outcome.batch.gradient_rows == 0
    assert not any(model.backwards.values())


def test_a_full_attack_takes_every_step_and_answers_with_its_last_iterate() -> None:
    up_and_down = Levels([10.0, 30, 20, 5])
    stopped, _ = counted(up_and_down, [15.0, 25.0])
    full, _ = counted(up_and_down, [15.0, 2.0], stops=False)
    assert stopped.fooled.tolist() == [True, True]
    assert (stopped.adversarial[:, 0, 0, LEVEL] * SCALE).tolist() == [30, 30]
    assert stopped.forwards.tolist() == [3, 3]
    assert full.forwards.tolist() == [4, 4]
    assert full.gradients.tolist() == [3, 3]
    assert full.first.tolist() == [1, 0]
    assert (full.adversarial[:, 0, 0, LEVEL] * SCALE).tolist() == [5, 5]
    assert full.fooled.tolist() == [False, True]  # by the answer, not by what was seen on the way


def test_a_restart_begins_anew_only_where_the_one_before_was_in_vain(tiny: Classifier) -> None:
    """And at another point: what one restart misses another finds."""
    once, thrice = (
        run(PGD(0.014, 0.021, 1, restarts=restarts), tiny, IMAGES, LABELS, row_floor=FLOOR) for restarts in (1, 3)
    )
    assert bool((thrice.fooled | ~once.fooled).all())
    assert int(thrice.fooled.sum()) > int(once.fooled.sum())
    assert torch.equal(thrice.adversarial[once.fooled], once.adversarial[once.fooled])
    assert torch.equal(thrice.forwards[once.fooled], once.forwards[once.fooled])
    assert bool((thrice.forwards[~thrice.fooled] == 6).all())
    assert bool((once.forwards[~once.fooled] == 2).all())


def test_the_batch_is_kept_full() -> None:
    """A finished image's place is taken by the next: no pass is nearly empty before the last images have begun."""
    sizes: list[int] = []

    class Sized(Counting):
        def __call__(self, images: Tensor) -> Tensor:
            sizes.append(len(images))
            return super().__call__(images)

    levels = [10.0 * step for step in range(1, 22)]
    needed = [levels[number % 19] - 5 for number in range(100)]
    images = torch.tensor([[tag, one, 0] for tag, one in enumerate(needed)]).view(-1, 1, 1, 3) / SCALE
    outcome = run(Levels(levels), Sized(), images, torch.zeros(100, dtype=torch.int64), capacity=16)
    assert max(sizes) == 16
    assert sum(sizes) == int(outcome.forwards.sum())
    full, last = sum(sizes) / 16, 20  # passes of full batches alone; steps of the longest row, in which it empties
    assert len(sizes) < 1.15 * full + last


# --- what must not pass -------------------------------------------------------------------------------------------


class Breaks(torch.nn.Module):
    """The tiny net, with something wrong for one image, whatever its place."""

    def __init__(self, change: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.body, self.change = nets.tiny(), change

    def forward(self, images: Tensor) -> Tensor:
        marked = (images.detach()[:, 0, 0, 0] > 0.85).unsqueeze(1)
        return self.change(self.body((images - MEAN) / STD), marked, images)


def put(value: float) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    return lambda logits, marked, images: logits.masked_fill(marked, value)


def without_gradients(logits: Tensor, marked: Tensor, images: Tensor) -> Tensor:
    return logits if torch.is_grad_enabled() else put(torch.nan)(logits, marked, images)


def in_the_gradient(logits: Tensor, marked: Tensor, images: Tensor) -> Tensor:
    """The root of zero is zero, and its slope infinite."""
    return logits + ((images * 0).sum((2, 3))[:, :1] + (~marked).float()).sqrt()


@pytest.mark.parametrize(
    ("change", "attacks"),
    [
        (put(torch.nan), ["pgd", "cw", "square"]),
        (put(torch.inf), ["fgsm", "square", "ddn"]),
        (without_gradients, ["fgsm", "pgd", "apgd"]),  # the look at the answer alone
        (in_the_gradient, ["fgsm", "cw", "fmn"]),
    ],
)
def test_what_is_not_finite_is_an_error_though_it_be_of_one_image(
    change: Callable[[Tensor, Tensor, Tensor], Tensor], attacks: list[str]
) -> None:
    images = IMAGES * 0.6  # so that no attack makes another pixel as bright
    images[40, :, 0, 0] = 1
    model = Breaks(change).eval()
    for name in attacks:
        with pytest.raises(RobustnessError, match="the model's logits or gradients under attack are not finite"):
            run(ATTACKS[name](), model, images, LABELS, capacity=24, row_floor=FLOOR)
        run(ATTACKS[name](), model, images[:40], LABELS[:40], capacity=24, row_floor=FLOOR)


@pytest.mark.parametrize("where", ["start", "candidates", "loss", "update"])
def test_an_attack_that_raises_is_named(where: str) -> None:
    def broken(*given: Any) -> None:
        raise KeyError("no such thing")

    attack = PGD(0.01, 0.004)
    setattr(attack, where, broken)
    with pytest.raises(RobustnessError, match=r"attacks\.mine raised KeyError: 'no such thing'"):
        run(attack, nets.tiny().eval(), IMAGES, LABELS, name="attacks.mine")
