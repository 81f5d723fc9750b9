"""What is refused of pytorch-CycleGAN-and-pix2pix's files, and what ours become."""

import json
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import safetensors
import torch
from safetensors.torch import save_file
from torch import nn

from export import interop as command
from export.keras_file.plain_keras import to_plain_keras
from tests.interop.junyanz_twins import (
    Patch,
    Pixel,
    Resnet,
    UNet,
    converted,
    refused,
    saved,
)
from tfgan_models import networks
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.interop import junyanz


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("model.4.bias"), "but it lacks model.4.bias [8]."),
        (
            lambda s: s.update({"model.4.kernel": s.pop("model.4.weight")}),
            "but it lacks model.4.weight [8, 4, 3, 3]; it has unexpected "
            "model.4.kernel [8, 4, 3, 3].",
        ),
        (
            lambda s: s.update({"model.4.weight": torch.ones(8, 4, 5, 5)}),
            "but model.4.weight [8, 4, 5, 5] should be [8, 4, 3, 3].",
        ),
        (lambda s: s.update(filt=torch.ones(2)), "but it has unexpected filt [2]."),
        (lambda s: s.pop("model.1.weight"), "lacks the kernel model.1.weight; its"),
        (
            lambda s: s.update({"model.4.bias": torch.ones(8, dtype=torch.int64)}),
            "holds model.4.bias as int64",
        ),
        (
            lambda s: s["model.4.bias"].fill_(float("nan")),
            "infinities or NaN in model.4.bias",
        ),
    ],
)
def test_what_does_not_fit_is_named(
    change: Callable[[dict[str, torch.Tensor]], Any], said: str, tmp_path: Path
) -> None:
    state = Resnet(2).state_dict()
    change(state)
    path = tmp_path / "changed.pth"
    torch.save(state, path)
    assert said in refused(path)


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (Resnet(2, padding="zero"), "a resnet generator with zero padding"),
        (Patch(7), "a patch discriminator, but it has 9 convolutions, not 3 to 8"),
        (UNet(3), "a U-Net generator, but it has 3 downsamplings"),
        (
            nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3)),
            "not one of these networks: its first tensors are 0.weight [4, 3, 3, 3], "
            "0.bias [4], 2.weight [4, 4, 3, 3] and 1 more.",
        ),
    ],
)
def test_other_networks_are_refused(
    module: nn.Module, said: str, tmp_path: Path
) -> None:
    text = refused(saved(module, tmp_path))
    assert said in text
    assert "Supported: the resnet (reflection padding" in text


def test_a_stem_without_its_padding_is_told(tmp_path: Path) -> None:
    net = nn.Module()
    net.model = nn.Sequential(nn.Conv2d(3, 4, 7, padding=3), nn.InstanceNorm2d(4))
    assert "a resnet generator with zero padding" in refused(saved(net, tmp_path))


def test_a_vgg_and_an_srgan_are_refused(tmp_path: Path) -> None:
    vgg, srgan = nn.Module(), nn.Module()
    vgg.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    srgan.block1 = nn.Sequential(nn.Conv2d(3, 4, 9), nn.PReLU())
    assert "first tensors are features.0.weight" in refused(saved(vgg, tmp_path))
    assert "first tensors are block1.0.weight" in refused(saved(srgan, tmp_path))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    assert "is not a file" in refused(path)
    save_file(Patch(1).state_dict(), path)
    path.write_bytes(path.read_bytes()[:-9])
    assert "cannot be read as safetensors" in refused(path)
    header = b'{"net.0.weight":{"dtype":"F32","shape":[2621440000,1,1,1],'
    header += b'"data_offsets":[0,10485760000]}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(64))
    assert "cannot be read as safetensors" in refused(path)
    empty = tmp_path / "empty.pth"
    torch.save({}, empty)
    assert "its first tensors are none" in refused(empty)
    state = Pixel().state_dict() | {"net.0.weight": torch.empty(4, 0, 1, 1)}
    torch.save(state, empty)
    assert "it has empty tensors" in refused(empty)


