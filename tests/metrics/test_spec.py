"""Names of metrics."""

import pytest

from tfgan_models.errors import UsageError
from tfgan_models.metrics import spec


@pytest.mark.parametrize(
    ("text", "kind", "count", "extractor", "names"),
    [
        ("kid5k_lite0", "kid", 5000, "lite0", ("kid5k_lite0",)),
        ("fid_inception", "fid", 50_000, "inception", ("fid_inception",)),
        ("is300_lite0", "is", 300, "lite0", ("is300_lite0",)),
        (
            "pr10k_lite0",
            "pr",
            10_000,
            "lite0",
            ("precision10k_lite0", "recall10k_lite0"),
        ),
        ("dc_lite0", "dc", 50_000, "lite0", ("density_lite0", "coverage_lite0")),
        ("msssim", "msssim", 1000, None, ("msssim",)),
        ("ssim64", "ssim", 64, None, ("ssim64",)),
        ("ppl_w_end2k_lite0", "ppl_w_end", 2000, "lite0", ("ppl_w_end2k_lite0",)),
    ],
)
def test_names_are_read(
    text: str, kind: str, count: int, extractor: str | None, names: tuple[str, ...]
) -> None:
    parsed = spec.parse(text)
    assert (parsed.kind, parsed.count, parsed.extractor) == (kind, count, extractor)
    assert parsed.names() == names


def test_the_name_tells_which_weights_were_used() -> None:
    parsed = spec.parse("pr5k_inception")
    assert parsed.names("inception2015") == (
        "precision5k_inception2015",
        "recall5k_inception2015",
    )
    assert spec.parse("ssim").names("inception2015") == ("ssim",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kids_lite0", "is not a metric. Write one of kid, fid, is"),
        ("kid0_lite0", "is not a metric"),
        ("kid5k_vgg", "is not a metric"),
        ("", "is not a metric"),
        ("kid5k", "kid needs extractor .*for example kid5k_lite0"),
        ("ssim5k_lite0", "ssim takes no extractor .*for example ssim5k$"),
    ],
)
def test_other_names_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        spec.parse(text)


def test_lists() -> None:
    assert spec.parse_list("") == []
    texts = [s.text for s in spec.parse_list(" kid5k_lite0, ssim ,")]
    assert texts == ["kid5k_lite0", "ssim"]
    with pytest.raises(UsageError, match="'ssim' is given twice"):
        spec.parse_list("ssim,l1,ssim")


def test_which_way_is_good() -> None:
    better = [
        name
        for kind in spec.KINDS
        for name in spec.parse(
            f"{kind}5k_lite0" if spec.KINDS[kind].by_features else kind
        ).names()
        if spec.is_higher_better(name)
    ]
    assert better == [
        "is5k_lite0",
        "precision5k_lite0",
        "recall5k_lite0",
        "density5k_lite0",
        "coverage5k_lite0",
        "psnr",
        "ssim",
        "psnr_y",
        "ssim_y",
    ]
    with pytest.raises(UsageError, match="'loss' is not the name of a metric"):
        spec.is_higher_better("loss")
