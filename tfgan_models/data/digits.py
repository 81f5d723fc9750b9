"""Handwritten digits of 8 px (TFDS `digits`)."""

import numpy as np
import tensorflow_datasets as tfds

from tfgan_models.data.images import Examples, encode_png

SIZE = 8
"""Height and width."""

TEST_EVERY = 10
"""Images 0, 10, 20, ... are the test split."""

_WHITE = 16
_DESCRIPTION = """\
1797 digits by 13 people, light on black as in MNIST: the test part of the UCI set
"Optical Recognition of Handwritten Digits" (E. Alpaydin and C. Kaynak, CC BY 4.0), as
scikit-learn brings it along. Its 17 levels are spread over 0 to 255."""


class Digits(tfds.core.GeneratorBasedBuilder):
    """Grey images and their digits."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(
                        shape=(SIZE, SIZE, 1), encoding_format="png"
                    ),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://doi.org/10.24432/C50P49",
            disable_shuffling=True,
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Examples]:
        del dl_manager  # The images come with scikit-learn.
        images, labels = read()
        is_test = np.arange(len(images)) % TEST_EVERY == 0
        return {
            "train": self._generate_examples(images[~is_test], labels[~is_test]),
            "test": self._generate_examples(images[is_test], labels[is_test]),
        }

    def _generate_examples(self, images: np.ndarray, labels: np.ndarray) -> Examples:
        for key, (image, label) in enumerate(zip(images, labels, strict=True)):
            yield key, {"image": encode_png(image), "label": int(label)}


def read() -> tuple[np.ndarray, np.ndarray]:
    """Reads all digits.

    Returns:
        The images, uint8 [1797, 8, 8], and what each shows, int64 [1797].
    """
    # Only who asks for the digits waits for the import.
    from sklearn import datasets

    found = datasets.load_digits()
    levels = np.rint(found.images * (255 / _WHITE)).astype(np.uint8)
    return levels, found.target
