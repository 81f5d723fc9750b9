"""A running studio, and what a person does with its page."""

import base64
import io
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pytest
import requests
from PIL import Image
from playwright.sync_api import Download, Locator, Page

from tests.export.conftest import REPOSITORY

WATCH = """() => {
  const note = name => () => { window[name] ??= performance.now(); };
  for (const kind of ["click", "change"])
    document.addEventListener(kind, note("asked"), true);
  new MutationObserver(() => {
    if (document.querySelector(".studio-busy, .uploading")) note("told")();
  }).observe(document.body, { childList: true, subtree: true });
}"""
DRAWN = """image => {
  const { width, height } = image.getBoundingClientRect();
  return Math.min(width, height * image.naturalWidth / image.naturalHeight);
}"""


@dataclass(frozen=True)
class Studio:
    """A studio that is running.

    Args:
        process: Of the command.
        url: Of its page.
        endpoint: Address of its endpoint.
        models: The folder that it shows.
        log: The file that its stderr goes to.
        first_words: What stood on the page when it was first painted.
    """

    process: subprocess.Popen
    url: str
    endpoint: str
    models: Path
    log: Path
    first_words: str


def start(
    *arguments: str, errors: int | IO | None = subprocess.PIPE, **environment: str
) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "export.studio", "--port=0", *arguments],
        cwd=REPOSITORY,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )


def told_url(process: subprocess.Popen) -> str:
    """The address in the next line that a studio prints."""
    line = process.stdout.readline()
    found = re.search(r"http://\S+", line)
    assert found is not None, line
    return found[0]


def children(process: subprocess.Popen) -> list[int]:
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(child) for child in listed.split()]


def choose(page: Page, name: str, form: str = "") -> Locator:
    """Chooses a model, and its tab `form`; returns what it shows."""
    page.get_by_role("radio", name=name, disabled=False).check(force=True)
    heading = page.locator(".studio-form strong", has_text=name)
    heading.first.wait_for()
    if form:
        page.get_by_role("tab", name=form).click()
    panel = page.locator(".studio-panel").filter(visible=True)
    panel.locator("input, textarea").first.wait_for(state="attached")
    return panel


def picture(folder: Path, name: str = "photo.png", side: int = 20) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (side, side + 4, 3), np.uint8)
    Image.fromarray(pixels).save(folder / name)
    return folder / name


def predict(studio: Studio, name: str, signature: str, inputs: object) -> dict:
    response = requests.post(
        f"{studio.endpoint}/v1/models/{name}:predict",
        json={"signature_name": signature, "inputs": inputs},
        timeout=60,
    )
    assert response.ok, response.text
    return response.json()["outputs"]


def of_file(studio: Studio, name: str, file: Path) -> bytes:
    contents = base64.b64encode(file.read_bytes()).decode()
    (made,) = predict(studio, name, "encoded", {"image_bytes": [{"b64": contents}]})
    return base64.b64decode(made["b64"])


def download(panel: Locator, text: str) -> Download:
    with panel.page.expect_download() as waiting:
        panel.get_by_role("button", name=text).click()
    return waiting.value


def pixels(contents: bytes | Path) -> np.ndarray:
    source = io.BytesIO(contents) if isinstance(contents, bytes) else contents
    return np.asarray(Image.open(source).convert("RGBA"))


def shown(page: Page, image: Locator) -> np.ndarray:
    """The pixels of an image that the page shows."""
    return pixels(page.request.get(image.evaluate("image => image.src")).body())


def press(page: Page, wanted: Locator, key: str = "Tab") -> None:
    """Walks with the keyboard until `wanted` has the focus."""
    for _ in range(40):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press(key)
    pytest.fail(f"{wanted} is not reached with {key}.")


def watch(page: Page) -> None:
    """Notes when something is asked of the page, and when it says that it works."""
    page.evaluate(f"delete window.asked; delete window.told; ({WATCH})()")


def milliseconds_to_words(page: Page) -> float:
    """How long it took, after `watch`, until the page said that it works."""
    return page.evaluate("window.told - window.asked")


def drawn_widths(panel: Locator, count: int) -> list[float]:
    """How wide each of the `count` pictures of a result is drawn, in CSS pixels."""
    images = panel.locator(".studio-result img").filter(visible=True)
    images.nth(count - 1).wait_for()
    panel.page.wait_for_function(
        "[...document.images].every(i => i.complete && i.naturalWidth)"
    )
    assert images.count() == count
    for image in images.all():
        assert image.evaluate("i => getComputedStyle(i).imageRendering") == "pixelated"
    return images.evaluate_all(f"images => images.map({DRAWN})")
