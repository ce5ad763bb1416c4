"""Long documents cut into chunks at sentence ends.

A chunk takes as many whole sentences as fit into N words; a sentence that is longer than that is cut at a line end, or
at a word. What is left over at a document's end goes if it is too short to learn from (DoPAMine, arXiv 2410.00260:
2,500 words, and nothing under 20). Documents that fit are left alone. Memory is bounded, however long a document is.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from motherlode.corpus.filters import count_words
from motherlode.corpus.quality.characters import ALONE, SPACE, UNSPACED
from motherlode.corpus.quality.hashing import Ints
from motherlode.corpus.quality.sentences import sentence_starts
from motherlode.corpus.quality.words import Block
from motherlode.shards.fingerprint import fingerprint

PIECE_CHARACTERS = 1_000_000  # of a long text, cut at a time: words are found at about 90 bytes a character
_UNSPACED = re.compile("[" + "".join(f"{chr(low)}-{chr(high)}" for low, high in UNSPACED) + "]")
_LOOKS_CUT = re.compile(r"#\d+$")


def cut_text(text: str, most: int) -> list[tuple[str, int]]:
    """Cut a text into chunks.

    Args:
        text: Any text.
        most: Words of a chunk, at most; a word is what stands between white space, or a letter of a script that is
            written without spaces.

    Returns:
        The chunks, without white space at their ends, with the words of each. One if the text fits, none if it holds no
        word.
    """
    chunks: list[tuple[str, int]] = []
    start, size = 0, PIECE_CHARACTERS
    while start + size < len(text):
        found = _cut_piece(text[start : start + size], most)
        if len(found) > 1:  # the last one goes on behind the piece
            chunks += [(chunk, words) for _, chunk, words in found[:-1]]
            start += found[-1][0]
        else:
            size *= 2
    return chunks + [(chunk, words) for _, chunk, words in _cut_piece(text[start:], most)]


def _cut_piece(text: str, most: int) -> list[tuple[int, str, int]]:
    """Return chunks of a text that is looked at as a whole: where each begins, the chunk, and its words."""
    block = Block([text])
    starts = block.word_starts
    if not len(starts):
        return []
    unit = (block.flags[starts] & ALONE) > 0
    unit |= (block.flags[starts - 1] & SPACE) > 0  # the last character, a line end, stands before the first
    before = np.append(0, np.cumsum(unit))  # words before the place of a part of a word
    total = int(before[-1])
    sentences = np.flatnonzero(sentence_starts(block) | _paragraph_starts(block))
    lines = np.unique(np.searchsorted(starts, block.line_starts))
    lines = lines[lines < len(starts)]
    units = np.flatnonzero(unit)
    chunks: list[tuple[int, str, int]] = []
    start = done = 0
    while done < total:
        stop = len(starts)
        if total - done > most:
            places = [_last(places, before, start, done + most) for places in (sentences, lines, units)]
            stop = next(place for place in places if place is not None)
        begin, end = int(starts[start]), int(starts[stop]) if stop < len(starts) else len(text)
        chunks.append((begin, text[begin:end].rstrip(), int(before[stop]) - done))
        start, done = stop, int(before[stop])
    return chunks


def _last(places: Ints, before: Ints, start: int, most: int) -> int | None:
    """Return the last of some places that leaves at most so many words before it, and some after the start."""
    furthest = int(np.searchsorted(before, most, side="right")) - 1
    number = int(np.searchsorted(places, furthest, side="right")) - 1
    if number < 0 or places[number] <= start or before[places[number]] <= before[start]:
        return None
    return int(places[number])


def _paragraph_starts(block: Block) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which words are the first after an empty line."""
    begins = np.zeros(len(block.word_starts), dtype=bool)
    first, last = block.line_edges
    fresh = np.append(False, (first > last)[:-1]) & (first <= last)
    begins[np.searchsorted(block.word_starts, first[fresh])] = True
    return begins


def original_id(identity: str) -> str:
    """Return the id of the document that a chunk was cut from; a whole document's id as it is."""
    return _LOOKS_CUT.sub("", identity)


def cut_documents(table: pa.Table, most: int, least: int) -> tuple[pa.Table, dict[str, int]]:
    """Cut the long ones of some documents.

    Args:
        table: Documents with `id`, `text`, `words` and whatever else, which chunks inherit.
        most: Words of a chunk, at most; 0 cuts nothing.
        least: Words of what is left over at a document's end, at least.

    Returns:
        Documents and chunks in order, chunks with the id `<id>#<number>` from 1 on; and counts: `documents_cut`,
        `chunks` made of them, `remainders_dropped`, and the ids of whole documents that looked like a chunk's and were
        `ids_renamed`.
    """
    counts = {"documents_cut": 0, "chunks": 0, "remainders_dropped": 0, "ids_renamed": 0}
    if not most or not table.num_rows:
        return table, {} if not most else counts
    texts = table.column("text").combine_chunks()
    suspects = pc.greater(table.column("words"), most).to_numpy(zero_copy_only=False)
    suspects |= pc.greater(pc.utf8_length(texts), most).to_numpy(zero_copy_only=False)
    rows: list[int] = []
    ids: list[str] = []
    parts: list[str] = []
    for row, (identity, text) in enumerate(zip(table.column("id").to_pylist(), texts.to_pylist(), strict=True)):
        long = suspects[row] and (table.column("words")[row].as_py() > most or _UNSPACED.search(text))
        chunks = cut_text(text, most) if long else []
        if len(chunks) < 2:
            if _LOOKS_CUT.search(identity):
                counts["ids_renamed"] += 1
                identity = f"{identity}~{fingerprint(identity)[:16]}"  # noqa: PLW2901
            rows.append(row)
            ids.append(identity)
            parts.append(text)
            continue
        if chunks[-1][1] < least:
            counts["remainders_dropped"] += 1
            chunks.pop()
        counts["documents_cut"] += 1
        counts["chunks"] += len(chunks)
        rows += [row] * len(chunks)
        ids += [f"{identity}#{number}" for number in range(1, len(chunks) + 1)]
        parts += [chunk for chunk, _ in chunks]
    if not counts["documents_cut"] and not counts["ids_renamed"]:
        return table, counts
    place = table.schema.get_field_index("text")
    bare = table.set_column(place, table.schema.field(place), pa.nulls(table.num_rows, pa.string()))
    table = bare.take(pa.array(rows))  # without the texts: each chunk would first get a copy of its whole document
    new = pa.array(parts, pa.string())
    for name, column in (("id", pa.array(ids, pa.string())), ("text", new), ("words", count_words(new))):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(place), column)
    return table, counts
