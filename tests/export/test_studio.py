"""`python -m export.studio` in a real browser."""

import base64
import re
import shutil
import signal
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from export.signatures.writing import write_saved_model
from tests.export.generators import style
from tests.export.signatures.test_captions import stack
from tests.export.studios import (
    Studio,
    children,
    choose,
    download,
    drawn_widths,
    milliseconds_to_words,
    of_file,
    picture,
    pixels,
    predict,
    press,
    shown,
    start,
    told_url,
    watch,
)
from tfgan_models.networks import ResNetGenerator, SRResNet

pytestmark = pytest.mark.slow
MILLISECONDS = 20_000
"""How long the browser waits for anything."""
MODELS = ("faces", "photos", "sharper", "words")
DESKTOP, TELEPHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
NO_FIELDS = """() => {
  const seen = element => element.checkVisibility({ visibilityProperty: true });
  window.bare = 0;
  const look = () => {
    for (const form of document.querySelectorAll(".studio-form"))
      if ([...form.querySelectorAll("button")].some(seen)
          && ![...form.querySelectorAll("input, textarea")].length) window.bare += 1;
    requestAnimationFrame(look);
  };
  look();
}"""


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


@pytest.fixture(scope="module")
def studio(
    tmp_path_factory: pytest.TempPathFactory, browser: Browser
) -> Iterator[Studio]:
    models = tmp_path_factory.mktemp("models")
    write_saved_model(ResNetGenerator(2, 1), models / "photos" / "1")
    write_saved_model(SRResNet(filters=4, residual_blocks=1), models / "sharper" / "1")
    write_saved_model(style(resolution=8, label_size=3), models / "faces" / "1")
    write_saved_model(stack(), models / "words" / "1")
    log = tmp_path_factory.mktemp("log") / "errors"
    with log.open("w") as errors:
        process = start(f"--model_base={models}", errors=errors)
    try:
        url = told_url(process)
        # The endpoint is loading now.
        page = browser.new_page()
        page.goto(url)
        page.get_by_role("radio").first.wait_for()
        words = page.locator("body").inner_text()
        endpoint = told_url(process)
        page.locator(".studio-form").first.wait_for()
        page.close()
        yield Studio(process, url, endpoint, models, log, words)
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.fixture
def page(studio: Studio, browser: Browser) -> Iterator[Page]:
    """The studio's page; at the end nothing was asked elsewhere, and all went well."""
    context = browser.new_context(viewport=DESKTOP)
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
    page.locator(".studio-form").first.wait_for()
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


def test_models_that_are_loading_are_told_of(studio: Studio) -> None:
    assert "Loading" in studio.first_words
    assert [name for name in MODELS if name in studio.first_words] == list(MODELS)


def test_the_first_words_come_at_once(studio: Studio, browser: Browser) -> None:
    painted = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    seconds = []
    # Once more: what other programs do to the machine at one moment is not meant.
    for _ in range(2):
        page = browser.new_page()
        page.goto(studio.url)
        page.get_by_role("radio").first.wait_for()
        seconds.append(page.evaluate(painted) / 1000)
        page.close()
    assert 0 < min(seconds) < 2


def test_a_photo_is_translated(studio: Studio, page: Page, tmp_path: Path) -> None:
    photo = picture(tmp_path)
    expected = pixels(of_file(studio, "photos", photo))
    panel = choose(page, "photos")
    watch(page)
    panel.locator("input[type=file]").set_input_files(photo)
    got = download(panel, "Download PNG")
    assert milliseconds_to_words(page) < 200
    assert got.suggested_filename == "photo_translated.png"
    np.testing.assert_array_equal(pixels(got.path()), expected)
    compared = panel.locator(".studio-result img")
    beside = [shown(page, image) for image in compared.all()]
    np.testing.assert_array_equal(beside[0], pixels(photo))
    np.testing.assert_array_equal(beside[1], expected)
    for width in drawn_widths(panel, 2):
        assert width > 700
    np.testing.assert_array_equal(
        shown(page, panel.locator(".studio-form img")), pixels(photo)
    )


