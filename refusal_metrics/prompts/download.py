"""The public data files: pinned, downloaded once, verified before use."""

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants

from refusal_metrics.errors import InputError

_POPQUORN = (
    "https://raw.githubusercontent.com/Jiaxin-Pei/Potato-Prolific-Dataset/dbb118c29b3d9bcce5aa172d8249ded9ece4df84/"
)
_XNLI = "https://huggingface.co/datasets/facebook/xnli/resolve/b8dd5d7af51114dbda02c0e3f6133f332186418e/"
_TIMEOUT_S = 60
_BUSY = (429, 500, 502, 503, 504)


@dataclass(frozen=True)
class PublicFile:
    """A data file at a fixed revision.

    Attributes
    ----------
    name : str
        The name of the local copy, in the cache and in a ``data_dir``.
    url : str
    blob_id : str or None
        Git's id of the file's bytes (sha1 over "blob", the size, a zero byte and the bytes). None where
        none is known to us; the reader then checks what the file holds.
    """

    name: str
    url: str
    blob_id: str | None


PUBLIC_FILES = {
    "nli": PublicFile("xnli_en_test.parquet", _XNLI + "en/test-00000-of-00001.parquet", None),
    "politeness": PublicFile(
        "popquorn_politeness.csv",
        _POPQUORN + "dataset/politeness_rating/raw_data.csv",
        "3fe516d4e280a94bdd80040681c612a7ff9d10b0",
    ),
    "offensiveness": PublicFile(
        "popquorn_offensiveness.csv",
        _POPQUORN + "dataset/offensiveness/raw_data.csv",
        "0e346166fea67d482d9696a6499eedc880e21f84",
    ),
}


def git_blob_id(content: bytes) -> str:
    """Compute git's id of a file's bytes.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    str
        40 hexadecimal digits.
    """
    # SHA-1, because it is git's id of objects; it identifies the file and is not for security.
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def cache_dir() -> Path:
    """Return the folder of downloaded files, next to the Hugging Face caches (``$HF_HOME``)."""
    return Path(constants.HF_HOME) / "persona-refusal"


def locate(kind: str, data_dir: Path | None, check: Callable[[Path], None]) -> Path:
    """Find the public file of a kind: in `data_dir`, else in the cache, else download it.

    Parameters
    ----------
    kind : {"nli", "politeness", "offensiveness"}
    data_dir : Path, optional
        A folder with local copies. A missing file is an error, never a download.
    check : callable
        Called with a newly downloaded file before it enters the cache; raises `InputError` on
        content that is not as expected.

    Returns
    -------
    Path
        A file with the pinned bytes, where the pin has a checksum.

    Raises
    ------
    InputError
        If the file is missing, cannot be downloaded, or is another version.
    """
    file = PUBLIC_FILES[kind]
    if data_dir is not None:
        path = data_dir / file.name
        if not path.is_file():
            raise InputError(f"{path}: no such file; data_dir must contain a copy of {file.url} under that name")
        _check_blob(path, file)
        return path
    path = cache_dir() / file.name
    if path.is_file():
        _check_blob(path, file)
        return path
    content = _download(kind, file)
    if file.blob_id not in (None, git_blob_id(content)):
        raise InputError(
            f"{file.url}: the download is not the pinned version of the file (git blob {file.blob_id}, "
            f"found {git_blob_id(content)}); try again or save that address as {file.name} and pass data_dir=FOLDER"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A folder, since a temporary file of mkstemp stays readable by its owner alone.
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            temporary = Path(folder) / file.name
            temporary.write_bytes(content)
            check(temporary)
            temporary.replace(path)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); set HF_HOME to a folder that can be"
        ) from error
    return path


def _check_blob(path: Path, file: PublicFile) -> None:
    found = git_blob_id(path.read_bytes())
    if file.blob_id not in (None, found):
        raise InputError(
            f"{path}: is not the pinned version of the file (git blob {file.blob_id}, found {found}); "
            f"replace it with {file.url}"
        )


def _download(kind: str, file: PublicFile) -> bytes:
    remedy = (
        f"save that address as {file.name} in a folder and pass data_dir=FOLDER, or pass source=sample "
        "for the small embedded sample"
    )
    if constants.HF_HUB_OFFLINE:
        raise InputError(f"{file.url}: the {kind} data are not in {cache_dir()} and HF_HUB_OFFLINE is set; {remedy}")
    try:
        return get_bytes(file.url)
    except OSError as error:  # which those of requests are
        raise InputError(f"{file.url}: the {kind} data cannot be downloaded ({_reason(error)}); {remedy}") from error


def get_bytes(url: str) -> bytes:
    """Download a file, with three more tries if the server is busy.

    Parameters
    ----------
    url : str

    Returns
    -------
    bytes

    Raises
    ------
    requests.RequestException
        If there is no connection, the server answers with an error, or the connection ends before the file does.
    """
    import requests  # noqa: PLC0415 - a start needs none of it
    from requests.adapters import HTTPAdapter  # noqa: PLC0415 - the same
    from urllib3 import Retry  # noqa: PLC0415 - the same

    # Without a network this fails at once, and a server cannot delay it.
    again = Retry(
        3,
        connect=1,
        backoff_factor=1,
        status_forcelist=_BUSY,
        raise_on_status=False,
        respect_retry_after_header=False,
    )
    with requests.Session() as session:
        for scheme in ("https://", "http://"):
            session.mount(scheme, HTTPAdapter(max_retries=again))
        response = session.get(url, timeout=_TIMEOUT_S)
        response.raise_for_status()
        content: bytes = response.content
        return content


def _reason(error: OSError) -> str:
    """Return why a download failed, without the address, which is long and already in the message."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP {response.status_code} {response.reason}"
    inner = error.args[0] if error.args else error
    return str(getattr(inner, "reason", inner))
