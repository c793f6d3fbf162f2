"""The page of a run: one file that opens from disk and asks for nothing else.

Images, style and script are inside, and a content security policy forbids everything else, so
that a run folder from somebody else can be looked at safely. Nothing here imports torch.
"""

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ae_run.drawing import run_data
from ae_run.report import _codes, _facts, _pictures
from ae_run.run_folder import RunFolder, write_bytes

_TEMPLATES = Path(__file__).parent / "templates"


def write(folder: RunFolder) -> Path:
    """Write `report.html` from what the folder holds, be the run finished or not.

    Returns:
        The page's path.

    Raises:
        UserError: a file of the run cannot be read.
    """
    run = run_data.load(folder)
    script = (_TEMPLATES / "page.js").read_text(encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sections = _pictures.sections(folder)
    html = environment.get_template("page.html").render(
        style=Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        heading=_facts.heading(run, folder),
        status=_facts.status(run, folder),
        tiles=_facts.tiles(run),
        bars=_facts.bars(run),
        scores=_facts.score_tables(run),
        facts=_facts.facts(run),
        data_facts=_facts.data_facts(run),
        skipped=_facts.skipped(run),
        config=folder.file("config.yaml").read_text(encoding="utf-8", errors="replace")
        if folder.has("config.yaml")
        else "",
        command=run.run.get("command"),
        sections=sections,
        scatter=_codes.scatter(run),
        files=_pictures.files(folder),
    )
    path = folder.file("report.html")
    write_bytes(path, html.encode())
    return path
