"""What a conversion from another project's file gives."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


@dataclasses.dataclass(frozen=True)
class Converted:
    """Networks made from another project's file.

    Attributes:
        networks: Key, as "generator" -> network, built, with the file's weights.
        notes: What was recognised, what was left out and whose licence stays; one
            line each.
    """

    networks: Mapping[str, "keras.Model"]
    notes: tuple[str, ...]
