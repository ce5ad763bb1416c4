"""Mined text made inert: what a stranger wrote is shown as text, and can neither act nor hide nor spill.

Escaping alone keeps markup from being markup. It does not stop a document from reversing the line it stands in
(bidirectional overrides), from hiding words (zero-width and tag characters), from covering its neighbours (piled-up
combining marks) or from making the page ill-formed (control characters, halves of surrogate pairs). So each such
character is shown by its name, replaced or dropped, before anything is escaped. Every string of a report goes through
`visible`, whether it stands in HTML or in SVG.
"""

from __future__ import annotations

import re
import unicodedata

EXCERPT = 300  # characters
_JOINERS = frozenset("\u200c\u200d")  # needed to spell several scripts, and emoji
_MOST_MARKS = 3  # combining marks on one letter
_LOOKED_AT = 20  # characters read for each character shown: blanks may have to be collapsed
_PLAIN = re.compile(r"[\n\t\x20-\x7e]*")


def visible(text: str) -> str:
    """Replace every character that is not seen, or that acts on others.

    Args:
        text: Any text.

    Returns:
        Text that is valid in XML: control characters as their pictures (U+2400 and on), invisible and bidirectional
        format characters as `[U+202E]`, what is no character as U+FFFD, at most three combining marks in a row.
    """
    if _PLAIN.fullmatch(text):
        return text
    shown: list[str] = []
    marks = 0
    for character in text:
        kind = unicodedata.category(character)
        if kind in ("Mn", "Me"):
            marks += 1
            if marks <= _MOST_MARKS:
                shown.append(character)
            continue
        marks = 0
        shown.append(character if kind[0] in "LNPSM" else _shown(character, kind))
    return "".join(shown)


def _shown(character: str, kind: str) -> str:
    code = ord(character)
    if character in "\n\t" or character in _JOINERS or kind == "Co":
        return character
    if kind == "Cc" and code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if kind in ("Zs", "Zl", "Zp"):
        return " "
    if kind == "Cf":
        return f"[U+{code:04X}]"
    return "\ufffd"


def excerpt(text: str, length: int = EXCERPT) -> str:
    """Cut a text to its beginning, on one line.

    Args:
        text: Any text, however long; only its beginning is looked at.
        length: Most characters to show.

    Returns:
        The beginning with blanks collapsed, cut at a word's end where one is near, with an ellipsis if it was cut.
    """
    seen = text[: length * _LOOKED_AT]
    line = " ".join(seen.split())
    if len(line) <= length and len(seen) == len(text):
        return visible(line)
    cut = line[: length - 1]
    if len(line) >= length and not line[length - 1].isspace():
        space = cut.rfind(" ")
        cut = cut[:space] if space > length * 2 // 3 else cut
    return visible(cut.rstrip()) + "…"
