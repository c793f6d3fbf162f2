"""`task=encode`: codes, labels and reconstruction errors of images as an `.npz` file."""

from pathlib import Path

import torch

from ae_run import data, devices, models, processes
from ae_run.errors import UserError
from ae_run.evaluation.coded import coded
from ae_run.job import Job
from ae_run.progress import Parts
from ae_run.run_folder import RunFolder
from ae_run.training import checkpoints

_NAME = "codes.npz"
_SPLITS = 3


def encode(job: Job) -> Path:
    """Encode the images of the job's data, which need not be those that the run was trained on.

    Returns:
        The file.

    Raises:
        UserError: the images have another shape than the run's, or the file cannot be written.
    """
    config, folder = job.config, job.folder
    assert folder is not None
    target = processes.expanded(config.output) if config.output else folder.file(_NAME)
    if target.suffix != ".npz":
        raise UserError(f"output={target}: must end in .npz")
    if not target.parent.is_dir():
        raise UserError(f"output={target}: no such folder: {target.parent}")
    device = devices.resolve(config.device)
    shape = tuple(folder.read_json("run.json")["data"]["image_shape"])
    dataset = data.load(config.data)
    if dataset.image_shape != shape:
        wanted, given = (" × ".join(map(str, one)) for one in (shape, dataset.image_shape))
        raise UserError(f"data={config.data.name}: images are {given}; the run's are {wanted}")
    model = models.build(config.model, shape)
    checkpoints.load_weights(folder, model)
    model = model.to(device, torch.float32).to(memory_format=torch.channels_last).eval()
    with Parts(folder, "encode", _SPLITS) as part:
        arrays = coded(model, dataset, device, config.evaluate.batch_size, part)
    RunFolder(target.parent, quiet=True).write_arrays(target.name, arrays)
    error = float(arrays["mse"].mean())
    folder.say(f"encoded  {len(arrays['codes']):,} images, mean MSE {error:.5f}")
    folder.say(f"codes    {target}")
    return target
