"""What the studio reads in metadata, what it asks, what it makes of answers."""

import base64
import dataclasses
import io
import zipfile
from typing import Any

import numpy as np
import pytest
from PIL import Image

from export.page import bodies
from export.page.bodies import Generation, Mixing, offer
from tfgan_models.errors import FailureError, UsageError


def value(dtype: str, *sizes: int) -> dict[str, Any]:
    dims = [{"size": str(size), "name": ""} for size in (-1, *sizes)]
    return {
        "dtype": f"DT_{dtype}",
        "tensor_shape": {"dim": dims, "unknown_rank": False},
        "name": "of_the_graph:0",
    }


IMAGE, FILES, SEED = value("FLOAT", 8, 8, 3), value("STRING"), value("INT64")
PICTURES = {"image": IMAGE, "image_bytes": FILES}


def offered(**signatures: Any) -> bodies.Offer:
    """What is read of {signature: (inputs, outputs)}."""
    defined = {
        name: {"inputs": inputs, "outputs": outputs}
        for name, (inputs, outputs) in signatures.items()
    }
    return offer(metadata(__saved_model_init_op={"inputs": {}}, **defined))


def metadata(**signatures: Any) -> dict[str, Any]:
    return {
        "model_spec": {"name": "mine", "version": "3"},
        "metadata": {"signature_def": {"signature_def": signatures}},
    }


def png(size: tuple[int, int], colour: Any = "red", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, options.pop("format", "PNG"), **options)
    return file.getvalue()


def opened(contents: bytes) -> Image.Image:
    return Image.open(io.BytesIO(contents))


def test_a_translation_and_an_enlargement_offer_files() -> None:
    files = {"image_bytes": FILES}
    translation = offered(
        encoded=(files, {"translated_bytes": FILES}),
        serving_default=({"image": IMAGE}, {"translated_image": IMAGE}),
    )
    assert (translation.name, translation.version) == ("mine", "3")
    assert translation.made == "translated_bytes"
    assert translation.generation is translation.mixing is None
    assert translation.signatures == ("encoded", "serving_default")
    assert translation.size == "8 x 8 px"
    for anything in (
        {"serving_default": ({"image": value("FLOAT", -1, -1, 3)}, {})},
        {},
    ):
        upscaled = (files, {"upscaled_bytes": FILES})
        enlargement = offered(encoded=upscaled, **anything)
        assert enlargement.made == "upscaled_bytes"
        assert enlargement.size == "any size"


