"""Flag values, checked before anything slow is done."""

import math
import re

from tfgan_models.errors import UsageError

MOST_SEEDS = 100_000
LARGEST_SEED = 2**63 - 1
_RANGE = re.compile(r"\s*([0-9]+)\s*(?:-\s*([0-9]+)\s*)?")
_LIMIT = 2.0


def seeds(flag: str, text: str) -> list[int]:
    """Returns the seeds in a list of numbers and ranges, in order.

    Args:
        flag: The flag's name, for errors.
        text: For example "0-35,100".

    Raises:
        UsageError: It is not such a list, or too long.
    """
    found: list[int] = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part)
        first, last = (match[1], match[2] or match[1]) if match else ("1", "0")
        if not int(first) <= int(last) <= LARGEST_SEED:
            raise UsageError(
                f"--{flag}={text} is not a list of seeds. Give numbers and ascending "
                f"ranges of at least 0, such as 0-35,100. Received: {part!r}"
            )
        if len(found) + int(last) - int(first) >= MOST_SEEDS:
            raise UsageError(
                f"--{flag}={text} names more than {MOST_SEEDS} seeds. Give fewer."
            )
        found += range(int(first), int(last) + 1)
    return found


def psi(flag: str, value: float) -> float:
    """Returns a truncation psi.

    Raises:
        UsageError: It is outside [-2, 2].
    """
    if math.isnan(value) or abs(value) > _LIMIT:
        raise UsageError(f"--{flag} must be in [-2, 2]. Received: {value}")
    return value


def psis(flag: str, text: str) -> list[float]:
    """Returns several truncation psi, given as "-1,0,0.5".

    Raises:
        UsageError: One is not a number, or outside [-2, 2].
    """
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(
            f"--{flag}={text} is not a list of numbers. Give numbers in [-2, 2], such "
            "as -1,0,0.5,1."
        ) from error
    return [psi(flag, value) for value in values]
