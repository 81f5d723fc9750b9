"""How a folder is laid out, and what is told of it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tfgan_models.errors import UsageError
from tfgan_models.folders import layouts
from tfgan_models.folders.contents import Contents


def save(folder: Path, count: int, size: tuple[int, int] = (8, 8)) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.new("RGB", size).save(folder / f"{i}.png")


@pytest.mark.parametrize("test", ["test", "val"])
@pytest.mark.parametrize(
    ("read", "endings"),
    [
        (layouts.unpaired, "AB"),
        (layouts.paired, "AB"),
        (layouts.paired, [""]),
        (layouts.labelled, [""]),
    ],
)
def test_val_counts_as_test(
    tmp_path: Path, read: Callable[[Path], Contents], endings: list[str], test: str
) -> None:
    for ending in endings:
        save(tmp_path / f"train{ending}", 3)
        save(tmp_path / f"{test}{ending}", 2)
    found = read(tmp_path)
    assert [len(split.images.paths) for split in found.train] == [3] * len(found.train)
    assert all(split and split.name.startswith(test) for split in found.test)
    assert not any("used instead" in line for line in found.lines())
    if test == "test":
        for ending in endings:
            save(tmp_path / f"val{ending}", 4)
        told = found.lines()
        found = read(tmp_path)
        beside = ", ".join(f"val{ending}/" for ending in endings)
        assert found.lines() == [*told, f"  skipped: {beside}"]


def test_lines_of_two_domains(tmp_path: Path) -> None:
    save(tmp_path / "trainA", 2, (64, 32))
    save(tmp_path / "trainA" / "below", 1, (640, 480))
    save(tmp_path / "trainB", 4)
    save(tmp_path / "testB", 1)
    save(tmp_path / "other", 1)
    save(tmp_path / "trainB" / ".ipynb_checkpoints", 1)
    for name in ("trainA/notes.txt", "testB/labels.TXT", "trainB/x.heic"):
        (tmp_path / name).touch()
    assert layouts.unpaired(tmp_path).lines() == [
        f"Found in {tmp_path}:",
        "  trainA: 3 images, 64 x 32 to 640 x 480 px",
        "  trainB: 4 images, 8 x 8 px",
        "  testB: 1 image, 8 x 8 px",
        "  no test images: the first 3 of trainA are used instead",
        "  skipped: 1 .heic, 2 .txt, .ipynb_checkpoints/, other/",
    ]


def test_lines_of_classes(tmp_path: Path) -> None:
    for i in range(10):
        save(tmp_path / f"class{i}", i + 1)
    (tmp_path / "class0" / "0.txt").touch()
    told = layouts.captioned(tmp_path).lines()
    counts = ", ".join(f"class{i} {i + 1}" for i in range(8))
    assert told == [
        f"Found in {tmp_path}:",
        f"  train: 55 images, 8 x 8 px; 10 classes: {counts}, ...",
        "  no test images: the first 16 of train are used instead",
    ]


def test_hidden_and_system_folders_are_no_classes(tmp_path: Path) -> None:
    for name in ("cat", "dog", ".ipynb_checkpoints", "@eaDir", "lost+found"):
        save(tmp_path / name, 1)
    assert layouts.labelled(tmp_path).train[0].classes == ("cat", "dog")


def test_pairs_without_what_cannot_be_read(tmp_path: Path) -> None:
    for name in ("trainA", "trainB"):
        save(tmp_path / name, 3)
    (tmp_path / "trainB" / "1.png").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"1\.png \(empty file\)"):
        (train,) = layouts.paired(tmp_path).train
    assert [path.name for path in train.images.paths] == ["0.png", "2.png"]
    assert [path.name for path in train.targets.paths] == ["0.png", "2.png"]


def test_facts_of_a_split(tmp_path: Path) -> None:
    save(tmp_path / "cat", 2)
    contents = layouts.labelled(tmp_path)
    assert contents.test == (None,)
    assert contents.train[0].facts() == {
        "name": "train",
        "images": 2,
        "smallest": [8, 8],
        "largest": [8, 8],
        "classes": {"cat": 2},
    }


def test_class_whose_name_is_not_utf8(tmp_path: Path) -> None:
    save(tmp_path / "caf\udce9", 1)
    with pytest.raises(UsageError, match="its name is not UTF-8"):
        layouts.labelled(tmp_path)


def test_folder_of_something_else_tells_what_is_there(tmp_path: Path) -> None:
    for name in ("a.heic", "b.heic", "c.txt"):
        (tmp_path / name).touch()
    with pytest.raises(UsageError, match=r"has no image, but 2 \.heic, 1 \.txt\. "):
        layouts.labelled(tmp_path)
