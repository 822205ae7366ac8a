"""The documentation is whole: whatever has a name is on a page, and the pages build."""

import importlib.util
import inspect
import re
from html import unescape
from pathlib import Path

import pandas as pd
import pytest
import typer
import yaml
from refusal_metrics.analysis import contracts
from refusal_metrics.analysis.cli import app as cli
from refusal_metrics.analysis.columns import FACTORS
from typer.testing import CliRunner

import refusal_metrics as rm
from refusal_metrics.detection import RULES
from refusal_metrics.prompts import NAMES, Settings, load_design
from refusal_metrics.register import tasks_folder
from refusal_metrics.studies import spec as study_file

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
GENERATED = "reference/commands.html"


def page(name):
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def first_cells(text):
    """Take the names out of the first cells of all tables of a page."""
    cells = re.findall(r"^\| ([^|]*) \|", text, flags=re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


# Names.


def test_every_setting_is_documented_with_its_default():
    text = page("reference/settings")
    assert [name for name in NAMES if name not in first_cells(text)] == []
    # No setting that there is not.
    assert [name for name in first_cells(text) if name not in NAMES] == []
    for name, default in {
        "rows_per_class": "1000",
        "variations": "10",
        "design": "`balanced`",
        "source": "`public`",
    }.items():
        assert str(getattr(Settings(), name)) == default.strip("`")
        assert f"| `{name}` | {default} |" in text


def test_every_key_of_a_study_is_documented_and_no_other():
    keys = {*study_file._STUDY_KEYS, *study_file._MODEL_KEYS}
    assert set(first_cells(page("reference/studies"))) == keys


def test_every_task_and_group_is_documented():
    text = page("reference/tasks")
    files = sorted(tasks_folder().glob("*.yaml"))
    assert files
    assert [file.stem for file in files if f"`{file.stem}`" not in text] == []


def test_every_persona_and_template_is_listed_with_its_words(site):
    html = (site / "reference" / "tasks.html").read_text(encoding="utf-8")
    text = " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())
    design = load_design(None, None)
    assert [p.id for p in design.personas if f"{p.id} {p} {p.group} by default" not in text] == []
    for kind, setting in design.templates:
        for template in design.templates[kind, setting]:
            # Placeholders are code, with blanks around them once the tags are gone.
            words = " ".join(re.sub(r"(\{\w+\})", r" \1 ", template.instruction).split())
            assert words in text, (kind, setting, template.id)


def test_every_metric_is_documented():
    documented = set(first_cells(page("reference/tasks").partition("## Metrics")[2].partition("\n## ")[0]))
    names = set()
    for file in tasks_folder().glob("*_yaml"):
        names |= set(re.findall(r"metric: (\w+)", file.read_text(encoding="utf-8")))
    assert names
    assert {name for name in names if not name.endswith("_stderr")} == documented


def test_every_rule_is_explained():
    assert set(RULES) <= set(first_cells(page("how-to/detector")))


COLUMNS = {
    name
    for contract in vars(contracts).values()
    if isinstance(contract, contracts.Contract)
    for name in (*contract.keys, *contract.estimates)
}


def test_every_column_of_a_table_is_documented():
    documented = set(first_cells(page("reference/tables")))
    assert sorted(COLUMNS - documented) == []


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "report"
    asked = ["--paper", "--compare-published", "--replicates", "100", "--tables-only"]
    result = CliRunner().invoke(cli.app, ["report", str(DOCS / "quickstart"), "--out", str(out), *asked])
    assert result.exit_code == 0, result.output
    return out


def test_every_table_of_a_report_and_its_columns_are_documented(report):
    text = page("reference/tables")
    files = sorted((report / "tables").glob("*.csv"))
    assert files
    assert [file.name for file in files if f"`{file.name}`" not in text] == []
    columns = {name for file in files for name in pd.read_csv(file, nrows=0)}
    assert sorted(columns - set(first_cells(text))) == []


def test_the_list_of_tables_names_their_columns(report):
    rows = re.findall(r"^\| (`[^|]*\.csv`[^|]*) \| [^|]* ?\| ([^|]+) \|$", page("reference/tables"), flags=re.MULTILINE)
    assert rows
    for files, told in rows:
        for name in re.findall(r"`(\w+\.csv)`", files):
            file = report / "tables" / name
            if file.exists():
                columns = {*re.findall(r"\w+", told), *FACTORS}
                assert sorted(set(pd.read_csv(file, nrows=0)) - columns) == [], name


def test_every_source_that_a_docstring_cites_is_on_the_page_of_methods():
    text = page("method")
    cited = set()
    for file in (ROOT / "analysis").rglob("*.py"):
        cited |= set(re.findall(r"doi:(10\.[^\s,;:)`]+[^\s,;:.)`])", file.read_text(encoding="utf-8")))
    assert cited
    assert sorted(doi for doi in cited if doi not in text) == []


# Pages.


def test_every_page_is_in_the_list_of_pages():
    # The theme's icons and the like are no matter here.
    nav = yaml.safe_load(re.sub(r"!!\S+", "", (ROOT / "mkdocs.yml").read_text(encoding="utf-8")))["nav"]
    listed = set(re.findall(r"[\w/-]+\.md", str(nav)))
    assert {str(file.relative_to(DOCS)) for file in DOCS.rglob("*.md")} == listed


def test_links_of_the_readme_lead_somewhere():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text)]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_nothing_in_the_pages_is_loaded_from_elsewhere(site):
    loading = re.compile(r'<(?:script|link|img|iframe|source)\b[^>]*(?:src|href)="?(?:https?:)?//[^>]*>')
    files = list(site.rglob("*.html"))
    assert files
    assert [found[0] for file in files for found in loading.finditer(file.read_text(encoding="utf-8"))] == []
    assert [
        file for file in site.rglob("*.css") if re.search(r"url\(.?https?:", file.read_text(encoding="utf-8"))
    ] == []


