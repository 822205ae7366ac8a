"""What Windows lacks is not needed: `fcntl` and SIGHUP."""

import subprocess
import sys

import pandas as pd

COMMAND = """
import sys

sys.modules["fcntl"] = None  # so that importing it fails
import signal

del signal.SIGHUP
import refusal_metrics.analysis.report.html.bundle
import refusal_metrics.analysis.report.write
from refusal_metrics.analysis.cli.app import main

try:
    import fcntl
except ImportError:
    main()
"""


def test_the_report_is_imported_and_written_without_them(tmp_path):
    rows = [
        {"model": "m", "task": "nli", "text_id": str(text), "persona": persona, "refused": refused}
        for text in range(3)
        for persona, refused in (("woman", 1), ("man", 0))
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "table.csv", index=False)
    arguments = ["report", "table.csv", "--out", "report", "--tables-only", "--replicates", "100", "--format", "csv"]
    command = [sys.executable, "-c", COMMAND, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    # One of two answers to each text is a refusal.
    rates = pd.read_csv(tmp_path / "report" / "tables" / "rates.csv")
    assert rates[["n", "n_refused", "estimate"]].to_numpy().tolist() == [[6, 3, 0.5]]
    assert (tmp_path / "report" / "report.md").is_file()
