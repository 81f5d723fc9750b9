"""The schedule of growing against the papers' tables."""

import bisect
import dataclasses
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfgan_models.growth import Growth, phases

KIMG = 1000
BATCHES = {4: 512, 8: 256, 16: 128, 32: 64}
RATES = {128: 0.0015, 256: 0.002, 512: 0.003, 1024: 0.003}
STYLEGAN = Growth(
    resolution=1024,
    first_resolution=8,
    stable_images=600 * KIMG,
    fade_images=600 * KIMG,
    total_images=25_000 * KIMG,
    batch_size=32,
    batch_sizes=BATCHES,
    learning_rate=0.001,
    learning_rates=RATES,
)
PROGAN = dataclasses.replace(STYLEGAN, first_resolution=4, total_images=12_000 * KIMG)
FADES = {
    16: (600, 1200),
    32: (1800, 2400),
    64: (3000, 3600),
    128: (4200, 4800),
    256: (5400, 6000),
    512: (6600, 7200),
    1024: (7800, 8400),
}


class Stage(NamedTuple):
    resolution: int
    is_fading: bool
    alpha: float
    batch_size: int
    learning_rate: float


def schedule(images: int, growth: Growth) -> Stage:
    """Where a training stands after so many images: stable, then fading, in turn."""
    side, is_fading, alpha = growth.first_resolution, False, 1.0
    start = growth.stable_images
    while side < growth.resolution and images >= start:
        side *= 2
        is_fading = images < start + growth.fade_images
        alpha = (images - start) / growth.fade_images if is_fading else 1.0
        start += growth.fade_images + growth.stable_images
    return Stage(
        side,
        is_fading,
        alpha,
        growth.batch_size_at(side),
        growth.learning_rate_at(side),
    )


