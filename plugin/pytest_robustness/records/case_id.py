"""The name of a case."""

from __future__ import annotations

from typing import Self


class CaseId(str):
    """Holds a case's id, ``MODEL/ATTACK``.

    It is the id of the case's test, and the place of the case's baseline in a suite's folder.
    """

    __slots__ = ()

    @classmethod
    def of(cls, model: str, attack: str) -> Self:
        """Return the id of a model under an attack."""
        return cls(f"{model}/{attack}")

    @property
    def model(self) -> str:
        """Return the model's name."""
        return self.partition("/")[0]

    @property
    def attack(self) -> str:
        """Return the attack's name. It is empty when the text is not a case's id."""
        return self.partition("/")[2]
