"""What a score has to beat: PCA with the same code size, and the mean image."""

import numpy as np

from ae_run.data import Part


def baselines(train: Part, test: Part, latent_dim: int) -> dict[str, dict[str, float]]:
    """Test MSE, in units of [0, 1] pixels, of baselines fitted to the training images.

    `pca`: principal components with the code size of the model, or as many as the images
    allow. `mean`: every image reconstructed as the mean training image.
    """
    from sklearn.decomposition import PCA

    x, y = _flat(train), _flat(test)
    components = min(latent_dim, *x.shape)
    pca = PCA(components, random_state=0).fit(x)
    output = pca.inverse_transform(pca.transform(y))
    return {
        "pca": {"mse": _mse(output, y), "components": components},
        "mean": {"mse": _mse(x.mean(0), y)},
    }


def project_to_2d(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes (n, d) in two dimensions (n, 2), and the names of the axes (2,).

    As they are where d is 1 or 2 (a second coordinate of 0 is added to one), else by PCA.
    """
    n, d = codes.shape
    if d == 1:
        return np.hstack([codes, np.zeros_like(codes)]), np.array(["code", ""])
    if d == 2:
        return codes, np.array(["code 1", "code 2"])
    from sklearn.decomposition import PCA

    pca = PCA(min(2, n), random_state=0).fit(codes)
    points = pca.transform(codes)
    shares = pca.explained_variance_ratio_
    if points.shape[1] < 2:
        points, shares = np.pad(points, ((0, 0), (0, 1))), np.append(shares, 0.0)
    names = [
        f"PC {i + 1} ({share:.0%} of variance)" for i, share in enumerate(np.nan_to_num(shares))
    ]
    return points.astype(np.float32), np.array(names)


def _flat(part: Part) -> np.ndarray:
    return part.images.reshape(len(part), -1).astype(np.float32) / 255


def _mse(output: np.ndarray, target: np.ndarray) -> float:
    return float(np.square(output - target, dtype=np.float64).mean())
