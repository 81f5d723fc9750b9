"""Options recognised from the widths of a StyleGAN's blocks."""

import pytest

from tfgan_models.errors import UsageError
from tfgan_models.interop.messages import listed
from tfgan_models.interop.style_weights import channel_options, check_blocks
from tfgan_models.networks.growing import features

SIDES = (2, 4, 8, 16, 32)


def widths(fmap_base: int, fmap_max: int) -> dict[int, int]:
    return {side: features(side, fmap_base, fmap_max) for side in SIDES}


@pytest.mark.parametrize("fmap_max", [1, 5, 16, 512, 10_000])
@pytest.mark.parametrize("fmap_base", [16, 33, 63, 64, 100, 8191, 8192])
def test_the_options_give_the_same_widths(fmap_base: int, fmap_max: int) -> None:
    expected = widths(fmap_base, fmap_max)
    for said in (fmap_base, None, "8192", 1):
        options = channel_options(expected, said, "the file")
        assert widths(**options) == expected
    told = channel_options(expected, fmap_base, "the file")
    assert told == {"fmap_base": fmap_base, "fmap_max": min(fmap_base, fmap_max)}


def test_the_usual_base_is_preferred() -> None:
    same = {4: 512, 8: 512}
    assert channel_options(same, None, "the file")["fmap_base"] == 8192
    assert channel_options(same, 1, "the file")["fmap_base"] == 8192
    assert channel_options({4: 16, 8: 8}, None, "the file")["fmap_base"] == 32


@pytest.mark.parametrize("odd", [{4: 8, 8: 16}, {4: 16, 8: 8, 16: 8}])
def test_widths_of_another_rule(odd: dict[int, int]) -> None:
    with pytest.raises(UsageError, match="the file has channels that no fmap_base"):
        channel_options(odd, 64, "the file")


def test_long_lists_are_cut() -> None:
    assert listed("abc") == "a, b, c"
    assert listed("abcde") == "a, b, c and 2 more"


def test_images_larger_than_any_are_refused() -> None:
    check_blocks(11, "FILE")
    with pytest.raises(UsageError, match=r"12 blocks, of 8192 px\. Allowed: up to 11"):
        check_blocks(12, "FILE")
