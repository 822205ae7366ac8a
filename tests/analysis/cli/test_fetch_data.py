"""Data for machines without a network: ``fetch-data``."""

import io
from itertools import product

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from refusal_metrics.prompts import download, load_texts
from refusal_metrics.prompts.download import PUBLIC_FILES, PublicFile, git_blob_id

pytestmark = pytest.mark.usefixtures("offline")


RATINGS = "instance_id,text,{kind}\n" + "".join(f"{n},text {n},{n}.0\n" for n in range(1, 6))


@pytest.fixture
def web(monkeypatch, serve):
    """In place of the network: files as small as may be; gives the addresses that were opened."""
    pairs = list(product(range(1670), range(3)))
    columns = {"premise": [f"p{p}" for p, _ in pairs], "hypothesis": [f"h{p} {c}" for p, c in pairs]}
    content = io.BytesIO()
    pq.write_table(pa.table(columns | {"label": [c for _, c in pairs]}), content)
    served = {PUBLIC_FILES["nli"].url: content.getvalue()}
    for kind in ("politeness", "offensiveness"):
        ratings = RATINGS.format(kind=kind).encode()
        file = PublicFile(PUBLIC_FILES[kind].name, PUBLIC_FILES[kind].url, git_blob_id(ratings))
        monkeypatch.setitem(PUBLIC_FILES, kind, file)
        served[file.url] = ratings
    return serve(served)


@pytest.mark.usefixtures("web")
def test_fetched_data_are_checked_and_enough_where_there_is_no_network(tell, tmp_path, monkeypatch):
    folder = tmp_path / "new" / "data"
    said, _ = tell("fetch-data", folder)
    names = ["xnli_en_test.parquet", "popquorn_politeness.csv", "popquorn_offensiveness.csv"]
    assert said.splitlines() == [
        *(f"{folder / name}: verified." for name in names),
        f'Now: lm_eval ... --metadata \'{{"data_dir": "{folder}"}}\'',
    ]
    assert sorted(file.name for file in folder.iterdir()) == sorted(names)
    monkeypatch.setattr("refusal_metrics.prompts.download.get_bytes", lambda *_: pytest.fail("opened"))
    assert [len(load_texts(kind, data_dir=folder)) for kind in PUBLIC_FILES] == [5010, 5, 5]


def test_a_study_names_the_folder_of_fetched_data(tell, save, web, tmp_path):
    tell("fetch-data", tmp_path / "data")
    assert len(web) == 3
    settings = {"data_dir": str(tmp_path / "data"), "rows_per_class": 1, "variations": 2}
    said, _ = tell("run", save(tmp_path, tasks=["persona_refusal_offensiveness"], settings=settings), "--dry-run")
    # 5 classes, a row of each, twice.
    assert "persona_refusal_offensiveness: 10 prompts" in said
    assert len(web) == 3


def test_without_a_network_nothing_is_fetched_and_the_address_is_said(refuse, web, tmp_path, monkeypatch):
    monkeypatch.setattr(download.constants, "HF_HUB_OFFLINE", True)
    said = refuse("fetch-data", tmp_path / "data")
    assert said.startswith(f"persona-refusal: {PUBLIC_FILES['nli'].url}: the nli data are not in ")
    assert web == []
    assert not (tmp_path / "data").exists()


@pytest.mark.usefixtures("web")
def test_another_version_of_a_file_is_refused_and_left_as_it_is(refuse, tmp_path):
    mine = tmp_path / "popquorn_politeness.csv"
    mine.write_text("mine", encoding="utf-8")
    said = refuse("fetch-data", tmp_path)
    assert said.startswith(f"persona-refusal: {mine}: is not the pinned version of the file")
    assert mine.read_text(encoding="utf-8") == "mine"
