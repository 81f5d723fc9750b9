"""How good generated images are: figures from features and from pixels.

`extractors` makes features of images; `gaussian` and `frechet` (FID), `kernel` (KID),
`inception_score`, `manifold` (precision, recall, density, coverage), `path_length`
(PPL) and `similarity` (L1, PSNR, SSIM, MS-SSIM) are plain functions of arrays; `spec`
reads the names by which figures are asked for.
"""
