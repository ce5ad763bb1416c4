"""A page in a real browser, where one is installed."""

from __future__ import annotations

import functools
import http.server
import re
import shutil
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no chromium on PATH")
_SWITCHES = "--headless --no-sandbox --disable-gpu --virtual-time-budget=5000 --enable-logging=stderr".split()
# A page around the report measures it at a given width; the report itself holds no script.
_FRAME = """<!DOCTYPE html><iframe id="f" src="/{name}" width="{width}" height="900" style="border:0"></iframe><script>
f.onload = () => {{
  const page = f.contentDocument, root = page.documentElement;
  const shown = page.querySelectorAll("svg.chart").length;
  const bars = [...page.querySelectorAll(".bars path")].filter(p => p.getBoundingClientRect().height > 0).length;
  document.title = `width ${{root.clientWidth}} of ${{root.scrollWidth}} charts ${{shown}} bars ${{bars}} end`;
}};</script>"""


class _Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        if not self.path.startswith("/frame/"):
            super().do_GET()
            return
        _, _, width, name = self.path.split("/")
        body = _FRAME.format(name=name, width=width).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@dataclass(frozen=True)
class Look:
    """What is seen: marks of a chart's bars count if they have a height."""

    charts: int
    bars: int


def look_at(page: Path, width: int, profile: Path) -> Look:
    """Open a page in a frame of a width; it must neither scroll sideways nor complain."""
    handler = functools.partial(_Handler, directory=str(page.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/frame/{width}/{page.name}"
        command = [str(BROWSER), *_SWITCHES, f"--user-data-dir={profile}", "--window-size=1400,900", "--dump-dom"]
        run = subprocess.run([*command, address], capture_output=True, text=True, timeout=120, check=False)
        server.shutdown()
    said = re.search(r"width (\d+) of (\d+) charts (\d+) bars (\d+) end", run.stdout)
    assert said, run.stdout[:500] + run.stderr[-500:]
    shown, whole, charts, bars = map(int, said.groups())
    assert whole <= shown <= width, "the page scrolls sideways"
    assert "CONSOLE" not in run.stderr, run.stderr
    return Look(charts, bars)
