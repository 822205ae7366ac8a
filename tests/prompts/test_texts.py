import errno
import io
import json
import re
from collections import Counter
from itertools import product

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refusal_metrics.errors import InputError
from refusal_metrics.prompts import download
from refusal_metrics.prompts.design import KINDS, TEXT_FIELDS
from refusal_metrics.prompts.download import PUBLIC_FILES, PublicFile, git_blob_id
from refusal_metrics.prompts.texts import CLASSES, NLI_CLASSES, RATINGS, fetch_texts, load_texts


@pytest.fixture(scope="module")
def popquorn(shared_data):
    return load_texts("offensiveness", data_dir=shared_data / "popquorn")


@pytest.fixture(scope="module")
def xnli(tmp_path_factory):
    """A file shaped like XNLI's test split: 1,670 premises, a hypothesis of each class 0, 1, 2."""
    path = tmp_path_factory.mktemp("xnli") / "xnli_en_test.parquet"
    pairs = list(product(range(1670), range(3)))
    columns = {"premise": [f"premise {p}" for p, _ in pairs], "hypothesis": [f"hypothesis {p} {c}" for p, c in pairs]}
    pq.write_table(pa.table(columns | {"label": [c for _, c in pairs]}), path)
    return path


def save(path, columns):
    """Write columns in the form that the path's ending tells."""
    table = pa.table(columns)
    if path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    elif path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        path.write_text("".join(json.dumps(record) + "\n" for record in table.to_pylist()), encoding="utf-8")
    return str(path)


# --- The public files ------------------------------------------------------------------------------


def test_popquorn_has_13036_ratings_of_1500_comments(popquorn):
    assert len(popquorn) == 13_036
    assert len(set(popquorn.text_ids)) == len(set(popquorn.fields["text"])) == 1_500
    # The file's counts, from which the paper's 47,010 prompts follow.
    assert Counter(popquorn.strata) == {"1": 7_516, "2": 2_190, "3": 1_590, "4": 1_039, "5": 701}


def test_popquorn_rows_have_ids_of_their_own_and_texts_those_of_the_file(popquorn):
    assert popquorn.text_ids[0] == "offensiveness/530"
    assert popquorn.fields["text"][0] == "I think a lot of Dethklok songs use drop C, would defo recommend"
    assert len(set(popquorn.row_ids)) == 13_036
    assert len(set(zip(popquorn.text_ids, popquorn.fields["text"], strict=True))) == 1_500
    # `sha256sum` of the file.
    assert popquorn.checksum == "fb0589093d45da76bf4ef4d0abff679b540bdd5b17af5764913b3ccd0a069e1e"


def test_a_data_dir_without_the_politeness_file_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"popquorn_politeness\.csv: no such file; data_dir must contain a copy of http"
    ):
        load_texts("politeness", data_dir=tmp_path)


def test_xnli_is_read_from_data_dir_and_its_texts_are_the_premises(xnli):
    texts = load_texts("nli", data_dir=xnli.parent)
    assert Counter(texts.strata) == dict.fromkeys(NLI_CLASSES, 1_670)
    assert texts.strata[:3] == ["entailment", "neutral", "contradiction"]
    assert set(Counter(texts.text_ids).values()) == {3}
    assert len(set(texts.row_ids)) == 5_010
    assert texts.fields["hypothesis"][3:5] == ["hypothesis 1 0", "hypothesis 1 1"]


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        pytest.param(lambda t: t.slice(1), "[1669, 1670, 1670] of 5009", id="a row missing"),
        pytest.param(
            lambda t: pa.concat_tables([t, t.slice(0, 1).set_column(2, "label", pa.array([-1]))]),
            "[1670, 1670, 1670] of 5011",
            id="a row without a class",
        ),
        pytest.param(
            lambda t: t.set_column(2, "label", pa.array([3] + [1] * 5009)), "[0, 5009, 0] of 5010", id="other labels"
        ),
    ],
)
def test_what_is_not_xnlis_test_split_is_refused_with_its_counts(xnli, tmp_path, change, counts):
    path = tmp_path / xnli.name
    pq.write_table(change(pq.read_table(xnli)), path)
    message = (
        rf"^{path}: is not the test split of XNLI, .* 1670 pairs .*found {re.escape(counts)}\); replace it with http"
    )
    with pytest.raises(InputError, match=message):
        load_texts("nli", data_dir=tmp_path)


