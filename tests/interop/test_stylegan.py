"""Pickles of NVlabs/stylegan become our networks and compute the same."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.interop import stylegan_twins as twins
from tfgan_models import networks
from tfgan_models.errors import UsageError
from tfgan_models.interop import dnnlib_file, stylegan
from tfgan_models.interop.dnnlib_file import PickledNetwork

TOLERANCE = 1e-4


def one_hot(count: int, classes: int) -> np.ndarray | None:
    """Returns the labels 0, 1, ...; None without classes."""
    if not classes:
        return None
    return np.eye(classes, dtype="float32")[np.arange(count) % classes]


def convert(folder: Path, *pickled: PickledNetwork) -> Any:
    """Writes a pickle and converts it."""
    return stylegan.load(twins.write_pickle(folder / "network.pkl", *pickled))


def difference(ours: Any, theirs: np.ndarray) -> float:
    """Returns the largest difference, relative to the deviation of theirs."""
    ours = np.asarray(ours)
    assert ours.shape == theirs.shape
    assert ours.dtype == np.float32
    assert theirs.std() > 0.01
    return float(np.abs(ours - theirs).max() / theirs.std())


def close(ours: Any, theirs: np.ndarray) -> bool:
    """Whether two outputs are equal but for rounding; tells by how much not."""
    found = difference(ours, theirs)
    print(f"differs by {found:.1e}")
    return found < TOLERANCE


def inputs(pickled: PickledNetwork, count: int = 2) -> tuple[Any, Any, list[Any]]:
    """Returns latents, labels and a noise map for each style layer."""
    rng = np.random.default_rng(3)
    sizes = pickled.static_kwargs
    latents = rng.normal(size=(count, sizes["latent_size"])).astype("float32")
    sides = [side for side in twins.ladder(sizes["resolution"]) for _ in (0, 1)]
    noise = [rng.normal(size=(count, s, s, 1)).astype("float32") for s in sides]
    return latents, one_hot(count, sizes["label_size"]), noise


def pictures(resolution: int, channels: int, count: int) -> np.ndarray:
    """Returns images of 4x4 patches with some noise, so unlike that scores differ."""
    rng = np.random.default_rng(4)
    patches = rng.uniform(-1, 1, (count, 4, 4, channels))
    x = patches.repeat(resolution // 4, axis=1).repeat(resolution // 4, axis=2)
    return (x + rng.uniform(-0.1, 0.1, x.shape)).astype("float32")


GENERATORS: dict[str, dict[str, Any]] = {
    "8px": {"resolution": 8, "fmap_base": 64, "fmap_max": 512},
    "16px": {"resolution": 16, "fmap_base": 64},
    "32px_grey_labels": {"resolution": 32, "num_channels": 1, "label_size": 3},
    "64px_after_the_cutoff": {"resolution": 64},
    "128px_fused": {"resolution": 128, "fmap_base": 512},
    "512px": {"resolution": 512, "fmap_base": 1024},
    "fused_everywhere": {"resolution": 16, "fused_scale": True},
    "never_fused": {"resolution": 128, "fused_scale": False},
    "multiplier": {"resolution": 8, "mapping_lrmul": 0.1, "structure": "linear"},
    "dense": {
        "resolution": 8,
        "mapping_layers": 1,
        "fmap_base": 33,
        "dtype": "float16",
    },
}


@pytest.mark.parametrize("case", GENERATORS)
def test_images_are_equal(tmp_path: Path, case: str) -> None:
    pickled = twins.make_generator(**GENERATORS[case])
    converted = convert(tmp_path, pickled)
    assert set(converted.networks) == {"generator"}
    network = converted.networks["generator"]
    latents, labels, noise = inputs(pickled)
    images = {
        psi: (
            network(latents, labels=labels, noise=noise, psi=psi),
            twins.generate(pickled, latents, labels, noise, psi),
        )
        for psi in (1.0, 0.7)
    }
    for ours, theirs in images.values():
        assert close(ours, theirs)
    assert np.abs(images[1.0][1] - images[0.7][1]).max() > 0.1


DISCRIMINATORS: dict[str, dict[str, Any]] = {
    "8px": {"resolution": 8, "fmap_base": 64, "fmap_max": 512},
    "32px_grey_labels": {"resolution": 32, "num_channels": 1, "label_size": 3},
    "64px_one_class": {"resolution": 64, "label_size": 1},
    "128px_fused": {"resolution": 128, "fmap_base": 512},
    "groups_of_2": {"resolution": 16, "mbstd_group_size": 2},
}


@pytest.mark.parametrize("case", DISCRIMINATORS)
def test_scores_are_equal(tmp_path: Path, case: str) -> None:
    pickled = twins.make_discriminator(**DISCRIMINATORS[case])
    sizes = pickled.static_kwargs
    network = convert(tmp_path, pickled).networks["discriminator"]
    for count in (4, 8):
        images = pictures(sizes["resolution"], sizes["num_channels"], count)
        labels = one_hot(count, sizes["label_size"])
        theirs = twins.judge(pickled, images, labels)
        assert close(network(images, labels), theirs)


def test_a_training_snapshot(tmp_path: Path) -> None:
    sizes = {"resolution": 16, "label_size": 2}
    pickled = (
        twins.make_generator(**sizes, name="G", seed=5),
        twins.make_discriminator(**sizes),
        twins.make_generator(**sizes, name="Gs", seed=9),
    )
    converted = convert(tmp_path, *pickled)
    assert list(converted.networks) == ["generator", "discriminator"]
    latents, labels, noise = inputs(pickled[2])
    images = converted.networks["generator"](latents, labels=labels, noise=noise)
    averaged = twins.generate(pickled[2], latents, labels, noise)
    assert close(images, averaged)
    assert difference(images, twins.generate(pickled[0], latents, labels, noise)) > 0.1
    told = "\n".join(converted.notes)
    assert "StyleGenerator(resolution=16, channels=3, label_size=2, latent_siz" in told
    assert "StyleDiscriminator(resolution=16, channels=3, label_size=2" in told
    assert "6 fixed noise maps (noise0, ...) were dropped" in told
    assert "G was left out: Gs" in told
    assert converted.license == stylegan.LICENCE
    assert "CC BY-NC 4.0" in stylegan.LICENCE
    assert all("\n" not in note for note in converted.notes)


@pytest.mark.parametrize(("lod", "grown"), [(1.0, 16), (1.25, 8), (2.0, 8), (3.0, 4)])
def test_a_training_that_has_not_grown_to_the_end(
    tmp_path: Path, lod: float, grown: int
) -> None:
    generator = twins.make_generator(32, lod=lod)
    judge = twins.make_discriminator(32, lod=lod)
    converted = convert(tmp_path, generator, judge)
    network = converted.networks["generator"]
    assert (network.resolution, network.grown) == (32, grown)
    latents, _, noise = inputs(generator)
    # What was begun to be faded in is left out of the original too.
    whole = math.ceil(lod)
    own = generator.variables | {"lod": np.array(whole, "float32")}
    theirs = twins.generate(
        dataclasses.replace(generator, variables=own), latents, None, noise
    )
    repeats = 32 // grown
    images = network(latents, noise=noise)
    assert close(images, theirs[:, ::repeats, ::repeats])
    told = "\n".join(converted.notes)
    assert f"has grown to {grown} of 32 px (lod {lod:g})" in told
    assert ("16 px was 75% faded in" in told) == (lod == 1.25)
    smaller = converted.networks["discriminator"]
    assert smaller.resolution == max(8, grown)
    if grown < 8:
        return
    images = pictures(grown, 3, 4)
    own = judge.variables | {"lod": np.array(whole, "float32")}
    repeated = images.repeat(repeats, axis=1).repeat(repeats, axis=2)
    theirs = twins.judge(dataclasses.replace(judge, variables=own), repeated, None)
    assert close(smaller(images), theirs)


class Zeros:
    """Draws zeros, which take no memory."""

    def normal(self, mean: float, deviation: float, shape: Any) -> np.ndarray:
        """Returns zeros of the shape."""
        return np.zeros(shape, "float32")


def test_the_size_of_the_papers_network(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"latent_size": 512, "dlatent_size": 512, "mapping_layers": 8}
    with monkeypatch.context() as patch:
        patch.setattr(np.random, "default_rng", lambda seed: Zeros())
        pickled = twins.make_generator(1024, 8192, 512, **sizes)
    monkeypatch.setattr(dnnlib_file, "read", lambda path: (pickled,))
    network = stylegan.load(Path("ffhq.pkl")).networks["generator"]
    count = sum(math.prod(weight.shape) for weight in network.trainable_variables)
    assert count == 26_219_627
    config = network.get_config()
    defaults = networks.StyleGenerator(8).get_config()
    own = {"name": "generator", "resolution": 1024, "grown": 1024}
    assert config == defaults | own


UNSUPPORTED = {
    "use_pixel_norm": True,
    "use_instance_norm": False,
    "const_input_layer": False,
    "use_styles": False,
    "use_noise": False,
    "blur_filter": None,
    "nonlinearity": "relu",
    "mapping_nonlinearity": "relu",
    "normalize_latents": False,
    "use_wscale": False,
    "structure": "fixed",
    "mbstd_num_features": 2,
    "mbstd_group_size": 1,
    "fmap_decay": 0.5,
    "mapping_lrmul": 0,
}


@pytest.mark.parametrize("option", UNSUPPORTED)
def test_options_that_ours_do_not_have_are_named(tmp_path: Path, option: str) -> None:
    pickled = twins.make_generator(8)
    own = dict(pickled.static_kwargs) | {option: UNSUPPORTED[option]}
    pickled = dataclasses.replace(pickled, static_kwargs=own)
    for part in pickled.components.values():
        part.static_kwargs.update(own)
    with pytest.raises(UsageError, match=f"cannot be converted: {option}=") as error:
        convert(tmp_path, pickled)
    assert "\n" not in str(error.value)


def test_options_that_change_nothing(tmp_path: Path) -> None:
    pickled = twins.make_generator(
        64, blur_filter=(1, 2, 1), use_noise=1, truncation_cutoff=None, attention=True
    )
    told = "\n".join(convert(tmp_path, pickled).notes)
    assert "were ignored: attention=True." in told
    assert "truncation_cutoff=None is ignored" in told


def changed(pickled: PickledNetwork, **changes: Any) -> PickledNetwork:
    """Returns a network with some of its synthesis' variables changed or dropped."""
    part = pickled.components["synthesis"]
    variables = {**part.variables, **changes}
    variables = {name: v for name, v in variables.items() if v is not None}
    part = dataclasses.replace(part, variables=variables)
    components = pickled.components | {"synthesis": part}
    return dataclasses.replace(pickled, components=components)


