"""Reports as a self-contained HTML file; their tables as text too."""

import base64
import dataclasses
import html
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tfgan_models.runs import files

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --faint: #666; --line: #d5d5d5;
  --paper: #fff; --stripe: #f5f5f5; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --faint: #a0a0a0;
  --line: #444; --paper: #181818; --stripe: #222; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--paper); max-width: 100rem; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.2rem; margin: 2rem 0 .6rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.5rem; }
dt { color: var(--faint); } dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .8rem; border-bottom: 1px solid var(--line);
  text-align: left; vertical-align: top; }
td:first-child { white-space: nowrap; }
tbody tr:nth-child(even) { background: var(--stripe); }
.number { text-align: right; } td.number { white-space: nowrap; }
.note, figcaption { color: var(--faint); font-size: .9rem; max-width: 60rem; }
@media screen and (max-width: 70rem) { thead { display: none; }
  table, tbody, tr { display: block; } tr { padding: .4rem 0; }
  td, td.number { display: flex; gap: 1rem; justify-content: space-between;
    border: 0; padding: .1rem .8rem; text-align: right; white-space: normal; }
  td::before { content: attr(data-column); color: var(--faint); flex: none; }
  td:first-child { font-weight: 600; } }
figure { margin: 0; } img { max-width: 100%; height: auto; background: #fff; }
@media print { :root { --ink: #000; --faint: #444; --line: #999; --paper: #fff;
  --stripe: #fff; } body { font-size: 10pt; margin: 0; padding: 0; }
  .wide { overflow: visible; } h2 { break-after: avoid; }
  tr, figure { break-inside: avoid; } }
"""
_NUMBER = re.compile(r"[-+]?[.\d]\S*( [±@] \S+)?( [^\W\d]{1,3})?|-?")
"""A number, with its deviation, its step or a unit if it has one."""


@dataclasses.dataclass(frozen=True)
class Table:
    """A table; columns of numbers, except the first, are aligned right.

    Args:
        title: The text above it.
        header: The columns' names.
        rows: Cells, as many per row as in the header; "-" for an empty one.
        note: The text below it.

    Raises:
        ValueError: A row has more or fewer cells than the header.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.header):
                raise ValueError(
                    f"A row of {len(self.header)} cells is needed. Received: {row}"
                )


@dataclasses.dataclass(frozen=True)
class Picture:
    """An image in a report.

    Args:
        title: The text above it.
        png: The PNG file's contents.
        caption: The text below it.
    """

    title: str
    png: bytes
    caption: str = ""


def png(image: np.ndarray) -> bytes:
    """Returns an image, uint8 [H, W, 3], as a PNG file's contents.

    Raises:
        ValueError: It is of another type or shape.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(
            "The image must be uint8 [H, W, 3]. Received: "
            f"{image.dtype} {list(image.shape)}"
        )
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def write(
    path: Path,
    title: str,
    facts: Mapping[str, str],
    parts: Sequence[Table | Picture],
) -> None:
    """Writes a report as an HTML file that is complete or absent.

    Args:
        path: The file, in an existing folder.
        title: The page's heading.
        facts: What the report is about, by name.
        parts: Tables and images in their order.
    """
    listed = "".join(
        f"<dt>{_escaped(name)}</dt><dd>{_escaped(fact)}</dd>\n"
        for name, fact in facts.items()
    )
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_escaped(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{_escaped(title)}</h1>\n<dl>\n{listed}</dl>\n"
        f"{''.join(map(_to_html, parts))}</body>\n</html>\n"
    )
    # ASCII reads the same in every locale; file names may contain stray bytes.
    files.write_text(path, page.encode("ascii", "xmlcharrefreplace").decode())


def to_text(table: Table) -> str:
    """Returns the table for a terminal, its columns aligned by spaces."""
    lines = [[_one_line(cell) for cell in row] for row in (table.header, *table.rows)]
    columns = list(zip(*lines, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = _numeric(table)
    aligned = [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    ]
    return "\n".join(
        text
        for text in (_one_line(table.title), *aligned, _one_line(table.note))
        if text
    )


def to_markdown(table: Table) -> str:
    """Returns the table in GitHub's Markdown, its title as a heading."""

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    rules = ["---:" if number else "---" for number in _numeric(table)]
    rows = [line([_for_markdown(cell) for cell in row]) for row in table.rows]
    header = line([_for_markdown(cell) for cell in table.header])
    blocks = [
        f"### {_for_markdown(table.title)}" if table.title else "",
        "\n".join([header, line(rules), *rows]),
        _for_markdown(table.note),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _to_html(part: Table | Picture) -> str:
    heading = f"<h2>{_escaped(part.title)}</h2>\n"
    if isinstance(part, Picture):
        data = base64.b64encode(part.png).decode()
        return (
            f'{heading}<figure><img alt="{_escaped(part.title)}" '
            f'src="data:image/png;base64,{data}">'
            f"<figcaption>{_escaped(part.caption)}</figcaption></figure>\n"
        )
    right = _numeric(part)
    header = _row("th", part.header, right)
    rows = "".join(_row("td", row, right, part.header) for row in part.rows)
    note = f'<p class="note">{_escaped(part.note)}</p>\n' if part.note else ""
    return (
        f'{heading}<div class="wide"><table>\n<thead>\n{header}</thead>\n'
        f"<tbody>\n{rows}</tbody>\n</table></div>\n{note}"
    )


def _row(
    tag: str,
    cells: Sequence[str],
    right: Sequence[bool],
    columns: Sequence[str] = (),
) -> str:
    """A row; its cells name their columns, which narrow screens show next to them."""
    styles = [' class="number"' if number else "" for number in right]
    names = [f' data-column="{_escaped(column)}"' for column in columns]
    attributes = map("".join, zip(styles, names or [""] * len(styles), strict=True))
    inner = "".join(
        f"<{tag}{given}>{_escaped(cell)}</{tag}>"
        for cell, given in zip(cells, attributes, strict=True)
    )
    return f"<tr>{inner}</tr>\n"


def _numeric(table: Table) -> list[bool]:
    """Which columns hold only numbers; the first one names the rows."""
    return [
        column > 0
        and all(_NUMBER.fullmatch(_one_line(row[column])) for row in table.rows)
        for column in range(len(table.header))
    ]


def _one_line(text: str) -> str:
    """Drops characters that would break a line or control a terminal."""
    return "".join(c if c.isprintable() else " " for c in text).strip()


def _for_markdown(text: str) -> str:
    return html.escape(_one_line(text), quote=False).replace("|", "&#124;")


def _escaped(text: str) -> str:
    return html.escape(text)
