"""`python -m export.studio` in a real browser."""

import base64
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests
from PIL import Image
from playwright.sync_api import Browser, Download, Locator, Page, sync_playwright

from export.signatures import write_saved_model
from tests.export.conftest import REPOSITORY
from tests.export.generators import style
from tests.export.test_captions import stack
from tfgan_models.networks import ResNetGenerator, SRResNet

MILLISECONDS = 20_000
"""How long the browser waits for anything."""


@dataclass(frozen=True)
class Studio:
    """A studio that is running."""

    process: subprocess.Popen
    url: str
    endpoint: str
    models: Path
    log: Path


def start(
    *arguments: str, errors: int | IO = subprocess.PIPE, **environment: str
) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "export.studio", "--port=0", *arguments],
        cwd=REPOSITORY,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )


def urls_of(process: subprocess.Popen, errors: Path) -> list[str]:
    """The addresses of a studio and of its endpoint."""
    line = process.stdout.readline()
    if " at http://" not in line:
        pytest.fail(f"The studio did not start: {line} {errors.read_text()}")
    return re.findall(r"http://\S+", line)


def children(process: subprocess.Popen) -> list[int]:
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(child) for child in listed.split()]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    models = tmp_path_factory.mktemp("models")
    write_saved_model(ResNetGenerator(2, 1), models / "photos" / "1")
    write_saved_model(SRResNet(filters=4, residual_blocks=1), models / "sharper" / "1")
    write_saved_model(style(resolution=8, label_size=3), models / "faces" / "1")
    write_saved_model(stack(), models / "words" / "1")
    log = tmp_path_factory.mktemp("log") / "errors"
    with log.open("w") as errors:
        process = start(f"--model_base={models}", errors=errors)
    try:
        yield Studio(process, *urls_of(process, log), models, log)
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(studio: Studio, browser: Browser) -> Iterator[Page]:
    """The studio's page; at the end nothing was asked elsewhere, and all went well."""
    context = browser.new_context()
    context.set_default_timeout(MILLISECONDS)
    page = context.new_page()
    asked: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda message: message.type == "error" and errors.append(message.text),
    )
    page.goto(studio.url)
    page.get_by_role("tab", name="words").wait_for(state="attached")
    yield page
    context.close()
    assert asked
    elsewhere = [
        url
        for url in asked
        if urlsplit(url).scheme not in {"data", "blob"}
        and urlsplit(url).hostname != "127.0.0.1"
    ]
    assert elsewhere == []
    assert errors == []


def tab(page: Page, name: str) -> Locator:
    page.get_by_role("tab", name=name).click()
    panel = page.get_by_role("tabpanel").filter(visible=True)
    panel.get_by_text(f"{name}, version").wait_for()
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


def test_a_photo_is_translated(studio: Studio, page: Page, tmp_path: Path) -> None:
    photo = picture(tmp_path)
    expected = pixels(of_file(studio, "photos", photo))
    panel = tab(page, "photos")
    panel.locator("input[type=file]").set_input_files(photo)
    got = download(panel, "Download PNG")
    assert got.suggested_filename == "photo_translated.png"
    np.testing.assert_array_equal(pixels(got.path()), expected)
    beside = [shown(page, image) for image in panel.locator("img").all()]
    np.testing.assert_array_equal(beside[0], pixels(photo))
    np.testing.assert_array_equal(beside[1], expected)


def test_a_picture_is_enlarged(studio: Studio, page: Page, tmp_path: Path) -> None:
    photo = picture(tmp_path, side=8)
    expected = pixels(of_file(studio, "sharper", photo))
    assert expected.shape[:2] == (32, 48)
    panel = tab(page, "sharper")
    panel.locator("input[type=file]").set_input_files(photo)
    got = download(panel, "Download PNG")
    np.testing.assert_array_equal(pixels(got.path()), expected)
    bicubic = Image.open(photo).resize((48, 32), Image.Resampling.BICUBIC)
    before = shown(page, panel.locator("img").first)
    np.testing.assert_array_equal(before[..., :3], np.asarray(bicubic))


def test_a_bad_file_has_a_message_and_the_page_lives(
    studio: Studio, page: Page, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"<b>no</b> picture")
    panel = tab(page, "photos")
    panel.locator("input[type=file]").set_input_files(bad)
    message = page.get_by_test_id("toast-body")
    message.wait_for()
    told = message.inner_text()
    assert "The endpoint answered 400: " in told
    assert "Unknown image file format" in told
    panel.get_by_role("button", name="Clear").or_(
        panel.get_by_role("button", name="Remove")
    ).first.click()
    panel.locator("input[type=file]").set_input_files(picture(tmp_path))
    assert download(panel, "Download PNG").path().stat().st_size > 0


def press(page: Page, wanted: Locator, key: str = "Tab") -> None:
    """Walks with the keyboard until `wanted` has the focus."""
    for _ in range(40):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press(key)
    pytest.fail(f"{wanted} is not reached with {key}.")


