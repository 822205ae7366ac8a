"""Names that a model of a study may have."""

from pathlib import Path

import pytest

from refusal_metrics.errors import InputError
from refusal_metrics.studies.names import check_folder, check_names

REFUSED = {
    "is blank": ["", " ", "\t"],
    "cannot be seen": [
        *(
            "a\0b",
            "\x1b[31mred",
            "a\x07",
            "a\nb",
            "a\tb",
            "\ud800x",
            "a\u202eb",
            "a\u200bb",
            "a\u2028b",
            "\x7f",
            "a\u00a0b",
        ),
        *("\u2066x\u2069", "\ufeffx", "a\x9bm"),
    ],
    "has /": ["acme/parrot", "/", "../up", "a/"],
    "has ": ["a\\b", "a:b", "what?", "a*b", 'a"b', "a<b", "a>b", "a|b", "C:x"],
    "begins with": [".", "..", ".hidden", ".study.lock", "-rf", "~", "~root"],
    "ends with a dot": ["a ", " a", "a.", "a. "],
    "bytes where 200": ["n" * 300, "é" * 101, "😀" * 51],
    "is what the study itself": ["study.json", "STUDY.JSON", "report", "Report", "\uff53tudy.json"],
    "device on Windows": ["con", "NUL", "aux.txt", "com1", "LPT9", "prn.x.y"],
}


@pytest.mark.parametrize(("reason", "name"), [(reason, name) for reason, names in REFUSED.items() for name in names])
def test_a_name_that_no_folder_can_have_is_refused_in_a_line_that_can_be_printed(reason, name):
    with pytest.raises(InputError) as caught:
        check_names("study.yaml: models", [name])
    said = str(caught.value)
    assert reason in said
    assert said.startswith("study.yaml: models: found '")
    assert said.endswith("; give the model a name that a folder can have")
    assert said.isprintable()
    assert len(said) < 250


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Qwen2.5-7B",
            "%s{x}[red]",
            "[bold]a",
            "=1+1",
            "models",
            "m" * 200,
            "模型",
            "Модель",
            "model é",
            "a b",
        ),
        *("conman", "com10", "auxiliary", "study", "run.log", "a'b", "m,n", "@x", "#1", "$HOME", "`ls`", "a;b", "😀"),
    ],
)
def test_any_other_name_is_allowed(name):
    check_names("study.yaml: models", [name])


@pytest.mark.parametrize(
    ("one", "other"),
    [("M", "m"), ("e\u0301", "é"), ("ﬁne", "fine"), ("STRASSE", "straße"), ("\uff21", "a"), ("x²", "x2"), ("ΑΣ", "ας")],
)
def test_two_names_that_are_one_folder_somewhere_are_refused_together(one, other):
    with pytest.raises(InputError, match=r"are one folder where upper and lower case .* rename one$"):
        check_names("study.yaml: models", [one, "between", other])


@pytest.mark.parametrize(
    "folder", ["a\0b", "a\x1b[2Jb", "a\nb", "n" * 300, "x/" + "n" * 256 + "/y", "a/" * 2000, "\u202ea"]
)
def test_a_folder_that_cannot_be_is_refused(folder):
    with pytest.raises(InputError, match=r"^--out: found .*; name another folder$") as caught:
        check_folder("--out", Path(folder))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("folder", ["results", "/tmp/x y", "é/模型", "..", "not-utf-8-\udcff"])
def test_any_other_folder_is_allowed(folder):
    check_folder("--out", folder)
