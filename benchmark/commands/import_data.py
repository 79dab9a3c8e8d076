"""`bench data import`: other tools' annotations as the layout of the dataset `folder`."""

from __future__ import annotations

from ..data.importing.archives import unpacked
from ..data.importing.documents import ImportedData
from ..data.importing.output_folder import refuse_target
from ..data.importing.recognition import open_source
from ..data.importing.writing import import_source
from ..io.reporter import Reporter
from ..runs.data_requests import ImportRequest as ImportRequest


def import_data(request: ImportRequest, reporter: Reporter) -> ImportedData:
    """Read a source, write the folder, and say what became of what.

    An archive is unpacked for as long as that takes. Raises UserError for a source that holds no annotations or unsound
    ones, and for a folder that may not be written.
    """
    refuse_target(request.source, request.out, overwrite=request.overwrite)
    with unpacked(request.source, request.out) as place:
        source = open_source(place, request.format)
        with reporter.progress(f"importing {source.format}") as update:
            return import_source(
                source,
                request.source,
                request.out,
                # A link to what is unpacked for the moment alone would lead nowhere.
                copy=request.copy or place != request.source,
                overwrite=request.overwrite,
                progress=lambda done: update(done, 0, ""),
            )
