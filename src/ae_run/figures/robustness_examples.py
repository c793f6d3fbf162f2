"""Images under growing corruption, and their reconstructions."""

import numpy as np
from matplotlib.figure import Figure

from ae_run.figures._images import COLUMNS, Block, grid_figure, pick
from ae_run.figures._run_data import RunData
from ae_run.figures._style import Style, plain

TITLE = "Robustness, in pictures"
CAPTION = (
    "Test images under a corruption that grows from left to right (its level stands above), each "
    "with its reconstruction below."
)
_EXAMPLES = 2


def draw(run: RunData, style: Style) -> Figure | None:
    """Needs `robustness_<key>_inputs` and `_outputs` (L, m, C, H, W) of a corruption."""
    blocks: list[Block] = []
    for key, curve in (run.metrics.get("robustness") or {}).items():
        inputs, outputs = (run.array(f"robustness_{key}_{end}") for end in ("inputs", "outputs"))
        if inputs is None or outputs is None:
            continue
        shown = pick(len(inputs), COLUMNS)
        levels = [f"{curve['levels'][index]:g}" for index in shown]
        name = f"{key.replace('_', ' ')} ({curve.get('level_name', 'level')})"
        blocks += [
            Block(
                np.stack([inputs[shown, example], outputs[shown, example]]),
                row_labels=["input", "reconstruction"],
                column_labels=levels if example == 0 else (),
                title=plain(name, 50) if example == 0 else "",
            )
            for example in range(min(_EXAMPLES, inputs.shape[1]))
        ]
    return grid_figure(style, TITLE, run.label, blocks) if blocks else None