def test_a_picture_is_enlarged(studio: Studio, page: Page, tmp_path: Path) -> None:
    photo = picture(tmp_path, side=8)
    expected = pixels(of_file(studio, "sharper", photo))
    assert expected.shape[:2] == (32, 48)
    panel = choose(page, "sharper")
    panel.locator("input[type=file]").set_input_files(photo)
    got = download(panel, "Download PNG")
    np.testing.assert_array_equal(pixels(got.path()), expected)
    bicubic = Image.open(photo).resize((48, 32), Image.Resampling.BICUBIC)
    before = shown(page, panel.locator(".studio-result img").first)
    np.testing.assert_array_equal(before[..., :3], np.asarray(bicubic))


def test_who_has_no_picture_takes_one_of_ours(page: Page) -> None:
    panel = choose(page, "photos")
    watch(page)
    panel.get_by_role("button", name="Emoji").click()
    assert download(panel, "Download PNG").suggested_filename == "emoji_translated.png"
    assert milliseconds_to_words(page) < 200


def test_a_bad_file_is_named_and_another_may_come(page: Page, tmp_path: Path) -> None:
    bad = tmp_path / "my <b>bad</b> one.png".replace("/", "")
    bad.write_bytes(b"<b>no</b> picture")
    panel = choose(page, "photos")
    panel.locator("input[type=file]").set_input_files(bad)
    message = panel.get_by_role("alert")
    message.wait_for()
    told = f"{bad.name}: Not a JPEG, PNG, WebP, BMP, GIF or TIFF image."
    assert message.inner_text() == told
    panel.get_by_role("button", name="Satellite").click()
    assert download(panel, "Download PNG").path().stat().st_size > 0
    assert message.count() == 0


def test_errors_go_with_their_model(page: Page) -> None:
    panel = choose(page, "faces", "Draw")
    panel.get_by_label("Class, from 0").fill("7")
    panel.get_by_role("button", name="Generate").click()
    message = page.get_by_role("alert")
    message.wait_for()
    assert "label must be from 0 to 2. Received: 7 7 7 7" in message.inner_text()
    choose(page, "words")
    assert message.count() == 0
    choose(page, "faces")
    assert message.count() == 0


def test_the_keyboard_alone_is_enough(studio: Studio, page: Page) -> None:
    for key, name in (("Tab", "photos"), ("Shift+Tab", "faces")):
        press(page, page.get_by_role("radio", name=name), key)
        page.keyboard.press("Space")
        page.locator(".studio-form strong", has_text=name).first.wait_for()
    panel = page.locator(".studio-panel").filter(visible=True)
    press(page, panel.get_by_label("Seed", exact=True))
    page.keyboard.press("Control+a")
    page.keyboard.type("41")
    press(page, panel.get_by_label("number input for Images"))
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


def test_a_random_seed_draws_another_picture(studio: Studio, page: Page) -> None:
    panel = choose(page, "faces", "Draw")
    assert panel.get_by_text("0: the average image").is_visible()
    watch(page)
    panel.get_by_role("button", name="Generate").click()
    first = panel.get_by_role("img", name="seed 0")
    first.wait_for()
    assert milliseconds_to_words(page) < 200
    before = shown(page, first)
    panel.get_by_role("button", name="Random seed").click()
    first.wait_for(state="detached")
    seed = int(panel.get_by_label("Seed", exact=True).input_value())
    image = panel.get_by_role("img", name=f"seed {seed}", exact=True)
    image.wait_for()
    assert (shown(page, image) != before).any()
    inputs = {"seed": [seed], "truncation_psi": [0.7], "label": [0]}
    (file,) = predict(studio, "faces", "generate", inputs)["image_bytes"]
    np.testing.assert_array_equal(
        shown(page, image), pixels(base64.b64decode(file["b64"]))
    )
    for width in drawn_widths(panel, 4):
        assert width > 330


