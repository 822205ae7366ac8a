"""The examples run: the notebook cell by cell, and the R script where R is installed."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NOTEBOOK = json.loads((EXAMPLES / "first_analysis.ipynb").read_text(encoding="utf-8"))
CELLS = {cell["id"]: "".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"}
WAIT_S = 120


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """Run the notebook in a folder of its own; gives the folder and the notebook's variables."""
    folder = tmp_path_factory.mktemp("notebook")
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, source in CELLS.items():
            exec(compile(source, f"first_analysis.ipynb, cell {name}", "exec"), names)
    return folder, names


def test_the_notebook_is_one_and_contains_no_outputs():
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in NOTEBOOK["cells"]}) == len(NOTEBOOK["cells"])
    for cell in NOTEBOOK["cells"]:
        fields = {"cell_type", "id", "metadata", "source"}
        assert set(cell) == fields | ({"execution_count", "outputs"} if cell["cell_type"] == "code" else set())
        assert not cell.get("outputs")


def test_the_notebook_finds_what_it_simulated(notebook):
    _, names = notebook
    # 2 models, 2 tasks, 40 texts, 5 personas (one of them nobody in particular), 3 templates.
    assert len(names["study"]) == 2 * 2 * 40 * 5 * 3
    contrasts = names["contrasts"].set_index(["model", "persona"])
    # The simulated rates of model-a: 0.3 for pirates and 0.03 for neutral prompts.
    assert contrasts.loc[("model-a", "pirate"), "ci_low"] < 0.27 < contrasts.loc[("model-a", "pirate"), "ci_high"]
    table = names["fit"].table.set_index("level")["coef"]
    assert table["judge"] < table["pirate"]


def test_the_report_of_the_notebook_has_the_tables_of_the_r_script(notebook):
    folder, _ = notebook
    for name, columns in {
        "contrasts_by_persona.csv": {"rule", "baseline", "estimate", "ci_low", "ci_high", "p_adjusted"},
        "rates_by_persona.csv": {"rule", "setting", "persona", "task", "model", "n", "n_refused"},
    }.items():
        assert columns <= set(pd.read_csv(folder / "report" / "tables" / name, nrows=0))
        assert name in (EXAMPLES / "from_csv.R").read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed: apt-get install r-base-core")
def test_the_r_script_draws_and_finds_the_same_coefficients(notebook):
    folder, names = notebook
    command = ["Rscript", "--vanilla", EXAMPLES / "from_csv.R", folder / "report" / "tables", folder / "personas.pdf"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=WAIT_S)
    # 2 models, 2 tasks, 4 personas.
    assert "16 differences drawn" in done.stdout
    # R's glm has the same reference levels, farmer first, and prints five decimals.
    table = names["fit"].table.set_index("level")["coef"]
    for level in ("nurse", "judge", "pirate"):
        estimate = re.search(rf"^persona{level} +(-?[\d.]+)", done.stdout, flags=re.MULTILINE)
        assert float(estimate[1]) == pytest.approx(table[level], abs=1e-4)
    assert (folder / "personas.pdf").read_bytes().startswith(b"%PDF")
