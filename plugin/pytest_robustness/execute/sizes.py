"""How large a case is, and how far it can be cut, before its model is loaded."""

from __future__ import annotations

from pytest_robustness.evaluate.images.load import count_images
from pytest_robustness.execute.plan import Size
from pytest_robustness.suite.suite import Case


def size_of(case: Case) -> Size:
    """Return a case's number of images, and the multiples at which it is cut. No photograph is decoded.

    It is cut at whole batches: some attacks need them, and a smaller part would not fill its only batch. Raises
    RobustnessError when the images are not what the suite says.
    """
    return Size(count_images(case), case.batch_size)