@pytest.mark.parametrize("complete", [True, False])
def test_a_download_enters_the_cache_only_if_it_is_xnli(xnli, tmp_path, monkeypatch, complete):
    content = io.BytesIO()
    pq.write_table(pq.read_table(xnli).slice(0 if complete else 1), content)
    monkeypatch.setattr(download.constants, "HF_HOME", str(tmp_path))
    monkeypatch.setattr(download.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(
        "refusal_metrics.prompts.download.urllib.request.urlopen", lambda *_, **__: io.BytesIO(content.getvalue())
    )
    if complete:
        assert len(load_texts("nli")) == 5_010
    else:
        with pytest.raises(InputError, match="is not the test split of XNLI"):
            load_texts("nli")
    assert [p.name for p in download.cache_dir().iterdir()] == [xnli.name] * complete


# --- The public files for machines without a network -----------------------------------------------


@pytest.fixture
def web(xnli, monkeypatch, serve):
    """In place of the network: XNLI, and of POPQUORN five ratings a file; gives the addresses that were opened."""
    served = {PUBLIC_FILES["nli"].url: xnli.read_bytes()}
    for kind in ("politeness", "offensiveness"):
        ratings = f"instance_id,text,{kind}\n" + "".join(f"{n},text {n},{n}.0\n" for n in range(1, 6))
        name, url = PUBLIC_FILES[kind].name, PUBLIC_FILES[kind].url
        monkeypatch.setitem(PUBLIC_FILES, kind, PublicFile(name, url, git_blob_id(ratings.encode())))
        served[url] = ratings.encode()
    return serve(served)


def test_fetched_files_are_a_data_dir(web, tmp_path):
    folder = tmp_path / "not" / "there"
    paths = fetch_texts(folder)
    assert paths == [folder / file.name for file in PUBLIC_FILES.values()]
    assert sorted(folder.iterdir()) == sorted(paths)
    assert web == [file.url for file in PUBLIC_FILES.values()]
    assert [len(load_texts(kind, data_dir=folder)) for kind in KINDS] == [5_010, 5, 5]


def test_files_that_have_been_fetched_are_checked_and_stay(web, tmp_path):
    paths = fetch_texts(tmp_path / "data")
    paths[1].unlink()
    before = {path: path.stat().st_ino for path in (paths[0], paths[2])}
    assert fetch_texts(tmp_path / "data") == paths
    assert {path: path.stat().st_ino for path in before} == before
    assert paths[1].is_file()
    # What is missing comes from the cache.
    assert len(web) == 3


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (0, "is not a valid Parquet file"),
        (1, "is not the pinned version of the file"),
        (2, "is not the pinned version of the file"),
    ],
)
def test_a_fetched_file_that_has_changed_is_refused_and_left_as_it_is(tmp_path, number, reason):
    path = fetch_texts(tmp_path / "data")[number]
    path.write_bytes(b"mine")
    with pytest.raises(InputError, match=f"^{path}: {reason}"):
        fetch_texts(tmp_path / "data")
    assert path.read_bytes() == b"mine"


@pytest.mark.usefixtures("web")
def test_where_nothing_can_be_written_nothing_is_fetched_into(tmp_path):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    path = tmp_path / "file" / "xnli_en_test.parquet"
    with pytest.raises(InputError) as caught:
        fetch_texts(tmp_path / "file")
    assert str(caught.value) == f"{path}: cannot be written (File exists); name a folder that can be"


