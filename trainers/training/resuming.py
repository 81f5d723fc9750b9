"""Where a run resumes: at the newest step that every worker has."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfgan_models.errors import FailureError
from tfgan_models.runs import checkpoints
from trainers.training import devices

_OFFERED = 2 * checkpoints.KEPT


def restore(
    directory: Path, state: Mapping[str, Any], strategy: tf.distribute.Strategy
) -> int:
    """Restores the newest readable checkpoint into `state`.

    Each worker has its own checkpoints, and a kill may have come when only some had
    written theirs: the newest step that all can read is restored. A worker's later
    checkpoints are removed, since those steps are trained again.

    Args:
        directory: This worker's checkpoints.
        state: What was passed to `checkpoints.save`, freshly built.
        strategy: All workers call this at the same point.

    Returns:
        Its step; 0 if there is none, or not all have written their first.

    Raises:
        FailureError: There are checkpoints, but none that all workers can read.
    """
    if devices.workers(strategy) == 1:
        return checkpoints.restore(directory, state) or 0
    own = offered = checkpoints.steps(directory)[-_OFFERED:]
    while True:
        # Padded with 0, the step that every worker has.
        padded = offered + [0] * (1 + _OFFERED - len(offered))
        rows = devices.everyones(padded, strategy)
        step = max(set(rows[0]).intersection(*rows))
        read = not step or _can_read(directory, step, state)
        if all(row == [True] for row in devices.everyones([read], strategy)):
            break
        offered = [other for other in offered if other < step]
    is_first = offered == own and all(len(set(row)) <= 2 for row in rows)
    if not step and not is_first:
        found = [sorted(set(row) - {0}) for row in rows]
        raise FailureError(
            f"No step has a checkpoint that every worker can read: {found}. Restore "
            f"what is missing in {directory} or on the other workers; to start from "
            "scratch, pass --fresh."
        )
    later = [other for other in own if other > step]
    if later:
        print(f"Removing {later} in {directory}: not all workers can read them.")
        checkpoints.remove(directory, later)
    return step


def _can_read(directory: Path, step: int, state: Mapping[str, Any]) -> bool:
    try:
        checkpoints.restore(directory, state, step)
    except FailureError:
        return False
    return True
