"""What every opened model has."""

import keras

from tfgan_models.errors import UsageError
from tfgan_models.runs.description import Description, Network
from tfgan_models.runs.opening import Opened


class Model:
    """A network of an opened model; see `tfgan_models.load`.

    Args:
        found: Where it is from.
        name: The network's, in its description.

    Attributes:
        found: Where it is from.
        where: What was opened.
        name: The network's.
        description: Of all that was opened.
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
            UsageError: It is a SavedModel, which holds none.
        """
        if self._network is None:
            raise UsageError(
                f"{self.where} is a SavedModel, which holds no Keras model. Open the "
                ".keras file beside it, or the training."
            )
        return self._network

    def __repr__(self) -> str:
        kind = type(self).__name__
        return f"<{kind} {self.name!r} ({self.facts.kind}) from {self.where}>"