@pytest.mark.parametrize(("side", "window"), FADES.items())
def test_stylegans_fades(side: int, window: tuple[int, int]) -> None:
    start, end = (KIMG * kimg for kimg in window)
    before, middle = schedule(start - 1, STYLEGAN), schedule(start, STYLEGAN)
    assert (before.resolution, before.is_fading, before.alpha) == (side // 2, False, 1)
    assert (middle.resolution, middle.is_fading, middle.alpha) == (side, True, 0.0)
    assert schedule(start + 150 * KIMG, STYLEGAN).alpha == 0.25
    assert schedule(end - 6, STYLEGAN).alpha == pytest.approx(1 - 1e-5)
    assert schedule(end - 6, STYLEGAN).is_fading
    after = schedule(end, STYLEGAN)
    assert (after.resolution, after.is_fading, after.alpha) == (side, False, 1.0)


def test_progan_starts_at_4() -> None:
    first = schedule(0, PROGAN)
    assert (first.resolution, first.is_fading, first.alpha) == (4, False, 1.0)
    starts = [600, 1800, 3000, 4200, 5400, 6600, 7800, 9000]
    for side, start in zip([8, 16, 32, 64, 128, 256, 512, 1024], starts, strict=True):
        stage = schedule(KIMG * start, PROGAN)
        assert (stage.resolution, stage.is_fading) == (side, True)
        assert schedule(KIMG * start - 1, PROGAN).resolution == side // 2
        assert not schedule(KIMG * (start + 600), PROGAN).is_fading


def test_batch_and_rate_change_at_the_start_of_a_fade() -> None:
    batches = [schedule(k * KIMG, PROGAN).batch_size for k in (599, 600, 1799, 1800)]
    assert batches == [512, 256, 256, 128]
    assert schedule(3000 * KIMG, PROGAN).batch_size == 64
    assert schedule(4200 * KIMG, PROGAN).batch_size == 32
    rates = [
        schedule(k * KIMG, STYLEGAN).learning_rate
        for k in (0, 4199, 4200, 5399, 5400, 6600, 7800, 25_000)
    ]
    assert rates == [0.001, 0.001, 0.0015, 0.0015, 0.002, 0.003, 0.003, 0.003]


def test_phases_of_a_small_training_by_hand() -> None:
    """Batches overshoot the ends at 10, 20, 30 and 40 images."""
    growth = Growth(16, 4, 10, 10, 45, batch_size=4, batch_sizes={4: 6, 8: 3})
    table = [
        # resolution, fading, batch, first step, steps, first image, fade start
        (4, False, 6, 0, 2, 0, 0),  # 12 images
        (8, True, 3, 2, 3, 12, 10),  # 21
        (8, False, 3, 5, 3, 21, 20),  # 30
        (16, True, 4, 8, 3, 30, 30),  # 42
        (16, False, 4, 11, 1, 42, 40),  # 46
    ]
    assert [dataclasses.astuple(p) for p in phases(growth)] == [
        (side, fading, batch, growth.learning_rate, first, steps, image, start, 10)
        for side, fading, batch, first, steps, image, start in table
    ]
    assert phases(growth)[1].images_at(4) == 18
    assert phases(growth)[-1].end_step == 12


def test_a_phase_that_a_batch_jumps_over_is_left_out() -> None:
    growth = Growth(16, 4, 10, 10, 100, batch_size=4, batch_sizes={4: 35})
    assert [(p.resolution, p.is_fading) for p in phases(growth)] == [
        (4, False),
        (16, True),
        (16, False),
    ]
    assert phases(growth)[1].first_image == 35


def test_without_growing_there_is_one_phase() -> None:
    growth = Growth(64, 64, 10, 10, 100, batch_size=8)
    (phase,) = phases(growth)
    assert (phase.resolution, phase.is_fading) == (64, False)
    assert (phase.first_step, phase.steps) == (0, 13)
    assert schedule(0, growth) == schedule(10**9, growth)


def test_a_training_may_end_before_it_has_grown() -> None:
    growth = Growth(64, 8, 10, 10, 15, batch_size=5)
    assert [(p.resolution, p.is_fading, p.steps) for p in phases(growth)] == [
        (8, False, 2),
        (16, True, 1),
    ]


@st.composite
def growths(draw: Any) -> Growth:
    first, last = sorted(draw(st.tuples(st.integers(2, 6), st.integers(2, 6))))
    counts = st.integers(1, 300)
    sizes = st.dictionaries(st.sampled_from([4, 8, 16, 32, 64]), st.integers(1, 90))
    return Growth(
        2**last,
        2**first,
        draw(counts),
        draw(counts),
        draw(st.integers(1, 3000)),
        draw(st.integers(1, 90)),
        draw(sizes),
    )


@settings(max_examples=200, deadline=None)
@given(growths())
def test_phases_agree_with_the_schedule_at_every_step(growth: Growth) -> None:
    listed = phases(growth)
    assert (listed[0].first_step, listed[0].first_image) == (0, 0)
    for one, two in pairwise(listed):
        assert one.end_step == two.first_step
        assert one.images_at(one.end_step) == two.first_image
    end = listed[-1].images_at(listed[-1].end_step)
    assert end - listed[-1].batch_size < growth.total_images <= end
    starts = [phase.first_step for phase in listed]
    for step in range(listed[-1].end_step):
        phase = listed[bisect.bisect_right(starts, step) - 1]
        images = phase.images_at(step)
        stage = schedule(images, growth)
        assert (phase.resolution, phase.is_fading, phase.batch_size) == (
            stage.resolution,
            stage.is_fading,
            stage.batch_size,
        )
        if stage.is_fading:
            alpha = (images - phase.fade_start) / phase.fade_images
            assert stage.alpha == alpha


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"resolution": 48}, "resolution must be a power of two.*Received: 48"),
        ({"first_resolution": 2}, "first_resolution must be .*at least 4.*Received: 2"),
        ({"first_resolution": 2048}, "first_resolution=2048, resolution=1024"),
        ({"stable_images": 0}, r"1 or more. Received: \(0, 600000, 25000000\)"),
        ({"fade_images": 0}, "fade_images"),
        ({"total_images": -1}, "total_images"),
        ({"batch_sizes": {64: 0}}, "Received: 0 at 64 px"),
        ({"batch_size": 0}, "Received: 0 at 64 px"),
        ({"learning_rates": {8: 0.0}}, "Received: 0.0 at 8 px"),
        ({"learning_rate": float("nan")}, "Received: nan at 8 px"),
    ],
)
def test_refuses_what_cannot_be(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(STYLEGAN, **wrong)
