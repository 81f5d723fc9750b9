"""Inception Score (Salimans et al., arXiv:1606.03498)."""

import numpy as np

SPLITS = 10


def inception_score(
    logits: np.ndarray, splits: int = SPLITS, seed: int = 0
) -> tuple[float, float]:
    """Returns exp of the mean KL divergence of each image's classes from all images'.

    Args:
        logits: A classifier's, [N, classes].
        splits: Number of parts, with a score for each.
        seed: For shuffling before the split.

    Returns:
        Mean and standard deviation over the parts; from 1 to the number of classes,
        higher is better.

    Raises:
        ValueError: The argument is not logits, or there are fewer images than parts.
    """
    if np.ndim(logits) != 2:
        raise ValueError(
            "An Inception Score needs logits [N, classes], the second output of an "
            f"extractor. Received: {np.shape(logits)}"
        )
    count = len(logits)
    if count < splits:
        raise ValueError(
            f"An Inception Score in {splits} splits needs at least {splits} images. "
            f"Received: {count}"
        )
    order = np.random.RandomState(seed).permutation(count)
    logs = _log_softmax(np.asarray(logits, np.float64)[order])
    scores = []
    for i in range(splits):
        part = logs[i * count // splits : (i + 1) * count // splits]
        probabilities = np.exp(part)
        marginal = np.log(probabilities.mean(axis=0))
        scores.append(np.exp((probabilities * (part - marginal)).sum(axis=1).mean()))
    return float(np.mean(scores)), float(np.std(scores))


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