CHANGES = {
    r"missing synthesis/8x8/Conv0_up/weight \[3, 3, 16, 16\]": {
        "8x8/Conv0_up/weight": None
    },
    r"missing synthesis/noise2 \[1, 1, 8, 8\]": {"noise2": None},
    r"unexpected synthesis/8x8/Conv1/mod_weight \[2\]": {
        "8x8/Conv1/mod_weight": np.zeros(2, "float32")
    },
    r"wrong shape: synthesis/ToRGB_lod1/bias \[4\] instead of \[3\]": {
        "ToRGB_lod1/bias": np.zeros(4, "float32")
    },
    r"not floating point: synthesis/4x4/Conv/weight \(int32\)": {
        "4x4/Conv/weight": np.zeros((3, 3, 16, 16), "int32")
    },
    r"from the tensor synthesis/4x4/Const/StyleMod/weight, and the file lacks it": {
        "4x4/Const/StyleMod/weight": None
    },
    r"blocks of 4, 8, 32 px": {"32x32/Conv1/weight": np.zeros(1, "float32")},
    r"from the tensor synthesis/8x8/Conv1/bias, and the file has it as \[\]": {
        "8x8/Conv1/bias": np.zeros((), "float32")
    },
}


@pytest.mark.parametrize("message", CHANGES)
def test_variables_that_do_not_fit_are_named(tmp_path: Path, message: str) -> None:
    pickled = changed(twins.make_generator(8), **CHANGES[message])
    with pytest.raises(UsageError, match=message) as error:
        convert(tmp_path, pickled)
    assert "\n" not in str(error.value)


