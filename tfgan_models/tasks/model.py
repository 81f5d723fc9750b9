"""The base of all opened models."""

import keras

from tfgan_models.errors import UsageError
from tfgan_models.runs.description import Description, Network
from tfgan_models.runs.opening import Opened


class Model:
    """A network of an opened model; see `tfgan_models.load`.

    Args:
        found: The opened model.
        name: The network's, in its description.

    Attributes:
        found: The opened model.
        where: Its path.
        name: The network's.
        description: The whole description.
        facts: Of the network.
    """

    def __init__(self, found: Opened, name: str) -> None:
        self.found = found
        self.where = found.where
        self.name = name
        self.description: Description = found.description
        self.facts: Network = found.description.networks[name]
        self._network = found.networks.get(name)

    @property
    def network(self) -> keras.Model:
        """The Keras model.

        Raises:
            UsageError: It is a SavedModel, which has none.
        """
        if self._network is None:
            raise UsageError(
                f"{self.where} is a SavedModel, which has no Keras model. Open the "
                ".keras file next to it, or the run."
            )
        return self._network

    def __repr__(self) -> str:
        kind = type(self).__name__
        return f"<{kind} {self.name!r} ({self.facts.kind}) from {self.where}>"
