"""What docs/contributing.md shows how to add works as it is written there."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from refusal_metrics.analysis import contracts
from refusal_metrics.analysis.contracts import tables
from refusal_metrics.analysis.display import readable
from refusal_metrics.analysis.report.estimators import Estimator
from refusal_metrics.analysis.report.html.tables import GROUPS
from refusal_metrics.analysis.responses.count import count_responses
from refusal_metrics.analysis.responses.table import read_responses

from refusal_metrics.detection.language_files import check_language
from refusal_metrics.detection.patterns import load_patterns, parse_patterns
from refusal_metrics.prompts import load_design
from refusal_metrics.register import tasks_folder

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
DESIGN = tasks_folder() / "design"


def section(heading):
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def block(heading, *, title=None):
    """Return a block of a section: the one with the title, or the first of YAML."""
    blocks = re.findall(r'^```(\w+)(?: title="(.+?)")?\n(.*?)^```$', section(heading), flags=re.MULTILINE | re.DOTALL)
    return next(text for language, name, text in blocks if (name == title if title else language == "yaml"))


@pytest.fixture
def imported(monkeypatch):
    """Import an example as the module that its title names."""

    def run(heading, title):
        module = ModuleType("refusal_metrics." + title.removesuffix(".py").replace("/", "."))
        module.__package__ = module.__name__.rpartition(".")[0]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(compile(block(heading, title=title), title, "exec"), vars(module))
        return module

    return run


def test_a_persona_of_two_lines_is_asked_on_request_and_no_other_study_changes(tmp_path):
    added = yaml.safe_load(block("A new persona"))
    packaged = yaml.safe_load((DESIGN / "personas.yaml").read_text(encoding="utf-8"))
    packaged["personas"] += added["personas"]
    packaged["on_request"] += added["on_request"]
    (tmp_path / "personas.yaml").write_text(yaml.safe_dump(packaged), encoding="utf-8")
    design = load_design(tmp_path / "personas.yaml")
    assert [str(p) for p in design.personas_for("persona", ["older"])] == ["an older person"]
    assert design.personas_for("persona") == load_design().personas_for("persona")


def test_a_paraphrase_is_asked_on_request_and_no_other_study_changes(tmp_path):
    added = yaml.safe_load(block("A new paraphrase"))
    packaged = yaml.safe_load((DESIGN / "templates.yaml").read_text(encoding="utf-8"))
    for name, ids in added["response_types"].items():
        packaged["response_types"][name] = list(dict.fromkeys([*packaged["response_types"][name], *ids]))
    packaged["on_request"] += added["on_request"]
    for setting, instructions in added["templates"]["politeness"].items():
        packaged["templates"]["politeness"][setting] |= instructions
    (tmp_path / "templates.yaml").write_text(yaml.safe_dump(packaged, sort_keys=False), encoding="utf-8")
    design = load_design(None, tmp_path / "templates.yaml")
    assert [t.id for t in design.templates_for("politeness", "neutral", ["p10"])] == ["p10"]
    for kind in ("nli", "politeness", "offensiveness"):
        assert design.templates_for(kind, "persona") == load_design().templates_for(kind, "persona")


def english_with(page):
    """Return the English file with what a page adds to it, and what that is."""
    text = (ROOT / "docs" / "how-to" / f"{page}.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```yaml\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    content = yaml.safe_load((ROOT / "refusal_metrics/detection/data/en.yaml").read_text(encoding="utf-8"))
    ((section, new),) = yaml.safe_load(shown).items()
    content[section] = [*content[section], *new] if isinstance(new, list) else {**content[section], **new}
    return parse_patterns(check_language(content, "en.yaml")), new


def test_the_phrase_that_a_page_adds_is_found_and_was_not_before():
    known, (entry,) = english_with("add-phrase")
    assert load_patterns("en").refusals_in(entry["matches"], -1) is None
    found = known.refusals_in(entry["matches"], -1)
    assert found is not None
    assert found[0].name == entry["name"]


def test_the_forms_of_a_label_that_a_page_adds_are_valid_and_new():
    known, new = english_with("label-sets")
    assert set(known.labels) - set(load_patterns("en").labels) == set(new)


def test_an_estimator_passes_its_test_and_its_figure_is_drawn(imported, monkeypatch, tmp_path):
    made = "A new estimator and its table"
    exec(block(made, title="analysis/contracts/tables.py"), contract := dict(vars(tables)))
    monkeypatch.setattr(contracts, "REFUSED_TEXTS", contract["REFUSED_TEXTS"], raising=False)
    estimator = imported(made, "analysis/estimates/texts.py")
    entry = section(made).partition("\nEstimator(")[2].partition(")\n")[0]
    entry = eval(f"Estimator({entry})", {"Estimator": Estimator} | vars(estimator))
    assert entry.group in GROUPS
    test = imported(made, "tests/analysis/estimates/test_texts.py")
    test.test_a_text_counts_once_however_often_it_is_refused(tmp_path)
    figures = imported("A new figure", "analysis/figures/texts.py")
    test = imported("A new figure", "tests/analysis/figures/test_texts.py")
    test.test_the_share_of_texts_is_drawn_in_percent_with_its_interval()
    assert list(figures.draw_refused_texts({}, "answer_aware")) == []
    # What its page shows, and the caption that test_every.py asks for.
    counts = count_responses(read_responses([tmp_path / "responses.csv"]))["given"]
    table = entry.estimate(counts)
    assert list(readable(table, contracts.REFUSED_TEXTS)["refused texts (%)"]) == ["66.67"]
    (figure,) = figures.draw_refused_texts({entry.name: table}, "answer_aware")
    assert all(part in figure.caption for part in ("answer_aware", "interval", "5 responses"))


def test_files_that_the_page_names_exist():
    for path in re.findall(r"`((?:analysis|refusal_metrics|tasks|tests|docs)/[\w./-]+\.\w+)`", PAGE):
        assert (ROOT / path).exists(), path
    for path in re.findall(r"^\$ (?:pytest|ruff) (.*)$", PAGE, flags=re.MULTILINE):
        files = [word for word in path.partition("#")[0].split() if word.startswith("tests/")]
        assert [file for file in files if not (ROOT / file).exists()] == []
