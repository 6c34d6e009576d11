"""The name of a case."""

from __future__ import annotations

from typing import Self


class CaseId(str):
    """A case's id, ``MODEL/ATTACK``: the id of its test, and the place of its baseline in a suite's folder."""

    __slots__ = ()

    @classmethod
    def of(cls, model: str, attack: str) -> Self:
        """Return the id of a model under an attack."""
        return cls(f"{model}/{attack}")

    @property
    def model(self) -> str:
        """The model's name."""
        return self.partition("/")[0]

    @property
    def attack(self) -> str:
        """The attack's name; empty where the text is no case's id."""
        return self.partition("/")[2]
