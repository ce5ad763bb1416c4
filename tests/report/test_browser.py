"""The page in a real browser, where one is installed: it draws without a complaint and fits a phone and a desk."""

from pathlib import Path

import pytest

from motherlode.report.mining import write_report
from tests.report.browser import look_at, needs_browser


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mined_folder", "hostile_folder"])
def test_page_fits_and_draws(request: pytest.FixtureRequest, tmp_path: Path, kind: str):
    page = write_report(request.getfixturevalue(kind))
    for width in (390, 1280):
        seen = look_at(page, width, tmp_path / str(width))
        assert seen.charts == 9 and seen.bars > 20
