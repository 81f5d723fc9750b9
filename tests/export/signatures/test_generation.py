"""The serving signatures of networks that draw images from latents."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from export.saved_model import export_networks
from export.signatures.generation import StyleModule
from tests.export.generators import (
    LATENT,
    Served,
    W,
    assert_files_show,
    close,
    latents,
    pixels,
    progressive,
    style,
)
from tfgan_models import sampling
from tfgan_models.adversarial import weights
from tfgan_models.networks import (
    ConditionalMLPGenerator,
    DCGANGenerator,
    MLPGenerator,
)
from tfgan_models.runs import checkpoints

CLASSES = 3


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return Served(style(), tmp_path_factory.mktemp("style") / "1")


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Served:
    network = style(label_size=CLASSES, resolution=16, channels=1)
    return Served(network, tmp_path_factory.mktemp("labelled") / "1")


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return Served(progressive(), tmp_path_factory.mktemp("progressive") / "1")


@pytest.fixture(scope="module")
def grown_labelled(tmp_path_factory: pytest.TempPathFactory) -> Served:
    network = progressive(label_size=CLASSES)
    return Served(network, tmp_path_factory.mktemp("progressive") / "1")


def seeds(*values: int) -> tf.Tensor:
    return tf.constant(values, tf.int64)


def drawn(network: keras.Model, values: list[int], **options: Any) -> np.ndarray:
    """What the generator draws from the latents and the noise of seeds."""
    noise = sampling.noise(seeds(*values), network.synthesis.noise_shapes())
    z = sampling.latents(seeds(*values), LATENT)
    return network(z, noise=noise, **options).numpy()


def fixed_noise(network: keras.Model) -> list[tf.Tensor]:
    shapes = network.synthesis.noise_shapes()
    return sampling.noise(seeds(sampling.FIXED_NOISE), shapes)


def test_names_and_types(plain: Served, labelled: Served, grown: Served) -> None:
    latent = {"latent": ("float32", (None, LATENT))}
    image = {"image": ("float32", (None, 64, 64, 3))}
    files = {"image_bytes": ("string", (None,))}
    seed, label = ("int64", (None,)), {"label": ("int64", (None,))}
    psi = {"truncation_psi": ("float32", (None,))}
    mix = {"seed_coarse": seed, "seed_fine": seed, "cutoff": ("int32", (None,))}
    w = ("float32", (None, W))
    assert plain.shapes() == {
        "serving_default": latent | image,
        "generate": {"seed": seed} | psi | image | files,
        "mapping": latent | {"w": w},
        "synthesis": {"w": ("float32", (None, 10, W))} | image,
        "mix": mix | image | files,
    }
    grey = {"image": ("float32", (None, 16, 16, 1))}
    assert labelled.shapes() == {
        "serving_default": latent | label | grey,
        "generate": {"seed": seed} | psi | label | grey | files,
        "mapping": latent | label | {"w": w},
        "synthesis": {"w": ("float32", (None, 6, W))} | grey,
        "mix": mix | label | grey | files,
    }
    small = {"image": ("float32", (None, 16, 16, 3))}
    assert grown.shapes() == {
        "serving_default": latent | small,
        "generate": {"seed": seed} | small | files,
    }


def test_serving_default_is_the_papers_truncation_with_one_noise(
    plain: Served,
) -> None:
    z, network = latents(3), plain.network
    noise = fixed_noise(network)
    expected = network(z, noise=noise, psi=0.7, cutoff=8).numpy()
    assert expected.std() > 0.1
    close(plain("serving_default", latent=z)["image"], expected)
    for other in (
        network(z, noise=noise),
        network(z, noise=noise, psi=0.7, cutoff=10),
        network(z, psi=0.7),
    ):
        assert np.abs(other.numpy() - expected).max() > 0.01


def test_mapping_and_synthesis_are_the_parts(plain: Served) -> None:
    z, network = latents(3), plain.network
    w = plain("mapping", latent=z)["w"]
    assert w.std() > 0.1
    close(w, network.mapping(z).numpy())
    ws = np.random.default_rng(0).normal(size=(3, 10, W)).astype("float32")
    expected = network.synthesis(ws, noise=fixed_noise(network)).numpy()
    close(plain("synthesis", w=ws)["image"], expected)
    psi = np.where(np.arange(10) < 8, 0.7, 1.0)[:, np.newaxis]
    average = plain.loaded.w_avg.numpy()
    truncated = average + psi * (w[:, np.newaxis] - average)
    close(
        plain("synthesis", w=truncated)["image"],
        plain("serving_default", latent=z)["image"],
    )


def test_generate_draws_latent_and_noise_from_the_seed(plain: Served) -> None:
    values, psi = [7, -(2**63), 2**63 - 1, 7], [0.7, -2.0, 2.0, 0.0]
    answer = plain("generate", seed=values, truncation_psi=psi)
    expected = drawn(plain.network, values, psi=np.array(psi, "float32"), cutoff=8)
    close(answer["image"], expected)
    assert_files_show(answer["image_bytes"], expected)
    for i in range(1, 4):
        assert np.abs(expected[i] - expected[0]).max() > 0.01


def test_mix_takes_coarse_styles_and_noise_from_the_first_seed(plain: Served) -> None:
    coarse, fine, cutoffs = [3, 3, 3, 5], [4, 4, 4, 6], [0, 4, 10, 9]
    answer = plain("mix", seed_coarse=coarse, seed_fine=fine, cutoff=cutoffs)
    network = plain.network
    w = [
        np.repeat(
            network.mapping(sampling.latents(seeds(*s), LATENT)).numpy()[:, None],
            10,
            axis=1,
        )
        for s in (coarse, fine)
    ]
    for i, cutoff in enumerate(cutoffs):
        w[0][i, cutoff:] = w[1][i, cutoff:]
    noise = sampling.noise(seeds(*coarse), network.synthesis.noise_shapes())
    expected = network.synthesis(w[0], noise=noise).numpy()
    close(answer["image"], expected)
    close(answer["image"][2:3], drawn(network, [3]))
    assert np.abs(expected[0] - expected[1]).max() > 0.01
    assert_files_show(answer["image_bytes"], expected)


def test_labels(labelled: Served) -> None:
    network, z, label = labelled.network, latents(3), [0, 2, 1]
    labels = np.eye(CLASSES, dtype="float32")[label]
    noise = fixed_noise(network)
    expected = network(z, labels=labels, noise=noise, psi=0.7).numpy()
    close(labelled("serving_default", latent=z, label=label)["image"], expected)
    w = network.mapping(z, labels).numpy()
    close(labelled("mapping", latent=z, label=label)["w"], w)
    answer = labelled("generate", seed=[1, 1, 1], truncation_psi=[1.0] * 3, label=label)
    close(answer["image"], drawn(network, [1, 1, 1], labels=labels))
    assert np.abs(answer["image"][0] - answer["image"][1]).max() > 0.01
    assert_files_show(answer["image_bytes"], answer["image"])
    mixed = labelled(
        "mix", seed_coarse=[1] * 3, seed_fine=[2] * 3, cutoff=[6] * 3, label=label
    )
    close(mixed["image"], answer["image"])
    other = labelled(
        "mix", seed_coarse=[1] * 3, seed_fine=[2] * 3, cutoff=[0] * 3, label=label
    )
    ws = network.mapping(sampling.latents(seeds(2, 2, 2), LATENT), labels)
    noise = sampling.noise(seeds(1, 1, 1), network.synthesis.noise_shapes())
    ws = np.repeat(ws.numpy()[:, None], 6, axis=1)
    close(other["image"], network.synthesis(ws, noise=noise).numpy())


def test_progressive(grown: Served, grown_labelled: Served) -> None:
    z = latents(3)
    expected = grown.network(z).numpy()
    assert expected.std() > 0.1
    close(grown("serving_default", latent=z)["image"], expected)
    answer = grown("generate", seed=[1, 2])
    close(answer["image"], grown.network(sampling.latents(seeds(1, 2), LATENT)).numpy())
    assert_files_show(answer["image_bytes"], answer["image"])
    labels = np.eye(CLASSES, dtype="float32")[[2, 0, 1]]
    expected = grown_labelled.network(z, labels=labels).numpy()
    answer = grown_labelled("serving_default", latent=z, label=[2, 0, 1])
    close(answer["image"], expected)
    z = sampling.latents(seeds(5, 5, 5), LATENT)
    expected = grown_labelled.network(z, labels=labels).numpy()
    answer = grown_labelled("generate", seed=[5, 5, 5], label=[2, 0, 1])
    close(answer["image"], expected)


PLAIN = {
    "GAN": (lambda: MLPGenerator(8, latent_size=LATENT, units=8), "normal"),
    "CGAN": (lambda: ConditionalMLPGenerator(9, 1, LATENT, CLASSES), "uniform"),
    "DCGAN": (lambda: DCGANGenerator(16, LATENT, 4), "uniform"),
    "DCGAN with classes": (
        lambda: DCGANGenerator(16, LATENT, 4, label_size=CLASSES),
        "uniform",
    ),
    "ProGAN": (progressive, "normal"),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_every_generator_from_latents(kind: str, tmp_path: Path) -> None:
    make, distribution = PLAIN[kind]
    network = make()
    rng = np.random.default_rng(0)
    for weight in network.weights:
        # Pixels that are not all at an end of the range.
        wide = weight.shape[0] > 100
        values = rng.normal(0.0, 0.05 if wide else 0.3, weight.shape)
        weight.assign(abs(values) if weight.name == "moving_variance" else values)
    served = Served(network, tmp_path / "1")
    assert served.loaded.latent_distribution().numpy().decode() == distribution
    values = [7, -(2**63), 7, 2]
    given, labels = {}, None
    if network.label_size:
        given = {"label": [2, 0, 1, 1]}
        labels = tf.one_hot(given["label"], CLASSES)
    z = sampling.latents(seeds(*values), LATENT, distribution)
    expected = network(z, labels=labels).numpy()
    assert expected.shape == (4, *[network.resolution] * 2, network.channels)
    assert expected.std() > 0.05
    close(served("serving_default", latent=z.numpy(), **given)["image"], expected)
    answer = served("generate", seed=values, **given)
    close(answer["image"], expected)
    assert_files_show(answer["image_bytes"], expected)
    assert np.abs(expected[1] - expected[0]).max() > 0.01
    # The same seed: another picture if and only if it is of another class.
    assert (np.abs(expected[2] - expected[0]).max() > 1e-5) == bool(network.label_size)
    alone = served(
        "generate", seed=values[1:2], **{k: v[1:2] for k, v in given.items()}
    )
    close(alone["image"], answer["image"][1:2])


REQUESTS = {
    "serving_default": {"latent": latents(8)},
    "generate": {"seed": np.arange(8), "truncation_psi": np.linspace(-1, 1, 8)},
    "mapping": {"latent": latents(8)},
    "mix": {
        "seed_coarse": np.arange(8),
        "seed_fine": np.arange(8) + 5,
        "cutoff": np.arange(8) % 7,
    },
}


@pytest.mark.parametrize("signature", REQUESTS)
@pytest.mark.parametrize("kind", ["plain", "labelled", "grown"])
def test_a_picture_does_not_depend_on_its_batch(
    kind: str, signature: str, request: pytest.FixtureRequest
) -> None:
    served = request.getfixturevalue(kind)
    if signature not in served.loaded.signatures:
        return
    taken = served.loaded.signatures[signature].structured_input_signature[1]
    inputs = {**REQUESTS[signature], "label": np.arange(8) % CLASSES}
    inputs = {name: value for name, value in inputs.items() if name in taken}
    whole = served(signature, **inputs)
    for start, count in ((2, 1), (4, 3)):
        part = slice(start, start + count)
        alone = served(signature, **{n: v[part] for n, v in inputs.items()})
        for name, value in alone.items():
            if name == "image_bytes":
                for mine, theirs in zip(value, whole[name][part], strict=True):
                    assert np.abs(pixels(mine) - pixels(theirs)).max() <= 1
            else:
                close(value, whole[name][part])


def test_what_our_own_tools_use(plain: Served) -> None:
    loaded, network = plain.loaded, plain.network
    np.testing.assert_array_equal(loaded.w_avg.numpy(), network.w_avg.numpy())
    assert np.abs(loaded.w_avg.numpy()).max() > 0
    kernels = loaded.style_kernels()
    assert len(kernels) == 10
    for kernel, adain in zip(kernels, network.synthesis.adains, strict=True):
        assert kernel.shape[0] == W
        np.testing.assert_allclose(kernel, adain.affine.scaled_kernel(), rtol=1e-6)
    ws = np.random.default_rng(0).normal(size=(2, 10, W)).astype("float32")
    maps = sampling.noise(seeds(1, 2), network.synthesis.noise_shapes())
    expected = network.synthesis(ws, noise=maps).numpy()
    close(loaded.noise_synthesis(tf.constant(ws), maps).numpy(), expected)
    shared = [noise[:1] for noise in maps]
    close(loaded.noise_synthesis(tf.constant(ws), shared).numpy()[0], expected[0])


def test_only_variables_are_stored(plain: Served) -> None:
    stored = tf.train.list_variables(str(plain.directory / "variables" / "variables"))
    names = [name for name, _ in stored if name.endswith("VARIABLE_VALUE")]
    assert len(names) == len(plain.network.variables)
    assert not any("keras" in name or "optimizer" in name for name in names)
    stored = (plain.directory / "saved_model.pb").read_bytes()
    assert b"StyleGenerator" not in stored


def test_half_precision_answers_in_float32(tmp_path: Path) -> None:
    options = {"resolution": 8, "dtype": "mixed_bfloat16"}
    served = Served(style(**options), tmp_path / "1")
    answer = served("generate", seed=[1], truncation_psi=[1.0])
    assert answer["image"].dtype == np.float32
    assert np.isfinite(answer["image"]).all()
    assert served("mapping", latent=latents(1))["w"].dtype == np.float32
    ws = np.zeros((1, 4, W), "float32")
    assert served("synthesis", w=ws)["image"].dtype == np.float32


def test_more_channels_than_png_has(tmp_path: Path) -> None:
    module = StyleModule(style(resolution=8, channels=5))
    outputs = module.endpoints["generate"](
        seed=seeds(1), truncation_psi=tf.constant([1.0])
    )
    assert set(outputs) == {"image"}
    assert outputs["image"].shape == (1, 8, 8, 5)


def test_exporting_a_trainings_generators(tmp_path: Path) -> None:
    networks = {"style": style(label_size=CLASSES), "grown": progressive()}
    checkpoints.describe_networks(tmp_path, "generators", networks)
    checkpoints.save(tmp_path / "checkpoints", 3, {"generators": weights(networks)})
    loaded = checkpoints.load_networks(tmp_path)
    written = export_networks(loaded, tmp_path / "models", "faces")
    assert [str(path.relative_to(tmp_path / "models")) for path in written] == [
        "faces_style/1",
        "faces_style.keras",
        "faces_grown/1",
        "faces_grown.keras",
    ]
    z = latents(2)
    expected = networks["grown"](z).numpy()
    exported = tf.saved_model.load(str(written[2]))
    answer = exported.signatures["serving_default"](latent=tf.constant(z))
    close(answer["image"].numpy(), expected)
    twin = keras.models.load_model(written[3])
    close(twin.predict({"latent": z}, verbose=0), expected)
    w_avg = tf.saved_model.load(str(written[0])).w_avg.numpy()
    np.testing.assert_array_equal(w_avg, networks["style"].w_avg.numpy())
