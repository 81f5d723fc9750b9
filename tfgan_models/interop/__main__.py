"""Converts other projects' files to our networks, and ours to other projects.

    python -m tfgan_models.interop --from=junyanz --weights=latest_net_G.pth \
        --output=models
    python -m tfgan_models.interop --to=junyanz --weights=models/mine_a2b.keras \
        --output=mine_a2b.safetensors

--from writes what export.saved_model writes for a run: SavedModels for a server
and .keras files. Nothing in a file is ever executed.
"""

import runpy

if __name__ == "__main__":
    # Run by name: nothing in this package imports the layers above it.
    runpy.run_module("export.interop", run_name="__main__")
