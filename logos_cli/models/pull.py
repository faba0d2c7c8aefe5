"""Fetching released checkpoints from the Hugging Face hub: what was fetched is kept, and checked by digest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
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
    """What would be fetched.

    Attributes
    ----------
    branch : str
        The branch, tag or commit that was asked for.
    revision : str
        The commit that it stands for.
    missing : tuple of RemoteFile
        What is not in the cache yet.
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
        """The model's place in the cache."""
        return self.cache / f"models--{self.model.replace('/', '--')}"

    def part(self, file: RemoteFile) -> Path:
        """Return where the beginning of a large file is kept until all of it is there."""
        return self.folder / "blobs" / f"{file.sha256}.incomplete"

    @property
    def n_bytes(self) -> int:
        """Bytes to fetch: what is missing, less the beginnings that are there."""
        begun = [self.part(file) for file in self.missing if file.sha256 is not None]
        here = sum(path.stat().st_size for path in begun if path.is_file())
        return sum(file.n_bytes for file in self.missing) - here

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, JSON-ready."""
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
    """Ask the hub what a model consists of; nothing is fetched.

    Raises
    ------
    MissingError
        If no connection may be made or none succeeds.
    UsageError
        If there is no such model, or it holds no safetensors.
    """
    import shutil

    if offline or is_offline():
        raise MissingError(
            "fetching needs the network, and no connection may be made",
            source=model,
            hint="leave out --offline and unset HF_HUB_OFFLINE; or copy the cache of a machine that has the model",
        )
    place = cache or hub_cache()
    with _explained(model, revision):
        from huggingface_hub import HfApi

        info = HfApi().model_info(model, revision=revision, files_metadata=True)
    files = tuple(
        RemoteFile(each.rfilename, int(each.size or 0), each.lfs.sha256 if each.lfs else None)
        for each in info.siblings or ()
        if any(fnmatch(each.rfilename, pattern) for pattern in _WANTED)
    )
    if not any(file.name.endswith(".safetensors") for file in files):
        raise UsageError("the model has no safetensors weights, the only ones that logos reads", source=model)
    commit = str(info.sha)
    existing = next(path for path in (place, *place.absolute().parents) if path.exists())
    plan = PullPlan(model, revision or _MAIN, commit, files, files, place, shutil.disk_usage(existing).free)
    snapshot = plan.folder / "snapshots" / commit
    return replace(plan, missing=tuple(file for file in files if not (snapshot / file.name).is_file()))


def pull(plan: PullPlan, *, progress: Callable[[str, int, int], None] | None = None) -> Path:
    """Fetch what a plan names, and check every large file by its digest.

    Files that were complete before an interruption are kept, and a large one that broke off is gone on with.

    Returns
    -------
    Path
        The snapshot in the cache: any command takes the model by its name from then on.

    Raises
    ------
    MissingError
        If the connection breaks.
    OutputError
        If the cache cannot hold it.
    ModelError
        If a file is not what the hub promised; it is removed.
    """
    if plan.n_bytes > plan.free_bytes:
        raise OutputError(
            f"{plan.n_bytes / 1e9:.1f} GB are to be fetched; {plan.free_bytes / 1e9:.1f} GB are free",
            source=str(plan.cache),
            hint="give --cache-dir, or set HF_HOME, to a place with more room",
        )
    from huggingface_hub import hf_hub_download

    for number, file in enumerate(plan.files, start=1):
        if progress is not None:
            progress(file.name, number, len(plan.files))
        with _explained(plan.model, plan.revision):
            if file.sha256 is not None and file in plan.missing:
                _fetch_large(plan, file)
            path = Path(hf_hub_download(plan.model, file.name, revision=plan.revision, cache_dir=plan.cache))
        _check(path, file, plan.model)
    folder = plan.folder
    if plan.branch != plan.revision:  # so that the branch is found without a connection
        reference = folder / "refs" / plan.branch
        reference.parent.mkdir(parents=True, exist_ok=True)
        reference.write_text(plan.revision, encoding="utf-8")
    return folder / "snapshots" / plan.revision


def _fetch_large(plan: PullPlan, file: RemoteFile) -> None:
    """Put a large file among the cache's blobs, from where the hub's library takes it up.

    That library (2.x) gives every download a temporary file of its own and begins anew after an interruption. Here
    the beginning is kept under the digest of the whole, and asked for from its end on. While another process is at
    it, the library's way is left to go.
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
    found = get_hf_file_metadata(url, headers=headers)
    if found.etag != file.sha256:  # it would be kept under another name
        return
    if urlsplit(found.location).netloc != urlsplit(url).netloc:
        headers.pop("authorization", None)  # a key is for the hub alone
    part.parent.mkdir(parents=True, exist_ok=True)
    with suppress(LockedError), locked(part, "fetching"), part.open("ab") as stream:
        here = stream.tell()
        if here < file.n_bytes:
            http_get(found.location, stream, resume_size=here, headers=headers, expected_size=file.n_bytes)
        stream.flush()
        _check(part, file, plan.model)
        part.replace(blob)


def _check(path: Path, file: RemoteFile, model: str) -> None:
    if file.sha256 is None or digest(path) == file.sha256:
        return
    path.resolve().unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    raise ModelError(
        f"{file.name} is not what the hub promised (its SHA-256 differs); it has been removed",
        source=model,
        hint=f"fetch it again: logos models pull {model}",
    )


@contextmanager
def _explained(model: str, revision: str | None) -> Iterator[None]:
    """Turn the errors of the hub's library into ours."""
    import sys

    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError, RevisionNotFoundError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    try:
        yield
    except HFValidationError as error:
        raise UsageError("this is no name of the hub: owner/name is expected", source=model) from error
    except GatedRepoError as error:
        raise MissingError(
            "the model asks for a consent", source=model, hint="give it on the hub's page, then: hf auth login"
        ) from error
    except RepositoryNotFoundError as error:
        raise UsageError(
            "the hub has no such model, or does not show it to you",
            source=model,
            hint="logos models list names what has been released",
        ) from error
    except RevisionNotFoundError as error:
        raise UsageError(f"the model has no revision {revision!r}", source=model) from error
    except connection_errors() as error:
        raise MissingError(
            f"the hub cannot be reached: {first_line(error)}", source=model, hint="what was fetched is kept: try again"
        ) from error
