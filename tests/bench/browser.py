"""A page in headless Chromium: what it shows at some widths, and what it does on its own."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium"
)

#: A browser's window has a least width, a frame inside has none.
_FRAME = """<!DOCTYPE html><meta charset="utf-8"><body><pre id="out"></pre><script>
const views = %s;
const look = (%s);
const found = [];
let waiting = views.length;
views.forEach(([address, width], i) => {
  const frame = document.createElement("iframe");
  frame.style = `width:${width}px;height:800px;border:0`;
  frame.src = address;
  frame.onload = () => {
    const page = frame.contentWindow, root = frame.contentDocument.documentElement;
    found[i] = {
      scroll_px: root.scrollWidth, client_px: root.clientWidth,
      fetched: page.performance.getEntriesByType("resource").map((entry) => entry.name),
      seen: look(frame.contentDocument, page),
    };
    if (--waiting === 0) document.getElementById("out").textContent = JSON.stringify(found);
  };
  document.body.append(frame);
});
</script>"""


@dataclass(frozen=True)
class View:
    """One look at a page.

    Attributes:
        scroll_px: How wide the page is.
        client_px: How wide it may be.
        fetched: Addresses that it asked for.
        seen: What the test's own function returned.
    """

    scroll_px: int
    client_px: int
    fetched: list[str]
    seen: Any


@dataclass(frozen=True)
class Visit:
    """Several looks, and every line that the pages wrote to the console."""

    views: list[View]
    console: list[str]


def visit(page: str, folder: Path, views: list[tuple[str, int]], look: str = "() => null") -> Visit:
    """Open `page` once for each (fragment, width in px) and look at it.

    Args:
        page: HTML.
        folder: For its file and the browser's own.
        views: Fragments begin with ``#`` or are empty.
        look: A function in JavaScript of (document, window); its result must be JSON.
    """
    assert CHROMIUM is not None
    (folder / "page.html").write_text(page, "utf-8")
    addresses = json.dumps([[f"page.html{fragment}", width] for fragment, width in views])
    (folder / "frame.html").write_text(_FRAME % (addresses, look), "utf-8")
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-dev-shm-usage",
            "--allow-file-access-from-files",
            "--enable-logging=stderr",
            "--virtual-time-budget=10000",
            f"--user-data-dir={folder / 'profile'}",
            "--window-size=1400,900",
            "--dump-dom",
            (folder / "frame.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = re.search(r'<pre id="out">(.+?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return Visit([View(**view) for view in json.loads(html.unescape(found[1]))], console)