def test_widths_that_no_two_numbers_give(tmp_path: Path) -> None:
    wide = twins.make_generator(8).components["synthesis"].variables["8x8/Conv1/bias"]
    odd = {"8x8/Conv1/bias": np.tile(wide, 2)}
    with pytest.raises(UsageError, match="16 at 4 px, 32 at 8 px"):
        convert(tmp_path, changed(twins.make_generator(8), **odd))


@pytest.mark.parametrize("lod", [-1.0, 2.0, np.nan])
def test_a_level_of_detail_that_cannot_be(tmp_path: Path, lod: float) -> None:
    with pytest.raises(UsageError, match="a level of detail of lod="):
        convert(tmp_path, twins.make_generator(8, lod=lod))


@pytest.mark.parametrize("function", ["D_paper", "G_main"])
def test_networks_of_other_projects_are_named(tmp_path: Path, function: str) -> None:
    # ProGAN's discriminator differs from StyleGAN's by the blur only.
    pickled = twins.make_discriminator(8)
    pickled = dataclasses.replace(pickled, build_func_name=function)
    with pytest.raises(UsageError, match=f"'D' built by '{function}'"):
        convert(tmp_path, pickled)


def test_converted_networks_are_saved_as_ours(tmp_path: Path) -> None:
    pickled = twins.make_generator(8)
    network = convert(tmp_path, pickled).networks["generator"]
    latents, _, noise = inputs(pickled)
    expected = network(latents, noise=noise, psi=0.7)
    network.save(tmp_path / "generator.keras")
    loaded = keras.models.load_model(tmp_path / "generator.keras")
    np.testing.assert_array_equal(loaded(latents, noise=noise, psi=0.7), expected)
