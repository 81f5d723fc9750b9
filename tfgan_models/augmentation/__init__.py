"""Differentiable augmentation: training a GAN on few images.

Shown to the discriminator in place of reals and fakes alike, augmented images keep it
from learning a small data set by heart. `diffaugment` always applies the few
transforms of DiffAugment; `ada` applies many, each with a probability that
`AdaptiveProbability` sets by how far the discriminator overfits.
"""

from tfgan_models.augmentation.ada import ada
from tfgan_models.augmentation.diffaugment import diffaugment
from tfgan_models.augmentation.probability import AdaptiveProbability

__all__ = ["AdaptiveProbability", "ada", "diffaugment"]
