"""Asks a person on the terminal, or takes the proposals where nobody is to be asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pytest_robustness.errors import RobustnessError

T = TypeVar("T")


class Dialogue:
    """Asks questions, each with a proposal that Enter takes.

    Args:
        asks: whether there is somebody to ask; else each proposal is taken.
        read: returns the answer to a prompt; raises EOFError when there is no more.
        say: shows a line.
    """

    def __init__(self, asks: bool, read: Callable[[str], str] = input, say: Callable[[str], None] = print) -> None:
        self.asks, self._read, self.say = asks, read, say

    def ask(self, flag: str, question: str, proposal: str | None, check: Callable[[str], T]) -> T:
        """Return the answer, checked. An answer that ``check`` refuses is asked for again.

        Raises RobustnessError, naming the flag, when nobody can answer and there is no proposal.
        """
        if not self.asks:
            if proposal is None:
                raise RobustnessError(f"{flag} is missing: {question}")
            return check(proposal)
        prompt = f"{question}{f' [{proposal}]' if proposal else ''}: "
        while True:
            try:
                answer = self._read(prompt).strip() or proposal
            except EOFError:
                raise RobustnessError(f"the input ended before it was asked for {flag}; nothing was written") from None
            if answer is None:
                continue
            try:
                return check(answer)
            except RobustnessError as error:
                self.say(f"  {error}")

    def confirm(self, question: str) -> bool:
        """Return whether a proposal is taken; also where nobody is asked."""
        return not self.asks or self.ask("--yes", f"{question} (y/n)", "y", _yes_or_no)


def _yes_or_no(answer: str) -> bool:
    words = {"y": True, "yes": True, "n": False, "no": False}
    if answer.lower() not in words:
        raise RobustnessError("y or n")
    return words[answer.lower()]
