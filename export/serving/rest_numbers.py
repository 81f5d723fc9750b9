"""The text of numbers as TensorFlow Serving writes them.

Six significant digits if they represent the value exactly, else nine; ".0" after whole
numbers; NaN, Infinity, -Infinity. For a float64, seventeen instead of nine.
"""

import math

import numpy as np

_POWERS = np.array([10.0**e for e in range(13)])


def decimal_text(value: float, digits: int = 9) -> str:
    """Returns the text of one number.

    Args:
        value: For `digits` 9 a float32's value, for 17 any double.
        digits: Significant digits of a value that six do not represent exactly.
    """
    value = float(value)
    if not math.isfinite(value):
        return (
            "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
        )
    text = f"{value:.6g}"
    read = float(text)
    if (float(np.float32(read)) if digits == 9 else read) != value:
        text = f"{value:.{digits}g}"
    return text if "." in text or "e" in text else f"{text}.0"


def plain_doubles(values: np.ndarray) -> np.ndarray:
    """Returns the doubles whose shortest decimal text is that of floats.

    Args:
        values: float32, or float64, which are themselves what is returned.

    Returns:
        float64 of their shape; NaN if the text is not as easily found: for numbers
        written with an exponent, those not in [1e-4, 1e6), and for values that are not
        finite.
    """
    doubles = values.astype(np.float64)
    sizes = np.abs(doubles)
    is_plain = (sizes == 0) | ((sizes >= 1e-4) & (sizes < 1e6))
    doubles[~is_plain] = np.nan
    if values.dtype == np.float64:
        return doubles
    logarithms = np.log10(np.where(is_plain, np.maximum(sizes, 1e-4), 1.0))
    exponents = np.floor(logarithms).astype(np.int8)
    # A float32 (24 bits) times 10**12 (28 bits of 5**12) is exact in a double.
    scales = _POWERS[5 - exponents], _POWERS[8 - exponents]
    six, nine = (np.rint(doubles * scale) / scale for scale in scales)
    return np.where(six.astype(np.float32) == values, six, nine)
