"""Which model to load, and what computes it: values only, so that what names them loads nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from logos_cli.errors import UsageError
from logos_cli.resources import EMBEDDED


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """Which model to load, and what computes it.

    Attributes
    ----------
    model : str
        ``logos-nano`` (embedded), a directory, a file, or an ``owner/name`` of the Hugging Face hub.
    revision : str, optional
        Branch, tag or commit on the hub.
    backend : str
        ``auto`` or the name of a backend.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    dtype : str
        ``auto``, ``float32``, ``bfloat16``, ``float16``, or, for weights in fewer bits, ``int8`` or ``nf4``.
    devices : str, optional
        Several devices that share the work, ``0,1`` or ``cuda:0,cuda:1``; instead of ``device``.
    threads : int, optional
        CPU threads; None leaves it to the backend.
    batch_size : int, optional
        The most sequences at a time; None leaves it to backend and memory. It does not change results.
    offline : bool
        Open no connection, whatever is missing.
    gpu_layers, kv_type, mmap : optional
        For the backend llamacpp: layers on the GPU, type of the cached keys and values, whether the file is
        mapped into memory. None leaves them to the backend; others refuse them.
    base_url : str, optional
        For the backend remote: the server's address, or several separated by commas; ``model`` is then a name that
        the server knows.

    Raises
    ------
    UsageError
        If a number is below 1, or ``device`` and ``devices`` are both given.
    """

    model: str = EMBEDDED
    revision: str | None = None
    backend: str = "auto"
    device: str = "auto"
    dtype: str = "auto"
    devices: str | None = None
    threads: int | None = None
    batch_size: int | None = None
    offline: bool = False
    gpu_layers: int | None = None
    kv_type: str | None = None
    mmap: bool | None = None
    base_url: str | None = None

    def __post_init__(self) -> None:
        for name, value, most in (("batch-size", self.batch_size, 10**9), ("threads", self.threads, 4096)):
            if value is not None and not 1 <= value <= most:
                raise UsageError(f"{name} is {value}; it must be 1 or more, and at most {most:,}")
        if self.devices is not None and self.device != "auto":
            raise UsageError("--device and --devices exclude each other", hint="give one of them")

    @property
    def places(self) -> tuple[str, ...]:
        """The devices that share the work: those of ``devices`` (``0,1`` are the first two CUDA devices), or the one.

        Raises
        ------
        UsageError
            If a name is missing.
        """
        if self.devices is None:
            return (self.device,)
        names = [name.strip() for name in self.devices.split(",")]
        if not all(names):
            raise UsageError(f"--devices {self.devices!r} lacks a name", hint="give them like 0,1 or cuda:0,cuda:1")
        return tuple(f"cuda:{name}" if name.isdigit() else name for name in names)

    def on(self, device: str, threads: int | None = None) -> LoadOptions:
        """Return the options of one model on one device, with its share of the threads."""
        return replace(self, device=device, devices=None, threads=threads if self.threads is None else self.threads)
