"""Text from elsewhere, made harmless for a line of a terminal, a table or a page."""

from __future__ import annotations

import unicodedata

#: Control characters, and format characters that reorder or hide what follows them. Joiners are part of scripts.
HARMFUL = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
JOINERS = "\u200c\u200d"


def printable(text: str) -> str:
    """In one line; what would move the cursor, change colours or hide text is written out."""
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
    """How many columns of a terminal a text takes: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) > 0 for character in text)