@pytest.mark.usefixtures("web")
def test_a_disk_that_is_full_leaves_no_part_of_a_file(tmp_path, monkeypatch):
    def fill(_, target):
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("refusal_metrics.prompts.texts.shutil.copyfile", fill)
    with pytest.raises(InputError, match=r"xnli_en_test\.parquet: cannot be written \(No space left on device\)"):
        fetch_texts(tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


def test_without_a_network_what_came_before_is_there(web, tmp_path, monkeypatch):
    def urlopen(url, timeout):
        if url == PUBLIC_FILES["politeness"].url:
            raise TimeoutError("timed out")
        return opener(url, timeout)

    opener = download.urllib.request.urlopen
    monkeypatch.setattr("refusal_metrics.prompts.download.urllib.request.urlopen", urlopen)
    with pytest.raises(InputError, match=f"^{PUBLIC_FILES['politeness'].url}: .*timed out"):
        fetch_texts(tmp_path / "data")
    assert [path.name for path in (tmp_path / "data").iterdir()] == [PUBLIC_FILES["nli"].name]
    monkeypatch.setattr("refusal_metrics.prompts.download.urllib.request.urlopen", opener)
    fetch_texts(tmp_path / "data")
    assert web == [file.url for file in PUBLIC_FILES.values()]


# --- The embedded sample ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_sample_has_at_least_twelve_distinct_rows_of_every_class(kind):
    texts = load_texts(kind, "sample")
    counts = Counter(texts.strata)
    assert set(counts) == set(CLASSES[kind])
    assert min(counts.values()) >= 12
    rows = list(zip(*(texts.fields[field] for field in TEXT_FIELDS[kind]), strict=True))
    assert len(set(rows)) == len(rows) == len(texts)


def test_every_premise_of_the_sample_has_a_hypothesis_of_each_class():
    texts = load_texts("nli", "sample")
    classes = {}
    for text_id, stratum in zip(texts.text_ids, texts.strata, strict=True):
        classes.setdefault(text_id, []).append(stratum)
    assert len(classes) >= 12
    assert all(sorted(found) == sorted(NLI_CLASSES) for found in classes.values())


# --- A user's file ---------------------------------------------------------------------------------

COMMENTS = {"text": ["good", "bad", "good", "ugly"], "label": [1, 5, 2, 4]}
RENAMED = {"comment": COMMENTS["text"], "stars": COMMENTS["label"]}
PAIRS = {"premise": ["p", "q", "p"], "hypothesis": ["h", "h", "i"], "label": [0, 1, 2]}


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_file_gives_the_same_texts_in_any_form_and_under_any_column_names(tmp_path, suffix):
    plain = load_texts("offensiveness", save(tmp_path / f"a{suffix}", COMMENTS))
    renamed = load_texts("offensiveness", save(tmp_path / f"b{suffix}", RENAMED), {"text": "comment", "label": "stars"})
    for texts in (plain, renamed):
        assert texts.fields == {"text": ["good", "bad", "good", "ugly"]}
        assert texts.strata == ["1", "5", "2", "4"]
        # Texts are numbered as they first appear; equal ones are one.
        assert texts.text_ids == [f"offensiveness/{i}" for i in (0, 1, 0, 2)]
        assert texts.row_ids == [f"offensiveness/{i}/{row}" for row, i in enumerate((0, 1, 0, 2))]
    assert plain.checksum != renamed.checksum


def test_pairs_of_one_premise_are_one_text(tmp_path):
    texts = load_texts("nli", save(tmp_path / "a.jsonl", PAIRS))
    assert texts.text_ids == ["nli/0", "nli/1", "nli/0"]
    assert texts.fields == {"premise": ["p", "q", "p"], "hypothesis": ["h", "h", "i"]}


def test_a_text_id_column_names_the_texts(tmp_path):
    path = save(tmp_path / "a.csv", COMMENTS | {"thread": ["x", "y", "x", "7"]})
    texts = load_texts("politeness", path, {"text_id": "thread"})
    assert texts.text_ids == ["politeness/x", "politeness/y", "politeness/x", "politeness/7"]


@settings(deadline=None)
@given(words=st.lists(st.sampled_from(["a", "A", "a ", "b", "ab"]), min_size=1))
def test_rows_share_a_text_id_just_where_they_share_a_text(tmp_path_factory, words):
    path = tmp_path_factory.getbasetemp() / "words.jsonl"
    texts = load_texts("politeness", save(path, {"text": words, "label": [3] * len(words)}))
    assert len(set(zip(texts.text_ids, words, strict=True))) == len(set(texts.text_ids)) == len(set(words))


@pytest.mark.parametrize(
    ("kind", "labels", "strata"),
    [
        ("politeness", ["1", "2.0", " 3 ", "4", "5"], RATINGS),
        ("politeness", [1.0, 2.0, 3.0, 4.0, 5.0], RATINGS),
        ("nli", ["0", "1", "2"], NLI_CLASSES),
        ("nli", [0, 1, 2], NLI_CLASSES),
        ("nli", ["Entailment", " neutral", "CONTRADICTION"], NLI_CLASSES),
    ],
)
def test_classes_are_read_as_numbers_or_names(tmp_path, kind, labels, strata):
    columns = {field: [f"{field} {i}" for i in range(len(labels))] for field in TEXT_FIELDS[kind]}
    texts = load_texts(kind, save(tmp_path / "a.jsonl", columns | {"label": labels}))
    assert texts.strata == list(strata)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_wrong_rating_is_refused_with_its_line_and_the_allowed_ones(tmp_path, suffix):
    path = save(tmp_path / f"a{suffix}", RENAMED | {"stars": ["1", "5", "6", "0"]})
    place = {".csv": "line 4", ".jsonl": "line 3", ".parquet": "row 3"}[suffix]
    message = f"^{path}, {place}: column 'stars' is '6'; allowed are 1, 2, 3, 4, 5; fix"
    with pytest.raises(InputError, match=message):
        load_texts("offensiveness", path, {"text": "comment", "label": "stars"})


@pytest.mark.parametrize("value", ["", "2.5", "-1", "true", "five"])
def test_what_is_no_whole_rating_is_refused(tmp_path, value):
    path = save(tmp_path / "a.jsonl", {"text": ["x"], "label": [value]})
    with pytest.raises(InputError, match=f", line 1: column 'label' is '{value}'; allowed are 1, 2, 3, 4, 5"):
        load_texts("politeness", path)


def test_a_wrong_nli_class_is_refused_with_names_and_numbers(tmp_path):
    path = save(tmp_path / "a.jsonl", PAIRS | {"label": [0, 3, 1]})
    message = r"line 2: column 'label' is 3; allowed are entailment, neutral, contradiction \(or 0, 1, 2\)"
    with pytest.raises(InputError, match=message):
        load_texts("nli", path)


@pytest.mark.parametrize("column", ["premise", "hypothesis", "label"])
def test_a_missing_column_is_refused_with_the_columns_there_are(tmp_path, column):
    path = save(tmp_path / "a.csv", {name: values for name, values in PAIRS.items() if name != column})
    others = ", ".join(name for name in PAIRS if name != column)
    with pytest.raises(InputError, match=f"^unknown column in {path}: '{column}': allowed are {others}"):
        load_texts("nli", path)


def test_a_missing_text_id_column_is_refused(tmp_path):
    path = save(tmp_path / "a.csv", COMMENTS)
    with pytest.raises(InputError, match="'thread': allowed are text, label"):
        load_texts("politeness", path, {"text_id": "thread"})


def test_a_record_without_a_text_id_is_refused_with_its_line(tmp_path):
    # Else all such records would be one text.
    path = save(tmp_path / "a.jsonl", COMMENTS | {"thread": ["x", None, None, "y"]})
    with pytest.raises(InputError, match=f"^{path}, line 2: column 'thread' .*None"):
        load_texts("politeness", path, {"text_id": "thread"})


def test_a_record_without_a_text_is_refused_with_its_line(tmp_path):
    path = save(tmp_path / "a.csv", PAIRS | {"hypothesis": ["h", " ", "i"]})
    with pytest.raises(InputError, match=f"^{path}, line 3: column 'hypothesis' must contain text, found ' '"):
        load_texts("nli", path)


@pytest.mark.parametrize(
    ("kind", "key", "allowed", "nearest"),
    [
        ("nli", "premiss", "premise, hypothesis, label, text_id", "premise"),
        ("politeness", "txt", "text, label, text_id", "text"),
        ("politeness", "lable", "text, label, text_id", "label"),
        ("offensiveness", "textid", "text, label, text_id", "text_id"),
    ],
)
def test_an_unknown_key_of_columns_is_refused_with_the_nearest(tmp_path, kind, key, allowed, nearest):
    message = f"unknown key in columns of the {kind} task '{key}': allowed are {allowed}; did you mean '{nearest}'"
    with pytest.raises(InputError, match=message):
        load_texts(kind, save(tmp_path / "a.csv", COMMENTS), {key: "x"})


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_an_empty_file_is_refused(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.touch()
    with pytest.raises(InputError, match=f"^{path}: contains no records"):
        load_texts("politeness", str(path))


def test_a_file_in_the_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    save(tmp_path / "a.csv", COMMENTS)
    assert len(load_texts("politeness", "~/a.csv")) == 4


@pytest.mark.parametrize(("source", "nearest"), [("pubilc", "public"), ("Sample", "sample")])
def test_a_misspelt_source_is_refused_with_the_nearest(source, nearest):
    with pytest.raises(InputError, match=f"{source}.*{nearest}"):
        load_texts("politeness", source)