@pytest.mark.parametrize(
    "inputs", [{"seed"}, {"seed", "truncation_psi", "label"}, {"seed", "caption"}]
)
def test_generators_offer_what_their_signatures_take(inputs: set[str]) -> None:
    drawing = offered(generate=(dict.fromkeys(inputs, SEED), PICTURES))
    assert drawing.made is drawing.mixing is None
    assert drawing.size == "8 x 8 px"
    assert drawing.generation == Generation(frozenset(inputs), 2**20 // (8 * 8 * 3))


@pytest.mark.parametrize("label", [set(), {"label"}])
def test_mixing_knows_the_layers_of_synthesis(label: set[str]) -> None:
    inputs = {"seed_coarse", "seed_fine", "cutoff"} | label
    mix = dict.fromkeys(inputs, SEED), PICTURES
    synthesis = {"w": value("FLOAT", 4, 512)}, {"image": IMAGE}
    expected = Mixing(frozenset(inputs), 4, 2**20 // (8 * 8 * 3))
    assert offered(mix=mix, synthesis=synthesis).mixing == expected
    assert offered(mix=mix).mixing == dataclasses.replace(expected, layers=None)


def test_what_is_not_ours_offers_nothing() -> None:
    files = {"image_bytes": FILES}
    nothing = offered(
        encoded=(files | {"quality": SEED}, files),
        generate=({"seed": SEED, "mood": SEED}, files),
        mix=({"seed_coarse": SEED}, files),
    )
    assert nothing.made is nothing.generation is nothing.mixing is None
    assert nothing.signatures == ("encoded", "generate", "mix")
    floats = offered(generate=({"seed": SEED}, {"image": IMAGE}))
    assert floats.generation is None


def test_pictures_are_asked_for_one_at_a_time_where_they_may_be_large() -> None:
    for image in (value("FLOAT", 1024, 1024, 3), value("FLOAT", -1, -1, 3)):
        outputs = PICTURES | {"image": image}
        large = offered(generate=({"seed": SEED}, outputs))
        assert large.generation == Generation(frozenset({"seed"}), 1)


@pytest.mark.parametrize("answer", [{}, {"model_spec": 1}, metadata(mix=3)])
def test_metadata_of_another_kind(answer: dict[str, Any]) -> None:
    with pytest.raises(FailureError, match="not TensorFlow Serving's"):
        offer(answer)


def test_a_file_is_sent_in_base64() -> None:
    assert bodies.file_request(b"\x00photo") == {
        "signature_name": "encoded",
        "inputs": {"image_bytes": [{"b64": base64.b64encode(b"\x00photo").decode()}]},
    }


def test_pictures_are_asked_for_in_parts() -> None:
    generation = Generation(frozenset({"seed", "truncation_psi"}), 2)
    asked = bodies.generate_requests(
        generation, [5, 6, 7], {"truncation_psi": 0.5, "count": 3}
    )
    assert asked == [
        {
            "signature_name": "generate",
            "inputs": {"seed": seeds, "truncation_psi": [0.5] * len(seeds)},
        }
        for seeds in ([5, 6], [7])
    ]


def test_mixtures_are_a_table_with_the_seeds_own_pictures() -> None:
    pairs = bodies.mix_pairs([1, 2], [8, 9])
    assert pairs == [(8, 8), (9, 9), (1, 1), (1, 8), (1, 9), (2, 2), (2, 8), (2, 9)]
    mixing = Mixing(frozenset({"seed_coarse", "seed_fine", "cutoff"}), 4, 6)
    first, second = bodies.mix_requests(mixing, pairs, {"cutoff": 3})
    assert first["inputs"]["seed_coarse"] == [8, 9, 1, 1, 1, 2]
    assert second == {
        "signature_name": "mix",
        "inputs": {"seed_coarse": [2, 2], "seed_fine": [8, 9], "cutoff": [3, 3]},
    }


def test_seeds() -> None:
    assert bodies.seeds_from(-1.0, 3) == [-1, 0, 1]
    for wrong in (None, 0.5, float("nan")):
        with pytest.raises(UsageError, match="seed must be a whole number"):
            bodies.seeds_from(wrong, 1)
    with pytest.raises(UsageError, match="must be from -9007199254740991 to"):
        bodies.seeds_from(2**53, 1)


def test_files_of_an_answer() -> None:
    file = {"b64": base64.b64encode(b"one").decode()}
    assert bodies.files({"outputs": [file, file]}) == [b"one", b"one"]
    several = {"outputs": {"image": [[0.5]], "image_bytes": [file]}}
    assert bodies.files(several) == [b"one"]
    for wrong in ({}, {"outputs": {"image": []}}, {"outputs": [{"b64": "?"}]}):
        with pytest.raises(FailureError, match="has no files 'image_bytes'"):
            bodies.files(wrong)


def test_bicubic_has_the_size_of_the_other() -> None:
    picture = Image.fromarray(
        np.random.default_rng(0).integers(0, 256, (3, 5, 3), np.uint8)
    )
    file = io.BytesIO()
    picture.save(file, "PNG")
    enlarged = opened(bodies.bicubic(file.getvalue(), png((20, 12))))
    assert enlarged.size == (20, 12)
    expected = picture.resize((20, 12), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(np.asarray(enlarged), np.asarray(expected))
    with pytest.raises(UsageError, match="cannot be shown here"):
        bodies.bicubic(b"no picture", png((20, 12)))


def test_a_table_leaves_its_corner_empty() -> None:
    colours = ["red", "lime", "blue"]
    cells = [png((32, 20), colour) for colour in colours]
    drawn = opened(bodies.table(cells, columns=2))
    assert drawn.size == (66, 42)
    assert drawn.getpixel((16, 10)) == (0, 0, 0, 0)
    assert drawn.getpixel((34, 0)) == (255, 0, 0, 255)
    assert drawn.getpixel((0, 22)) == (0, 255, 0, 255)
    assert drawn.getpixel((34, 22)) == (0, 0, 255, 255)
    assert drawn.getpixel((33, 22)) == (0, 0, 0, 0)


def test_pictures_stand_in_a_square_of_at_most_four_columns() -> None:
    columns = [bodies.grid_columns(count) for count in (1, 2, 4, 5, 9, 10, 16)]
    assert columns == [1, 2, 2, 3, 3, 4, 4]
    assert bodies.width(png((7, 3))) == 7


def test_an_archive() -> None:
    packed = bodies.archive({"a.png": b"one", "b.png": b"two"})
    with zipfile.ZipFile(io.BytesIO(packed)) as files:
        assert {name: files.read(name) for name in files.namelist()} == {
            "a.png": b"one",
            "b.png": b"two",
        }
