"""Checks of metrics' arguments."""


def check_features(**sets: object) -> None:
    """Refuses anything but features of one extractor.

    Args:
        **sets: By the caller's names, arrays [N, D] with the same D.

    Raises:
        ValueError: They are not.
    """
    shapes = [tuple(getattr(features, "shape", ())) for features in sets.values()]
    if all(len(shape) == 2 for shape in shapes) and len({s[1] for s in shapes}) == 1:
        return
    received = ", ".join(
        f"{name} {type(features).__name__} {shape or ''}".rstrip()
        for (name, features), shape in zip(sets.items(), shapes, strict=True)
    )
    raise ValueError(
        "Features are arrays [N, D] with the same D, as computed by an extractor; "
        "tfgan_models.metrics.fid, kid and precision_recall take the images themselves."
        f" Received: {received}"
    )
