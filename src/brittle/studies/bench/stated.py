"""What the manifest in a study's folder says of the last call."""

from pathlib import Path

from brittle.evaluation.command import command_words
from brittle.files import write_atomically
from brittle.identity.sources import own_digest
from brittle.runs.kinds import RUN
from brittle.runs.manifest_info import CodeInfo
from brittle.runs.result_manifests import StudyManifest
from brittle.runs.surroundings import machine, now, versions_of
from brittle.studies.bench.study import Setting


def begun(study: str, asked: str, setting: Setting) -> StudyManifest:
    """Write that a study is running, in place of what was said of the call before.

    A study's cells are named by what determines them, so that a folder goes on with any call; several processes that
    share a study write the same but for the time.

    Args:
        study: its name.
        asked: what the user called it.
        setting: what the user chose.

    Raises:
        RunError: the folder cannot be written.
    """
    data, models = (None if path is None else str(path) for path in (setting.data, setting.models))
    given: dict[str, object] = {"out": setting.folder.parent, "data": data, "models": models, "scale": setting.scale}
    manifest = StudyManifest(
        created=now(),
        command=command_words(["study", asked], given | {"device": setting.device, "seed": setting.seed}),
        seed=setting.seed,
        device=setting.device,
        machine=machine(),
        versions=versions_of(),
        code=CodeInfo(brittle=own_digest()),
        study=study,
        scale=setting.scale,
        data=data,
        models=models,
    )
    return _write(setting.folder, manifest)


def ended(folder: Path, manifest: StudyManifest) -> StudyManifest:
    """Write that the study is finished."""
    return _write(folder, manifest.model_copy(update={"status": "finished", "finished": now()}))


def _write(folder: Path, manifest: StudyManifest) -> StudyManifest:
    write_atomically(folder / RUN, manifest.to_json().encode())
    return manifest
