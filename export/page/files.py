"""The files that the studio's page shows and downloads."""

import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

KEPT_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Files:
    """A folder of temporary files, which are deleted after a day.

    Args:
        folder: Others may put files into folders of it too; those go with them.
    """

    folder: Path

    def write(self, name: str, contents: bytes) -> str:
        """Writes a file that is shown or downloaded under this name.

        Args:
            name: What no file should be called is replaced in it.
            contents: Of the file.

        Returns:
            Its path, which no other file has had.
        """
        self._sweep()
        path = self.folder / secrets.token_hex(8) / re.sub(r"[^\w.-]", "_", name)
        path.parent.mkdir()
        path.write_bytes(contents)
        return str(path)

    def _sweep(self) -> None:
        oldest = time.time() - KEPT_SECONDS
        for path in self.folder.glob("*/*"):
            if path.is_file() and path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)
