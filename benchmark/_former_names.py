"""Former names of segbench: an old import works for one more release, with a DeprecationWarning.

Whoever moves or renames something that a plugin or a notebook can import adds a line here, and nothing else.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MODULES = {
    "segbench.archives": "segbench.data.download.unpack",
    "segbench.basins": "segbench.methods.watershed_lines",
    "segbench.cardiac.agreement_plots": "segbench.figures.cardiac.agreement",
    "segbench.cardiac.loops": "segbench.figures.cardiac.loops",
    "segbench.cardiac.naming": "segbench.text",
    "segbench.cardiac.overlay": "segbench.figures.cardiac.overlay",
    "segbench.cardiac.pages": "segbench.figures.cardiac.pages",
    "segbench.cardiac.plots": "segbench.figures.cardiac.curves",
    "segbench.cardiac.report": "segbench.cardiac.to_json",
    "segbench.cardiac.sequences": "segbench.runs.cardiac.mask_sequences",
    "segbench.cardiac.strip": "segbench.figures.cardiac.film_strip",
    "segbench.cityscapes_access": "segbench.data.download.cityscapes_login",
    "segbench.classical": "segbench.methods.classical.method",
    "segbench.coco": "segbench.predictions.coco_results",
    "segbench.coco_annotations": "segbench.data.coco_annotations",
    "segbench.code_version": "segbench.runs.code_hash",
    "segbench.commands.cardiac_propagation": "segbench.runs.cardiac.propagation",
    "segbench.comparison": "segbench.evaluation.comparison",
    "segbench.conventions": "segbench.evaluation.conventions",
    "segbench.definitions": "segbench.data.self_defined",
    "segbench.devices": "segbench.runs.devices",
    "segbench.diagnosis.case": "segbench.diagnosis.checked_predictions",
    "segbench.diagnosis.damage": "segbench.diagnosis.lossy_files",
    "segbench.diagnosis.files": "segbench.diagnosis.lenient_reading",
    "segbench.diagnosis.looks": "segbench.diagnosis.sampled_pixels",
    "segbench.diagnosis.sets": "segbench.diagnosis.repeated_maps",
    "segbench.diagnosis.stems": "segbench.diagnosis.misassigned",
    "segbench.diagnosis.steps": "segbench.diagnosis.remedy_functions",
    "segbench.download": "segbench.data.download.fetch",
    "segbench.environment": "segbench.runs.environment",
    "segbench.evaluator": "segbench.evaluation.evaluator",
    "segbench.files": "segbench.io.atomic",
    "segbench.folder_classes": "segbench.data.own_folder.classes_file",
    "segbench.folder_inspection": "segbench.data.own_folder.inspection",
    "segbench.folder_masks": "segbench.data.own_folder.masks",
    "segbench.forest": "segbench.methods.classical.random_forest",
    "segbench.frames": "segbench.data.image_sources",
    "segbench.images": "segbench.io.images.read",
    "segbench.interrupts": "segbench.io.interrupts",
    "segbench.intervals": "segbench.evaluation.intervals",
    "segbench.kept": "segbench.predictions.stored",
    "segbench.latency": "segbench.runs.latency",
    "segbench.layout": "segbench.data.listing",
    "segbench.library_conventions": "segbench.evaluation.library_conventions",
    "segbench.matching": "segbench.predictions.matching",
    "segbench.metrics.checks": "segbench.metrics.label_checks",
    "segbench.metrics.counting": "segbench.metrics.joint_counts",
    "segbench.metrics.sums": "segbench.metrics.exact_sums",
    "segbench.numbering": "segbench.data.frame_numbers",
    "segbench.objects": "segbench.predictions.cityscapes_instances",
    "segbench.pictures": "segbench.methods.classical.working_image",
    "segbench.plots": "segbench.figures.score_plots",
    "segbench.png": "segbench.io.images.png",
    "segbench.prefetch": "segbench.data.decode_ahead",
    "segbench.presets": "segbench.runs.presets",
    "segbench.records": "segbench.runs.record",
    "segbench.regions": "segbench.methods.classical.region_classes",
    "segbench.reporting": "segbench.io.reporter",
    "segbench.rle": "segbench.io.images.rle",
    "segbench.sample_checks": "segbench.data.sample_checks",
    "segbench.scoring": "segbench.evaluation.scoring",
    "segbench.search": "segbench.methods.classical.search",
    "segbench.seeds": "segbench.boards.seed_groups",
    "segbench.splits": "segbench.data.splits",
    "segbench.statistics": "segbench.evaluation.statistics",
    "segbench.strict_yaml": "segbench.io.yaml",
    "segbench.submissions": "segbench.predictions.official_formats",
    "segbench.suite_state": "segbench.runs.suite.state",
    "segbench.suites": "segbench.runs.suite.spec",
    "segbench.synthetic.backdrops": "segbench.synthetic.painting.backdrops",
    "segbench.synthetic.cityscapes_street": "segbench.synthetic.cityscapes.street",
    "segbench.synthetic.cocostuff_looks": "segbench.synthetic.cocostuff.surfaces",
    "segbench.synthetic.cocostuff_scene": "segbench.synthetic.cocostuff.scene",
    "segbench.synthetic.folder": "segbench.synthetic.output_folder",
    "segbench.synthetic.isbi2012_microscope": "segbench.synthetic.isbi2012.microscope",
    "segbench.synthetic.isbi2012_tissue": "segbench.synthetic.isbi2012.tissue",
    "segbench.synthetic.medaka_heart": "segbench.synthetic.medaka.heart",
    "segbench.synthetic.medaka_render": "segbench.synthetic.medaka.render",
    "segbench.synthetic.medaka_scenery": "segbench.synthetic.medaka.scenery",
    "segbench.synthetic.outlines": "segbench.synthetic.painting.outlines",
    "segbench.synthetic.scenes": "segbench.synthetic.painting.scenes",
    "segbench.synthetic.silhouettes": "segbench.synthetic.painting.silhouettes",
    "segbench.synthetic.textures": "segbench.synthetic.painting.textures",
    "segbench.tensors": "segbench.io.images.tensors",
    "segbench.training": "segbench.methods.training",
    "segbench.training.arrays": "segbench.methods.targets",
    "segbench.training.augmentation": "segbench.methods.training.augmentation",
    "segbench.training.cache": "segbench.methods.training.cache",
    "segbench.training.checkpoint": "segbench.methods.training.checkpoint",
    "segbench.training.compute": "segbench.methods.training.precision",
    "segbench.training.config": "segbench.methods.training.config",
    "segbench.training.engine": "segbench.methods.training.engine",
    "segbench.training.inference": "segbench.methods.training.inference",
    "segbench.training.loading": "segbench.methods.training.loading",
    "segbench.training.losses": "segbench.methods.training.losses",
    "segbench.training.macs": "segbench.methods.training.macs",
    "segbench.training.method": "segbench.methods.training.method",
    "segbench.training.networks": "segbench.methods.training.networks",
    "segbench.training.schedule": "segbench.methods.training.schedule",
    "segbench.training.weights": "segbench.methods.training.weights",
    "segbench.tuning": "segbench.methods.classical.objectives",
    "segbench.verification": "segbench.data.verification",
    "segbench.verified": "segbench.data.verification_cache",
    "segbench.video": "segbench.io.images.video",
    "segbench.web": "segbench.io.http",
}
"""Former name of a module, and its name now. What is below a package moved with it only where it is named too."""

NAMES = {
    "segbench.commands.predict.load_method": "segbench.runs.fitted_method.load_method",
    "segbench.commands.predict.predict_frames": "segbench.runs.fitted_method.predict_frames",
    "segbench.data.ARCHIVES": "segbench.data.locations.ARCHIVES",
    "segbench.data.DOWNLOADED": "segbench.data.locations.DOWNLOADED",
    "segbench.data.DOWNLOAD_LOCK": "segbench.data.locations.DOWNLOAD_LOCK",
    "segbench.data.Location": "segbench.data.locations.Location",
    "segbench.data.MARKER": "segbench.data.locations.MARKER",
    "segbench.data.MadeBy": "segbench.data.locations.MadeBy",
    "segbench.data.Origin": "segbench.data.locations.Origin",
    "segbench.data.Source": "segbench.data.locations.Source",
    "segbench.data.cache_home": "segbench.data.locations.cache_home",
    "segbench.data.data_home": "segbench.data.locations.data_home",
    "segbench.data.data_sha256": "segbench.data.locations.data_sha256",
    "segbench.data.default_root": "segbench.data.locations.default_root",
    "segbench.data.locate": "segbench.data.locations.locate",
    "segbench.data.made_by": "segbench.data.locations.made_by",
    "segbench.data.origin_of": "segbench.data.locations.origin_of",
    "segbench.data.read_all": "segbench.data.locations.read_all",
    "segbench.data.synthetic_root": "segbench.data.locations.synthetic_root",
    "segbench.data.file_sha256": "segbench.io.fingerprints.file_sha256",
    "segbench.data.files_sha256": "segbench.io.fingerprints.files_sha256",
    "segbench.data.ids_sha256": "segbench.io.fingerprints.ids_sha256",
    "segbench.data.self_defined.recorded_info": "segbench.runs.record.recorded_info",
    "segbench.errors.counted": "segbench.text.counted",
    "segbench.errors.printable": "segbench.text.printable",
    "segbench.errors.runs_of": "segbench.text.runs_of",
    "segbench.evaluation.POOL_FROM": "segbench.evaluation.evaluate.POOL_FROM",
    "segbench.evaluation.Pair": "segbench.evaluation.evaluate.Pair",
    "segbench.evaluation.measure": "segbench.evaluation.evaluate.measure",
    "segbench.evaluation.PredictionFile": "segbench.predictions.files.PredictionFile",
    "segbench.evaluation.PredictionSource": "segbench.types.PredictionSource",
    "segbench.evaluation.parts_of": "segbench.types.parts_of",
    "segbench.evaluation.scoring.told_in_details": "segbench.runs.record.told_in_details",
    "segbench.io.images.read.as_image": "segbench.io.images.picture.as_picture",
    "segbench.io.images.read.luma": "segbench.io.images.picture.luma",
    "segbench.io.images.read.read_image": "segbench.io.images.picture.read_picture",
    "segbench.metrics.overlap.confusion": "segbench.metrics.pair_counts.confusion",
    "segbench.predictions.find_predictions": "segbench.predictions.find.find_predictions",
    "segbench.predictions.prediction_labels": "segbench.predictions.find.prediction_labels",
    "segbench.predictions.write_prediction": "segbench.predictions.find.write_prediction",
    "segbench.predictions.write_stack": "segbench.predictions.find.write_stack",
    "segbench.predictions.Found": "segbench.predictions.matching.Found",
    "segbench.predictions.stored.Keeper": "segbench.predictions.stored.PredictionWriter",
    "segbench.predictions.stored.as_kept": "segbench.predictions.stored.as_stored",
    "segbench.predictions.stored.keep_found": "segbench.predictions.stored.store_found",
    "segbench.predictions.matching.files_below": "segbench.io.listing.files_below",
    "segbench.predictions.matching.some": "segbench.text.some",
    "segbench.registry.unknown": "segbench.text.unknown",
    "segbench.runs.load_runs": "segbench.runs.table.load_runs",
    "segbench.runs.record.Score": "segbench.evaluation.scores.Score",
    "segbench.runs.record.defined": "segbench.evaluation.scores.defined",
    "segbench.runs.record.plain": "segbench.io.plain_values.plain",
    "segbench.runs.record.CHECKPOINT": "segbench.runs.folder.CHECKPOINT",
    "segbench.runs.record.PREDICTIONS": "segbench.runs.folder.PREDICTIONS",
    "segbench.runs.record.RECORD": "segbench.runs.folder.RECORD",
    "segbench.runs.record.STATISTICS": "segbench.runs.folder.STATISTICS",
    "segbench.runs.record.refuse_foreign": "segbench.runs.folder.refuse_foreign",
    "segbench.runs.record.run_id": "segbench.runs.record.run_id_of",
    "segbench.runs.suite.spec.make_plan": "segbench.runs.suite.grid.make_plan",
}
"""What left a module that is still there: where it was, and where it is. The module names `former_names(__name__)`."""


def former_names(module: str) -> Callable[[str], Any]:
    """The `__getattr__` of a module that names have left: it imports them from where they are now."""

    def moved(name: str) -> Any:
        old = f"{module}.{name}"
        if old not in NAMES:
            raise AttributeError(f"module '{module}' has no attribute '{name}'")
        home, _, now = NAMES[old].rpartition(".")
        _warn(old, NAMES[old])
        return getattr(importlib.import_module(home), now)

    return moved


class FormerModules:
    """Meta-path finder and loader of `MODULES`.

    It is asked first: the folder of a package that moved would else be searched under its former name too, and give
    second copies of its modules.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        """A spec for a former name, None for any other.

        Raises
        ------
        ModuleNotFoundError
            For `segbench.benchmark`: as a folder of a checkout it would give second copies of all types.
        """
        del path, target
        if fullname == "segbench.benchmark":
            raise ModuleNotFoundError(
                f"'benchmark' is the folder of 'segbench' itself: write 'segbench.types', not '{fullname}.types'",
                name=fullname,
            )
        loader: Any = self
        return ModuleSpec(fullname, loader) if fullname in MODULES else None

    def create_module(self, spec: ModuleSpec) -> None:
        """An empty module, which is thrown away: the spec of the real one is left as it is."""
        del spec

    def exec_module(self, module: ModuleType) -> None:
        """Put the real module in the place of the empty one."""
        name = module.__name__
        _warn(name, MODULES[name])
        sys.modules[name] = importlib.import_module(MODULES[name])


def _warn(old: str, new: str) -> None:
    """Blame the line that asked: frames of the import machinery do not count."""
    message = f"'{old}' is '{new}' now; the former name goes with the next release"
    warnings.warn(message, DeprecationWarning, stacklevel=3)