def test_the_page_of_commands_has_each_command_and_option(site):
    text = (site / GENERATED).read_text(encoding="utf-8")
    commands = {**typer.main.get_command(cli.app).commands}
    commands |= {f"annotate {name}": command for name, command in commands["annotate"].commands.items()}
    for name, command in commands.items():
        assert f'id="{name.replace(" ", "-")}"' in text, name
        options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
        assert [option for option in options if option not in text] == []


def test_the_page_of_python_has_each_public_name_and_no_module_has_a_page(site):
    text = (site / "reference" / "python.html").read_text(encoding="utf-8")
    for name in rm.__all__:
        found = getattr(rm, name)
        if inspect.isclass(found) and found is not rm.InputError:
            members = [member for member, _ in inspect.getmembers(found) if not member.startswith("_")]
            assert [
                member for member in members if f'id="refusal_metrics.analysis.api.{name}.{member}"' not in text
            ] == []
        elif inspect.isfunction(found):
            assert f'id="{name}"' in text
    assert not (site / "reference" / "python").exists()


def test_dois_are_links_and_the_place_of_the_commands_is_filled(site):
    text = (site / "method.html").read_text(encoding="utf-8")
    assert '<a href="https://doi.org/10.1093/biomet/26.4.404">doi:10.1093/biomet/26.4.404</a>' in text
    pages = [file.read_text(encoding="utf-8") for file in site.rglob("*.html")]
    assert not any("<!-- commands -->" in page or re.search(r"[^>]doi:10\.\d+/", page) for page in pages)


def test_formulas_are_mathml_and_none_is_left_as_it_was_written(site):
    method = (site / "method.html").read_text(encoding="utf-8")
    assert method.count('<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">') >= 5
    for file in site.rglob("*.html"):
        text = file.read_text(encoding="utf-8")
        assert ".. math::" not in text, file
        assert ":math:" not in text, file
        assert 'class="arithmatex"' not in text, file


def test_the_number_in_a_detectable_difference_is_what_its_script_says(shared_data):
    spec = importlib.util.spec_from_file_location("how_many", DOCS / "how_many.py")
    how_many = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(how_many)
    n, against_neutral, against_others = how_many.detectable(shared_data / "popquorn", 20, 0.05)
    assert f"| 20 | {n:,} |" in page("how-to/how-many")
    assert f"| {100 * against_neutral:.1f} ({100 * against_others:.1f}) |" in page("how-to/how-many")
