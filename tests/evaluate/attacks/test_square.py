"""Square: the squares are where and what the paper says, shrink when it says, and only what helps is kept."""

from __future__ import annotations

from math import sqrt
from typing import Any

import pytest
import torch
from pytest_robustness.evaluate.attacks.draws import uniform
from pytest_robustness.evaluate.attacks.square import Square, rectangle, shapes
from torch import Tensor

from tests.evaluate.run_rows import Outcome, Spy, key_of, run

COUNT, CHANNELS, SIZE, EPS = 6, 3, 16, {"inf": 0.05, "2": 0.5}
GENERATOR = torch.Generator().manual_seed(0)
IMAGES = 0.3 + 0.4 * torch.rand(COUNT, CHANNELS, SIZE, SIZE, generator=GENERATOR)
WEIGHT = torch.randn(CHANNELS * SIZE * SIZE, generator=GENERATOR)


def model(images: Tensor) -> Tensor:
    """Two logits, rounded in one way however many images there are."""
    other = ((images - 0.5).flatten(1).double() * WEIGHT).sum(1).float()
    return torch.stack((torch.full_like(other, 100.0), other), 1)


def searched(norm: str, queries: int, images: Tensor = IMAGES, **given: Any) -> tuple[Spy, Outcome]:
    spy = Spy(Square(EPS[norm], norm, queries=queries, **given))
    return spy, run(spy, model, images, torch.zeros(len(images), dtype=torch.int64), capacity=len(images))


def halvings(query: int, queries: int) -> int:
    """How often the paper's share has been halved: its table is for 10,000 queries."""
    return sum(query / queries * 10_000 >= past + 1 for past in (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000))


def kept(iterates: list[Tensor]) -> list[Tensor]:
    """The best candidate before each query, by what the model says of all of them."""
    margins = [float(one) for one in model(torch.stack(iterates))[:, 1]]
    return [iterates[max(range(query), key=lambda one: (margins[one], -one))] for query in range(1, len(iterates))]


def test_the_search_begins_with_stripes() -> None:
    spy, _ = searched("inf", 2)
    for place in range(COUNT):
        stripes = spy.iterates(place)[0] - IMAGES[place]
        assert torch.allclose(stripes.abs(), torch.tensor(EPS["inf"]), atol=1e-6)
        assert torch.allclose(stripes, stripes[:, :1].expand_as(stripes), atol=1e-6)
        assert {-1.0, 1.0} == set(stripes.sign().flatten().tolist())


def test_a_square_of_one_colour_changes_in_the_best_image_so_far() -> None:
    queries, corners = 400, set()
    spy, _ = searched("inf", queries)
    for place in range(COUNT):
        iterates = spy.iterates(place)
        for query, (before, candidate) in enumerate(zip(kept(iterates), iterates[1:], strict=True)):
            side = max(round(sqrt(0.8 / 2 ** halvings(query, queries) * SIZE**2)), 1)
            changed = (candidate != before).any(0).nonzero()
            if len(changed):
                assert int((changed.amax(0) - changed.amin(0)).max()) < side
            if len(changed) == side**2:  # else some of it had that colour already
                top, left = changed.amin(0).tolist()
                corners.add((side, top, left))
                square = (candidate - IMAGES[place])[:, top : top + side, left : left + side].flatten(1)
                assert torch.allclose(square.abs(), torch.tensor(EPS["inf"]), atol=1e-6)
                assert float((square - square[:, :1]).abs().max()) < 1e-6
    assert len({side for side, _, _ in corners}) > 5
    smallest = [(top, left) for side, top, left in corners if side == 1]
    assert {0, SIZE - 1} <= {top for top, _ in smallest} & {left for _, left in smallest}  # they reach every edge


def test_squares_shrink_at_the_papers_queries() -> None:
    """Of 10,000; of fewer queries at the same shares of them."""
    table = Square(0.1, queries=10_000)._halvings
    assert (table.diff().nonzero().squeeze(1) + 1).tolist() == [11, 51, 201, 501, 1001, 2001, 4001, 6001, 8001]
    assert int(table[0]) == 0
    assert int(table[-1]) == 9
    assert [halvings(query, 700) for query in range(700)] == Square(0.1, queries=700)._halvings.tolist()


def algorithm_3(best: Tensor, clean: Tensor, side: int, draw: list[float]) -> Tensor:
    """The paper's lines for one image: what the ball has left is shared among the colours, at most to its surface."""
    nu, eps = (best - clean).double(), EPS["2"]
    corners = [int(one * (SIZE - side + 1)) for one in draw[:4]]
    first, second = ((slice(top, top + side), slice(left, left + side)) for top, left in (corners[:2], corners[2:]))
    either = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    either[first] = either[second] = True
    unused = max(eps**2 - float(nu.square().sum()), 0.0)
    half = side // 2
    shape = torch.cat((rectangle(side, half), -rectangle(side, side - half)), 1).double()
    shape = (shape.T if draw[4] < 0.5 else shape) / shape.norm()
    moved = nu.clone()
    for colour in range(CHANNELS):
        rho = -1 if draw[5 + colour] < 0.5 else 1
        before = nu[colour][first]
        temporary = rho * shape + before / max(float(before.norm()), 1e-12)
        available = sqrt(float(nu[colour][either].square().sum()) + unused / CHANNELS)
        moved[colour][second] = 0
        moved[colour][first] = temporary / temporary.norm() * available
    moved = moved * min(1, eps / float(moved.norm()))
    return (clean + moved).clamp(0, 1).float()


