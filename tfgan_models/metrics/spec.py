"""Names of metrics: `kid5k_lite0` is KID of 5000 images with extractor lite0."""

import dataclasses
import re

from tfgan_models.errors import UsageError

EXTRACTORS = ("lite0", "inception")
MOST_IMAGES = 50_000
"""Maximum images on each side, if a metric's name gives no number."""

_DIVERSITY_IMAGES = 1000


@dataclasses.dataclass(frozen=True)
class Kind:
    """What all metrics of a kind have in common.

    Attributes:
        names: Names of its metrics.
        by_features: Whether an extractor's features are compared.
        higher_is_better: Which way is better.
        needs: What it compares the generated images with: "truth",
            "cycled", "path", "border" (the truth without the border that papers on
            super-resolution leave out) or nothing.
        images: Number of images if its name gives none.
        meaning: One line of documentation.
    """

    names: tuple[str, ...]
    by_features: bool
    higher_is_better: bool
    needs: str = ""
    images: int = MOST_IMAGES
    meaning: str = ""


KINDS = {
    "kid": Kind(("kid",), True, False, meaning="kernel distance, unbiased; 0 is equal"),
    "fid": Kind(("fid",), True, False, meaning="Frechet distance; biased by the count"),
    "is": Kind(("is",), True, True, meaning="Inception Score of the generated images"),
    "pr": Kind(("precision", "recall"), True, True, meaning="fidelity, diversity"),
    "dc": Kind(("density", "coverage"), True, True, meaning="fidelity, diversity"),
    "msssim": Kind(
        ("msssim",),
        False,
        False,
        images=_DIVERSITY_IMAGES,
        meaning="MS-SSIM of random pairs of generated images; lower is more diverse",
    ),
    "l1": Kind(
        ("l1",), False, False, "truth", meaning="mean |difference| to the truth"
    ),
    "psnr": Kind(("psnr",), False, True, "truth", meaning="dB to the truth"),
    "ssim": Kind(("ssim",), False, True, "truth", meaning="similarity to the truth"),
    "psnr_y": Kind(
        ("psnr_y",), False, True, "border", meaning="dB to the truth, of luma"
    ),
    "ssim_y": Kind(
        ("ssim_y",), False, True, "border", meaning="similarity to the truth, of luma"
    ),
    "cycle": Kind(
        ("cycle",), False, False, "cycled", meaning="mean |input - reconstruction|"
    ),
} | {
    f"ppl_{space}_{sampling}": Kind(
        (f"ppl_{space}_{sampling}",),
        True,
        False,
        "path",
        meaning=f"perceptual path length in {space}, {sampling} of the path",
    )
    for space in ("z", "w")
    for sampling in ("full", "end")
}

_NAME = re.compile(
    rf"(?P<kind>{'|'.join(KINDS)})(?P<count>[1-9]\d*k?)?"
    rf"(?:_(?P<extractor>{'|'.join(EXTRACTORS)}))?"
)


@dataclasses.dataclass(frozen=True)
class Spec:
    """A metric, or a pair of them, that was requested.

    Attributes:
        text: As it was written.
        kind: A key of `KINDS`.
        count: Images of each side at most.
        extractor: Whose features; None if none are compared.
    """

    text: str
    kind: str
    count: int
    extractor: str | None

    def names(self, extractor: str | None = None) -> tuple[str, ...]:
        """The names of its metrics: `pr5k_lite0` gives precision and recall.

        Args:
            extractor: The name of the extractor used, if it is more specific than
                the requested one.
        """
        rest = self.text.removeprefix(self.kind)
        if extractor and self.extractor:
            rest = rest.removesuffix(self.extractor) + extractor
        return tuple(name + rest for name in KINDS[self.kind].names)


def parse(text: str) -> Spec:
    """Parses a name such as `kid5k_lite0`, `fid50k_inception` or `ssim`.

    Raises:
        UsageError: It is not a metric.
    """
    match = _NAME.fullmatch(text)
    if not match:
        raise UsageError(
            f"{text!r} is not a metric. Write one of {', '.join(KINDS)}, then a number "
            "of images if you like (500, 5k), then, for features, "
            f"_{' or _'.join(EXTRACTORS)}: kid5k_lite0, pr_inception, ssim"
        )
    kind, count, extractor = match.group("kind", "count", "extractor")
    if KINDS[kind].by_features != bool(extractor):
        wanted = "needs" if KINDS[kind].by_features else "takes no"
        raise UsageError(
            f"{text!r}: {kind} {wanted} extractor ({', '.join(EXTRACTORS)}), for "
            f"example {kind}{count or ''}{'_lite0' if wanted == 'needs' else ''}"
        )
    number = int(count.replace("k", "000")) if count else KINDS[kind].images
    return Spec(text, kind, number, extractor)


def parse_list(text: str) -> list[Spec]:
    """Parses comma-separated names; [] for none.

    Raises:
        UsageError: One is not a metric, or is given twice.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{name!r} is given twice. Name each metric once.")
    return [parse(name) for name in names]


def is_higher_better(name: str) -> bool:
    """Says which way is better for a metric's name, such as `precision5k_lite0`.

    Raises:
        UsageError: It is not the name of a metric.
    """
    for kind in KINDS.values():
        for kind_name in kind.names:
            if re.fullmatch(rf"{kind_name}(\d+k?)?(_\w+)?", name):
                return kind.higher_is_better
    raise UsageError(f"{name!r} is not the name of a metric.")
