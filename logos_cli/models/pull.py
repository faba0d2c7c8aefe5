"""Fetch released checkpoints from the Hugging Face hub, resume interrupted downloads, and check digests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import urlsplit

from logos_cli.checkpoints.locate import connection_errors, first_line, is_offline
from logos_cli.errors import MissingError, ModelError, OutputError, UsageError
from logos_cli.models.releases import hub_cache
from logos_cli.models.verify import digest
from logos_cli.processes.lock import LockedError, locked

_WANTED = ("*.json", "*.safetensors", "*.jinja", "README.md", "LICENSE*")
_MAIN = "main"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file on the hub; ``sha256`` is known for large ones."""

    name: str
    n_bytes: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class PullPlan:
    """The files of a model on the hub, and those to fetch.

    Attributes
    ----------
    branch : str
        The requested branch, tag or commit.
    revision : str
        The commit of the branch.
    missing : tuple of RemoteFile
        Files that the cache lacks.
    """

    model: str
    branch: str
    revision: str
    files: tuple[RemoteFile, ...]
    missing: tuple[RemoteFile, ...]
    cache: Path
    free_bytes: int

    @property
    def folder(self) -> Path:
        """The folder of the model in the cache."""
        return self.cache / f"models--{self.model.replace('/', '--')}"

    def part(self, file: RemoteFile) -> Path:
        """Return the path of the incomplete download of a large file."""
        return self.folder / "blobs" / f"{file.sha256}.incomplete"

    @property
    def n_bytes(self) -> int:
        """Bytes to fetch: the missing files minus their incomplete downloads."""
        parts = [self.part(file) for file in self.missing if file.sha256 is not None]
        n_fetched = sum(path.stat().st_size for path in parts if path.is_file())
        return sum(file.n_bytes for file in self.missing) - n_fetched

    def to_dict(self) -> dict[str, object]:
        """Return the plan as a JSON object."""
        fetched = {file.name for file in self.files} - {file.name for file in self.missing}
        return {
            "model": self.model,
            "branch": self.branch,
            "revision": self.revision,
            "cache": str(self.cache),
            "bytes": self.n_bytes,
            "free_bytes": self.free_bytes,
            "files": [
                {"name": file.name, "bytes": file.n_bytes, "sha256": file.sha256, "cached": file.name in fetched}
                for file in self.files
            ],
        }


def plan_pull(model: str, revision: str | None = None, *, cache: Path | None = None, offline: bool = False) -> PullPlan:
    """Return the files of a model on the hub without fetching them.

    Raises
    ------
    MissingError
        If connections are forbidden, or none succeeds.
    UsageError
        If the model does not exist, or has no safetensors.
    """
    import shutil

    if offline or is_offline():
        raise MissingError(
            "fetching a model needs the network, and connections are forbidden",
            source=model,
            hint="remove --offline and unset HF_HUB_OFFLINE; or copy the cache of a machine that has the model",
        )
    cache = cache or hub_cache()
    with _translate_errors(model, revision):
        from huggingface_hub import HfApi

        info = HfApi().model_info(model, revision=revision, files_metadata=True)
    files = tuple(
        RemoteFile(file.rfilename, int(file.size or 0), file.lfs.sha256 if file.lfs else None)
        for file in info.siblings or ()
        if any(fnmatch(file.rfilename, pattern) for pattern in _WANTED)
    )
    if not any(file.name.endswith(".safetensors") for file in files):
        raise UsageError("the model has no safetensors weights, and logos reads no others", source=model)
    commit = str(info.sha)
    existing = next(path for path in (cache, *cache.absolute().parents) if path.exists())
    plan = PullPlan(model, revision or _MAIN, commit, files, files, cache, shutil.disk_usage(existing).free)
    snapshot = plan.folder / "snapshots" / commit
    return replace(plan, missing=tuple(file for file in files if not (snapshot / file.name).is_file()))


