"""Files of translated or enlarged images."""

import collections
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tfgan_models.errors import FailureError, UsageError
from tfgan_models.tasks import images as task_images
from tfgan_models.tasks.images import ImageModel
from tfgan_models.tasks.upscale import Upscaler


def translate(
    translator: ImageModel, images: Sequence[Path], output_dir: Path
) -> list[Path]:
    """Translates image files and those of folders, each at its own size.

    An alpha channel is kept; the network sees the colours below it. Files in a folder
    that cannot be read are named and skipped.

    Args:
        translator: Translates them.
        images: Files and folders.
        output_dir: An existing folder. Images of a folder keep their relative paths
            below it.

    Returns:
        The PNG files written.

    Raises:
        UsageError: There is no image, or one that was given cannot be read.
        FailureError: Some could not be read; all others were written.
    """
    found = list(_listed(images))
    if not found:
        raise UsageError(f"There are no images in {', '.join(map(str, images))}.")
    twice = collections.Counter(name.with_suffix("") for _, name, _ in found)
    written, unread = [], []
    for path, name, is_given in found:
        try:
            picture = task_images.read(path)
        except UsageError as error:
            if is_given:
                raise
            print(f"Skipped: {error}", flush=True)
            unread.append(path)
            continue
        # Two that differ only in their extension keep it.
        plain = name.with_suffix("")
        target = output_dir / f"{name if twice[plain] > 1 else plain}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        translator.of_picture(picture).save(target)
        written.append(target)
    if unread:
        raise FailureError(
            f"{len(unread)} of {len(found)} images could not be read; the others were "
            f"translated to {output_dir}."
        )
    return written


def upscale(model: Upscaler, image: Path, output_dir: Path) -> Path:
    """Enlarges an image file.

    Args:
        model: Enlarges it.
        image: JPEG, PNG, WebP, BMP, GIF or TIFF, of which the first frame is used.
        output_dir: An existing folder.

    Returns:
        The PNG file written, `<name>_x<scale>.png`.

    Raises:
        UsageError: It is not such a file.
    """
    path = output_dir / f"{image.stem}_x{model.scale}.png"
    model.of_picture(task_images.read(image)).save(path)
    return path


def _listed(images: Iterable[Path]) -> Iterator[tuple[Path, Path, bool]]:
    """Each image file, the name of its translation, and whether it was given itself."""
    for path in images:
        if path.is_dir():
            for file, place in task_images.listed(path):
                yield file, place, False
        else:
            yield path, Path(path.name), True