@pytest.mark.parametrize("contrast", [1, 100])
def test_in_l2_a_change_is_algorithm_3(contrast: int) -> None:
    """Also where black and white pixels leave some of the ball unused."""
    queries, lanes = 120, 5 + CHANNELS
    images = ((IMAGES - 0.5) * contrast + 0.5).clamp(0, 1)
    spy, _ = searched("2", queries, images)
    apart: list[float] = []
    for place, image in enumerate(images):
        draws = (uniform(0, [key_of(image)], 1, queries * lanes).view(queries, lanes) * 2**15).floor() / 2**15
        iterates, norms = spy.iterates(place), []
        for query, (best, candidate) in enumerate(zip(kept(iterates), iterates[1:], strict=True)):
            side = min(max(round(sqrt(0.8 / 2 ** halvings(query, queries) * SIZE**2)), 3), SIZE)
            expected = algorithm_3(best, image, side, draws[query].tolist())
            apart.append(float((candidate - expected).abs().max()))
            norms.append(float((candidate - image).double().norm()))
        if contrast == 1:
            assert norms == pytest.approx([EPS["2"]] * len(norms), rel=5e-4)
        else:
            assert min(norms) < 0.95 * EPS["2"]
    # where a new shape all but cancels the square's, the direction of what remains is rounding's
    assert max(apart) < 1e-3
    assert sum(one > 2e-6 for one in apart) <= 2


def test_in_l2_the_search_begins_with_five_tiles_a_side() -> None:
    spy, _ = searched("2", 2)
    tile = SIZE // 5
    for place in range(COUNT):
        start = spy.iterates(place)[0] - IMAGES[place]
        assert float(start.double().norm()) == pytest.approx(EPS["2"], rel=1e-4)
        assert bool((start[:, :15, :15] != 0).all())
        assert not bool((start[:, 15:] != 0).any())  # what is left of 16
        tiles = start[:, :15, :15].unfold(1, tile, tile).unfold(2, tile, tile).flatten(3).flatten(1, 2)
        size = tiles.abs().sum(-1)
        assert torch.allclose(size, size[0, 0].expand_as(size), rtol=1e-4)
        signs = tiles[:, :, 0].sign()
        assert {-1.0, 1.0} == set(signs.flatten().tolist())


def test_only_what_lowers_the_margin_is_kept_and_the_last_query_is_the_look() -> None:
    for norm in ("inf", "2"):
        spy, found = searched(norm, 40)
        for place in range(COUNT):
            iterates = spy.iterates(place)
            assert len(iterates) == 40 == int(found.forwards[place])
            assert torch.equal(found.adversarial[place], iterates[-1])
        assert found.gradients.tolist() == [0] * COUNT


def test_images_of_any_shape_can_be_searched() -> None:
    for norm in ("inf", "2"):
        for shape in ((1, 16, 16), (3, 5, 9), (2, 4, 3), (3, 1, 7)):
            images = 0.5 * torch.ones(2, *shape)
            attack = Square(EPS[norm], norm, queries=30)

            def bright(inputs: Tensor) -> Tensor:
                mean = inputs.flatten(1).mean(1)
                return torch.stack((torch.full_like(mean, 9.0), mean), 1)

            found = run(attack, bright, images, torch.zeros(2, dtype=torch.int64))
            assert found.forwards.tolist() == [30, 30]
            assert bool(found.adversarial.isfinite().all())


def test_the_shape_in_l2_is_equation_2() -> None:
    """Worked out by hand for a square of five: n = 2, and halves of 2 and 3 columns."""
    one, two, three = 1.0, 1 / 4, 1 / 9
    low, mid, high = three, three + two, three + two + one
    rows = [[low, low, low], [low, mid, mid], [low, mid, high], [low, mid, mid], [low, low, low]]
    # of two columns the middle is the second: it is at most one away from both
    assert torch.allclose(rectangle(5, 2), torch.tensor([[row[1], row[2]] for row in rows]))
    wide = torch.tensor([[low, low, low], [mid, mid, mid], [mid, high, mid], [mid, mid, mid], [low, low, low]])
    assert torch.allclose(rectangle(5, 3), wide)
    table = shapes((5, 3), torch.device("cpu"))
    straight, turned = table[0]
    assert torch.equal(turned, straight.T)
    assert float(straight.norm()) == pytest.approx(1)
    assert torch.allclose(straight / straight.max(), torch.cat((rectangle(5, 2), -wide), 1) / rectangle(5, 2).max())
    assert not bool(table[1, :, 3:].any() or table[1, :, :, 3:].any())
