"""The Square attack: a random search for an adversarial image that uses forward passes only."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from pytest_robustness.evaluate.attacks.norms import DUAL, margin, norm_of, over, project
from pytest_robustness.evaluate.attacks.rows import Rows, after_steps

#: The schedule's number of queries, and those after which the share of an image that a square covers is halved.
SCHEDULED, HALVED = 10_000, (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
#: The side of the smallest square in L2, and how many tiles there are along a side when its search begins.
SMALLEST, TILES = 3, 5
#: How many bits of the draws are kept for the queries. They are enough for any place in an image.
BITS = 15


class Square:
    """Change a random square of an image, and keep the change if it lowers the label's margin over the other logits.

    The squares shrink as queries are used. In L-infinity each colour of a square is at one end of its range or at the
    other, and the search begins with such stripes. In L2 a square is given a shape that rises in one half and falls in
    the other, and the norm that it and a second square had before. The search begins with such tiles.

    An image is done with its first success, even when a suite wants every step taken.

    Source: Andriushchenko, Croce, Flammarion and Hein, "Square Attack: a query-efficient black-box adversarial attack
    via random search", ECCV 2020, algorithms 1 to 3; the schedule is that of its experiments.

    Args:
        eps: radius of the ball, in units of [0, 1].
        norm: "inf" or "2".
        queries: forwards that an image may cost, at least 2.
        p_init: the share of an image's pixels that the first squares cover.

    Raises:
        ValueError: for an unknown norm; the message names the parameter.
    """

    gradient = False

    def __init__(self, eps: float, norm: str = "inf", queries: int = 5000, p_init: float = 0.8) -> None:
        if norm not in DUAL:
            raise ValueError(f"norm: {norm!r} is not one of {', '.join(DUAL)}")
        self.eps, self.norm, self.queries, self.p_init = eps, norm, queries, p_init
        self._change = self._recoloured if norm == "inf" else self._reshaped
        self._lanes = 2 if norm == "inf" else 5  # how many numbers a change takes, beside one for each colour
        scheduled = (query * SCHEDULED // queries for query in range(queries))
        self._halvings = torch.tensor([sum(query > past for past in HALVED) for query in scheduled])
        self._smallest = 1 if norm == "inf" else SMALLEST

    def start(self, rows: Rows) -> None:
        """Begin with the stripes or the tiles, and draw what all queries will need."""
        self._halvings = self._halvings.to(rows.label.device)  # a table, copied there once
        lanes = self._lanes + rows.clean.shape[1]
        drawn = rows.draw(1, self.queries * lanes).view(-1, self.queries, lanes)
        rows["draws"] = (drawn * 2**BITS).to(torch.int16)
        rows["candidate"] = rows["found"] = self._stripes(rows) if self.norm == "inf" else self._tiles(rows)
        rows["margin"] = torch.full_like(rows.clean[:, 0, 0, 0], torch.inf)

    def candidates(self, rows: Rows) -> Tensor:
        return rows["candidate"]

    def update(self, rows: Rows, logits: Tensor, gradient: Tensor | None, fooled: Tensor) -> Tensor:
        seen, value = rows["candidate"], margin(logits, rows.label)
        better = value < rows["margin"]
        rows["margin"] = torch.where(better, value, rows["margin"])
        rows["found"] = torch.where(over(better, seen), seen, rows["found"])
        draw = rows["draws"].take_along_dim(rows.step.view(-1, 1, 1), 1).squeeze(1) / 2**BITS
        rows["candidate"] = torch.where(over(fooled, seen), seen, self._change(rows, draw))
        return after_steps(rows, self.queries - 1) | fooled  # the look at the answer is the last query

    def _stripes(self, rows: Rows) -> Tensor:
        _, channels, _, width = rows.clean.shape
        sign = signs(rows.draw(0, channels * width)).view(-1, channels, 1, width)
        return (rows.clean + self.eps * sign).clamp_(0, 1)

    def _recoloured(self, rows: Rows, draw: Tensor) -> Tensor:
        """Return the images with a square whose colours are each at one end of their range: algorithm 2."""
        ends = (rows.clean + self.eps * colours(signs(draw[:, 2:]))).clamp_(0, 1)
        size = rows.clean.shape[2:]
        side = self._sides(rows)[self._halvings[rows.step]]
        return torch.where(window(corner(draw[:, :2], side, *size), side, *size), ends, rows["found"])

    def _tiles(self, rows: Rows) -> Tensor:
        """Return the images with the shape added in every tile, at the largest norm that the ball allows.

        In each tile the shape is turned or not, and each of its colours is inverted or not.
        """
        clean = rows.clean
        _, channels, height, width = clean.shape
        side = max(min(height, width) // TILES, 1)
        down, across = height // side, width // side
        drawn = rows.draw(0, (channels + 1) * down * across).view(-1, channels + 1, down, across)
        drawn = drawn.repeat_interleave(side, 2).repeat_interleave(side, 3)
        straight, turned = shapes((side,), clean.device)[0].repeat(1, down, across)
        top, left = (height - down * side) // 2, (width - across * side) // 2
        delta = torch.zeros_like(clean)
        delta[:, :, top : top + down * side, left : left + across * side] = torch.where(
            drawn[:, :1] < 0.5, turned, straight
        ) * signs(drawn[:, 1:])
        return (clean + delta * over(self.eps / norm_of(delta, "2"), delta)).clamp_(0, 1)

    def _reshaped(self, rows: Rows, draw: Tensor) -> Tensor:
        """Return the images with one square changed and another emptied: algorithm 3.

        The first square gets the norm of both and the norm that the ball has left.
        """
        clean, level = rows.clean, self._halvings[rows.step]
        channels, size = clean.shape[1], clean.shape[2:]
        side = self._sides(rows)[level]
        here, there = (corner(draw[:, lane : lane + 2], side, *size) for lane in (0, 2))
        first, second = (window(at, side, *size) for at in (here, there))
        delta = rows["found"] - clean
        unused = (self.eps**2 - squares(delta).sum(1, keepdim=True)).clamp_min(0)
        available = (squares(delta * (first | second)) + unused / channels).sqrt().to(clean.dtype)
        table = shapes(sides(self.p_init, self._smallest, *size), clean.device).to(clean.dtype)
        shape = placed(table[level, (draw[:, 4] < 0.5).long()], here, *size)
        new = shape * colours(signs(draw[:, 5:])) + unit(delta * first)
        delta = torch.where(first, unit(new * first) * colours(available), delta.masked_fill(second, 0))
        return project(clean + delta, clean, self.eps, "2")

    def _sides(self, rows: Rows) -> Tensor:
        """Return the sides of squares by how often their area has been halved, on the rows' device."""
        return on(rows.step.device, sides(self.p_init, self._smallest, *rows.clean.shape[2:]))


