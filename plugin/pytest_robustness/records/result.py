"""The result of a case: its measurement, its verdict and its pictures."""

from __future__ import annotations

from pydantic import Field

from pytest_robustness.records.base import Record
from pytest_robustness.records.gallery import Gallery
from pytest_robustness.records.image_list import ImageList
from pytest_robustness.records.measurement import Estimate, Measurement
from pytest_robustness.records.verdict import Verdict


class Result(Record):
    """Holds a case's measurement, its worker's verdict, and pictures when they are wanted."""

    measurement: Measurement
    verdict: Verdict
    gallery: Gallery | None = None
    estimate: Estimate | None = None  # only of a trial
    image_lists: list[ImageList] = Field(default=[], description="of the measurement's sets, where not sent before")
    hint: str | None = Field(default=None, description="how the suite perhaps should describe the model's input")
