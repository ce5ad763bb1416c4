"""From a page's bytes to its text: which charset, whatever the headers say.

A byte order mark decides. Bytes that are valid UTF-8 are UTF-8, also under a header that says otherwise: other charsets
make valid UTF-8 by accident next to never, while servers mislabel it daily. Then count, in this order, the HTTP header,
the page's own `<meta>`, and a detector over the bytes. Names are mapped as browsers do (WHATWG Encoding Standard,
section 4.2).
"""

from __future__ import annotations

import codecs
import re

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_META = re.compile(rb"""<meta[^>]{1,512}?charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]{2,40})""", re.IGNORECASE)
_META_BYTES = 4096
_SEVEN_BIT = re.compile(rb"\x1b\$[@B(]|\x1b\([JI]|~\{")  # ISO-2022 and HZ are ASCII to look at
_SEVEN_BIT_NAMES = ("iso-2022", "hz", "utf-7", "utf-16")


def header_charset(content_type: str) -> str:
    """Return the charset that a Content-Type header names, or nothing."""
    match = re.search(r"""charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]{2,40})""", content_type, re.IGNORECASE)
    return match[1].lower() if match else ""


def decode(data: bytes, declared: str = "") -> tuple[str, str]:
    """Decode a page.

    Args:
        data: Its bytes.
        declared: The charset that the HTTP header names, if it names one.

    Returns:
        The text, where what cannot be decoded is U+FFFD; and the name of the charset, as Python knows it.
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(name, "replace"), name
    named = declared or _meta_charset(data)
    seven_bit = named.startswith(_SEVEN_BIT_NAMES) and (named.startswith("utf-16") or _SEVEN_BIT.search(data))
    if not seven_bit:
        try:
            return data.decode(), "utf-8"
        except UnicodeDecodeError:
            pass
    return _decode_other(data, named)


def _meta_charset(data: bytes) -> str:
    match = _META.search(data, 0, _META_BYTES)
    name = match[1].decode().lower() if match else ""
    return "" if name.startswith("utf-16") else name  # the declaration itself could be read as ASCII


def _decode_other(data: bytes, named: str) -> tuple[str, str]:
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding, map_encoding_to_html5

    name = map_encoding_to_html5(named, fallback_utf8=False) if named else None
    if name is None or name.lower().replace("-", "") == "utf8":  # which it is not, or only nearly
        nearly = data.decode("utf-8", "replace")
        if name is not None and nearly.count("\ufffd") * 200 < len(nearly):
            return nearly, "utf-8"
        name = detect_encoding(data) or "cp1252"
    name = {"gbk": "gb18030", "gb2312": "gb18030"}.get(name.lower(), name)
    try:
        return data.decode(name), name
    except (UnicodeError, LookupError):
        pass
    if name.startswith(("iso-8859", "windows", "cp125")):
        return bytes_to_str(data, name, fallback_encodings=("cp1252",)), name
    return data.decode(name if _known(name) else "utf-8", "replace"), name


def _known(name: str) -> bool:
    try:
        codecs.lookup(name)
    except LookupError:
        return False
    return True
