import http.client
import io
import os
import re
import stat
import urllib.error

import pytest

from refusal_metrics.errors import InputError
from refusal_metrics.prompts import download
from refusal_metrics.prompts.download import PUBLIC_FILES, PublicFile, cache_dir, git_blob_id, locate

PINNED = dict(PUBLIC_FILES)
CONTENT = b"text,offensiveness\nhello,1.0\n"
FILE = PublicFile("popquorn_offensiveness.csv", "https://example.org/raw_data.csv", git_blob_id(CONTENT))


class Web:
    """In place of the network: notes what is opened, and answers with bytes or raises."""

    def __init__(self):
        self.answer = CONTENT
        self.opened = []

    def open(self, url, timeout):
        assert timeout > 0
        self.opened.append(url)
        if isinstance(self.answer, bytes):
            return io.BytesIO(self.answer)
        raise self.answer


class BrokenOff(io.BytesIO):
    """An answer whose connection ends before its Content-Length does."""

    def read(self, *_):
        raise http.client.IncompleteRead(CONTENT[:5], len(CONTENT) - 5)


@pytest.fixture(autouse=True)
def web(monkeypatch, tmp_path):
    fake = Web()
    monkeypatch.setattr("refusal_metrics.prompts.download.urllib.request.urlopen", fake.open)
    monkeypatch.setattr(download.constants, "HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr(download.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setitem(PUBLIC_FILES, "offensiveness", FILE)
    return fake


def fetch(data_dir=None, check=lambda _: None):
    return locate("offensiveness", data_dir, check)


def cached():
    return sorted(p.name for p in cache_dir().glob("*"))


@pytest.mark.parametrize(
    ("content", "blob_id"),
    [
        (b"hello\n", "ce013625030ba8dba906f756967f9e9ca394464a"),  # `echo hello | git hash-object --stdin`
        (b"", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),  # git's empty blob
    ],
)
def test_a_blob_id_is_gits(content, blob_id):
    assert git_blob_id(content) == blob_id


def test_every_public_file_is_pinned_to_a_commit_and_those_of_popquorn_to_their_bytes():
    # Commits of the two repositories; `git ls-tree` shows the blob ids there.
    popquorn, xnli = "dbb118c29b3d9bcce5aa172d8249ded9ece4df84", "b8dd5d7af51114dbda02c0e3f6133f332186418e"
    assert {kind: (re.findall(r"/([0-9a-f]{40})/", file.url), file.blob_id) for kind, file in PINNED.items()} == {
        "nli": ([xnli], None),
        "politeness": ([popquorn], "3fe516d4e280a94bdd80040681c612a7ff9d10b0"),
        "offensiveness": ([popquorn], "0e346166fea67d482d9696a6499eedc880e21f84"),
    }


def test_the_real_offensiveness_file_has_the_pinned_bytes(shared_data):
    file = PINNED["offensiveness"]
    assert git_blob_id((shared_data / "popquorn" / file.name).read_bytes()) == file.blob_id


def test_a_copy_in_data_dir_is_used_and_nothing_is_fetched_or_cached(tmp_path, web):
    (tmp_path / FILE.name).write_bytes(CONTENT)
    assert fetch(tmp_path) == tmp_path / FILE.name
    assert web.opened == []
    assert not cache_dir().exists()


def test_a_data_dir_without_the_file_is_refused_and_nothing_is_fetched(tmp_path, web):
    message = f"{tmp_path / FILE.name}: no such file; data_dir must contain a copy of {FILE.url} under that name"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        fetch(tmp_path)
    assert web.opened == []


def test_another_version_in_data_dir_is_refused_with_both_ids_and_the_address(tmp_path):
    path = tmp_path / FILE.name
    path.write_bytes(b"hello\n")
    message = (
        rf"{path}: is not the pinned version .*git blob {FILE.blob_id}, "
        rf"found ce013625030ba8dba906f756967f9e9ca394464a\); replace it with {FILE.url}"
    )
    with pytest.raises(InputError, match=message):
        fetch(tmp_path)


def test_a_file_is_fetched_once(web):
    first = fetch()
    assert first.read_bytes() == CONTENT
    assert first == cache_dir() / FILE.name
    assert fetch() == first
    assert web.opened == [FILE.url]
    assert cached() == [FILE.name]


def test_a_download_is_checked_before_it_enters_the_cache():
    seen = []
    fetch(check=lambda path: seen.append((path.read_bytes(), path.suffix, (cache_dir() / FILE.name).exists())))
    assert seen == [(CONTENT, ".csv", False)]


def test_a_download_that_fails_its_check_leaves_nothing():
    def check(path):
        raise InputError(f"{path.suffix} file with wrong counts")

    with pytest.raises(InputError, match="csv file with wrong counts"):
        fetch(check=check)
    assert cached() == []


def test_a_download_of_other_bytes_is_refused_and_leaves_nothing(web):
    web.answer = b"<html>rate limit</html>"
    with pytest.raises(InputError, match=f"git blob {FILE.blob_id}, found {git_blob_id(web.answer)}") as error:
        fetch()
    assert FILE.url in str(error.value)
    assert cached() == []


def test_the_error_about_other_bytes_names_a_file_that_the_user_can_find(web):
    web.answer = b"<html>rate limit</html>"
    with pytest.raises(InputError) as error:
        fetch()
    named = re.findall(r"\S+\.csv", str(error.value))
    assert set(named) <= {FILE.url, FILE.name, str(cache_dir() / FILE.name)}


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        pytest.param(urllib.error.URLError("Name or service not known"), "Name or service not known", id="no network"),
        pytest.param(urllib.error.HTTPError(FILE.url, 404, "Not Found", None, None), "Not Found", id="404"),
        pytest.param(TimeoutError("timed out"), "timed out", id="timeout"),
        pytest.param(ConnectionResetError("reset by peer"), "reset by peer", id="reset"),
        pytest.param(http.client.RemoteDisconnected("closed without response"), "closed without", id="closed"),
    ],
)
def test_a_failed_download_says_why_and_what_to_do_and_leaves_nothing(web, failure, reason):
    web.answer = failure
    message = (
        rf"^{FILE.url}: the offensiveness data cannot be downloaded \(.*{reason}.*\); "
        rf"save that address as {FILE.name} in a folder and pass data_dir=FOLDER, or pass source=sample"
    )
    with pytest.raises(InputError, match=message):
        fetch()
    assert cached() == []


