"""Draws docs/studio.png: the studio in use, in this machine's chromium.

python -m trainers.demo
python -m tests.export.studio_screenshot --model_base=runs/demo/models
"""

import io
import shutil
import tempfile
from pathlib import Path

from absl import flags
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from export.command import run
from tests.export.studios import choose, start, told_url
from tfgan_models.errors import FailureError

SATELLITE = Path("tfgan_models/data/images/earth/satellite.jpg")
PLACE = (2130, 120, 2450, 360)
"""Korea and Japan: among the columns that no training has seen."""
SIZE = {"width": 1200, "height": 720}
COLOURS = 256
MILLISECONDS = 300_000
"""How long models may take to load."""


def define_flags() -> None:
    """Defines the flags of this command."""
    flags.DEFINE_string("model_base", "runs/demo/models", "The models to show.")
    flags.DEFINE_string("model", "cyclegan_a2b", "The one that is used.")
    flags.DEFINE_string("output", "docs/studio.png", "Where the picture is written.")


def main(argv: list[str]) -> None:
    """Starts a studio, translates a picture in it and draws the page."""
    del argv
    chromium = shutil.which("chromium")
    if chromium is None:
        raise FailureError("There is no chromium: apt-get install chromium")
    studio = start(f"--model_base={flags.FLAGS.model_base}", errors=None)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium, args=["--no-sandbox"]
            )
            page = browser.new_page(viewport=SIZE)
            page.set_default_timeout(MILLISECONDS)
            page.goto(told_url(studio))
            page.locator(".studio-form").first.wait_for()
            drawn = _use(page, flags.FLAGS.model)
            browser.close()
    finally:
        studio.terminate()
        studio.wait()
    picture = Image.open(io.BytesIO(drawn)).convert("RGB").quantize(COLOURS)
    picture.save(flags.FLAGS.output, optimize=True)
    print(f"Wrote {flags.FLAGS.output}")


def _use(page: Page, model: str) -> bytes:
    """Translates a picture; returns the page as a PNG file."""
    panel = choose(page, model)
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder, "satellite.png")
        Image.open(SATELLITE).convert("RGB").crop(PLACE).save(photo)
        panel.locator("input[type=file]").set_input_files(photo)
        panel.get_by_role("button", name="Download PNG").wait_for()
    page.wait_for_function(
        "[...document.images].every(i => i.complete && i.naturalWidth)"
    )
    page.wait_for_load_state("networkidle")
    page.mouse.move(0, 0)
    return page.screenshot(animations="disabled")


if __name__ == "__main__":
    define_flags()
    run(main)
