"""What the report loads: nobody who has a study's record waits for torch or Optuna."""

import subprocess
import sys


def test_no_module_of_the_report_loads_torch_or_optuna() -> None:
    walk = (
        "import importlib, pkgutil, sys, msdemucs.report as report\n"
        "names = [m.name for m in pkgutil.walk_packages(report.__path__, 'msdemucs.report.')]\n"
        "assert 'msdemucs.report.figures.trades' in names\n"
        "for name in names:\n"
        "    importlib.import_module(name)\n"
        "    assert not {'torch', 'optuna'} & {*sys.modules}, name\n"
    )
    done = subprocess.run([sys.executable, "-c", walk], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