def pull(plan: PullPlan, *, progress: Callable[[str, int, int], None] | None = None) -> Path:
    """Fetch the missing files of a plan, and check the digest of every large file.

    Complete files of an interrupted download stay, and an incomplete large file is resumed.

    Returns
    -------
    Path
        The snapshot in the cache, which every command finds by the name of the model.

    Raises
    ------
    MissingError
        If the connection breaks.
    OutputError
        If the cache has too little space.
    ModelError
        If a file differs from the digest of the hub; it is removed.
    """
    if plan.n_bytes > plan.free_bytes:
        raise OutputError(
            f"the download has {plan.n_bytes / 1e9:.1f} GB, and {plan.free_bytes / 1e9:.1f} GB are free",
            source=str(plan.cache),
            hint="choose a place with more space with --cache-dir or HF_HOME",
        )
    from huggingface_hub import hf_hub_download

    for number, file in enumerate(plan.files, start=1):
        if progress is not None:
            progress(file.name, number, len(plan.files))
        with _translate_errors(plan.model, plan.revision):
            if file.sha256 is not None and file in plan.missing:
                _fetch_large(plan, file)
            path = Path(hf_hub_download(plan.model, file.name, revision=plan.revision, cache_dir=plan.cache))
        _check(path, file, plan.model)
    folder = plan.folder
    if plan.branch != plan.revision:  # resolves the branch without a connection
        reference = folder / "refs" / plan.branch
        reference.parent.mkdir(parents=True, exist_ok=True)
        reference.write_text(plan.revision, encoding="utf-8")
    return folder / "snapshots" / plan.revision


def _fetch_large(plan: PullPlan, file: RemoteFile) -> None:
    """Fetch a large file into the blobs of the cache, where the library of the hub finds it.

    That library (2.x) gives every download its own temporary file and starts again after an interruption. Here the
    incomplete file has the name of its digest, and the download resumes at its end. While another process downloads
    the file, the library does.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    part = plan.part(file)
    blob = part.with_suffix("")
    if blob.is_file():
        return
    headers = build_hf_headers()
    url = hf_hub_url(plan.model, file.name, revision=plan.revision)
    metadata = get_hf_file_metadata(url, headers=headers)
    if metadata.etag != file.sha256:  # the cache would give it another name
        return
    if urlsplit(metadata.location).netloc != urlsplit(url).netloc:
        headers.pop("authorization", None)  # the token is only for the hub
    part.parent.mkdir(parents=True, exist_ok=True)
    with suppress(LockedError), locked(part, "fetching"), part.open("ab") as stream:
        n_fetched = stream.tell()
        if n_fetched < file.n_bytes:
            http_get(metadata.location, stream, resume_size=n_fetched, headers=headers, expected_size=file.n_bytes)
        stream.flush()
        _check(part, file, plan.model)
        part.replace(blob)


def _check(path: Path, file: RemoteFile, model: str) -> None:
    if file.sha256 is None or digest(path) == file.sha256:
        return
    path.resolve().unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    raise ModelError(
        f"{file.name} has another SHA-256 than on the hub; it has been removed",
        source=model,
        hint=f"fetch it again: logos models pull {model}",
    )


@contextmanager
def _translate_errors(model: str, revision: str | None) -> Iterator[None]:
    """Turn the errors of the hub's library into those of logos."""
    import sys

    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError, RevisionNotFoundError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    try:
        yield
    except HFValidationError as error:
        raise UsageError("the name is not owner/name, as models of the hub have it", source=model) from error
    except GatedRepoError as error:
        raise MissingError(
            "the hub asks for consent to the terms of the model",
            source=model,
            hint="agree on its page, then: hf auth login",
        ) from error
    except RepositoryNotFoundError as error:
        raise UsageError(
            "the hub has no such model, or does not show it to you",
            source=model,
            hint="logos models list shows the released models",
        ) from error
    except RevisionNotFoundError as error:
        raise UsageError(f"the model has no revision {revision!r}", source=model) from error
    except connection_errors() as error:
        raise MissingError(
            f"the hub cannot be reached: {first_line(error)}",
            source=model,
            hint="try again: fetched files stay in the cache",
        ) from error
