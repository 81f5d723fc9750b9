"""Images for training: named data sets, decoding and tf.data pipelines.

Importing this package registers the bundled data sets with TFDS, so that
`tfds.load("earth/satellite2relief")` and `tfds.builder("emoji/line2flat")` know them.
"""

from tfgan_models.data import catalog, unpaired
from tfgan_models.data.earth import Earth
from tfgan_models.data.emoji import Emoji
from tfgan_models.data.source import ImageSource, UnpairedSplits

__all__ = ["Earth", "Emoji", "ImageSource", "UnpairedSplits", "catalog", "unpaired"]
