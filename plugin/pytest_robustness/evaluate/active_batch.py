"""The active batch: the images of a case under an attack that treats each for itself.

The batch is always full while images wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.attacks.losses import scale_free_cross_entropy
from pytest_robustness.evaluate.attacks.norms import over, size_of
from pytest_robustness.evaluate.attacks.rows import RowAttack, Rows, index_of
from pytest_robustness.evaluate.models.classifier import Frozen, padded
from pytest_robustness.evaluate.runtime.errors import user_code

#: Stands for the step at which an image was first fooled when it was never fooled.
NEVER = -1
#: The error for a model whose logits have no gradient at its input.
NO_GRADIENT = (
    "the model gives no gradient for its input: it is a black box, or no_grad, detach, argmax or a quantised operator "
    "stands between image and logits; attacks that need none can be made: Square, corruptions"
)


@dataclass(frozen=True)
class Answers:
    """Holds an attack's answers to some images, on the model's device, (n, ...) each.

    Attributes:
        place: int64, on the CPU, the image's place, one of the batch's ``places``.
        clean, adversarial: (n, C, H, W).
        fooled: bool, whether the answer fooled the model in one plain forward.
        first: int64, gradient evaluations before a candidate first fooled the model; ``NEVER`` when none did.
        forwards, gradients: int64, rows computed for the image; the look at its answer is one of the forwards.
    """

    place: Tensor
    clean: Tensor
    adversarial: Tensor
    fooled: Tensor
    first: Tensor
    forwards: Tensor
    gradients: Tensor


class ActiveBatch:
    """Runs an attack on images, at most ``capacity`` at a time, and replaces each finished image by the next.

    Every answer is looked at in one plain forward without gradients, whose outcome is the one that counts. So an
    image's result depends on the model, the attack, the label, the seed and its key, and not on the other images.

    Args:
        attack: the attack, which is asked for candidates.
        model: takes (n, C, H, W) in [0, 1], returns (n, K) logits.
        load: takes some of ``places`` and returns their clean images (n, C, H, W) and labels (n,), on the device.
        keys: the key of each place.
        places: which images to attack, in this order.
        seed: the suite's seed.
        capacity: rows of a full batch.
        row_floor: the fewest rows of a forward, reached by repeating rows, because smaller batches are not bit-equal to
            larger ones.
        stops: whether an image is done when a candidate first fools the model; it never is with an attack that
            minimises.
        name: the attack's name, for errors.

    Attributes:
        passes: number of forwards so far.
        rows, gradient_rows, padding: images computed in them, those of passes with a backward, and those that were
            only repeated to reach the floor.
    """

    def __init__(
        self,
        attack: RowAttack,
        model: Frozen,
        load: Callable[[Sequence[int]], tuple[Tensor, Tensor]],
        keys: Sequence[str],
        places: Sequence[int],
        *,
        seed: int,
        capacity: int,
        row_floor: int,
        stops: bool = True,
        name: str = "the attack",
    ) -> None:
        self.attack, self.model, self.load, self.keys = attack, model, load, keys
        self.seed, self.capacity, self.row_floor, self.name = seed, capacity, row_floor, name
        self.minimises = bool(getattr(attack, "minimises", False))
        self.gradient = bool(getattr(attack, "gradient", True))
        self.looks_only = bool(getattr(attack, "looks_only", False))
        self.restarts = int(getattr(attack, "restarts", 1))
        self.stops = stops and not self.minimises
        self._waiting: deque[tuple[int, int]] = deque((place, 0) for place in places)
        self._left = len(self._waiting)
        self._rows: Rows | None = None
        self._unseen: list[Rows] = []
        self._sound: Tensor | None = None
        self._made: dict[int, tuple[int, int]] = {}  # by place, forwards and gradients of earlier restarts
        self.passes = self.rows = self.gradient_rows = self.padding = 0

    def advance(self, count: int) -> list[Answers]:
        """Attack until ``count`` more images are done, or all, and return their answers.

        Raises RobustnessError for logits or gradients that are not finite.
        """
        answers: list[Answers] = []
        while count > 0 and self._left:
            self._fill()
            if self._rows is not None:
                self._step()
            waiting = sum(len(rows.label) for rows in self._unseen)
            if waiting >= self.capacity or (waiting and self._rows is None and not self._waiting):
                answers.append(self._look())
                count -= len(answers[-1].place)
                self._left -= len(answers[-1].place)
        if self._sound is not None and not bool(self._sound):
            raise RobustnessError("the model's logits or gradients under attack are not finite")
        return answers

    def counts(self) -> tuple[int, int, int]:
        """Return ``rows``, ``gradient_rows`` and ``padding`` so far."""
        return self.rows, self.gradient_rows, self.padding

    def _fill(self) -> None:
        """Start as many of the waiting images as there is room for, those of one restart at a time."""
        free = self.capacity - (0 if self._rows is None else len(self._rows.label))
        while free and self._waiting:
            restart = self._waiting[0][1]
            new: list[int] = []
            while self._waiting and len(new) < free and self._waiting[0][1] == restart:
                new.append(self._waiting.popleft()[0])
            fresh = self._started(new, restart)
            free -= len(new)
            if self.looks_only:
                self._unseen.append(fresh)
            else:
                self._rows = fresh if self._rows is None else _joined([self._rows, fresh])

    def _started(self, places: Sequence[int], restart: int) -> Rows:
        clean, label = self.load(places)
        count = torch.zeros_like(label)  # (n,) int64
        rows = Rows(
            {
                "clean": clean,
                "label": label,
                "step": count,
                "restart": count + restart,
                "fooled": torch.zeros_like(label, dtype=torch.bool),
                "best": torch.full_like(label, torch.inf, dtype=torch.float64),
                "improved": count,
                "place": torch.tensor(places, dtype=torch.int64, device=label.device),
                "first": count + NEVER,
                "gradients": count,
            },
            seed=self.seed,
            keys=[self.keys[place] for place in places],
        )
        if self.minimises:
            rows["answer"] = clean.clone()
        with user_code(self.name):
            self.attack.start(rows)
            if self.looks_only:
                rows["answer"] = self.attack.candidates(rows).detach()
        return rows

    def _step(self) -> None:
        """Compute one forward of all rows, and a backward if the attack needs it, and remove the rows that are done."""
        rows = self._rows
        assert rows is not None
        with user_code(self.name):
            candidates = self.attack.candidates(rows).detach()
        logits, gradient = self._compute(candidates, rows)
        with torch.no_grad():
            fooled = logits.argmax(1) != rows.label
            rows["first"] = torch.where(fooled & ~rows["fooled"], rows["gradients"], rows["first"])
            rows["fooled"] = rows["fooled"] | fooled
            if self.minimises:
                self._keep_smallest(rows, candidates, fooled)
            with user_code(self.name):
                done = self.attack.update(rows, logits, gradient, fooled)
            leaves = done | fooled if self.stops else done
            if gradient is not None:
                rows["gradients"] = rows["gradients"] + (~fooled if self.stops else 1)
            rows["step"] = rows.step + 1
            gone = index_of(leaves)  # the only wait for the device in a step
            if len(gone):
                self._retire(rows, candidates, fooled, gone, index_of(~leaves))

    def _keep_smallest(self, rows: Rows, candidates: Tensor, fooled: Tensor) -> None:
        size = size_of(self.attack, rows, candidates)
        better = fooled & (size < rows["best"])
        rows["best"] = torch.where(better, size, rows["best"])
        rows["improved"] = torch.where(better, rows.step + 1, rows["improved"])
        rows["answer"] = torch.where(over(better, candidates), candidates, rows["answer"])

    def _retire(self, rows: Rows, candidates: Tensor, fooled: Tensor, gone: Tensor, stays: Tensor) -> None:
        left = rows.at(gone)
        if not self.minimises:
            last = self.attack.candidates(rows)[gone]
            left["answer"] = torch.where(over(fooled[gone], last), candidates[gone], last) if self.stops else last
        self._unseen.append(left)
        self._rows = rows.at(stays) if len(stays) else None

    def _compute(self, candidates: Tensor, rows: Rows) -> tuple[Tensor, Tensor | None]:
        """Return the logits (n, K), detached, and the gradient of each row's own loss.

        The gradient is None when the attack needs none. Raises RobustnessError when the model gives none.
        """
        count = len(candidates)
        self._count(count, gradient=self.gradient)
        if not self.gradient:
            with torch.no_grad():
                logits = padded(self.model, candidates, self.row_floor)
            self._check(logits)
            return logits, None
        with torch.enable_grad():
            candidates = candidates.requires_grad_()
            logits = padded(self.model, candidates, self.row_floor)
            with user_code(self.name):
                loss = getattr(self.attack, "loss", None)
                losses = loss(logits, rows) if loss else scale_free_cross_entropy(logits, rows.label)
            found = None
            if losses.requires_grad:
                (found,) = torch.autograd.grad(losses.sum(), candidates, allow_unused=True)
            if found is None:
                raise RobustnessError(NO_GRADIENT)
        gradient = found.detach().contiguous()  # like all other tensors here, because other layouts are slow
        candidates.requires_grad_(False)
        logits = logits.detach()
        self._check(logits, gradient)
        return logits, gradient

    def _look(self) -> Answers:
        """Look at as many answers as a batch has rows, in a plain forward, and return those of images that are done.

        Images that are attacked again are put back among the waiting ones.
        """
        pool = _joined(self._unseen) if len(self._unseen) > 1 else self._unseen[0]
        seen, rest = pool, None
        if len(pool.label) > self.capacity:
            order = torch.arange(len(pool.label), device=pool.label.device)
            seen, rest = pool.at(order[: self.capacity]), pool.at(order[self.capacity :])
        self._unseen = [] if rest is None else [rest]
        looked = seen["fooled"] if self.minimises else torch.ones_like(seen["fooled"])
        with torch.no_grad():
            fooled = torch.zeros_like(seen["fooled"])
            index = index_of(looked)
            if len(index):
                self._count(len(index), gradient=False)
                logits = padded(self.model, seen["answer"][index], self.row_floor)
                self._check(logits)
                fooled[index] = logits.argmax(1) != seen.label[index]
            first = torch.where(fooled & (seen["first"] == NEVER), seen["gradients"], seen["first"])
        forwards = seen.step + looked.long()
        return self._answers(seen, fooled, first, forwards)

    def _answers(self, seen: Rows, fooled: Tensor, first: Tensor, forwards: Tensor) -> Answers:
        place = seen["place"].cpu()
        if self.restarts > 1:
            place, kept = self._again(seen, fooled, first, forwards, place)
            seen, fooled, first, forwards = seen.at(kept), fooled[kept], first[kept], forwards[kept]
            earlier = [self._made.pop(one, (0, 0)) for one in place.tolist()]
            made = torch.tensor(earlier, dtype=torch.int64, device=first.device).view(-1, 2)
            first = torch.where(first == NEVER, first, first + made[:, 1])
            return Answers(
                place, seen.clean, seen["answer"], fooled, first, forwards + made[:, 0], seen["gradients"] + made[:, 1]
            )
        return Answers(place, seen.clean, seen["answer"], fooled, first, forwards, seen["gradients"])

    def _again(
        self, seen: Rows, fooled: Tensor, first: Tensor, forwards: Tensor, place: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Let the images that were not fooled and have a restart left wait again.

        Returns the places and the indices of the others.
        """
        again = ~fooled & (seen["restart"] + 1 < self.restarts)
        index, kept = index_of(again), index_of(~again)
        work = torch.stack((forwards, seen["gradients"], seen["restart"]), 1)[index].tolist()
        for one, (forward, gradient, restart) in zip(place[index.cpu()].tolist(), work, strict=True):
            before = self._made.get(one, (0, 0))
            self._made[one] = before[0] + forward, before[1] + gradient
            self._waiting.append((one, restart + 1))
        return place[kept.cpu()], kept

    def _count(self, rows: int, *, gradient: bool) -> None:
        computed = max(rows, self.row_floor)
        self.passes += 1
        self.rows += computed
        self.gradient_rows += computed * gradient
        self.padding += computed - rows

    def _check(self, *values: Tensor) -> None:
        """Record whether values are finite. This is read once a round, so that no step waits for the device."""
        for value in values:
            finite = value.abs().amax().isfinite()  # takes a fifteenth of the time of checking each
            self._sound = finite if self._sound is None else self._sound & finite


def _joined(rows: Sequence[Rows]) -> Rows:
    return Rows({name: torch.cat([one[name] for one in rows]) for name in rows[0]})
