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
        folder: Others may put files into its sub-folders too; these are deleted as
            well.
    """

    folder: Path

    def write(self, name: str, contents: bytes) -> str:
        """Writes a file to show or download under a name.

        Args:
            name: Characters that file names should not have are replaced.
            contents: The file's contents.

        Returns:
            Its path, which is unique.
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
