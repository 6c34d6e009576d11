"""Attacks that treat each image for itself: their protocol, and the rows they work on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor

from pytest_robustness.evaluate.attacks.draws import uniform


class Rows(dict[str, Tensor]):
    """Holds the images an attack works on at the moment, and what it remembers of each.

    Every value is a tensor whose first axis is the row. An attack adds its own values under names of its own. A row
    that is done gives its place to the next image. Therefore an attack must not keep anything of a row elsewhere, and
    no row may depend on another.

    These values are always there, (n, ...) each, on the model's device:
        clean: (n, C, H, W) in [0, 1].
        label: (n,) int64.
        step: (n,) int64, number of forwards that the row has had so far in this restart.
        restart: (n,) int64, how often the attack has begun again.
        fooled: (n,) bool, whether one of its candidates has fooled the model.
        best: (n,) float64, for an attack that looks for the smallest perturbation, the size of the best so far;
            infinite when there is none.
        improved: (n,) int64, the number of the step after the last improvement.
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
        """Return the rows at some positions."""
        return Rows({name: value.index_select(0, index) for name, value in self.items()})

    def draw(self, index: int, count: int) -> Tensor:
        """Return (n, count) float32 in [0, 1), by the suite's seed, each image's key, its restart and ``index`` alone.

        It may be called only while rows start. What a later step needs has to be drawn then and kept.
        """
        restart = int(self["restart"][0]) if len(self["restart"]) else 0
        drawn = uniform(self._seed, self._keys, 1000 * restart + index, count)
        return drawn.to(self.clean.device)

    def draw_image(self, index: int) -> Tensor:
        """Return such numbers in the shape of the images, (n, C, H, W)."""
        return self.draw(index, self.clean[0].numel()).view_as(self.clean)


@runtime_checkable
class RowAttack(Protocol):
    """Gives candidates, and is told what the model answers to them.

    Optional attributes, each with its default in brackets:
        norm: "inf", "2" or "1", the norm of its ball or of the perturbation it makes small (None).
        eps: the radius of its ball (no radius).
        minimises: whether it looks for the smallest perturbation; else it is done with its first success (False).
        gradient: whether it needs the gradient of its loss; if not, ``update`` is given None (True).
        looks_only: whether its first candidate is its answer, which is looked at once and not stepped from (False).
        restarts: how often an image that was not fooled is attacked in all (1).
        of_shape: takes (channels, height, width), returns parameters that follow from it, for the protocol (none).
        digest: takes an answer, (C, H, W), returns a text that is stored; images whose texts differ are not compared
            (no text).
        loss: takes logits (n, K) and rows, returns (n,) losses whose sum is differentiated (cross-entropy).
        size: takes rows and candidates, returns (n,) float64, what an attack that minimises makes small (the norm).
    """

    def start(self, rows: Rows) -> None:
        """Add the values that are remembered of new rows. All of these rows are in the same restart."""
        ...

    def candidates(self, rows: Rows) -> Tensor:
        """Return the images the model looks at next, (n, C, H, W) in [0, 1]; they must not be changed afterwards.

        After the last step they are the answers for the rows of which no candidate has fooled the model.
        """
        ...

    def update(self, rows: Rows, logits: Tensor, gradient: Tensor | None, fooled: Tensor) -> Tensor:
        """Take a step, in place, and return (n,) bool, for which rows it was the last.

        Args:
            rows: the rows; ``rows.step`` counts the steps before this one.
            logits: (n, K) logits of the candidates, detached.
            gradient: (n, C, H, W) gradient of each row's loss; None when the attack needs none.
            fooled: (n,) bool, whether the model's class for the candidate is not the label.
        """
        ...


def index_of(condition: Tensor) -> Tensor:
    """Return the indices of the rows where a (n,) condition holds. It waits for the device once."""
    return condition.nonzero().squeeze(1)


def after_steps(rows: Rows, steps: int) -> Tensor:
    """Return (n,) bool, which rows have taken the last of ``steps`` steps, counting this one."""
    return rows.step + 1 >= steps
