"""The serving signatures of StackGAN: pictures of captions."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from export.keras_file.plain_keras import to_plain_keras
from tests.export.conftest import REPOSITORY
from tests.export.generators import Served, assert_files_show, close, pixels
from tests.networks.conformance import randomize
from tfgan_models import text_matching
from tfgan_models.networks import (
    CharacterEncoder,
    StackGenerator,
    StageOneGenerator,
    StageTwoGenerator,
)
from tfgan_models.tasks.caption import embed, images_of

D, LENGTH, LATENT = 6, 12, 5
CAPTIONS = ["red heart", "blue car", "smiling cat"]


def stack(encoder: bool = True, channels: int = 3, **options: Any) -> StackGenerator:
    sizes = {
        "embedding_size": D,
        "condition_size": 4,
        "filters": 8,
        "channels": channels,
    }
    network = StackGenerator(
        StageOneGenerator(16, latent_size=LATENT, **sizes),
        StageTwoGenerator(32, 16, residual_blocks=1, **sizes),
        CharacterEncoder(D, LENGTH, filters=8) if encoder else None,
        **options,
    )
    # Activations keep their size: pictures that are cut off look alike.
    for part in (network.stage_one, network.stage_two, network.text_encoder):
        if part is not None:
            randomize(part)
    return network


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return Served(stack(), tmp_path_factory.mktemp("text") / "1")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return Served(stack(encoder=False), tmp_path_factory.mktemp("bare") / "1")


def embedded(network: StackGenerator, captions: list[str]) -> tf.Tensor:
    letters = text_matching.characters(tf.constant(captions), LENGTH)
    return network.text_encoder(letters)


def expected(
    network: StackGenerator, embedding: tf.Tensor, seeds: list[int]
) -> np.ndarray:
    return images_of(network, embedding, tf.constant(seeds, tf.int64)).numpy()


def test_names_and_types(served: Served, bare: Served) -> None:
    outputs = {
        "image": ("float32", (None, 32, 32, 3)),
        "image_bytes": ("string", (None,)),
    }
    caption, seed = {"caption": ("string", (None,))}, {"seed": ("int64", (None,))}
    embedding = {"embedding": ("float32", (None, D))}
    assert served.shapes() == {
        "serving_default": caption | outputs,
        "generate": caption | seed | outputs,
        "embedding": embedding | seed | outputs,
    }
    assert bare.shapes() == {
        "serving_default": embedding | outputs,
        "embedding": embedding | seed | outputs,
    }
    words = (served.directory / "assets.extra/signatures.md").read_text()
    assert "its first 12 bytes" in words


def test_a_caption_always_has_the_same_picture(served: Served) -> None:
    answer = served("serving_default", caption=CAPTIONS)
    wanted = expected(served.network, embedded(served.network, CAPTIONS), [0, 0, 0])
    assert wanted.std() > 0.05
    close(answer["image"], wanted)
    assert_files_show(answer["image_bytes"], wanted)
    again = served("generate", caption=CAPTIONS, seed=[0, 0, 0])
    close(again["image"], wanted)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(wanted[i] - wanted[j]).max() > 0.01
    # Alone it is what it is among others; capitals and space around do not matter.
    alone = served("serving_default", caption=["  Blue CAR "])
    close(alone["image"][0], wanted[1])
    assert (
        np.abs(pixels(alone["image_bytes"][0]) - pixels(again["image_bytes"][1])).max()
        <= 1
    )


def test_seeds_vary_the_picture(served: Served, bare: Served) -> None:
    seeds = [7, 2**63 - 1, -(2**63), 7]
    answer = served("generate", caption=["red heart"] * 4, seed=seeds)
    wanted = expected(served.network, embedded(served.network, CAPTIONS[:1] * 4), seeds)
    close(answer["image"], wanted)
    close(answer["image"][0], answer["image"][3])
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(wanted[i] - wanted[j]).max() > 0.01
    vectors = np.random.default_rng(0).normal(size=(4, D)).astype("float32")
    for model in (served, bare):
        drawn = model("embedding", embedding=vectors, seed=seeds)
        close(drawn["image"], expected(model.network, vectors, seeds))
        assert_files_show(drawn["image_bytes"], drawn["image"])
    drawn = bare("serving_default", embedding=vectors)
    close(drawn["image"], expected(bare.network, vectors, [0] * 4))


def test_latent_and_both_noises_are_drawn_apart() -> None:
    seen = {}

    class Spy:
        latent_size, condition_size = 64, 64

        def __call__(self, embedding: Any, *draws: tf.Tensor, training: bool) -> Any:
            assert training is False
            seen["draws"] = [d.numpy() for d in draws]
            return embedding

    images_of(Spy(), tf.zeros([50, 1]), tf.range(50, dtype=tf.int64))
    latent, one, two = (draw.ravel() for draw in seen["draws"])
    for a, b in ((latent, one), (latent, two), (one, two)):
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.08
    assert np.abs(latent).max() > 2.5
    for noise in (one, two):
        assert 1.9 < np.abs(noise).max() <= 2.0
        # That of N(0, 1) between -2 and 2.
        assert noise.std() == pytest.approx(0.880, abs=0.03)


@pytest.mark.parametrize(
    ("signature", "inputs", "message"),
    [
        (
            "serving_default",
            {"caption": ["a", " ?! "]},
            "must contain a letter or a dig",
        ),
        ("serving_default", {"caption": ["日本"]}, "must contain a letter or a digit"),
        (
            "generate",
            {"caption": ["a", "b"], "seed": [1]},
            "the same number for each input",
        ),
        ("serving_default", {"caption": []}, "Give 1 or more samples"),
        (
            "embedding",
            {"embedding": np.zeros((2, D)), "seed": [1]},
            "the same number for each",
        ),
    ],
)
def test_refusals(
    served: Served, signature: str, inputs: dict[str, Any], message: str
) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        served(signature, **inputs)


def test_long_captions_are_cut_and_lines_count_as_spaces(served: Served) -> None:
    long = ["red heart of gold", "red heart\nof"]
    answer = served("serving_default", caption=[*long, "red heart of"])["image"]
    close(answer[0], answer[2])
    close(answer[1], answer[2])


def test_stage_one_alone_and_grey_pictures(tmp_path: Path) -> None:
    served = Served(stack(channels=1, stages=1), tmp_path / "1")
    answer = served("serving_default", caption=["a cat"])
    assert answer["image"].shape == (1, 16, 16, 1)
    assert pixels(answer["image_bytes"][0]).shape == (16, 16)


def test_only_variables_are_stored(served: Served) -> None:
    stored = tf.train.list_variables(str(served.directory / "variables" / "variables"))
    names = [name for name, _ in stored if name.endswith("VARIABLE_VALUE")]
    assert len(names) == len(served.network.variables)
    stored = (served.directory / "saved_model.pb").read_bytes()
    assert b"StackGenerator" not in stored


@pytest.mark.parametrize("stages", [1, 2])
def test_the_plain_keras_file_takes_embeddings_and_noise(
    stages: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As docs/embeddings.md shows."""
    network = stack(stages=stages)
    (tmp_path / "models").mkdir()
    to_plain_keras(network.functional()).save(
        tmp_path / "models/captions_generator.keras"
    )
    vectors = np.random.default_rng(0).normal(size=(3, D)).astype("float32")
    np.savez(tmp_path / "birds.npz", vector=vectors)
    page = (REPOSITORY / "docs" / "embeddings.md").read_text()
    monkeypatch.chdir(tmp_path)
    made: dict[str, Any] = {}
    exec(page.rpartition("```python")[2].partition("```")[0], made)
    given = made["inputs"]
    noises = ["noise_one", "noise_two"][:stages]
    assert list(given) == ["embedding", "latent", *noises]
    close(made["images"], network(**given).numpy())
    for name in noises:
        assert given[name].shape == (3, 4)
        assert np.abs(given[name]).max() <= 2
        other = network(**given | {name: np.zeros((3, 4), "float32")})
        assert np.abs(other - made["images"]).max() > 0.01


def test_captions_need_a_text_encoder() -> None:
    with pytest.raises(ValueError, match="has no text encoder"):
        embed(stack(encoder=False), tf.constant(CAPTIONS))
