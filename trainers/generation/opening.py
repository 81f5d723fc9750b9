"""Opens what the flags of `trainers.generate` name."""

from typing import Any

from absl import flags

from tfgan_models.loading import load

_FLAGS = flags.FLAGS


def open_model(task: str) -> Any:
    """Opens --model; if it has several networks, the chosen one is printed.

    Args:
        task: The required task, one of `tfgan_models.systems.TASKS`.

    Raises:
        UsageError: The model does not have it.
        FailureError: The model is damaged.
    """
    model = load(_FLAGS.model, _FLAGS.which, _FLAGS.network, task)
    networks = model.description.networks.items()
    names = [name for name, network in networks if network.task == task]
    if len(names) > 1 and _FLAGS.network is None:
        print(
            f"Network: {model.name} (of {', '.join(names)}; --network selects another)"
        )
    return model
