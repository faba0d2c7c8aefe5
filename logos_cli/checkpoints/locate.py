"""Find a model: in the package, in a directory, or in the cache of the Hugging Face hub."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from logos_cli.errors import MissingError, UsageError
from logos_cli.resources import EMBEDDED, data_path

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_FILES = ["*.json", "*.safetensors"]
_HASHED_BYTES = 1 << 31


@dataclass(frozen=True, slots=True)
class Location:
    """The path of a model, and its commit if it is from the hub."""

    path: Path
    revision: str | None = None


def is_offline() -> bool:
    """Whether the environment forbids the network (``HF_HUB_OFFLINE``)."""
    return os.environ.get("HF_HUB_OFFLINE", "").strip().lower() in ("1", "true", "yes", "on")


def locate(model: str, revision: str | None = None, *, offline: bool = False) -> Location:
    """Find a model by name.

    Raises
    ------
    UsageError
        If there is no such directory, and the name is not owner/name; or if a version on the hub is asked of a model that
        is not from there.
    MissingError
        If the model is not in the cache and cannot be fetched.
    """
    path = data_path("tokenizers", EMBEDDED) if model == EMBEDDED else Path(model).expanduser()
    if path.exists():
        if revision is not None:
            raise UsageError(
                f"{model} is on this machine and has no revision {revision!r}",
                hint="leave --revision out; it chooses a version on the Hugging Face hub",
            )
        return Location(path)
    if not _HUB_NAME.fullmatch(model):
        raise UsageError(
            "there is no such model",
            source=model,
            hint=f"give a directory, an owner/name of the Hugging Face hub, or {EMBEDDED}, which is embedded",
        )
    return _from_hub(model, revision, offline=offline or is_offline())


def _from_hub(model: str, revision: str | None, *, offline: bool) -> Location:
    import sys

    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    try:
        path = Path(snapshot_download(model, revision=revision, allow_patterns=_FILES, local_files_only=offline))
    except HFValidationError as error:
        raise UsageError(
            f"the name is not owner/name, as models of the hub have it: {first_line(error)}", source=model
        ) from error
    except connection_errors() as error:
        wanted = f" {model}" + (f" --revision {revision}" if revision else "")
        unreachable = "is not in the cache, and connections are forbidden"
        why = unreachable if offline else f"cannot be fetched: {first_line(error)}"
        raise MissingError(
            f"the model {why}", source=model, hint=f"on a machine with network: logos models pull{wanted}"
        ) from error
    # the cache names a snapshot's directory by its commit
    return Location(path, path.name if path.parent.name == "snapshots" else revision)


def connection_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions of a failed connection, which depend on the HTTP library below that of the hub."""
    from huggingface_hub.errors import HfHubHTTPError

    bases = [base for base in HfHubHTTPError.__mro__ if issubclass(base, Exception) and base is not Exception]
    return (OSError, *bases)


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or the name of its class."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def weights_sha256(files: Iterable[Path]) -> str | None:
    """Return the digest of the weights, or None above 2 GiB, where it would take long."""
    paths = sorted(files)
    if sum(path.stat().st_size for path in paths) > _HASHED_BYTES:
        return None
    digests = []
    for path in paths:
        with path.open("rb") as stream:
            digests.append(hashlib.file_digest(stream, "sha256").hexdigest())
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