@pytest.mark.parametrize(
    ("build", "arguments"),
    [
        (
            lambda: networks.ResNetGenerator(4, 2, dropout=0.3, norm="affine_instance"),
            {"class": "ResnetGenerator", "n_blocks": "2", "ngf": "4"}
            | {"norm_layer": "InstanceNorm2d(affine=True)", "use_dropout": "True"},
        ),
        (
            lambda: networks.UNetGenerator(5, 4, channels=1, output_channels=2),
            {"class": "UnetGenerator", "num_downs": "5", "input_nc": "1"}
            | {"output_nc": "2", "norm_layer": "BatchNorm2d", "use_dropout": "True"},
        ),
        (
            lambda: networks.PatchDiscriminator(4, 2, channels=6),
            {"class": "NLayerDiscriminator", "n_layers": "2", "input_nc": "6"}
            | {"norm_layer": "InstanceNorm2d(affine=False)", "ndf": "4"},
        ),
        (
            lambda: networks.PixelDiscriminator(4, norm="none"),
            {"class": "PixelDiscriminator", "norm_layer": "Identity"},
        ),
    ],
)
@pytest.mark.parametrize("twin", [False, True])
def test_ours_and_its_exported_keras_file(
    build: Callable[[], keras.Model],
    arguments: dict[str, str],
    twin: bool,
    tmp_path: Path,
) -> None:
    source = network = build()
    if twin:
        to_plain_keras(network).save(tmp_path / "exported.keras")
        source = keras.models.load_model(tmp_path / "exported.keras")
    path = tmp_path / "theirs.safetensors"
    junyanz.save(source, path)
    with safetensors.safe_open(path, framework="np") as file:
        assert file.metadata().items() >= (arguments | {"format": "pt"}).items()
    assert [p.name for p in tmp_path.glob("*.safetensors*")] == [path.name]
    again = converted(path)
    assert type(again) is type(network)
    for ours, its in zip(network.weights, again.weights, strict=True):
        np.testing.assert_array_equal(ours, its)


def test_what_has_no_counterpart_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "theirs.safetensors"
    biased = networks.ResNetGenerator(4, 1, norm="none")
    biased.get_layer("down1_conv").bias.assign([1.0] * 8)
    by_image = to_plain_keras(networks.UNetGenerator(5, 2, inference_norm="image"))
    for network, said in (
        (networks.ResNetGenerator(4, 1, upsampling="resize"), "upsampling=resize"),
        (networks.UNetGenerator(4, 4, upsampling="resize"), "upsampling=resize"),
        (networks.UNetGenerator(4, 4), "downsamplings=4 has no counterpart"),
        (biased, "down1_conv's bias has no counterpart"),
        (by_image, "inference_norm=image lacks the running averages"),
        (networks.SRResNet(4, 1), "Received: SRResNet"),
        (networks.SRDiscriminator(16, 4), "Received: SRDiscriminator"),
    ):
        with pytest.raises(UsageError, match=said):
            junyanz.save(network, path)
    plain = networks.PixelDiscriminator(4)
    with pytest.raises(UsageError, match=r"ends in \.safetensors"):
        junyanz.save(plain, tmp_path / "theirs.pth")
    with pytest.raises(FailureError, match="could not be written"):
        junyanz.save(plain, tmp_path / "missing" / "theirs.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_without_safetensors_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "theirs.safetensors"
    path.touch()
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(FailureError, match=r"pip install -e .*\[interop\]"):
        junyanz.load(path)


@pytest.mark.parametrize(
    ("shape", "name", "said"),
    [
        ([0] * 70, "x", "cannot be read as safetensors"),
        ([2**62, 0, 4, 4], "model.0.weight", "cannot be read as safetensors"),
        ([0], "x\n\x1b[2J", "is not one of these networks"),
        ([0], "x" * 100_000, "is not one of these networks"),
    ],
)
def test_safetensors_of_strange_shapes_and_names(
    shape: list[int], name: str, said: str, tmp_path: Path
) -> None:
    tensor = {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}
    header = json.dumps({name: tensor}).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    line = refused(path)
    assert said in line
    assert line.isprintable()
    assert len(line) < 2100


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([f"model.{i}.conv_block.1.weight" for i in range(2000)], "it has 2000 blocks"),
        (
            ["model.model.1.model." + "3.model." * i + "1.weight" for i in range(20)],
            "it has 21 downsamplings",
        ),
    ],
)
def test_networks_deeper_than_any_are_refused_before_they_are_built(
    names: list[str], said: str, tmp_path: Path
) -> None:
    first = {"model.1.weight": torch.ones(1, 3, 7, 7)}
    if "model.model" in names[0]:
        first = {"model.model.0.weight": torch.ones(1, 3, 4, 4)}
    path = tmp_path / "deep.pth"
    torch.save(first | dict.fromkeys(names, torch.ones(1, 1, 3, 3)), path)
    assert said in refused(path)


@pytest.mark.parametrize("content", [b"PK\x03\x04", b"[" * 200_000])
def test_keras_files_that_keras_fails_on_are_one_line(
    content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "x.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("metadata.json", "config.json", "model.weights.h5"):
            archive.writestr(name, content)
    with pytest.raises(UsageError, match=r"x\.keras cannot be loaded: ") as error:
        command._own_network(path, None)
    assert str(error.value).isprintable()
