"""Metrics of generated images, from features and from pixels.

`fid`, `kid` and `precision_recall` take images or folders. They are built from
`extractors`, which computes features of images, and from plain functions of arrays:
`gaussian` and `frechet` (FID), `kernel` (KID), `inception_score`, `manifold`
(precision, recall, density, coverage), `path_length` (PPL) and `similarity` (L1, PSNR,
SSIM, MS-SSIM). `spec` parses the names of metrics.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfgan_models.metrics.compare import fid, kid, precision_recall

__all__ = ["fid", "kid", "precision_recall"]


def __getattr__(name: str) -> Any:
    # Resolved on first use: `spec` must not import TensorFlow.
    if name in __all__:
        return getattr(importlib.import_module(f"{__name__}.compare"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
