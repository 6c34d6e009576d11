"""Text from elsewhere, made harmless for a line of a terminal, a table or a page."""

from __future__ import annotations

import unicodedata

#: Control characters, and format characters that reorder or hide what follows them. Joiners are part of scripts.
HARMFUL = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
JOINERS = "\u200c\u200d"


def printable(text: str) -> str:
    """Return a text in one line, in which all that would move the cursor, change colours or hide text is escaped."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character in "\n\t":
        return " "
    if character in JOINERS or unicodedata.category(character) not in HARMFUL:
        return character
    return character.encode("unicode_escape").decode()


def columns(text: str) -> int:
    """Return how many columns of a terminal a text takes: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) > 0 for character in text)
