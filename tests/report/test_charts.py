import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from motherlode.report.charts import Marker, Series, columns, histogram, lines
from motherlode.report.scatter import Dot, mark, scatter, shape
from motherlode.report.svg import Scale, element, number, short

# The drawing area of a chart with one axis: x from 40 to 388, y from 210 (bottom) to 32 (top).
anything = st.floats(allow_nan=True, allow_infinity=True)
texts = st.text(max_size=20)


def tree(chart: Markup) -> ET.Element:
    parsed = ET.fromstring(str(chart))
    for item in parsed.iter():
        for name in ("d", "x", "y", "cx", "cy", "viewBox"):
            assert re.fullmatch(r"[-\d., MLVHZa]*", item.get(name, ""))
            for value in re.findall(r"-?[\d.]+", item.get(name, "")):
                assert -50 <= float(value) <= 700
    return parsed


def bars(chart: Markup, class_: str = "c0") -> list[tuple[float, float, float, float]]:
    """Left, right, top and bottom of each bar."""
    found = []
    for group in tree(chart).iter("g"):
        if group.get("class") in (f"bars {class_}",):
            for path in group.iter("path"):
                left, bottom, top, right, _ = map(float, re.findall(r"-?[\d.]+", path.get("d", "")))
                found.append((left, right, top, bottom))
    return found


def test_histogram_bars_stand_where_the_numbers_say():
    chart = histogram("k", "t", [0, 10, 20], 0, 3, x_label="x", y_label="y", logarithmic=False)
    assert bars(chart) == [(156, 272, 121, 210), (272, 388, 32, 210)]


def test_histogram_logarithmic_heights():
    chart = histogram("k", "t", [9, 99], 0, 1, x_label="x", y_label="y")
    (_, _, low, _), (_, _, high, _) = bars(chart)
    assert high == 32 and low == pytest.approx((210 + 32) / 2, abs=0.01)  # log 10 is half of log 100


def test_marker_splits_the_bars_and_stands_at_its_value():
    chart = histogram("k", "t", [1, 2, 3, 4], 0, 4, x_label="x", y_label="y", marker=Marker(2, "cut"), colour=3)
    assert len(bars(chart, "c3")) == 2 and len(bars(chart, "below")) == 2
    (line,) = [p for p in tree(chart).iter("path") if p.get("class") == "marker"]
    assert line.get("d", "").startswith("M214,")  # the middle of 40 and 388
    assert "7 of them in bins at or above cut" in str(chart)


def test_second_axis_goes_from_0_to_100_percent():
    share = Series("precision", [(0, 0), (1, 0.5), (2, 1)])
    chart = histogram("k", "t", [1, 1], 0, 2, x_label="x", y_label="y", share=share)
    (curve,) = [p for p in tree(chart).iter("path") if p.get("class") == "curve"]
    assert curve.get("d") == "M40,210L203,121L366,32"


def test_columns_have_their_values_above_them():
    chart = columns("k", "t", [("a", 4), ("b", 8)], x_label="x", y_label="y", highlight=1, logarithmic=False)
    assert bars(chart) == [(275, 327, 32, 210)] and bars(chart, "below") == [(101, 153, 121, 210)]
    values = [(t.text, t.get("x"), t.get("y")) for t in tree(chart).iter("text") if t.get("class") == "value"]
    assert values == [("4", "127", "117"), ("8", "301", "28")]


def test_lines_pass_through_their_points_and_break_at_gaps():
    series = Series("s", [(0, 0), (1, 5), (2, math.nan), (3, 10), (4, 10)], 2)
    chart = tree(lines("k", "t", [series], x_label="x", y_label="y"))
    assert [(c.get("cx"), c.get("cy")) for c in chart.iter("circle")][:2] == [("50", "210"), ("126.1", "121")]
    assert len([p for p in chart.iter("path") if p.get("class") == "line"]) == 2
    assert [g.get("class") for g in chart.iter("g")] == ["c2"]


def test_scatter_puts_extremes_at_the_edges_and_seeds_on_top():
    dots = [Dot(0, 0, 0, "a", large=True), Dot(10, 10, 1, "b"), Dot(5, 5, None, "c")]
    groups = list(tree(scatter("k", "t", "d", dots)).iter("g"))
    assert [g.get("class") for g in groups] == ["dots none", "dots c1", "dots c0 seeds"]
    assert [g.findtext("path/title") for g in groups] == ["c", "b", "a"]
    assert groups[0].find("path").get("d", "").split("a")[0] == f"M{number(320 - 2.7 * 0.75)},280"


