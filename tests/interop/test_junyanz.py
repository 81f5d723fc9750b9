"""pytorch-CycleGAN-and-pix2pix's networks become ours, and ours theirs: equal outputs.

State dicts are real ones, written by PyTorch; images are the bundled ones.
"""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tests.interop.junyanz_twins import (
    NORMS,
    Patch,
    Pixel,
    Resnet,
    UNet,
    converted,
    refused,
    saved,
    trained,
    with_old_statistics,
)
from tfgan_models import data, networks
from tfgan_models.interop import junyanz
from tfgan_models.layers import ImageBatchNormalization

IMAGES = Path(data.__path__[0]) / "images"
TOLERANCE = 1e-4

CASES: dict[str, Callable[[], nn.Module]] = {
    f"resnet{blocks}-{norm}{'-dropout' if dropout else ''}": (
        functools.partial(Resnet, blocks, norm=norm, dropout=dropout)
    )
    for blocks in (6, 9)
    for norm in NORMS
    for dropout in (False, True)
}
CASES |= {
    f"unet{depth}-{norm}": functools.partial(UNet, depth, norm=norm)
    for depth in (7, 8)
    for norm in NORMS
}
CASES |= {
    f"unet{depth}-batch-dropout": functools.partial(UNet, depth, dropout=True)
    for depth in (7, 8)
}
CASES |= {
    f"patch{layers}-{norm}": functools.partial(Patch, layers, norm=norm)
    for layers, norm in [(n, "instance") for n in range(1, 7)] + [(3, n) for n in NORMS]
}
CASES |= {f"pixel-{norm}": functools.partial(Pixel, norm=norm) for norm in NORMS}
CASES |= {
    "resnet-grey": lambda: Resnet(6, channels=1, outputs=1),
    "resnet-grey-to-ab": lambda: Resnet(1, channels=1, outputs=2, norm="batch"),
    "resnet-no-blocks": lambda: Resnet(0),
    "unet5-grey-to-colour": lambda: UNet(5, channels=1),
    "unet6-six-channels": lambda: UNet(6, channels=6, norm="instance"),
    "patch-pairs": lambda: Patch(3, channels=6, norm="batch"),
    "pixel-pairs": lambda: Pixel(channels=6, norm="batch"),
    "patch-grey": lambda: Patch(2, channels=1),
}
COUNTS = {
    "resnet-9": (lambda: Resnet(9, 64), 11_378_179),
    "resnet-9-affine": (lambda: Resnet(9, 64, "affine_instance"), 11_388_675),
    "resnet-9-batch": (lambda: Resnet(9, 64, "batch"), 11_383_427),
    "basic-affine": (lambda: Patch(3, 64, "affine_instance"), 2_766_529),
    "basic-pairs": (lambda: Patch(3, 64, "batch", 6), 2_768_705),
    "pixel": (lambda: Pixel(64), 8_705),
    "pixel-pairs": (lambda: Pixel(64, "batch", 6), 9_024),
}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """For networks as small as these, PyTorch's threads wait more than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@functools.cache
def pictures() -> tuple[np.ndarray, np.ndarray]:
    """The bundled satellite image and emoji, [H, W, 3] in [-1, 1]."""
    earth = tf.io.decode_jpeg((IMAGES / "earth/satellite.jpg").read_bytes())
    emoji = tf.io.decode_png((IMAGES / "emoji/flat_64.png").read_bytes(), channels=3)
    return earth.numpy() / 127.5 - 1, emoji.numpy() / 127.5 - 1


def images(size: int, channels: int) -> np.ndarray:
    """A crop of each, [2, size, size, channels]."""
    earth, emoji = pictures()
    crops = [earth[330:, 1500:][:size, :size], emoji[78:, 78:][:size, :size]]
    # Blue comes first: the emoji's red is constant.
    return np.tile(np.stack(crops), (1, 1, 1, 2))[..., -channels:].astype("float32")


def size_for(twin: nn.Module, network: keras.Model) -> int:
    if isinstance(twin, Resnet):
        return 36
    if isinstance(twin, UNet):
        return network.size_multiple
    # Beyond 4 px in the last map, so that padding and inside both count.
    return 48 if isinstance(twin, Pixel) else 2 ** (2 + network.strided_layers) + 32


def answer(twin: nn.Module, x: np.ndarray) -> torch.Tensor:
    """Returns PyTorch's output for images [N, H, W, C], as [N, h, w, c]."""
    with torch.no_grad():
        return twin(torch.from_numpy(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def difference(network: keras.Model, twin: nn.Module, x: np.ndarray) -> float:
    """Returns, and tells, the largest difference of the outputs."""
    theirs = answer(twin, x)
    ours = np.asarray(network(x, training=False))
    assert ours.shape == tuple(theirs.shape)
    assert ours.std() > 0.01
    found = float(np.abs(ours - theirs.numpy()).max())
    print(f"differs by {found:.1e}")
    return found


def inputs(twin: nn.Module, network: keras.Model) -> np.ndarray:
    return images(size_for(twin, network), network.channels)


@pytest.mark.parametrize("name", CASES)
def test_there_and_back(name: str, tmp_path: Path) -> None:
    twin = trained(CASES[name]()).eval()
    network = converted(saved(twin, tmp_path))
    x = inputs(twin, network)
    assert difference(network, twin, x) < TOLERANCE

    back = tmp_path / "back.safetensors"
    junyanz.save(network, back)
    same = CASES[name]().eval()
    assert same.load_state_dict(load_file(back), strict=True)
    for key, value in twin.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(value, same.state_dict()[key]), key
    assert torch.equal(answer(twin, x), answer(same, x))


@pytest.mark.parametrize("name", ["resnet6-batch-dropout", "unet7-instance"])
@pytest.mark.parametrize("archive", [True, False])
def test_both_of_pytorchs_formats(name: str, archive: bool, tmp_path: Path) -> None:
    twin = trained(CASES[name]()).eval()
    path = saved(twin, tmp_path, _use_new_zipfile_serialization=archive)
    network = converted(path)
    assert difference(network, twin, inputs(twin, network)) < TOLERANCE


@pytest.mark.parametrize("times", [1, 2])
def test_data_parallel(times: int, tmp_path: Path) -> None:
    twin = trained(Patch()).eval()
    wrapped = functools.reduce(lambda m, _: nn.DataParallel(m), range(times), twin)
    result = junyanz.load(saved(wrapped, tmp_path))
    assert list(result.networks) == ["discriminator"]
    network = result.networks["discriminator"]
    assert difference(network, twin, inputs(twin, network)) < TOLERANCE
    assert any("'module.' was stripped" in note for note in result.notes)


@pytest.mark.parametrize("norm", ["instance", "affine_instance"])
@pytest.mark.parametrize("kind", [Resnet, UNet, Patch])
def test_old_running_statistics_are_dropped(
    kind: type[nn.Module], norm: str, tmp_path: Path
) -> None:
    twin = trained(kind(6, norm=norm)).eval()
    path = tmp_path / "old.pth"
    torch.save(with_old_statistics(twin), path)
    result = junyanz.load(path)
    (network,) = result.networks.values()
    assert network.norm == norm
    assert difference(network, twin, inputs(twin, network)) < TOLERANCE
    norms = sum(isinstance(part, nn.InstanceNorm2d) for part in twin.modules())
    assert any(f"{2 * norms} running statistics" in note for note in result.notes)
    told = any("not batch normalisation" in note for note in result.notes)
    assert told == (norm == "affine_instance")


@pytest.mark.parametrize("kind", [UNet, Resnet])
@pytest.mark.parametrize("depth", [7, 8])
def test_a_generator_tested_without_eval(
    kind: type[nn.Module], depth: int, tmp_path: Path
) -> None:
    """Their test.py leaves the network in training mode, at one image a batch."""
    twin = trained(kind(depth, norm="batch")).train()
    result = junyanz.load(saved(twin, tmp_path), inference_norm="image")
    assert any(
        "test.py without --eval; dropout is off" in note for note in result.notes
    )
    network = result.networks["generator"]
    assert any(isinstance(x, ImageBatchNormalization) for x in network.layers)
    for image in inputs(twin, network):
        assert difference(network, twin, image[None]) < TOLERANCE


def test_norm_by_image_is_for_generators(tmp_path: Path) -> None:
    said = refused(saved(Patch(1, norm="batch"), tmp_path), inference_norm="image")
    assert "inference_norm=image is for generators" in said
    assert "patch discriminator (n_layers=1" in said
    instance = saved(Resnet(1), tmp_path)
    assert converted(instance, inference_norm="image").norm == "instance"
    assert "Allowed: averages, image" in refused(instance, inference_norm="batch")


@pytest.mark.parametrize("kind", [Resnet, UNet, Patch, Pixel])
def test_without_norm_training_on_keeps_it_writable(
    kind: type[nn.Module], tmp_path: Path
) -> None:
    depth = {UNet: 5, Resnet: 1, Patch: 1, Pixel: 4}[kind]
    twin = trained(kind(depth, norm="none"))
    result = junyanz.load(saved(twin, tmp_path))
    (network,) = result.networks.values()
    assert any("biases here that theirs lack" in note for note in result.notes)
    theirs = sum(p.numel() for p in twin.parameters())
    assert sum(w.numpy().size for w in network.trainable_weights) == theirs
    x = inputs(twin, network)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(network(x, training=True) ** 2)
    weights = network.trainable_variables
    gradients = tape.gradient(loss, [w.value for w in weights])
    keras.optimizers.SGD(0.1).apply(gradients, weights)
    back = tmp_path / "back.safetensors"
    junyanz.save(network, back)
    twin.load_state_dict(load_file(back), strict=True)
    assert difference(network, twin.eval(), x) < TOLERANCE


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_of_the_published_sizes(name: str, tmp_path: Path) -> None:
    build, parameters = COUNTS[name]
    twin = build()
    assert sum(p.numel() for p in twin.parameters()) == parameters
    network = converted(saved(twin, tmp_path))
    assert sum(w.numpy().size for w in network.trainable_weights) == parameters


def test_parameters_of_the_published_unet() -> None:
    twin = UNet(8, 64)
    shapes = {name: tuple(value.shape) for name, value in twin.state_dict().items()}
    found = junyanz.junyanz_shapes.recognise(shapes, Path("unet_256.pth"))
    entries = junyanz.junyanz_names.table(found)
    trained_ones = [e for e in entries if not e.weight.startswith("moving")]
    assert sum(np.prod(e.shape) for e in trained_ones) == 54_413_955


def test_what_was_recognised_is_told(tmp_path: Path) -> None:
    result = junyanz.load(saved(Resnet(6, 8, dropout=True), tmp_path))
    network = result.networks["generator"]
    assert (
        network.get_config()
        == networks.ResNetGenerator(
            8, 6, output_channels=3, dropout=0.5, name="generator"
        ).get_config()
    )
    assert result.notes[0] == (
        "Recognised a resnet generator (n_blocks=6, ngf=8, 3 to 3 channels, instance "
        "norm, with dropout): ResNetGenerator(filters=8, residual_blocks=6, "
        "channels=3, output_channels=3, norm='instance', dropout=0.5, "
        "inference_norm='averages')."
    )
    assert "under the licence of whoever trained them" in result.license
    batch = junyanz.load(saved(UNet(5), tmp_path))
    assert any("7 batch counters" in note for note in batch.notes)
    assert any("as in their test.py with --eval" in note for note in batch.notes)
    assert any("do not show a U-Net's dropout" in note for note in batch.notes)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_other_precisions_become_float32(
    dtype: torch.dtype, suffix: str, tmp_path: Path
) -> None:
    twin = trained(Patch(1)).to(dtype).eval()
    path = tmp_path / f"half{suffix}"
    (torch.save if suffix == ".pth" else save_file)(twin.state_dict(), path)
    network = converted(path)
    assert {weight.dtype for weight in network.weights} == {"float32"}
    twin = twin.float()
    assert difference(network, twin, inputs(twin, network)) < TOLERANCE
