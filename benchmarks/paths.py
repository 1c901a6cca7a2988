"""How far does a reader walk who follows a study, and a report of it, through the package?

    .venv/bin/python benchmarks/paths.py [--csv benchmarks/paths.csv]

A study of two trials on a second of made music, and the report of it, run in this process under
sys.setprofile. Told are, for each, the files and the functions of msdemucs that were entered; how
often the walk came back to a file that it had left, when functions are taken in the order in which
each is first entered; and the file that most functions of other files call, with their number.
Then, of the package's text alone: the share of functions that are called at exactly one place, the
most parameters of a function outside the command line, and the exceptions to that rule.
"""

import argparse
import ast
import csv
import inspect
import os
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType

from rich.console import Console

import msdemucs

PACKAGE = Path(msdemucs.__file__).parent

SPACE = """\
name: walk
base: htdemucs_n
set: {segment: 0.5, recipe.segment: 0.5, recipe.steps: 6, recipe.batch_size: 1,
  channels.start: 4, attention.0.layers: 1, attention.0.heads: 4}
vary: {fusion.output.kind: {choice: [sum, weighted]}}
trials: 2
sampler: {kind: random, seed: 0}
recipe: demo
data: {train: band, test: band}
"""


class Walk:
    """The functions of the package that were entered.

    Attributes:
        functions: file and name, in the order in which each was first entered.
        calls: (calling function, file of the called one), of different files.
    """

    def __init__(self) -> None:
        self.functions: dict[CodeType, str] = {}
        self.calls: set[tuple[CodeType, str]] = set()

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Note a call; what a profiler is told of."""
        code = frame.f_code
        file = self.file_of(code) if event == "call" else None
        if file is None:
            return
        self.functions.setdefault(code, file)
        caller = frame.f_back
        while caller is not None and self.file_of(caller.f_code) is None:
            caller = caller.f_back  # through a library, which calls what it was given
        if caller is not None and self.file_of(caller.f_code) != file:
            self.calls.add((caller.f_code, file))

    @staticmethod
    def file_of(code: CodeType) -> str | None:
        """The file of a function of the package; None for other code, and for modules."""
        is_function = code.co_flags & inspect.CO_OPTIMIZED and not code.co_name.startswith("<")
        is_inside = code.co_filename.startswith(f"{PACKAGE}{os.sep}")
        is_inside = is_inside and code.co_filename.endswith(".py")  # templates are no code of ours
        return code.co_filename[len(str(PACKAGE)) + 1 :] if is_function and is_inside else None

    def figures(self) -> dict[str, object]:
        """What was counted."""
        files = list(self.functions.values())
        entered = [file for last, file in pairwise(["", *files]) if file != last]
        ((busiest, n_callers),) = Counter(file for _, file in self.calls).most_common(1)
        return {
            "files": len(set(files)),
            "functions": len(files),
            "returns": len(entered) - len(set(files)),
            "most_called": busiest,
            "its_callers": n_callers,
        }


@contextmanager
def walked() -> Iterator[Walk]:
    """A block whose calls are noted, in all threads that it starts."""
    walk = Walk()
    threading.setprofile(walk)
    sys.setprofile(walk)
    try:
        yield walk
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def command(*words: str) -> Callable[[], None]:
    """A command line of msdemucs, to be run in this process."""

    def run() -> None:
        from msdemucs.cli.app import app

        app(list(words), standalone_mode=False)

    return run


def walks() -> Iterator[tuple[str, Walk]]:
    """The study and the report, each with what it entered."""
    from msdemucs.data import synthesise

    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        synthesise(Path("band"), n_tracks=8, seconds=1.0)
        Path("walk.yaml").write_text(SPACE, encoding="utf-8")
        for name, run in (
            ("study run", command("study", "run", "walk.yaml")),
            ("report", command("report", "walk")),
        ):
            with walked() as walk:
                run()
            yield name, walk


def text_figures() -> dict[str, object]:
    """What the package's text alone tells."""
    trees = {path: ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}
    names = Counter(
        node.id if isinstance(node, ast.Name) else node.attr
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load)
    )
    functions = [
        (path.relative_to(PACKAGE), node)
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    plain = [node for _, node in functions if not node.name.startswith("__")]
    sizes = [
        (
            len([*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]),
            f"{path}:{node.name}",
        )
        for path, node in functions
        if path.parts[0] != "cli"
    ]
    most, widest = max(sizes)
    return {
        "modules": len(trees),
        "lines": sum(len(path.read_text().splitlines()) for path in trees),
        "functions": len(functions),
        "called_once": f"{sum(names[node.name] == 1 for node in plain) / len(plain):.1%}",
        "most_parameters": most,
        "of": widest,
        "noqa_PLR0913": sum(path.read_text().count("noqa: PLR0913") for path in trees),
    }


def main() -> None:
    """Count, print, and write a row a subject."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--csv", type=Path)
    path: Path | None = parser.parse_args().csv
    path = path and path.absolute()
    rows = [
        {"of": name, "figure": figure, "value": value}
        for name, figures in (
            *((name, walk.figures()) for name, walk in walks()),
            ("text", text_figures()),
        )
        for figure, value in figures.items()
    ]
    console = Console(stderr=True)
    for row in rows:
        console.print(f"{row['of']:<10} {row['figure']:<16} {row['value']}", markup=False)
    if path:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["of", "figure", "value"], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
