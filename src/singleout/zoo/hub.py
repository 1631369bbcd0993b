"""Files from the Hugging Face hub, by its own client: it resumes, knows the user's token and ``HF_ENDPOINT``."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from singleout.zoo.addresses import Address
from singleout.zoo.download import DownloadError


def fetch_hub_file(address: Address, to: Path) -> None:
    """One file of a repository. Raises DownloadError, in one line, for whatever the hub's client refuses."""
    from huggingface_hub import hf_hub_download

    def client(folder: Path) -> str:
        return hf_hub_download(
            address.repo,
            address.file,
            revision=address.revision,
            local_dir=folder,
            endpoint=os.environ.get("HF_ENDPOINT"),
        )

    # Beside the target, so that what a stopped download left is found again and the move costs nothing.
    folder = to.with_name(f".{to.name}.hub")
    path = Path(_asked(client, folder, f"{address.repo}/{address.file}"))
    path.replace(to)
    shutil.rmtree(folder, ignore_errors=True)


def fetch_hub_files(repo: str, patterns: list[str], to: Path) -> None:
    """The files of a repository that match patterns, as a folder. Raises DownloadError as above."""
    from huggingface_hub import snapshot_download

    def client(folder: Path) -> str:
        endpoint = os.environ.get("HF_ENDPOINT")
        return snapshot_download(repo, allow_patterns=patterns, local_dir=folder, endpoint=endpoint)

    with tempfile.TemporaryDirectory(prefix="singleout-") as scratch:
        folder = Path(_asked(client, Path(scratch) / "files", repo))
        for file in folder.iterdir():
            if file.is_file():
                shutil.copyfile(file, to / file.name)


def _asked(client: Callable[[Path], str], folder: Path, what: str) -> str:
    try:
        return client(folder)
    except Exception as error:
        # What its transport raises belongs to an HTTP library that changes with the client's version.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DownloadError(f"the hub does not give {what}: {reason[:200]}") from error
