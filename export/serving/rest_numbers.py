"""float32 arrays as decimal text, a whole array at a time.

The texts are those of TensorFlow Serving: six significant digits where they tell the
value exactly, else nine; ".0" after whole numbers; NaN, Infinity, -Infinity.
"""

import math
from collections.abc import Iterable

import numpy as np

# Numbers of one pass: its arrays fit in the processor's cache.
_CHUNK = 16384
# What `printf` writes without an exponent lies in [1e-4, 1e6) at six digits. There a
# float32 (24 bits) times 10**12 (28 bits of 5**12) is exact in a double.
_POWERS = np.array([10.0**e for e in range(-4, 6)])
_FRACTION = 12
_SCALE = 10 ** np.arange(_FRACTION + 1, dtype=np.int64)
# A number is written in words of four bytes: "-123" "456." "1234" "5678" "9012" and
# one that begins with its end. Of these bytes, those that are needed are kept.
_WORDS = 6
_WIDTH = 20


def _words(texts: Iterable[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(texts), np.uint32)


_HIGH = _words(b"-%03d" % i for i in range(1000))
_LOW = _words(b"%03d." % i for i in range(1000))
_FOUR = _words(b"%04d" % i for i in range(10_000))
_ZEROS_AT_END = np.array([4 - len((b"%04d" % i).rstrip(b"0")) for i in range(10_000)])
# By 6 * whether it is negative + the number of digits before the point - 1.
_KEPT_BEFORE = _words(
    bytes([negative, *(i >= 6 - digits for i in range(6)), True])
    for negative in (False, True)
    for digits in range(1, 7)
).reshape(12, 2)
# By the number of zeros at the end of twelve digits; one digit is always written.
_KEPT_BEHIND = _words(
    bytes(i < max(_FRACTION - zeros, 1) for i in range(_FRACTION))
    for zeros in range(_FRACTION + 1)
).reshape(_FRACTION + 1, 3)
_KEPT_END = _words([bytes([True, False, False, False])])[0]


def decimal_text(value: float, digits: int = 9) -> str:
    """Returns the text of one number.

    Args:
        value: For `digits` 9 a float32's value, for 17 any double.
        digits: Significant digits of what six do not tell exactly.
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


def float32_text(values: np.ndarray, ends: np.ndarray) -> bytes:
    """Returns the texts of all numbers, each followed by its end.

    Args:
        values: float32 [N].
        ends: uint8 [N]: one byte to write behind each number.
    """
    with np.errstate(all="ignore"):
        return b"".join(
            _chunk_text(values[i : i + _CHUNK], ends[i : i + _CHUNK])
            for i in range(0, len(values), _CHUNK)
        )


def _chunk_text(values: np.ndarray, ends: np.ndarray) -> bytes:
    sizes = np.abs(values).astype(np.float64)
    regular = ((sizes >= 1e-4) & (sizes < 1e6)) | (sizes == 0)
    sizes[~regular] = 0
    scaled, certain = _scaled(sizes)
    words, words_kept = _digits(scaled, np.signbit(values))
    characters, kept = words.view(np.uint8), words_kept.view(bool)
    others = np.flatnonzero(~(regular & certain))
    if len(others):
        texts = [decimal_text(value) for value in values[others].tolist()]
        block = np.array(texts, f"S{_WIDTH}")
        characters[others, :_WIDTH] = block.view(np.uint8).reshape(-1, _WIDTH)
        lengths = np.array([len(text) for text in texts])
        kept[others, :_WIDTH] = np.arange(_WIDTH) < lengths[:, None]
    characters[:, _WIDTH] = ends
    return characters.ravel()[kept.ravel()].tobytes()


def _scaled(sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The decimals to print times 10**12, and where they are beyond doubt.

    Args:
        sizes: float64 [N] of float32 values: 0 or in [1e-4, 1e6).
    """
    exponents = np.searchsorted(_POWERS, sizes, side="right") - 5
    np.maximum(exponents, -4, out=exponents)
    six = _SCALE[5 - exponents]
    short = np.rint(sizes * six)
    read = short / six
    exact = read.astype(np.float32) == sizes
    # A quotient rounded to the middle of two float32 may belong to either.
    certain = (read.view(np.int64) & 0x1FFFFFFF) != 0x10000000
    long = np.rint(sizes * _SCALE[8 - exponents]).astype(np.int64)
    scaled = np.where(
        exact,
        short.astype(np.int64) * _SCALE[_FRACTION - 5 + exponents],
        long * _SCALE[_FRACTION - 8 + exponents],
    )
    return scaled, certain


def _digits(scaled: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The words of the numbers, and which of their bytes to keep: uint32 [N, 6]."""
    words = np.empty((len(scaled), _WORDS), np.uint32)
    kept = np.empty((len(scaled), _WORDS), np.uint32)
    integers, fractions = np.divmod(scaled, _SCALE[_FRACTION])
    integers = integers.astype(np.int32)
    high, low = np.divmod(integers, 1000)
    words[:, 0] = _HIGH[high]
    words[:, 1] = _LOW[low]
    length = np.searchsorted(_SCALE[1:6].astype(np.int32), integers, side="right")
    kept[:, :2] = _KEPT_BEFORE[6 * negative + length]
    upper, last = np.divmod(fractions, 10_000)
    first, middle = np.divmod(upper.astype(np.int32), 10_000)
    for i, group in enumerate((first, middle, last)):
        words[:, 2 + i] = _FOUR[group]
    zeros = _ZEROS_AT_END[last]
    zeros += np.where(zeros == 4, _ZEROS_AT_END[middle], 0)
    zeros += np.where(zeros == 8, _ZEROS_AT_END[first], 0)
    kept[:, 2:5] = _KEPT_BEHIND[zeros]
    kept[:, 5] = _KEPT_END
    return words, kept
