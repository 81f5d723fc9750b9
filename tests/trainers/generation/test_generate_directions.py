"""Directions: NumPy's eigenvectors, and pictures moved along them."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfgan_models import sampling
from tfgan_models.data.images import to_uint8
from tfgan_models.errors import UsageError
from tfgan_models.tasks import directions
from tfgan_models.tasks.generators import StyleModel
from tfgan_models.tasks.synthesis import Setting
from trainers.generation import commands, page


class Page(HTMLParser):
    """The elements of a page by their tags."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def pixels(source: str | None) -> np.ndarray:
    prefix, data = str(source).split(",")
    assert prefix == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


@pytest.mark.parametrize(
    ("layers", "chosen"), [("all", range(10)), ("middle", range(4, 8))]
)
def test_directions_are_numpys_and_move_the_chosen_layers(
    model: StyleModel, style: keras.Model, tmp_path: Path, layers: str, chosen: range
) -> None:
    paths = commands.write_directions(
        directions.find(model, layers, 2), 3, Setting(psi=0.8), tmp_path
    )
    assert [path.name for path in paths] == ["directions.html", "directions.npz"]
    kernels = [style.synthesis.adains[i].affine.kernel.numpy() / 4.0 for i in chosen]
    a = np.concatenate(kernels, axis=1).T
    eigenvalues, vectors = np.linalg.eigh(a.T @ a)
    with np.load(paths[1], allow_pickle=False) as arrays:
        found = arrays["directions"]
        np.testing.assert_allclose(found @ found.T, np.eye(2), atol=1e-6)
        for i in range(2):
            assert abs(found[i] @ vectors[:, -1 - i]) == pytest.approx(1.0, abs=1e-4)
        np.testing.assert_allclose(
            arrays["eigenvalues"], eigenvalues[:-3:-1], rtol=1e-4
        )
        np.testing.assert_array_equal(arrays["layers"], list(chosen))

    latents = sampling.latents(tf.constant([3], tf.int64), 16)
    ws = style.truncation(style.mapping(latents), psi=0.8).numpy()
    ws[:, list(chosen)] += 2.0 * found[1]
    noise = sampling.noise(tf.constant([0], tf.int64), model.noise_shapes)
    expected = to_uint8(style.synthesis(tf.constant(ws), noise=noise))[0]
    strips = Page(paths[0].read_text()).of("img")
    # Each section: the picture shown, then the strip from -3 to 3.
    assert [image["alt"] for image in strips[9:16]] == list(
        map(str, commands.STRENGTHS)
    )
    shown = pixels(strips[14]["src"]).astype(int)
    assert np.abs(shown - expected).max() <= 1
    np.testing.assert_array_equal(pixels(strips[8]["src"]), pixels(strips[12]["src"]))


def test_strongest_by_hand() -> None:
    kernels = [np.diag([1.0, 5.0, 0.0]), np.diag([0.0, 0.0, -3.0])]
    found, eigenvalues = directions.strongest(kernels, 3)
    np.testing.assert_allclose(found, [[0, 1, 0], [0, 0, 1], [1, 0, 0]], atol=1e-7)
    np.testing.assert_allclose(eigenvalues, [25.0, 9.0, 1.0])


def test_there_are_no_more_than_w_has(model: StyleModel, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there are only 16 directions"):
        directions.find(model, "all", 17)


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    strips = [[random.uniform(-1, 1, (512, 512, 1)) for _ in range(3)]]
    path = tmp_path / "page.html"
    page.write(path, "<b>", "a & b", ["<i>"], strips, (-1, 0, 1))
    source = path.read_text()
    parsed = Page(source)
    assert not parsed.of("b") and not parsed.of("i") and not parsed.of("link")
    assert not re.search(r"https?://", source)
    (slider,) = parsed.of("input")
    assert slider == {"type": "range", "min": "0", "max": "2", "value": "1"}
    images = parsed.of("img")
    assert len(images) == 4
    assert all(pixels(image["src"]).shape == (256, 256, 3) for image in images)
