"""Attacks image by image: what one is, and the rows it works on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor

from pytest_robustness.evaluate.attacks.draws import uniform


class Rows(dict[str, Tensor]):
    """The images an attack works on at the moment, and whatever it remembers of each.

    Every value is a tensor whose first axis is the row; an attack adds its own under names of its own. Rows come and
    go: a row that is done gives its place to the next image, so an attack keeps nothing of a row anywhere else, and
    no row looks at another.

    Always there, (n, ...) each, on the model's device:
        clean: (n, C, H, W) in [0, 1].
        label: (n,) int64.
        step: (n,) int64, forwards that the row has had so far, in this restart.
        restart: (n,) int64, how often the attack has begun anew.
        fooled: (n,) bool, whether one of its candidates has fooled the model.
        best: (n,) float64, of an attack that looks for the smallest perturbation, the size of the best so far;
            infinite where there is none.
        improved: (n,) int64, the step after the one of the last improvement.
    """

    def __init__(self, tensors: dict[str, Tensor], *, seed: int = 0, keys: Sequence[str] = ()) -> None:
        super().__init__(tensors)
        self._seed, self._keys = seed, keys

    @property
    def clean(self) -> Tensor:
        return self["clean"]

    @property
    def label(self) -> Tensor:
        return self["label"]

    @property
    def step(self) -> Tensor:
        return self["step"]

    def at(self, index: Tensor) -> Rows:
        """Some of the rows."""
        return Rows({name: value.index_select(0, index) for name, value in self.items()})

    def draw(self, index: int, count: int) -> Tensor:
        """Return (n, count) float32 in [0, 1), of the suite's seed, each image's key, its restart and ``index`` alone.

        Only while rows start: what a later step needs is drawn there and kept.
        """
        restart = int(self["restart"][0]) if len(self["restart"]) else 0
        drawn = uniform(self._seed, self._keys, 1000 * restart + index, count)
        return drawn.to(self.clean.device)

    def draw_image(self, index: int) -> Tensor:
        """The same in the shape of the images, (n, C, H, W)."""
        return self.draw(index, self.clean[0].numel()).view_as(self.clean)


@runtime_checkable
class RowAttack(Protocol):
    """An attack that is asked for candidates, and told what the model made of them.

    Optional attributes, with what holds where they are missing:
        norm: "inf", "2" or "1", of its ball or of the perturbation it makes small; None.
        eps: the radius of its ball; none.
        minimises: whether it looks for the smallest perturbation; False: it is done with its first success.
        gradient: whether it needs the gradient of its loss; True. Without, ``update`` is given None.
        looks_only: whether its first candidate is its answer, which is looked at once and not stepped from; False.
        restarts: how often an image that was not fooled is attacked in all; 1.
        of_shape: of (channels, height, width), parameters that follow from it, for the protocol; none.
        digest: of an answer, (C, H, W), a text that is stored: images whose texts differ are not compared; none.
        loss: of (logits (n, K), rows), (n,) losses whose sum is differentiated; cross-entropy.
        size: of (rows, candidates), (n,) float64, what an attack that minimises makes small; the norm.
    """

    def start(self, rows: Rows) -> None:
        """Add what is to be remembered of new rows. All of them are in the same restart."""
        ...

    def candidates(self, rows: Rows) -> Tensor:
        """Return the images the model is to look at next, (n, C, H, W) in [0, 1]; they are not changed afterwards.

        After the last step: the answer, where no candidate has fooled the model.
        """
        ...

    def update(self, rows: Rows, logits: Tensor, gradient: Tensor | None, fooled: Tensor) -> Tensor:
        """Take a step, in place, and return (n,) bool, which rows have no other.

        Args:
            rows: ``rows.step`` counts the steps before this one.
            logits: (n, K) of the candidates, detached.
            gradient: (n, C, H, W), of each row's loss.
            fooled: (n,) bool, whether the label is not what the model says of the candidate.
        """
        ...


def index_of(condition: Tensor) -> Tensor:
    """The rows where a (n,) condition holds. One wait for the device."""
    return condition.nonzero().squeeze(1)


def after_steps(rows: Rows, steps: int) -> Tensor:
    """Which rows have taken the last of so many steps, counting this one."""
    return rows.step + 1 >= steps
