"""Languages are told with a score, and those that are not wanted go."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motherlode.corpus.language import (
    IDENTIFIERS,
    IdentifyLanguage,
    check_identifier,
    check_languages,
    identifier_function,
    known_languages,
)
from motherlode.errors import InputError

pytest.importorskip("pycld2", reason="the extra 'web' is not installed")
pytest.importorskip("resiliparse", reason="the extra 'web' is not installed")

TEXTS = {
    "en": "The harbour was quiet in the morning, and the boats lay still while the town slowly woke up around them.",
    "de": "Der Hafen lag am Morgen still, und die Boote ruhten, während die Stadt um sie herum langsam erwachte.",
    "fr": "Le port était calme le matin, et les bateaux restaient immobiles pendant que la ville se réveillait.",
    "es": "El puerto estaba tranquilo por la mañana y los barcos permanecían quietos mientras la ciudad despertaba.",
    "ru": "Утром в гавани было тихо, и лодки стояли неподвижно, пока город вокруг них медленно просыпался.",
    "pl": "Rano w porcie było cicho, a łodzie stały nieruchomo, podczas gdy miasto powoli budziło się wokół nich.",
    "he": "הנמל היה שקט בבוקר, והסירות עמדו בלי תנועה בזמן שהעיר התעוררה לאט סביבן.",
    "ja": "朝の港は静かで、街がゆっくりと目を覚ます間、船はじっとしていました。",
    "zh": "早晨的港口很安静，船只静静地停着，城市在它们周围慢慢苏醒。",
}


@pytest.mark.parametrize("code", sorted(TEXTS))
def test_cld2_tells_common_languages(code: str) -> None:
    told, score = identifier_function("cld2")(TEXTS[code])
    assert told == code
    assert score > 0.9


def test_resiliparse_tells_longer_texts() -> None:
    identify = identifier_function("resiliparse")
    for code in ("en", "de", "fr", "ru", "pl"):
        told, score = identify(TEXTS[code] * 3)
        assert told == code
        assert 0 < score < 1


@pytest.mark.parametrize("name", IDENTIFIERS)
@given(text=st.text(max_size=60))
def test_any_text_has_some_language(name: str, text: str) -> None:
    code, score = identifier_function(name)(text)
    assert code == code.lower()
    assert 0 <= score <= 1
    assert code == "und" or code in known_languages(name)


def test_characters_that_cld2_refuses_do_no_harm() -> None:
    for odd in ("\x00", "\x1b[0m", "\x85", "\ufffe", "\ud800", "\u200b"):
        assert identifier_function("cld2")(f"{odd}{TEXTS['de']}{odd}")[0] == "de"


def test_documents_are_labelled_and_others_dropped_with_a_reason() -> None:
    mixed = " ".join([TEXTS["en"], TEXTS["de"] * 2])
    texts = [TEXTS["en"], TEXTS["de"], TEXTS["ru"], "", mixed]
    batch = pa.record_batch({"text": pa.array(texts, pa.string())})
    all_stay = IdentifyLanguage("cld2").open()(batch)
    assert all_stay.dropped is None
    assert all_stay.columns["language"].to_pylist() == ["en", "de", "ru", "und", "de"]
    assert all_stay.stats == {"languages": {"en": 1, "de": 2, "ru": 1, "und": 1}}
    some = IdentifyLanguage("cld2", ["en", "de"], 0.8).open()(batch)
    assert some.dropped.to_pylist() == [None, None, "other language", "language unknown", "language uncertain"]
    assert IdentifyLanguage("cld2", ["en"]).fingerprint != IdentifyLanguage("cld2", ["de"]).fingerprint


def test_codes_have_one_form_and_unknown_ones_are_refused() -> None:
    assert check_languages(["EN", " de ", "pt-BR", "iw", "zh_Hant", "en"], "cld2") == ("en", "de", "pt", "he", "zh")
    for code in ("xx", "english", "q", "un", "und"):
        with pytest.raises(InputError, match=rf"--languages: unknown language code '{code}'"):
            check_languages([code], "cld2")
    with pytest.raises(InputError, match=r"--identifier: unknown identifier 'cld3'; did you mean 'cld2'\?"):
        check_identifier("cld3")
