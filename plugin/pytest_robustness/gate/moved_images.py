"""Which images have another outcome than in the baseline, the most telling first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_robustness.gate.metrics.paired import attempted
from pytest_robustness.gate.pairing import Pair


def moved_images(paired: Pair) -> tuple[list[int], list[int]]:
    """Return the images that are lost and those that are won, by their places in the present set.

    Lost ones are fooled now and were not; won ones the other way round. All are attempts in both runs. They are ordered
    by the noise of the successful attack, the least first, because that needed the smallest change. Both lists are
    empty when the two cannot be compared.
    """
    baseline, current = paired.baseline.evidence, paired.current.evidence
    if paired.difference is not None:
        return [], []
    both = attempted(paired.baseline, paired.current)
    lost = [i for i in both if current.success[i] and not baseline.success[i]]
    won = [i for i in both if baseline.success[i] and not current.success[i]]
    return _places(paired, lost, current.noise), _places(paired, won, baseline.noise)


def _places(paired: Pair, images: Iterable[int], noise: Sequence[float | None]) -> list[int]:
    return [paired.places[i] for i in sorted(images, key=lambda i: (noise[i] or 0.0, i))]
