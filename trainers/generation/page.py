"""A self-contained HTML file with strips of images, each with a slider."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tfgan_models.data import images as image_files
from tfgan_models.runs import files
from tfgan_models.tasks import synthesis

_LARGEST_SIDE = 256
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 100rem; margin: 2rem auto;
  padding: 0 1.5rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.2rem; margin: 2rem 0 .6rem; }
section { display: grid; grid-template-columns: 256px 1fr; gap: 0 1.5rem; }
h2 { grid-column: 1 / 3; } img { image-rendering: pixelated; }
.shown { width: 256px; height: 256px; } input { width: 256px; }
.strip { display: flex; flex-wrap: wrap; gap: .5rem; align-content: start; }
figure { margin: 0; text-align: center; } .strip img { width: 128px; height: 128px; }
"""
_SCRIPT = """
for (const section of document.querySelectorAll("section")) {
  const slider = section.querySelector("input");
  const strip = section.querySelectorAll(".strip img");
  slider.addEventListener("input", () => {
    section.querySelector(".shown").src = strip[slider.value].src;
    section.querySelector("output").value = strip[slider.value].alt;
  });
}
"""


def write(
    path: Path,
    title: str,
    note: str,
    names: Sequence[str],
    strips: Sequence[Sequence[np.ndarray]],
    strengths: Sequence[int],
) -> None:
    """Writes the page; it is complete or absent.

    Args:
        path: The file, in an existing folder.
        title: The page's heading.
        note: The text below it.
        names: The strips' names.
        strips: Images [R, R, C] in [-1, 1]; above 256 px they are shown at 256.
        strengths: The strengths of each strip's images.
    """
    sections = "".join(
        _section(name, strip, strengths)
        for name, strip in zip(names, strips, strict=True)
    )
    source = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<h1>{html.escape(title)}</h1>\n<p>{html.escape(note)}</p>\n"
        f"{sections}<script>{_SCRIPT}</script>\n</body>\n</html>\n"
    )
    files.write_text(path, source.encode("ascii", "xmlcharrefreplace").decode())


def _section(name: str, strip: Sequence[np.ndarray], strengths: Sequence[int]) -> str:
    sources = [_source(picture) for picture in strip]
    middle = len(strip) // 2
    figures = "".join(
        f'<figure><img alt="{strength}" src="{source}">'
        f"<figcaption>{strength}</figcaption></figure>\n"
        for strength, source in zip(strengths, sources, strict=True)
    )
    return (
        f"<section>\n<h2>{html.escape(name)}</h2>\n"
        f'<div><img class="shown" alt="{html.escape(name)}" src="{sources[middle]}">\n'
        f'<label><input type="range" min="0" max="{len(strip) - 1}" '
        f'value="{middle}"> strength <output>{strengths[middle]}</output></label>'
        f'</div>\n<div class="strip">\n{figures}</div>\n</section>\n'
    )


def _source(picture: np.ndarray) -> str:
    image = Image.fromarray(synthesis.to_rgb(picture))
    image.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE), Image.Resampling.LANCZOS)
    data = base64.b64encode(image_files.encode_png(np.asarray(image))).decode()
    return f"data:image/png;base64,{data}"
