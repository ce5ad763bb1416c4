"""The dimensions of the seed template: what a set of seed documents should vary over.

A seed is written to order: a document of some type, in some demeanour, of some length, about some industry. Varying
all of them keeps retrieval from learning one register of a domain in place of the domain.
Source: arXiv 2410.00260 (DoPAMine), the seed prompt's lists. `FURTHER_TYPES` are ours: registers that web text is
full of and the lists lack.
"""

from __future__ import annotations

DOCUMENT_TYPES = (
    "report",
    "blog post",
    "news article",
    "list of tweets",
    "press release",
    "email",
    "technical report",
    "textbook chapter",
    "research paper",
    "short story",
    "advertisement",
    "product proposal",
    "research proposal",
    "status update",
    "legal brief",
    "contract",
    "memo",
)
FURTHER_TYPES = ("forum post", "dialogue transcript", "question and answer", "encyclopedia entry")

DEMEANOURS = (
    "professional",
    "angry",
    "bored",
    "informal",
    "sad",
    "excited",
    "confident",
    "exacting",
    "poetic",
    "pedantic",
    "attentive to detail",
)

LENGTHS: dict[str, tuple[int, int | None]] = {"short": (1, 500), "long": (501, 1000), "very long": (1001, None)}
"""Least and most words of each length; the paper says under 500, over 500 and over 1,000."""

INDUSTRIES = (
    "media & entertainment",
    "financial services",
    "sports",
    "public sector",
    "education",
    "gaming",
    "retail",
    "software & internet",
    "travel & hospitality",
    "agriculture",
    "utilities",
    "healthcare & life sciences",
    "real estate & construction",
    "manufacturing",
    "telecommunications",
    "automotive",
    "services",
    "consumer goods",
    "transportation & logistics",
    "law",
    "energy",
)


def length_of(words: int) -> str:
    """Return the template's name for a document's length.

    Args:
        words: Words in the document, at least 0.

    Returns:
        A key of `LENGTHS`.
    """
    return next(name for name, (_, most) in LENGTHS.items() if most is None or words <= most)
