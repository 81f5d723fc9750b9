"""The studio's temporary files."""

import os
import time
from pathlib import Path

from export.page.files import KEPT_SECONDS, Files


def test_files_keep_their_names_and_stay_apart(tmp_path: Path) -> None:
    files = Files(tmp_path)
    paths = [Path(files.write("../my photo?.png", part)) for part in (b"one", b"two")]
    assert [path.name for path in paths] == [".._my_photo_.png"] * 2
    assert [path.read_bytes() for path in paths] == [b"one", b"two"]
    assert {path.parent.parent for path in paths} == {tmp_path}


def test_files_are_deleted_after_a_day(tmp_path: Path) -> None:
    files = Files(tmp_path)
    old, new = (Path(files.write("photo.png", b"")) for _ in range(2))
    upload = tmp_path / "upload" / "photo.png"
    upload.parent.mkdir()
    upload.write_bytes(b"")
    for path, age in ((old, 60), (upload, 60), (new, -60)):
        then = time.time() - KEPT_SECONDS - age
        os.utime(path, (then, then))
    files.write("photo.png", b"")
    assert (old.exists(), upload.exists(), new.exists()) == (False, False, True)
