"""What each Unicode character is, as one table of flags, so that text is classified by one look-up per character."""

from __future__ import annotations

import sys
import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.uint16]

SPACE = 1  # white space, line breaks and control characters
BREAK = 2  # what `str.splitlines` breaks lines at
LETTER = 4
DIGIT = 8  # numbers of all scripts
UPPER = 16
ALONE = 32  # a letter of a script that is written without spaces: a word by itself
TERMINAL = 64  # ends a sentence, in any script
STICKY = 128  # a symbol that stays with the word beside it: -5, @name
MARK = 256  # belongs to the letter before it
WORD = LETTER | DIGIT

_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_STICKY = "-/@|\\^~+"
# Scripts without spaces between words: Thai, Lao, Myanmar, Khmer, kana, Han (with extensions and compatibility forms).
UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3005, 0x3007),
    (0x3040, 0x30FF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),
    (0x20000, 0x323AF),
)
# The property Sentence_Terminal of Unicode 15 (PropList.txt), which Python's `unicodedata` does not have.
_TERMINALS = (
    "!.?\u0589\u061d\u061e\u061f\u06d4\u0700\u0701\u0702\u07f9\u0837\u0839\u083d\u083e\u0964\u0965\u104a\u104b"
    "\u1362\u1367\u1368\u166e\u1735\u1736\u17d4\u17d5\u1803\u1809\u1944\u1945\u1aa8\u1aa9\u1aaa\u1aab\u1b5a\u1b5b\u1b5e"
    "\u1b5f\u1b7d\u1b7e\u1c3b\u1c3c\u1c7e\u1c7f\u203c\u203d\u2047\u2048\u2049\u2e2e\u2e3c\u2e53\u2e54\u3002\ua4ff"
    "\ua60e\ua60f\ua6f3\ua6f7\ua876\ua877\ua8ce\ua8cf\ua92f\ua9c8\ua9c9\uaa5d\uaa5e\uaa5f\uaaf0\uaaf1\uabeb\ufe52"
    "\ufe56\ufe57\uff01\uff0e\uff1f\uff61"
    "\U00010a56\U00010a57\U00010f55\U00010f56\U00010f57\U00010f58\U00010f59\U00010f86\U00010f87\U00010f88\U00010f89"
    "\U00011047\U00011048\U000110be\U000110bf\U000110c0\U000110c1\U00011141\U00011142\U00011143\U000111c5\U000111c6"
    "\U000111cd\U000111de\U000111df\U00011238\U00011239\U0001123b\U0001123c\U000112a9\U0001144b\U0001144c\U000115c2"
    "\U000115c3\U000115c9\U00011641\U00011642\U0001173c\U0001173d\U0001173e\U00011944\U00011946\U00011a42\U00011a43"
    "\U00011a9b\U00011a9c\U00011c41\U00011c42\U00011ef7\U00011ef8\U00011f43\U00011f44\U00016a6e\U00016a6f\U00016af5"
    "\U00016b37\U00016b38\U00016b44\U00016e98\U0001bc9f\U0001da88"
) + "".join(map(chr, range(0x115CA, 0x115D8)))
TERMINALS = frozenset(_TERMINALS)


@cache
def flags() -> Flags:
    """Return the table: `[0x110000] uint16` of flags by code point."""
    table = np.zeros(sys.maxunicode + 1, dtype=np.uint16)
    kinds = [unicodedata.category(chr(code)) for code in range(0x32400)]  # beyond, there are tags and private use only
    for code, kind in enumerate(kinds):
        if kind[0] in "LM":
            table[code] |= LETTER
        elif kind[0] == "N":
            table[code] |= DIGIT
        elif kind in ("Cc", "Zs", "Zl", "Zp"):
            table[code] |= SPACE
        if kind in ("Lu", "Lt"):
            table[code] |= UPPER
        elif kind[0] == "M":
            table[code] |= MARK
    for low, high in UNSPACED:
        part = table[low : high + 1]
        part[(part & (LETTER | MARK)) == LETTER] |= ALONE
    for text, flag in ((_BREAKS, BREAK), (_STICKY, STICKY), (_TERMINALS, TERMINAL)):
        table[[ord(character) for character in text]] |= flag
    table.flags.writeable = False
    return table
