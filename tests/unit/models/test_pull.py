"""Fetching: what the hub's library raises becomes an error of ours, and disks that are full are known before."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub.errors import HfHubHTTPError

from logos_cli.checkpoints.locate import locate
from logos_cli.errors import ExitCode, MissingError, OutputError
from logos_cli.models.pull import PullPlan, RemoteFile, plan_pull, pull


def test_a_hub_that_cannot_be_reached_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    # the errors of its HTTP library, whichever that is, come through as they are
    library_error = HfHubHTTPError.__mro__[1]
    assert library_error.__name__ == "HTTPError"
    unreachable = type("ConnectError", (library_error,), {})

    def refuse(self: object, *args: object, **kwargs: object) -> None:
        raise unreachable("[Errno 111] Connection refused")

    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", refuse)
    with pytest.raises(MissingError, match=r"cannot be reached: .*refused") as caught:
        plan_pull("LOGOS-Hub/LOGOS-8B", cache=tmp_path)
    assert caught.value.exit_code is ExitCode.MISSING


def test_a_model_that_cannot_be_fetched_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a model is named to any command, errors of the hub's HTTP library are told as ours."""
    import huggingface_hub

    unreachable = type("ConnectError", (HfHubHTTPError.__mro__[1],), {})

    def refuse(*args: object, **kwargs: object) -> None:
        raise unreachable("[Errno 111] Connection refused")

    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(MissingError, match=r"cannot be fetched: .*refused") as caught:
        locate("LOGOS-Hub/LOGOS-8B", "main")
    assert caught.value.hint == "on a machine with network: logos models pull LOGOS-Hub/LOGOS-8B --revision main"


def test_offline_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="connections are forbidden"):
        plan_pull("LOGOS-Hub/LOGOS-8B", cache=tmp_path)  # HF_HUB_OFFLINE is the tests' own setting


def test_a_disk_that_is_too_small_is_known_before(tmp_path: Path) -> None:
    files = (RemoteFile("model.safetensors", 16_400_000_000, "0" * 64),)
    plan = PullPlan("LOGOS-Hub/LOGOS-8B", "main", "a" * 40, files, files, tmp_path, 5_000_000_000)
    with pytest.raises(OutputError, match=r"download has 16\.4 GB, and 5\.0 GB are free"):
        pull(plan)
    assert list(tmp_path.iterdir()) == []