def test_styles_are_mixed(studio: Studio, page: Page) -> None:
    panel = choose(page, "faces", "Mix styles")
    panel.get_by_role("button", name="Mix", exact=True).click()
    drawn = pixels(download(panel, "Download PNG").path())
    # 3 x 4 pictures of 8 px, a pixel between them.
    assert drawn.shape == (26, 35, 4)
    inputs = {"seed_coarse": [1], "seed_fine": [102], "cutoff": [4], "label": [0]}
    (file,) = predict(studio, "faces", "mix", inputs)["image_bytes"]
    last = pixels(base64.b64decode(file["b64"]))
    np.testing.assert_array_equal(drawn[18:, 27:], last)
    assert drawn_widths(panel, 1)[0] > 700
    page.set_viewport_size(TELEPHONE)
    assert drawn_widths(panel, 1)[0] > 300


def test_all_models_on_a_telephone(studio: Studio, page: Page) -> None:
    page.set_viewport_size(TELEPHONE)
    page.evaluate(NO_FIELDS)
    cards = page.locator(".studio-models label")
    assert cards.count() == len(MODELS)
    tasks = (
        "Generates and mixes · 8 x 8 px",
        "Translates",
        "Enlarges",
        "Text to image",
    )
    for card, name, task in zip(cards.all(), MODELS, tasks, strict=True):
        assert f"{name} {task}" in " ".join(card.inner_text().split())
        box = card.bounding_box()
        assert 0 <= box["x"] <= box["x"] + box["width"] <= 390
        assert box["y"] + box["height"] < 844 / 2
        panel = choose(page, name)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        for control in panel.locator("button, input:not([type=file]), textarea").all():
            if control.is_visible():
                control.scroll_into_view_if_needed()
                box = control.bounding_box()
                assert box is not None
                assert box["x"] >= 0
                assert box["x"] + box["width"] <= 390, control.inner_html()
        page.evaluate("scrollTo(0, 0)")
    panel.get_by_label("Caption").fill("a red heart")
    panel.get_by_label("Caption").press("Enter")
    image = panel.get_by_role("img", name="seed 0")
    image.wait_for()
    inputs = {"caption": ["a red heart"], "seed": [0]}
    (file,) = predict(studio, "words", "generate", inputs)["image_bytes"]
    np.testing.assert_array_equal(
        shown(page, image), pixels(base64.b64decode(file["b64"]))
    )
    for width in drawn_widths(panel, 4):
        assert width > 130
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("window.bare") == 0


def test_a_new_version_is_shown(studio: Studio, page: Page) -> None:
    card = page.locator(".studio-models label", has_text="photos")
    card.get_by_text("version 1").wait_for()
    versions = studio.models / "photos"
    shutil.copytree(versions / "1", studio.models / "copy")
    (studio.models / "copy").rename(versions / "2")
    deadline = time.monotonic() + 30
    metadata = f"{studio.endpoint}/v1/models/photos/metadata"
    while requests.get(metadata, timeout=30).json()["model_spec"]["version"] != "2":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    page.get_by_role("button", name="Check for new versions").click()
    card.get_by_text("version 2").wait_for()


def test_models_of_an_endpoint_that_runs(studio: Studio, browser: Browser) -> None:
    process = start(f"--url={studio.endpoint}/", "--models=words,missing")
    try:
        page = browser.new_page()
        page.goto(told_url(process))
        choose(page, "words")
        page.get_by_role("radio", name="missing", disabled=False).check(force=True)
        told = (
            "missing is not served. The endpoint responded with 404: Servable not found"
        )
        page.get_by_text(told).wait_for()
        page.close()
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def test_an_endpoint_that_does_not_start_ends_the_studio(tmp_path: Path) -> None:
    model = tmp_path / "a" / "1" / "saved_model.pb"
    model.parent.mkdir(parents=True)
    model.write_bytes(b"")
    (tmp_path / "models.config").write_text("no config")
    process = start(f"--model_base={tmp_path}")
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert re.fullmatch(r"The studio is at http://\S+\n", output)
    assert "models.config" in errors
    assert "Traceback" not in errors


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