@pytest.mark.parametrize("series", range(8))
def test_shapes_cover_about_the_same_area(series: int):
    data = shape(series, 0, 0, 10)
    if "a" in data:
        return
    corners = [tuple(map(float, part.split(","))) for part in data.strip("MZ").split("L")]
    area = sum(a * d - b * c for (a, b), (c, d) in zip(corners, corners[1:] + corners[:1], strict=True)) / 2
    assert abs(area) == pytest.approx(math.pi * 100, rel=0.55 if len(corners) == 12 else 0.02)


def test_sixteen_series_differ_by_colour_or_shape():
    assert len({str(mark(series)) for series in range(16)}) == 16


@given(st.lists(anything, max_size=30), anything, st.booleans())
def test_any_histogram_is_valid(counts: list[float], cut: float, logarithmic: bool):
    marker = Marker(max(-1.0, min(1.0, cut)), "m") if math.isfinite(cut) else None
    share = Series("s", [(place / 10, value) for place, value in enumerate(counts)])
    tree(
        histogram(
            "k", "t", counts, -1, 1, x_label="x", y_label="y", marker=marker, share=share, logarithmic=logarithmic
        )
    )


@given(st.lists(st.tuples(texts, anything), max_size=12), st.booleans())
def test_any_columns_are_valid(values: list[tuple[str, float]], logarithmic: bool):
    tree(columns("k", "t", values, x_label="x", y_label="y", logarithmic=logarithmic))


@given(st.lists(st.lists(st.tuples(anything, anything), max_size=8), max_size=4))
def test_any_lines_are_valid(series: list[list[tuple[float, float]]]):
    tree(lines("k", "t", [Series(f"s{i}", points, i) for i, points in enumerate(series)], x_label="x", y_label="y"))


@given(st.lists(st.tuples(anything, anything, st.none() | st.integers(0, 40), texts, st.booleans()), max_size=20))
def test_any_scatter_is_valid(dots: list[tuple[float, float, int | None, str, bool]]):
    tree(scatter("k", "t", "d", [Dot(x, y, series, text, large) for x, y, series, text, large in dots]))


@given(st.text())
def test_any_text_is_one_text_node(text: str):
    parsed = ET.fromstring(str(element("text", text, aria_label=text)))
    assert len(parsed) == 0 and list(parsed.attrib) == ["aria-label"]


@given(st.lists(anything, max_size=10), st.booleans(), st.booleans())
def test_scale_is_monotonic_and_stays_inside(values: list[float], from_zero: bool, logarithmic: bool):
    scale = Scale.over(values, 10, 110, from_zero=from_zero, logarithmic=logarithmic)
    assert scale.low < scale.high
    places = [scale(value) for value in sorted(v for v in values if math.isfinite(v))]
    assert places == sorted(places) and all(10 <= place <= 110 for place in places)
    ticks = scale.ticks()
    assert len(ticks) <= 25 and ticks == sorted(set(ticks))
    slack = (scale.high - scale.low) * 1e-6
    assert all(scale.low - slack <= tick <= scale.high + slack for tick in ticks)


def test_ticks_are_round():
    assert Scale(0, 9776, 0, 1).ticks(4) == [0, 2500, 5000, 7500]
    assert Scale(0.03, 0.71, 0, 1).ticks(4) == [0.2, 0.4, 0.6]
    assert Scale(0, 80_000, 0, 1, logarithmic=True).ticks(5) == [0, 1, 10, 100, 1000, 10_000]
    assert Scale(0, 10**9, 0, 1, logarithmic=True).ticks(4) == [0, 1, 1000, 10**6, 10**9]


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.25, "0.25"), (1500, "1,500"), (25_180, "25.2k"), (3e6, "3M"), (1.5e9, "1.5B")]
)
def test_short_numbers(value: float, text: str):
    assert short(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(-0.001, "0"), (100.0, "100"), (1.256, "1.26"), (1e15, "1000000000000000")]
)
def test_numbers_have_no_exponent_and_no_negative_zero(value: float, text: str):
    assert number(value) == text
