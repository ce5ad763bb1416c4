"""Pages are decoded as they were meant, whatever their headers say."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motherlode.corpus.web.charset import decode, header_charset

pytest.importorskip("resiliparse", reason="the extra 'web' is not installed")

GERMAN = "Die Straße über den Fluß führt nach Köln, und schöne Grüße kommen zurück. " * 3
RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю. " * 3
JAPANESE = "いろはにほへと ちりぬるを わかよたれそ つねならむ うゐのおくやま けふこえて " * 3
CHINESE = "天地玄黄 宇宙洪荒 日月盈昃 辰宿列张 寒来暑往 秋收冬藏 " * 3
KOREAN = "다람쥐 헌 쳇바퀴에 타고파. 키스의 고유조건은 입술끼리 만나야 하고. " * 3


@pytest.mark.parametrize(
    ("text", "charset", "declared"),
    [
        (GERMAN, "utf-8", ""),
        (GERMAN, "utf-8", "iso-8859-1"),  # a header that is wrong, as many are
        (GERMAN, "cp1252", "iso-8859-1"),
        (GERMAN, "cp1252", "windows-1252"),
        (GERMAN, "iso-8859-15", "iso-8859-15"),
        (RUSSIAN, "cp1251", "windows-1251"),
        (RUSSIAN, "koi8-r", "koi8-r"),
        (RUSSIAN, "cp1251", ""),
        (JAPANESE, "shift_jis", "shift_jis"),
        (JAPANESE, "euc_jp", "euc-jp"),
        (JAPANESE, "iso2022_jp", "iso-2022-jp"),
        (JAPANESE, "euc_jp", ""),
        (CHINESE, "gb18030", "gb2312"),
        (CHINESE, "gb18030", "gbk"),
        (CHINESE, "gb18030", ""),
        (KOREAN, "euc_kr", "euc-kr"),
        (GERMAN, "utf-16-le", "utf-16le"),
    ],
)
def test_a_page_is_decoded(text: str, charset: str, declared: str) -> None:
    assert decode(text.encode(charset), declared)[0] == text


@pytest.mark.parametrize("charset", ["cp1251", "koi8-r", "euc_jp", "shift_jis", "euc_kr", "gb18030"])
def test_the_page_itself_may_say_its_charset(charset: str) -> None:
    text = RUSSIAN if charset in ("cp1251", "koi8-r") else {"e": JAPANESE, "s": JAPANESE, "g": CHINESE}[charset[0]]
    text = KOREAN if charset == "euc_kr" else text
    for meta in (
        f'<meta charset="{charset}">',
        f'<META http-equiv="Content-Type" content="text/html; charset={charset}">',
    ):
        page = f"<html><head>{meta}</head><body>{text}</body></html>"
        assert decode(page.encode(charset))[0] == page


@pytest.mark.parametrize(
    ("mark", "charset"), [(codecs.BOM_UTF8, "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")]
)
def test_a_byte_order_mark_decides(mark: bytes, charset: str) -> None:
    assert decode(mark + RUSSIAN.encode(charset), "windows-1251") == (RUSSIAN, charset)


def test_a_few_broken_bytes_do_not_change_the_charset() -> None:
    data = (RUSSIAN * 20).encode()
    broken = data[:100] + b"\xff" + data[100:]
    text, charset = decode(broken, "utf-8")
    assert charset == "utf-8"
    assert text.count("\ufffd") <= 2
    assert RUSSIAN in text


def test_charsets_of_headers() -> None:
    assert header_charset("text/html; charset=UTF-8") == "utf-8"
    assert header_charset('text/html;charset="Windows-1251" ; x') == "windows-1251"
    assert header_charset("text/html") == ""


@given(
    st.binary(max_size=200),
    st.sampled_from(
        [
            "",
            "utf-8",
            "iso-2022-jp",
            "utf-16",
            "utf-7",
            "x-unknown",
            "gbk",
            "hz",
            "rot13",
            "zip",
            "hex",
            "idna",
            "punycode",
            "base64",
        ]
    ),
)
def test_any_bytes_become_some_text(data: bytes, declared: str) -> None:
    text, _ = decode(data, declared)
    text.encode("utf-8", "surrogatepass")
