"""Turning the rounds' outcomes into evidence: one value for each image, in the order of the set."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pytest_robustness.evaluate.rounds import Outcome, Round
from pytest_robustness.records.evidence import NOISE_DIGITS, Evidence, significant
from pytest_robustness.records.protocol import Protocol


def evidence_of(rounds: Sequence[Round], attempts: Tensor, rows: range, protocol: Protocol) -> Evidence:
    """Return the evidence of some rows of a set, whose attempts, (N,) bool, were attacked in rounds."""
    outcomes = [outcome for one in rounds for outcome in one.outcomes]
    return _Arrays(outcomes, attempts, rows).evidence(protocol)


class _Arrays:
    def __init__(self, outcomes: Sequence[Outcome], attempts: Tensor, rows: range) -> None:
        self.outcomes, self.attempts, self.rows = outcomes, attempts, rows

    def evidence(self, protocol: Protocol) -> Evidence:
        success = self._placed("success", False) or [False] * len(self.rows)
        fooled_by = self._attempted("fooled_by")
        return Evidence(
            correct=self._of_rows(self.attempts.int().tolist()),
            success=[int(one) for one in success],
            effort=self._attempted("effort"),
            noise=[
                round(noise, NOISE_DIGITS) if fooled else None
                for noise, fooled in zip(self._placed("noise", torch.nan) or [], success, strict=False)
            ]
            or [None] * len(self.rows),
            distance=self._distances() if protocol.distance else None,
            forwards=self._attempted("forwards"),
            gradients=self._attempted("gradients"),
            fooled_by=fooled_by and [None if one is None or one < 0 else one for one in fooled_by],
            pixels=self._pixels(),
            unselected_correct=None,
        )

    def _of_rows(self, values: list[int]) -> list[int]:
        return values[self.rows.start : self.rows.stop]

    def _placed(self, name: str, missing: float) -> list[float] | None:
        """Return a value for each row. Returns None when an outcome has no such values."""
        given = [getattr(outcome, name) for outcome in self.outcomes]
        if not given or any(values is None for values in given):
            return None
        whole = torch.full((len(self.attempts),), missing, dtype=given[0].dtype)
        for outcome, values in zip(self.outcomes, given, strict=True):
            whole[outcome.places] = values
        placed: list[float] = whole.tolist()
        return placed[self.rows.start : self.rows.stop]

    def _attempted(self, name: str) -> list[int | None] | None:
        values = self._placed(name, 0)
        if values is None:
            return None
        attempted = self._of_rows(self.attempts.tolist())
        return [int(value) if attempt else None for value, attempt in zip(values, attempted, strict=True)]

    def _distances(self) -> list[float | None]:
        values = self._placed("distance", torch.nan)
        if values is None:
            return [None] * len(self.rows)
        return [None if value != value else significant(value) for value in values]

    def _pixels(self) -> list[str | None] | None:
        if not self.outcomes or self.outcomes[0].pixels is None:
            return None
        whole: list[str | None] = [None] * len(self.attempts)
        for outcome in self.outcomes:
            for place, digest in zip(outcome.places.tolist(), outcome.pixels or (), strict=True):
                whole[place] = digest
        return whole[self.rows.start : self.rows.stop]
