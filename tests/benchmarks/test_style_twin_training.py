"""The PyTorch StyleGAN step that ours is timed against trains as the paper says."""

import math
import re

import pytest
import torch

from benchmarks.style_twin import StyleDiscriminator, StyleGenerator
from benchmarks.style_twin_training import HALF_LIFE_IMAGES, StyleGAN, r1_penalty

SIZES = {"resolution": 16, "fmap_base": 64, "fmap_max": 8}
BATCH = 8


def make(learning_rate: float = 1e-3, label_size: int = 0) -> StyleGAN:
    torch.manual_seed(0)
    generator = StyleGenerator(label_size=label_size, **SIZES)
    discriminator = StyleDiscriminator(label_size=label_size, **SIZES)
    return StyleGAN(generator, discriminator, BATCH, learning_rate)


def reals(resolution: int = 16) -> torch.Tensor:
    return torch.rand(BATCH, 3, resolution, resolution) * 2 - 1


def test_r1_is_the_squared_norm_of_the_gradient() -> None:
    x = torch.rand(2, 3, 4, 4, requires_grad=True)
    scores = (3 * x).sum((1, 2, 3)) + torch.tensor([1.0, 5.0])
    assert r1_penalty(scores, x).item() == pytest.approx(9 * 48)


def test_losses_of_a_discriminator_that_cannot_tell() -> None:
    gan = make(learning_rate=0.0)
    with torch.no_grad():
        gan.discriminator.score.weight.zero_()
    losses = gan.train_step(reals())
    assert losses["discriminator_loss"].item() == pytest.approx(2 * math.log(2))
    assert losses["generator_loss"].item() == pytest.approx(math.log(2))


def test_averages_of_the_weights_and_of_w() -> None:
    gan = make()
    constant, average = (
        module.synthesis.constant for module in (gan.generator, gan.average.module)
    )
    start = constant.detach().clone()
    gan.train_step(reals())
    trained = constant.detach().clone()
    assert not torch.equal(trained, start)
    assert torch.equal(average, start)
    gan.train_step(reals())
    decay = 0.5 ** (BATCH / HALF_LIFE_IMAGES)
    torch.testing.assert_close(average, decay * start + (1 - decay) * trained)
    assert gan.average.module.w_avg.any()


def idle(name: str, resolution: int) -> bool:
    """Tells whether a weight has no part in images of 8 or 16 px."""
    level = int(math.log2(resolution)) - 2
    part, number = re.search(r"(\w+)\.(\d+)\.|$", name).groups()
    if part in ("to_rgbs", "from_rgbs"):
        return int(number) != level
    if part in ("convs", "down_convs"):
        return int(number) >= level
    return part == "layers" and int(number) > 2 * level + 1


@pytest.mark.parametrize(("resolution", "label_size"), [(8, 0), (16, 0), (16, 3)])
def test_every_weight_in_use_is_trained(resolution: int, label_size: int) -> None:
    gan = make(label_size=label_size)
    labels = torch.eye(label_size)[torch.arange(BATCH) % 3] if label_size else None
    modules = (gan.generator, gan.discriminator)
    before = [{k: v.clone() for k, v in m.state_dict().items()} for m in modules]
    for _ in range(3):
        gan.train_step(reals(resolution), labels)
    for module, start in zip(modules, before, strict=True):
        same = {k for k, v in module.state_dict().items() if torch.equal(v, start[k])}
        assert {name for name in same if not idle(name, resolution)} == set()
