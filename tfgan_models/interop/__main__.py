"""Networks from other projects' files, and ours for other projects.

    python -m tfgan_models.interop --from=junyanz --weights=latest_net_G.pth \
        --output=models
    python -m tfgan_models.interop --to=junyanz --weights=models/mine_a2b.keras \
        --output=mine_a2b.safetensors

--from writes what export.saved_model writes of a training: SavedModels that a server
is started on, and .keras files. Nothing in a file is ever executed.
"""

import runpy

if __name__ == "__main__":
    # By its name, to run: nothing in this package imports what is above it.
    runpy.run_module("export.interop", run_name="__main__")