def test_the_keyboard_alone_is_enough(studio: Studio, page: Page) -> None:
    chosen = page.get_by_role("tab", name="faces")
    press(page, chosen)
    page.keyboard.press("Enter")
    panel = page.get_by_role("tabpanel").filter(visible=True)
    press(page, panel.get_by_label("Seed", exact=True))
    page.keyboard.press("Control+a")
    page.keyboard.type("41")
    press(page, panel.get_by_label("number input for Pictures"))
    page.keyboard.press("Control+a")
    page.keyboard.type("2")
    press(page, panel.get_by_role("button", name="Generate"))
    page.keyboard.press("Space")
    image = panel.get_by_role("img", name="seed 42")
    image.wait_for()
    inputs = {"seed": [41, 42], "truncation_psi": [0.7] * 2, "label": [0] * 2}
    outputs = predict(studio, "faces", "generate", inputs)["image_bytes"]
    files = [base64.b64decode(file["b64"]) for file in outputs]
    np.testing.assert_array_equal(shown(page, image), pixels(files[1]))
    with page.expect_download() as waiting:
        press(page, panel.get_by_role("button", name="Download", exact=True).first)
        page.keyboard.press("Enter")
    assert waiting.value.suggested_filename == "faces_41-42.zip"
    with zipfile.ZipFile(waiting.value.path()) as packed:
        assert [packed.read(f"faces_{seed}.png") for seed in (41, 42)] == files


def test_styles_are_mixed(studio: Studio, page: Page) -> None:
    panel = tab(page, "faces")
    panel.get_by_role("button", name="Mix").click()
    drawn = pixels(download(panel, "Download PNG").path())
    # 3 x 4 pictures of 8 px, 4 px between them.
    assert drawn.shape == (32, 44, 4)
    inputs = {"seed_coarse": [1], "seed_fine": [102], "cutoff": [4], "label": [0]}
    (file,) = predict(studio, "faces", "mix", inputs)["image_bytes"]
    last = pixels(base64.b64decode(file["b64"]))
    np.testing.assert_array_equal(drawn[24:, 36:], last)


def test_a_class_that_there_is_not(page: Page) -> None:
    panel = tab(page, "faces")
    panel.get_by_label("Class, from 0").first.fill("7")
    panel.get_by_role("button", name="Generate").click()
    message = page.get_by_test_id("toast-body")
    message.wait_for()
    assert "label must be from 0 to 2. Received:] [7 7 7 7]" in message.inner_text()


def test_captions_on_a_telephone(studio: Studio, browser: Browser, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    page.get_by_role("tab").first.wait_for()
    more = page.get_by_role("button", name="More tabs")
    for name in ("faces", "photos", "sharper", "words"):
        visible = page.get_by_role("tab", name=name).filter(visible=True)
        if not visible.count():
            more.click()
            page.get_by_role("button", name=name).or_(
                page.get_by_role("menuitem", name=name)
            ).first.click()
        else:
            visible.click()
        panel = page.get_by_role("tabpanel").filter(visible=True)
        panel.get_by_text(f"{name}, version").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        for control in panel.locator("button, input:not([type=file]), textarea").all():
            if control.is_visible():
                control.scroll_into_view_if_needed()
                box = control.bounding_box()
                assert box is not None
                assert box["x"] >= 0
                assert box["x"] + box["width"] <= 390, control.inner_html()
    panel.get_by_label("Caption").fill("a red heart")
    panel.get_by_label("Caption").press("Enter")
    image = panel.get_by_role("img", name="seed 0")
    image.wait_for()
    inputs = {"caption": ["a red heart"], "seed": [0]}
    (file,) = predict(studio, "words", "generate", inputs)["image_bytes"]
    np.testing.assert_array_equal(
        shown(page, image), pixels(base64.b64decode(file["b64"]))
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_new_version_is_shown(studio: Studio, page: Page) -> None:
    panel = tab(page, "photos")
    assert panel.get_by_text("photos, version 1").is_visible()
    versions = studio.models / "photos"
    shutil.copytree(versions / "1", studio.models / "copy")
    (studio.models / "copy").rename(versions / "2")
    deadline = time.monotonic() + 30
    metadata = f"{studio.endpoint}/v1/models/photos/metadata"
    while requests.get(metadata, timeout=30).json()["model_spec"]["version"] != "2":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    page.get_by_role("button", name="Look for new versions").click()
    page.get_by_text("photos, version 2").wait_for(state="attached")
    assert tab(page, "photos").get_by_text("photos, version 2").is_visible()


def test_models_of_an_endpoint_that_runs(studio: Studio, browser: Browser) -> None:
    process = start(f"--url={studio.endpoint}/", "--models=words,missing")
    try:
        url, endpoint = re.findall(r"http://\S+", process.stdout.readline())
        assert endpoint == studio.endpoint
        page = browser.new_page()
        page.goto(url)
        tab(page, "words")
        page.get_by_role("tab", name="missing").click()
        told = "Not served. The endpoint answered 404: Servable not found"
        page.get_by_text(told).wait_for()
        page.close()
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def test_usage() -> None:
    def fails(*arguments: str) -> str:
        process = start(*arguments)
        output, errors = process.communicate(timeout=60)
        assert (process.returncode, output) == (2, "")
        assert errors.count("\n") == 1
        return errors

    assert "Give one of --model_base" in fails()
    assert "--models=NAME,NAME goes with --url" in fails("--url=http://localhost:1")
    assert "http://localhost:8501. Received: x" in fails("--url=x", "--models=a")


def test_without_gradio(tmp_path: Path) -> None:
    (tmp_path / "gradio.py").write_text("import gradio_of_no_one")
    process = start("--url=http://localhost:1", "--models=a", PYTHONPATH=str(tmp_path))
    assert process.communicate(timeout=60) == (
        "",
        "studio.py: The studio needs the package gradio_of_no_one: "
        "pip install -e '.[studio]'\n",
    )
    assert process.returncode == 1


def test_sigterm_stops_the_endpoint_too(studio: Studio) -> None:
    """The last test: the module's studio is what it stops."""
    (child,) = children(studio.process)
    studio.process.send_signal(signal.SIGTERM)
    assert studio.process.wait(60) == 0
    assert not Path(f"/proc/{child}").exists()
    assert studio.process.stdout.read() == ""
    assert "Traceback" not in studio.log.read_text()
