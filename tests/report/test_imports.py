"""What the report loads: nobody who reads a study waits for torch."""

import subprocess
import sys


def test_no_module_of_the_report_loads_torch() -> None:
    walk = (
        "import importlib, pkgutil, sys, msdemucs.report as report\n"
        "names = [m.name for m in pkgutil.walk_packages(report.__path__, 'msdemucs.report.')]\n"
        "assert 'msdemucs.report.figures.trades' in names\n"
        "for name in names:\n"
        "    importlib.import_module(name)\n"
        "    assert 'torch' not in sys.modules, name\n"
    )
    done = subprocess.run([sys.executable, "-c", walk], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
