"""Reports: HTML that holds everything, tables as text and Markdown."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainers.evaluation import report

TABLE = report.Table(
    "Figures",
    ("run", "fid", "how"),
    (("a", "9.5", "x"), ("12", "-", "1 y"), ("longer", "10.25", "z")),
    "A note.",
)
HOSTILE = "<script>alert('x')</script> & \"so\""


class Page(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.unclosed: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.unclosed.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def image() -> np.ndarray:
    return np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


def test_text_is_aligned() -> None:
    assert report.to_text(TABLE).split("\n") == [
        "Figures",
        "run       fid  how",
        "a         9.5  x",
        "12          -  1 y",
        "longer  10.25  z",
        "A note.",
    ]


def test_words_that_begin_with_a_number_are_no_numbers() -> None:
    """Such a column, neither wrapped nor aligned left, was cut off on a page."""
    rows = (("a", "0.1 ± 0.02", "14 generated, 14 real"), ("b", "-", "7 real"))
    text = report.to_text(report.Table("", ("run", "kid", "made of"), rows))
    assert text.split("\n") == [
        "run         kid  made of",
        "a    0.1 ± 0.02  14 generated, 14 real",
        "b             -  7 real",
    ]


def test_narrow_screens_have_the_columns_beside_their_cells(tmp_path: Path) -> None:
    report.write(tmp_path / "page.html", "Page", {}, [TABLE])
    page = Page((tmp_path / "page.html").read_text())
    cells = [attrs["data-column"] for tag, attrs in page.elements if tag == "td"]
    assert cells == ["run", "fid", "how"] * 3
    assert "content: attr(data-column)" in report._STYLE


def test_names_of_rows_are_no_numbers() -> None:
    table = report.Table("", ("run", "fid"), (("7", "7"), ("10", "10")))
    assert report.to_text(table) == "run  fid\n7      7\n10    10"


def test_text_cannot_steer_a_terminal() -> None:
    text = report.to_text(report.Table("", ("run",), (("a\x1b[2J\nb\udcff",),)))
    assert text == "run\na [2J b"


def test_markdown() -> None:
    assert report.to_markdown(TABLE) == (
        "### Figures\n\n"
        "| run | fid | how |\n"
        "| --- | ---: | --- |\n"
        "| a | 9.5 | x |\n"
        "| 12 | - | 1 y |\n"
        "| longer | 10.25 | z |\n\n"
        "A note.\n"
    )
    hostile = report.to_markdown(report.Table("", ("a|b",), (("<i>\n|",),)))
    assert hostile == "| a&#124;b |\n| --- |\n| &lt;i&gt; &#124; |\n"


def test_rows_of_another_length_are_refused() -> None:
    for row in (("3", "4", "5"), ("3",)):
        with pytest.raises(ValueError, match=r"A row of 2 cells is needed. Received: "):
            report.Table("", ("a", "b"), (("1", "2"), row))


def test_the_page_holds_what_was_given(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("older")
    picture = report.Picture("Grid", report.png(image()), "Of step 5.")
    report.write(path, "Café 漢", {"Step": "5"}, [TABLE, picture])
    source = path.read_bytes().decode("ascii")
    page = Page(source)
    assert page.unclosed == []
    texts = [text for text in page.texts if text.strip()]
    texts.remove(report._STYLE)
    assert texts == [
        *("Café 漢", "Café 漢", "Step", "5", "Figures", "run", "fid", "how"),
        *("a", "9.5", "x", "12", "-", "1 y", "longer", "10.25", "z", "A note."),
        *("Grid", "Of step 5."),
    ]
    right = [attrs for tag, attrs in page.elements if attrs.get("class") == "number"]
    assert len(right) == 4  # the column of fid
    (shown,) = [attrs["src"] for tag, attrs in page.elements if tag == "img"]
    kind, data = str(shown).split(",")
    assert kind == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as read:
        np.testing.assert_array_equal(np.asarray(read), image())
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_everything_is_escaped_and_nothing_fetched(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    table = report.Table(HOSTILE, (HOSTILE,), ((HOSTILE,),), HOSTILE)
    picture = report.Picture(HOSTILE, report.png(image()), HOSTILE)
    report.write(path, HOSTILE, {HOSTILE: HOSTILE}, [table, picture])
    page = Page(path.read_text())
    assert page.texts.count(HOSTILE) == 10
    (shown,) = [attrs for tag, attrs in page.elements if tag == "img"]
    assert shown["alt"] == HOSTILE
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "link", "iframe"})
    assert not re.search(r"https?:|url\(|@import", path.read_text())


def test_light_dark_and_print() -> None:
    assert "prefers-color-scheme: dark" in report._STYLE
    assert "@media print" in report._STYLE


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros([2, 2, 3], np.float32),
        np.zeros([2, 2], np.uint8),
        np.zeros([2, 2, 4], np.uint8),
    ],
)
def test_images_of_another_form_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"uint8 \[H, W, 3\]. Received: "):
        report.png(wrong)
