"""What is installed is what was meant to be."""

import ast
import os
import subprocess
import sys
from importlib.metadata import requires
from importlib.resources import files
from pathlib import Path

import pytest

import refusal_metrics


@pytest.mark.skipif("PERSONA_REFUSAL_SITE" not in os.environ, reason="scripts/test runs the tests against the wheel")
def test_the_tests_run_against_the_wheel():
    site = Path(os.environ["PERSONA_REFUSAL_SITE"])
    assert Path(refusal_metrics.__file__).is_relative_to(site)
    top_level = {path.name for path in site.iterdir() if path.suffix != ".dist-info"}
    assert top_level - {"bin"} == {"refusal_metrics"}


def test_the_package_carries_its_data_and_its_types():
    assert files("refusal_metrics").joinpath("py.typed").is_file()
    assert files("refusal_metrics").joinpath("data", "sample_nli.csv").is_file()
    for name in ("_persona_refusal_yaml", "persona_refusal_nli.yaml", "README.md", "design/personas.yaml"):
        assert files("refusal_metrics.tasks").joinpath(name).is_file()


def test_the_core_install_asks_for_neither_torch_nor_vllm():
    core = [r for r in requires("persona-refusal") if "extra ==" not in r]
    assert core
    assert not [r for r in core if r.startswith(("torch", "vllm", "transformers"))]


@pytest.mark.parametrize(
    ("module", "strangers"),
    [
        ("refusal_metrics.detection.rules", ["numpy", "pandas", "datasets", "lm_eval"]),
        ("refusal_metrics.prompts.sampler", ["datasets", "lm_eval", "pyarrow"]),
        ("refusal_metrics.docs", ["lm_eval", "refusal_metrics.analysis", "torch"]),
        ("refusal_metrics.metrics", ["datasets", "refusal_metrics.docs", "refusal_metrics.analysis"]),
        ("refusal_metrics.analysis.cli.app", ["datasets", "lm_eval", "duckdb", "pandas", "numpy", "torch", "altair"]),
        ("refusal_metrics.analysis.figures.figure", ["altair", "vl_convert"]),
        ("refusal_metrics.analysis.responses.logs.load", ["pandas"]),  # numpy comes with pyarrow
        ("refusal_metrics.analysis.report.write", ["altair", "datasets", "lm_eval", "torch"]),
    ],
)
def test_a_module_does_not_import_what_stands_later_or_weighs_much(module, strangers):
    loaded = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert [name for name in strangers if name in loaded] == []


# What is asked: the texts, the sample, the docs; the verdicts; studies.
_EVALUATION = """
errors surrogates design yaml_file design_files delimited json_records tabular download texts settings sampler docs
verdict normalise patterns answers answer_aware detectors detection.reply scores detection.response metrics task
register model_args studies.arguments studies.names studies.disk study_file studies.blocks studies.counts
studies.journal studies.replies studies.secrets study_folder studies.calls study_answers studies.resumed
study_record studies.models studies.versions study study_check studies.output studies.signals study_process
study_run
"""

# How tables are shown; what is read and counted; the estimates, each family in turn; the report.
_ANALYSIS = """
values levels display.spreadsheets tables run_results runs columns arrays manifest files delimited database
json_copy table_checks table_columns table_copies table_files responses usable provider log_lines log_forms
prompt_check log_scan log_notes unfinished cells rates exact differences multiplicity contrasts spread iota grid
shuffles moves flips tally sensitivity interactions paper paper_figures properties logit formula separation
regression trend batch endpoint classifier judge_reply judge named given verdicts log_verdicts logs detect
label_mapping label_forms labels label_match agreement effective persona_gap detection_errors validation
validation_tables corrected label_sums annotation annotation_forms annotation_answers annotation_import estimates
findings layout provenance page figure figures_rows figures_marks figures_rates figures_effects figures_sensitivity
figures_factors figures_trend figures figure_files html_safe html_tables html_findings html_explorer html_methods
html_origin cautions html_content html_page report_files html_files report other_metrics ranks studies leaderboard
comparison gate leaderboard_figure leaderboard_page console interrupts options cli_study cli_inputs cli_rates
cli_estimates cli_report cli_labels cli_leaderboard cli
"""


def modules(package):
    """Return the sources of a package's modules by their names inside it."""
    folder = Path(str(files(package)))
    found = {path.relative_to(folder).with_suffix(""): path for path in folder.rglob("*.py") if path.stem != "__init__"}
    return {
        ".".join(name.parts): path.read_text(encoding="utf-8")
        for name, path in found.items()
        if name.parts[0] not in ("analysis", "tasks")
    }


def imported(module, node):
    """Return the names that a statement may import, inside refusal_metrics."""
    if node.level:
        above = module.split(".")[: -node.level]
        package = ".".join([*above, *filter(None, [node.module])])
    else:
        package = (node.module or "").removeprefix("refusal_metrics").lstrip(".")
    return [package, *(f"{package}.{alias.name}".lstrip(".") for alias in node.names)]


def test_no_module_imports_one_that_stands_later():
    order = [*_EVALUATION.split(), *(f"analysis.{name}" for name in _ANALYSIS.split())]
    sources = modules("refusal_metrics")
    sources |= {f"analysis.{name}": source for name, source in modules("refusal_metrics.analysis").items()}
    assert sorted(sources) == sorted(order)
    for module, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom):
                for name in imported(module, node):
                    assert name not in order or order.index(name) < order.index(module), f"{module} imports {name}"
