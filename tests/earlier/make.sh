#!/usr/bin/env bash
# Made c179826.zip in an empty folder, with that commit's tree on PYTHONPATH.
set -euo pipefail

python - <<'PYTHON'
from pathlib import Path

import numpy as np
from tests.trainers.systems import pairs, photos

for made in (pairs, photos):
    folder = Path(made.__name__)
    folder.mkdir()
    made(folder)
captions = [path.read_text().strip() for path in sorted(Path("photos").rglob("*.txt"))]
vectors = np.random.default_rng(0).normal(size=(len(captions), 2)).astype("float32")
np.savez("embeddings.npz", caption=captions, vector=vectors)
PYTHON

run() {
  python -m "trainers.$1" --preset=cpu --dataset="folder:$2" --model_dir="runs/$1" \
    --batch_size=2 --eval_every=2 "${@:3}"
  python -m export.saved_model --model_dir="runs/$1" --export_dir=models
}

run pix2pix pairs --image_size=8 --steps=2 --filters=1 --downsamplings=2 --norm=batch \
  --discriminator_filters=1 --discriminator_layers=1 --metrics=l1
run cgan photos --image_size=16 --steps=2 --filters=1 --discriminator_filters=1 \
  --latent_size=4
run stylegan photos --image_size=16 --latent_size=4 --w_size=4 --mapping_layers=1 \
  --fmap_max=2 --batch_sizes= --classes=2 --kimg_per_phase=0.002 --kimg=0.004
run srgan photos --image_size=16 --filters=1 --residual_blocks=1 \
  --discriminator_filters=1 --mse_steps=1 --adversarial_steps=1
run stackgan photos --image_size=32 --stage_one_size=16 --filters=4 \
  --discriminator_filters=4 --condition_size=2 --latent_size=2 --residual_blocks=1 \
  --first_stage_steps=1 --second_stage_steps=1 --embeddings=embeddings.npz

# What opens and resumes a training, and what serves; of srgan's two networks one.
rm -r runs/*/{logs,samples} models/*.{yml,config} models/srgan_srresnet* \
  models/*/*/assets.extra/tf_serving_warmup_requests
zip -9 -r c179826.zip runs models
