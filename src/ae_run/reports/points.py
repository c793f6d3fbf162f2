"""Three-dimensional points for the page, small enough to stand in it."""

from typing import Any

import numpy as np

from ae_run.drawing.run_data import RunData

_MOST = 1000


def cloud(run: RunData, name: str) -> dict[str, Any] | None:
    """The t-SNE embedding of a run's codes, else their principal axes, scaled to ±1000."""
    for title, key, of in (
        ("t-SNE", "tsne_3d", "tsne_labels"),
        ("PCA", "codes_3d", "codes_labels"),
    ):
        points, labels = run.array(key), run.array(of)
        if points is not None and labels is not None:
            points = points[:_MOST] - points[:_MOST].mean(0)
            scaled = np.rint(1000 * points / np.abs(points).max()).astype(int)
            return {
                "title": f"{name}: {title}",
                "points": scaled.tolist(),
                "labels": labels[:_MOST].tolist(),
                "names": run.names(labels),
            }
    return None
