"""What statistics load: nobody who computes one waits for torch, Optuna or plotly."""

import subprocess
import sys


def test_what_computes_findings_loads_neither_torch_nor_optuna_nor_plotly() -> None:
    walk = (
        "import sys, msdemucs.analysis.findings, msdemucs.analysis.exports\n"
        "assert not {'torch', 'optuna', 'plotly', 'matplotlib'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", walk], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
