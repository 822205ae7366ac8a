"""Text sources: the rows that a study draws from, each with its text, class and ids."""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path

from refusal_metrics.errors import InputError, unknown_name
from refusal_metrics.prompts.design import TEXT_FIELDS
from refusal_metrics.prompts.download import PUBLIC_FILES, locate
from refusal_metrics.reading import Table, load_table

NLI_CLASSES = ("entailment", "neutral", "contradiction")
"""In the order of XNLI's numbers 0, 1, 2."""

RATINGS = ("1", "2", "3", "4", "5")

CLASSES: Mapping[str, tuple[str, ...]] = {"nli": NLI_CLASSES, "politeness": RATINGS, "offensiveness": RATINGS}
"""The classes of a kind, which are the strata of the sample."""

PUBLIC, SAMPLE = "public", "sample"
_XNLI_ROWS_PER_CLASS = 1_670


@dataclass(frozen=True)
class Texts:
    """The rows of a text source.

    Attributes
    ----------
    kind : {"nli", "politeness", "offensiveness"}
    fields : dict
        Text field to a list of (n_rows,) str.
    text_ids, row_ids, strata : list of str
        (n_rows,). Rows that share a text share a text_id (for NLI: the premise).
    checksum : str
        sha256 of the file's bytes.
    """

    kind: str
    fields: dict[str, list[str]]
    text_ids: list[str]
    row_ids: list[str]
    strata: list[str]
    checksum: str

    def __len__(self) -> int:
        return len(self.row_ids)


def load_texts(
    kind: str,
    source: str = PUBLIC,
    columns: Mapping[str, str] | None = None,
    data_dir: Path | None = None,
) -> Texts:
    """Load the rows of one kind.

    Parameters
    ----------
    kind : {"nli", "politeness", "offensiveness"}
    source : str
        ``"public"`` for XNLI and POPQUORN, ``"sample"`` for the embedded texts, or the path of a
        CSV, JSONL or Parquet file.
    columns : mapping, optional
        For a file: what its columns are called, e.g. ``{"text": "comment", "label": "rating"}``.
        Keys are the kind's text fields, ``label`` and ``text_id``; each is its own default. A file
        need not have a ``text_id``: equal texts then are one text.
    data_dir : Path, optional
        For ``"public"``: a folder with local copies of the files.

    Returns
    -------
    Texts

    Raises
    ------
    InputError
        If the source is missing, unreachable, of another version, or has wrong columns or values.

    References
    ----------
    Conneau et al. 2018, XNLI, doi:10.18653/v1/D18-1269. Pei and Jurgens 2023, POPQUORN,
    doi:10.18653/v1/2023.law-1.25.
    """
    if source == PUBLIC:
        path = locate(kind, data_dir, partial(_check_file, kind))
        names = {"nli": {}, "politeness": {"label": "politeness"}, "offensiveness": {"label": "offensiveness"}}[kind]
        if kind != "nli":
            names["text_id"] = "instance_id"
    elif source == SAMPLE:
        path = Path(str(files("refusal_metrics"))) / "data" / f"sample_{kind}.csv"
        names = {} if kind == "nli" else {"label": "rating"}
    else:
        path, names = Path(source).expanduser(), dict(columns or {})
        if not path.suffix:
            raise unknown_name("source", source, (PUBLIC, SAMPLE, "a .csv, .jsonl or .parquet file"))
        allowed = (*TEXT_FIELDS[kind], "label", "text_id")
        for name in names:
            if name not in allowed:
                raise unknown_name(f"key in columns of the {kind} task", name, allowed)
    table = load_table(path)
    if source == PUBLIC:
        _check_public(kind, table)
    return _rows(kind, table, names, hashlib.sha256(path.read_bytes()).hexdigest())


def fetch_texts(folder: Path) -> list[Path]:
    """Download the public files into a folder, for ``data_dir`` on a machine without a network.

    Parameters
    ----------
    folder : Path
        Made where there is none. Files that are there already are checked and stay.

    Returns
    -------
    list of Path
        One file a kind.

    Raises
    ------
    InputError
        If one cannot be downloaded or written, or is another version; those before it are there.
    """
    paths = []
    for kind, file in PUBLIC_FILES.items():
        path = folder / file.name
        if not path.is_file():
            _copy(locate(kind, None, partial(_check_file, kind)), path)
        load_texts(kind, data_dir=folder)
        paths.append(path)
    return paths


def _copy(file: Path, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder:
            copied = Path(folder) / path.name
            shutil.copyfile(file, copied)
            copied.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); name a folder that can be") from error


def _rows(kind: str, table: Table, names: Mapping[str, str], checksum: str) -> Texts:
    label_column = names.get("label", "label")
    fields = {field: table.text_column(names.get(field, field)) for field in TEXT_FIELDS[kind]}
    strata = [
        _stratum(kind, value, f"{table.path}, {place}: column {label_column!r}")
        for value, place in zip(table.column(label_column), table.places, strict=True)
    ]
    column = names.get("text_id", "text_id")
    if "text_id" in names or column in table.columns:
        for key, place in zip(table.column(column), table.places, strict=True):
            if key is None or not str(key).strip():
                raise InputError(f"{table.path}, {place}: column {column!r} must contain the text's id, found {key!r}")
        keys = [str(key) for key in table.column(column)]
    else:
        numbers: dict[str, int] = {}
        keys = [str(numbers.setdefault(text, len(numbers))) for text in fields[TEXT_FIELDS[kind][0]]]
    text_ids = [f"{kind}/{key}" for key in keys]
    row_ids = [f"{text_id}/{row}" for row, text_id in enumerate(text_ids)]
    return Texts(kind, fields, text_ids, row_ids, strata, checksum)


def _stratum(kind: str, value: object, where: str) -> str:
    """Read a class: an NLI label by name or XNLI's number, a rating as a whole number 1 to 5."""
    text = str(value).strip().lower().removesuffix(".0")
    if kind == "nli":
        text = dict(zip("012", NLI_CLASSES, strict=True)).get(text, text)
    if text not in CLASSES[kind]:
        allowed = ", ".join(CLASSES[kind]) + (" (or 0, 1, 2)" if kind == "nli" else "")
        raise InputError(f"{where} is {value!r}; allowed are {allowed}; fix or remove that row")
    return text


def _check_file(kind: str, path: Path) -> None:
    _check_public(kind, load_table(path))


def _check_public(kind: str, table: Table) -> None:
    """Check what XNLI's test file holds; the other files are checked by their bytes."""
    if kind != "nli":
        return
    counts = [[str(label) for label in table.column("label")].count(n) for n in "012"]
    if counts != [_XNLI_ROWS_PER_CLASS] * 3 or len(table) != sum(counts):
        raise InputError(
            f"{table.path}: is not the test split of XNLI, which has {_XNLI_ROWS_PER_CLASS} pairs of each "
            f"class 0, 1, 2 (found {counts} of {len(table)}); replace it with {PUBLIC_FILES[kind].url}"
        )
