"""What has the form of personal data is masked; numbers of other kinds stay."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motherlode.corpus.privacy import MaskPersonalData, mask_personal_data

EMAILS = """jane.doe@example.com
john_d+x@mail.example.co.uk
a@b.org
josé@example.com
info [at] firma.de
x-1%2@sub.sub.example.museum""".split("\n")
PHONES = """+49 30 1234567
+1 (212) 555-0123
+44 20 7946 0958
+44 (0)20 7946 0958
+33 1 23 45 67 89
+4915112345678
(212) 555-0123
212-555-0123
212.555.0123
1-800-555-0199
01 23 45 67 89
030/1234567
0171-1234567
(020) 7946 0958
(089) 123 4567
0800 123 4567
+86 138 0013 8000
+91-98765-43210
0049 30 1234567""".split("\n")
ADDRESSES = """81.2.69.142
129.193.172.90
2001:4860:4860::8888
2a00:1450:4001:082a:0000:0000:0000:200e""".split("\n")
OTHERS = """2024-01-15
2024-01-15 10:30:00
15.01.2024
01/02/2024 10:30
07/12/2008 08:30
1,234,567.00
$1,234.56
$212-555-0123
$ 5,000,000 - 10,000,000
1.234.567,89
EUR 12 345 678
1 000 000 000
ISBN 978-3-16-148410-0
ISBN 0-306-40615-2
ISBN: 0306406152
ISSN 0317-8471
978-0-306-40615-7
version 10.2.33.4
v1.2.3.4
1.2.3.4
section 3.2.1.14
firmware 81.20.69.142
192.168.1.1
127.0.0.1
10.0.0.1
255.255.255.0
300.1.2.3
81.2.69.142.5
12:30:45
00:12:45
std::string a::b
1990-2000
2010-2011 2012-2013
1914-1918 1939-1945
3.14159265358979
1234567890
123 456 789
0.123456789
12345-6789
08057-1177
001-12421
0A22 F8A8 0456 2638 DD74
Python 3.11.7
@user handle
a @ b
user@localhost
1 2 3 4 5 6 7 8 9 10
100 200 300 4000
ratio 5-10-15
doi:10.1000/182
10.1038/s41586-020-2649-2
10.5281/zenodo.1234567
+5 points
+12,5 %
+/- 10 000 000
x=+12345678
page 012-015
Room 012 345
call 911
text 2024
ID 0123-456789
3-1 2-0 4-2
999-99-9999
2001: A Space Odyssey
phone 2024-01-15
order no. 212-555-0123""".split("\n")
AROUND = ["{}", "see {} here", "({})", "{}, and", "It was {}.", "a\n{}\nb"]


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize(
    ("kind", "placeholder", "value"),
    [
        *(("emails", "[EMAIL]", value) for value in EMAILS),
        *(("phone_numbers", "[PHONE]", value) for value in PHONES),
        *(("ip_addresses", "[IP]", value) for value in ADDRESSES),
    ],
)
def test_personal_data_is_masked(kind: str, placeholder: str, value: str, around: str) -> None:
    masked, counts = mask_personal_data(around.format(value))
    assert masked == around.format(placeholder)
    assert counts == {kind: 1}


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("value", OTHERS)
def test_other_numbers_stay(value: str, around: str) -> None:
    text = around.format(value)
    assert mask_personal_data(text) == (text, {})


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Tel: 123 4567 8", "Tel: [PHONE]"),
        ("call 555 123 4567 now", "call [PHONE] now"),
        ("Phone number: 5551234567", "Phone number: [PHONE]"),
        ("тел. 8 495 123-45-67", "тел. [PHONE]"),
        ("Fax (65)7773117", "Fax [PHONE]"),
        ("email: a.b@c.de, tel. +49 89 123456, from 81.2.69.142", "email: [EMAIL], tel. [PHONE], from [IP]"),
        ("mailto:a@b.de?subject=x", "mailto:[EMAIL]?subject=x"),
        ("<a@b.de>;<c@d.de>", "<[EMAIL]>;<[EMAIL]>"),
    ],
)
def test_masking_in_context(text: str, masked: str) -> None:
    assert mask_personal_data(text)[0] == masked


def test_the_step_counts_by_kind_and_leaves_other_texts() -> None:
    texts = [
        "Nothing here.",
        "Write to a@b.de or c@d.de",
        "Call +49 30 1234567",
        "From 81.2.69.142",
        "In 2024-01-15",
        "",
    ]
    result = MaskPersonalData().open()(pa.record_batch({"text": texts}))
    assert result.columns["text"].to_pylist() == [
        "Nothing here.", "Write to [EMAIL] or [EMAIL]", "Call [PHONE]", "From [IP]", "In 2024-01-15", "",
    ]  # fmt: skip
    assert result.stats == {"emails_masked": 2, "phone_numbers_masked": 1, "ip_addresses_masked": 1}


PIECES = st.sampled_from(
    [*EMAILS, *PHONES, *ADDRESSES, *OTHERS[:20], " ", "word", ". ", "\n", "(", ")", "tel ", "@", "+", "0", "-"]
)


@given(st.lists(PIECES, max_size=12).map(" ".join))
def test_the_check_before_misses_nothing_and_masking_is_done_once(text: str) -> None:
    masked, counts = mask_personal_data(text)
    result = MaskPersonalData().open()(pa.record_batch({"text": [text]}))
    assert result.columns["text"].to_pylist() == [masked]
    assert sum(result.stats.values()) == sum(counts.values())
    assert masked.count("[EMAIL]") == counts.get("emails", 0)


def test_hostile_texts_do_not_hold_it_up() -> None:
    import time

    for piece in ("a.", "1 ", "1-", "+1", "(0", "a@", "2001:", "1.", "tel ", "a%", "-", "0/", "é.", "x@y.", "+1 ("):
        before = time.perf_counter()
        mask_personal_data(piece * 50_000)
        assert time.perf_counter() - before < 5, piece