@lru_cache(maxsize=32)
def sides(p_init: float, smallest: int, height: int, width: int) -> tuple[int, ...]:
    """Return the sides of squares that cover the share ``p_init`` of an image, half of that, and so on."""
    shares = (p_init / 2**halvings for halvings in range(len(HALVED) + 1))
    return tuple(min(max(round((share * height * width) ** 0.5), smallest), height, width) for share in shares)


@lru_cache(maxsize=32)
def on(device: torch.device, table: tuple[int, ...]) -> Tensor:
    """Return a table on the device, copied there once and not in every query."""
    return torch.tensor(table, device=device)


def signs(drawn: Tensor) -> Tensor:
    """Return -1 or 1 for numbers drawn from [0, 1)."""
    return 1 - 2 * (drawn < 0.5).to(drawn.dtype)


def colours(values: Tensor) -> Tensor:
    """Return values of each image's colours, (n, C), in a shape that broadcasts over images."""
    return values[:, :, None, None]


def squares(images: Tensor) -> Tensor:
    """Return the squared L2 norm of each colour of each image, (n, C).

    It is float64, so that the order of a sum does not change the result.
    """
    return images.double().square().sum((2, 3))


def unit(images: Tensor) -> Tensor:
    """Return the images with each colour scaled to L2 norm 1. A colour that is zero stays zero."""
    return images / colours(squares(images).sqrt().clamp_min(1e-12).to(images.dtype))


def corner(drawn: Tensor, side: Tensor, height: int, width: int) -> Tensor:
    """Return the top row and left column, (n, 2) int64, of squares that two numbers in [0, 1) place in the image."""
    room = torch.stack((height - side + 1, width - side + 1), 1)
    return (drawn * room).long()


def window(corners: Tensor, side: Tensor, height: int, width: int) -> Tensor:
    """Return (n, 1, H, W) bool, which pixels are inside the squares."""
    spans = []
    for axis, size in enumerate((height, width)):
        away = torch.arange(size, device=side.device) - corners[:, axis : axis + 1]
        spans.append((away >= 0) & (away < side.unsqueeze(1)))
    return (spans[0].unsqueeze(2) & spans[1].unsqueeze(1)).unsqueeze(1)


def placed(small: Tensor, corners: Tensor, height: int, width: int) -> Tensor:
    """Return images (n, 1, H, W) with small images, (n, S, S), placed at their corners.

    Outside of a small image its edge pixels are repeated.
    """
    down, across = (
        (torch.arange(size, device=small.device) - corners[:, axis : axis + 1]).clamp(0, small.shape[-1] - 1)
        for axis, size in enumerate((height, width))
    )
    row = torch.arange(len(small), device=small.device)[:, None, None]
    return small[row, down.unsqueeze(2), across.unsqueeze(1)].unsqueeze(1)


@lru_cache(maxsize=32)
def shapes(of_sides: tuple[int, ...], device: torch.device) -> Tensor:
    """Return the shape of a square's change for each side, as it is and turned, (len(of_sides), 2, S, S), at norm 1.

    It is zero beyond the side. The left half is the shape of a rectangle, the right half that of another, inverted:
    equation 2 of the paper and what follows it.
    """
    largest = max(of_sides)
    table = torch.zeros(len(of_sides), 2, largest, largest)
    for number, side in enumerate(of_sides):
        half = side // 2
        straight = torch.cat((rectangle(side, half), -rectangle(side, side - half)), 1)
        straight = straight / straight.norm()
        table[number, 0, :side, :side], table[number, 1, :side, :side] = straight, straight.T
    return table.to(device)


def rectangle(height: int, width: int) -> Tensor:
    """Return (height, width) values that rise to the middle in steps, each a rectangle inside the last.

    ``height`` is at least ``width``.
    """
    middle = height // 2
    away = torch.maximum(
        (torch.arange(height) - middle).abs().unsqueeze(1), (torch.arange(width) - width // 2).abs().unsqueeze(0)
    )
    # the sum of 1 / (middle + 1 - k)^2 for k from 0 to middle - away, by how far away a pixel is from the middle
    terms = [1 / (middle + 1 - k) ** 2 for k in range(middle + 1)]
    heights = torch.tensor([sum(terms[: middle - step + 1]) for step in range(middle + 1)])
    return heights[away]
