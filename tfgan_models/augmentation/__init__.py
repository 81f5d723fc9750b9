"""Differentiable augmentation: training a GAN on few images.

Applied to the discriminator's images, reals and fakes alike, augmentation keeps it from
memorising a small data set. `diffaugment` always applies the few
transforms of DiffAugment; `ada` applies many, each with a probability that
`AdaptiveProbability` sets according to how much the discriminator overfits.
"""

from tfgan_models.augmentation.ada import ada
from tfgan_models.augmentation.diffaugment import diffaugment
from tfgan_models.augmentation.probability import AdaptiveProbability

__all__ = ["AdaptiveProbability", "ada", "diffaugment"]
