"""Weights that Keras downloads once, into its cache."""

import contextlib
import os
import sys
from pathlib import Path

import keras

from tfgan_models import connectivity
from tfgan_models.errors import FailureError


def cached(url: str, md5: str, network: str, advice: str) -> Path:
    """Returns a weights file, from Keras's cache or downloaded into it.

    Args:
        url: The address in keras.applications.
        md5: The download's checksum.
        network: The network's name, for messages.
        advice: What to do if they are not available, in one sentence.

    Returns:
        Its path.

    Raises:
        FailureError: It is not in the cache and could not be downloaded.
    """
    name = url.rpartition("/")[2]
    home = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    path = home / "models" / name
    if path.is_file():
        return path
    fault = connectivity.fault(url)
    if fault is None:
        try:
            # Keras's progress bar goes to stdout, where commands print their results.
            with contextlib.redirect_stdout(sys.stderr):
                return Path(
                    keras.utils.get_file(
                        name,
                        url,
                        cache_dir=home,
                        cache_subdir="models",
                        file_hash=md5,
                    )
                )
        # Keras's downloader raises bare exceptions.
        except Exception as error:
            fault = connectivity.reason(error)
    raise FailureError(
        f"{network}'s weights are not in {path} and their address {url} cannot be "
        f"reached ({fault}). {advice}"
    )