def test_a_download_that_breaks_off_is_refused_and_leaves_nothing(monkeypatch):
    monkeypatch.setattr("refusal_metrics.prompts.download.urllib.request.urlopen", lambda *_, **__: BrokenOff())
    with pytest.raises(InputError, match=f"^{FILE.url}: the offensiveness data cannot be downloaded"):
        fetch()
    assert cached() == []


def test_offline_nothing_is_opened_and_the_error_says_what_to_do(monkeypatch, web):
    monkeypatch.setattr(download.constants, "HF_HUB_OFFLINE", True)
    message = f"not in {cache_dir()} and HF_HUB_OFFLINE is set; save that address as {FILE.name} .*data_dir=FOLDER"
    with pytest.raises(InputError, match=f"^{FILE.url}: .*{message}"):
        fetch()
    assert web.opened == []


def test_a_cached_file_is_enough_offline(monkeypatch):
    path = fetch()
    monkeypatch.setattr(download.constants, "HF_HUB_OFFLINE", True)
    assert fetch() == path


def test_a_cached_file_that_has_changed_is_refused_and_kept(web):
    path = fetch()
    path.write_bytes(b"edited")
    with pytest.raises(InputError, match=f"^{path}: is not the pinned version"):
        fetch()
    assert path.read_bytes() == b"edited"
    assert len(web.opened) == 1


def test_a_cache_that_cannot_be_written_is_refused_with_its_folder(tmp_path):
    (tmp_path / "hf").write_text("a file where the folder should be")
    with pytest.raises(InputError, match=re.escape(str(cache_dir()))):
        fetch()


def test_a_cached_file_is_as_readable_as_any_other_new_file():
    # A shared $HF_HOME serves a whole group, as huggingface_hub's own files do.
    umask = os.umask(0o022)
    try:
        assert stat.filemode(fetch().stat().st_mode) == "-rw-r--r--"
    finally:
        os.umask(umask)


def test_without_a_published_checksum_the_check_alone_decides(monkeypatch, web):
    monkeypatch.setitem(PUBLIC_FILES, "nli", PublicFile("xnli.parquet", "https://example.org/xnli.parquet", None))
    web.answer = b"anything"
    assert locate("nli", None, lambda _: None).read_bytes() == b"anything"
