"""A page as a strict reader sees it: elements, attributes, texts and tables."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from typing import ClassVar

VOID = {"meta"}


class Page(HTMLParser):
    KNOWN_TAGS: ClassVar = frozenset(
        "html head meta title style body header p span h1 h2 h3 h4 code dl div dt dd small nav ul li a main section b "
        "table thead tbody tr th td figure figcaption footer details summary bdi svg desc path circle g text".split()
    )
    KNOWN_ATTRIBUTES: ClassVar = frozenset(
        "lang charset http-equiv content name class style href id tabindex role aria-label aria-labelledby aria-hidden "
        "scope colspan dir viewbox d x y cx cy r text-anchor".split()
    )

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.meta: dict[str, str] = {}
        self.comments: list[str] = []
        self.unclosed: list[str] = []
        self.parts: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self._region = ""
        self._open: list[str] = []
        self.feed(source)
        self.close()
        self.unclosed += self._open
        self.text = " ".join("".join(self.parts).split())
        self.charts = [
            ET.fromstring(found) for found in re.findall(r"<svg class=\"chart\".*?</svg>", source, re.DOTALL)
        ]

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attributes]
        values = dict(attributes)
        if tag == "meta" and "http-equiv" in values:
            self.meta[values["http-equiv"] or ""] = values["content"] or ""
        if values.get("role") == "region":
            self._region = values["aria-label"] or ""
            self.tables.setdefault(self._region, [])
        if tag == "tr" and self._region:
            self.tables[self._region].append([])
        if tag in ("td", "th") and self._region:
            self.tables[self._region][-1].append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1] != tag:
            self.unclosed.append(f"{self._open[-1:]} closed by {tag}")
        else:
            self._open.pop()
        if tag == "table":
            self._region = ""

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.parts.append(data)
        if self._region and {"td", "th"} & set(self._open):
            self.tables[self._region][-1][-1] += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_pi(self, data: str) -> None:
        self.comments.append(data)

    def unknown_decl(self, data: str) -> None:
        self.comments.append(data)

    def table(self, name: str) -> list[list[str]]:
        return [[" ".join(cell.split()) for cell in row] for row in self.tables[name]]

    def marks(self, title: str) -> int:
        (chart,) = [chart for chart in self.charts if chart.findtext("title") == title]
        return len(chart.findall(".//path"))


def parse(source: str) -> Page:
    return Page(source)
