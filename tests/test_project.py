"""Do the files around the package agree with it, and does a fresh clone have what it needs?"""

import ast
import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import msdemucs
from msdemucs.errors import SpecError
from msdemucs.spec import expanded, zoo_names
from msdemucs.study.search_space.loading import load_search_space
from msdemucs.study.search_space.sampling import SurrogateOptions
from msdemucs.study.search_space.space import SearchSpace
from msdemucs.train import Recipe, load_recipe

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """Every file that git tracks and that is there."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [Path(name) for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def shell_lines(text: str) -> Iterator[str]:
    """The commands in a Markdown text's sh blocks, without comments and continued lines joined."""
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            command = re.sub(r"\s+#.*|^#.*", "", line).strip()
            if command:
                yield command


def makefile_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def cli_misfit(words: list[str]) -> str | None:
    """What is wrong with the words of an msdemucs command: an unknown command or option."""
    from typer.main import get_command

    from msdemucs.cli.app import app

    command = get_command(app)
    options: set[str] = {"--help"}
    for word in words:
        subcommands = getattr(command, "commands", None)
        if word.startswith("-"):
            if word.split("=")[0] not in options:
                return f"{word} is no option of {command.name}"
        elif subcommands is not None:
            if word not in subcommands:
                return f"{word} is no command of {command.name}"
            command = subcommands[word]
            options |= {name for parameter in command.params for name in parameter.opts}
            options |= {name for parameter in command.params for name in parameter.secondary_opts}
    return None


# The version


def test_changelog_starts_with_what_is_unreleased_and_names_the_version_of_pyproject() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0].startswith("[Unreleased]")
    versions = re.findall(r"\d+\.\d+\.\d+", " ".join(headings))
    assert versions[0] == PYPROJECT["project"]["version"]


def test_installed_version_is_that_of_pyproject() -> None:
    assert msdemucs.__version__ == PYPROJECT["project"]["version"] == version("msdemucs")


# The installation


def test_the_package_is_found_beside_a_folder_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "msdemucs" / "docs").mkdir(parents=True)  # a clone seen from its parent folder
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    result = subprocess.run(
        [sys.executable, "-c", "from msdemucs import build"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr


# Documents


def test_the_map_of_the_tree_is_the_tree() -> None:
    (drawn,) = re.findall(r"^```\nmsdemucs/\n(.*?)^```", CONTRIBUTING, re.DOTALL | re.MULTILINE)
    named: dict[str, set[str]] = {"": set(), "study": set()}
    for line in drawn.splitlines():
        names = re.split(r"\s{2,}", line.strip())[0]
        parent = "study" if line.startswith("    ") else ""
        named[parent] |= {name.strip().rstrip("/") for name in names.split(",")}
    for parent, names in named.items():
        there = {
            path.stem
            for path in (ROOT / "msdemucs" / parent).iterdir()
            if (path.is_dir() or path.suffix == ".py") and not path.name.startswith(("_", "."))
        }
        assert names == there


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_commands_of_the_documents_exist(document: str) -> None:
    misfits = []
    for line in shell_lines((ROOT / document).read_text()):
        words = shlex.split(line)
        if words[0] == "make":
            targets = [word for word in words[1:] if "=" not in word]
            misfits += [f"make {word}" for word in targets if word not in makefile_targets()]
        elif words[0].endswith("msdemucs"):
            misfits += [problem for problem in [cli_misfit(words[1:])] if problem]
    assert misfits == []


def test_the_check_of_documented_commands_sees_unknown_commands_and_options() -> None:
    assert cli_misfit(["spec", "build", "htdemucs", "--json"]) is None
    assert "bild" in str(cli_misfit(["spec", "bild", "htdemucs"]))
    assert "--jsn" in str(cli_misfit(["spec", "build", "htdemucs", "--jsn"]))


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_files_that_the_documents_link_to_exist(document: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / document).read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_python_examples_of_the_readme_run(tmp_path: Path) -> None:
    examples = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    assert examples
    for example in examples:
        run = subprocess.run(
            [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr


RECIPE_GUIDE = (ROOT / "docs" / "recipes.md").read_text()


def test_the_recipe_of_the_guide_is_valid_and_its_tables_name_every_field(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```", RECIPE_GUIDE, re.DOTALL | re.MULTILINE)
    (tmp_path / "mine.yaml").write_text(example)
    assert load_recipe(tmp_path / "mine.yaml").n_steps == 8000
    first_cells = re.findall(r"^\| (`[^|]+) \|", RECIPE_GUIDE, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(first_cells))) == set(Recipe.model_fields)


STUDY_GUIDE = (ROOT / "docs" / "studies.md").read_text()


@pytest.mark.parametrize(
    "example", re.findall(r"^```yaml\n(.*?)^```", STUDY_GUIDE, re.DOTALL | re.MULTILINE)
)
def test_search_spaces_of_the_study_guide_load(example: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(example)
    assert load_search_space(tmp_path / "mine.yaml").space.recipe == "field_notes"


def test_the_tables_of_the_study_guide_name_every_field() -> None:
    first_cells = re.findall(r"^\| (`[^|]+) \|", STUDY_GUIDE, re.MULTILINE)
    named = set(re.findall(r"`(\w+)`", " ".join(first_cells))) - {"small"}
    options = set(inspect.signature(SurrogateOptions).parameters)
    assert named == set(SearchSpace.model_fields) | options


SPEC_GUIDE = re.findall(
    r"^```yaml\n(.*?)^```", (ROOT / "docs" / "spec.md").read_text(), re.DOTALL | re.MULTILINE
)


@pytest.mark.parametrize("example", SPEC_GUIDE)
def test_specs_of_the_spec_guide_load(example: str, tmp_path: Path) -> None:
    path = tmp_path / "example.yaml"
    path.write_text(example)
    spec = msdemucs.load_spec(path)
    assert spec.name == yaml.safe_load(example)["name"]


def test_the_spec_guide_names_every_system_of_the_zoo() -> None:
    text = (ROOT / "docs" / "spec.md").read_text()
    short = {name: name.replace("htdemucs_d", "_d", 1) for name in zoo_names()}
    assert [
        name
        for name in short
        if not {f"`{name}`", f"`{short[name]}`"} & set(re.findall(r"`\w+`", text))
    ] == []


def test_schedules_of_the_spec_guide_expand_as_it_says(tmp_path: Path) -> None:
    (example,) = [text for text in SPEC_GUIDE if "name: schedules" in text]
    path = tmp_path / "example.yaml"
    path.write_text(example)
    data = expanded(msdemucs.load_spec(path))
    assert data["channels"] == [32, 64, 96, 192]
    assert data["kernel_size"] == [16, 16, 8, 8]
    assert data["stride"] == [8, 8, 4, 4]


def test_the_contributing_guides_new_kind_needs_nothing_but_its_own_code(tmp_path: Path) -> None:
    """What it promises further, tests/test_kinds.py tries."""
    blocks = re.findall(r"^```python\n(.*?)^```", CONTRIBUTING, re.DOTALL | re.MULTILINE)
    check = """
from msdemucs.errors import SpecError

try:
    load_spec("htdemucs_n", overrides={"fusion.output": {"kind": "gains", "strat": 1}})
except SpecError as error:
    print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", "\n".join([*blocks, check])],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    counted, built = run.stdout.split()[:2]
    # n without its convolution (6200), and a gain a source and resolution
    assert counted == built == str(9672811 - 6200 + 4 * 3)
    assert "did you mean “start”?" in run.stdout


def test_the_contributing_guides_new_metric_needs_nothing_but_its_own_code() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", CONTRIBUTING, re.DOTALL | re.MULTILINE)
    (metric,) = [block for block in blocks if "METRICS[" in block]
    check = """
from typer.testing import CliRunner
from msdemucs.cli.app import app
from msdemucs.evaluate.scoring import Convention
from msdemucs.evaluate.evaluation import evaluate
from msdemucs.metrics import Quality
from tests.toys import Scale, noise, track

print(CliRunner().invoke(app, ["metrics"]).stdout)
found = evaluate(Scale(0.5), [track({"source0": noise()})], Convention(("peak_error_db",)))
print(found.summary().loc["source0", "peak_error_db.mean"])
print(Quality.parse("peak_error_db/bass", sources=["bass"], groups=[]).label)
"""
    run = subprocess.run(
        [sys.executable, "-c", metric + check], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert "peak error, dB, lower is better\n  20 log₁₀ of the largest" in run.stdout
    value, label = run.stdout.splitlines()[-2:]
    assert float(value) < 20
    assert label == "peak error of bass"


def test_specs_of_the_readme_are_accepted_and_refused_as_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound, broken = re.findall(r"^```yaml\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    (message,) = re.findall(r"^```text\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    Path("sound.yaml").write_text(sound)
    Path("broken.yaml").write_text(broken)
    assert msdemucs.load_spec(Path("sound.yaml")).name == "two_windows"
    with pytest.raises(SpecError) as refusal:
        msdemucs.load_spec(Path("broken.yaml"))
    assert str(refusal.value) == message.rstrip()


def test_spec_of_the_contributing_guide_is_a_valid_zoo_file(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```", CONTRIBUTING, re.DOTALL | re.MULTILINE)
    path = tmp_path / "example.yaml"
    path.write_text(example)
    assert msdemucs.load_spec(path).name == yaml.safe_load(example)["name"]


# Files


def test_every_data_file_of_the_package_is_packaged(tracked: list[Path]) -> None:
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]["msdemucs"]
    data = [path for path in tracked if path.parts[0] == "msdemucs" and path.suffix != ".py"]
    assert data
    inside = [path.relative_to("msdemucs").as_posix() for path in data]
    assert [name for name in inside if not any(fnmatch(name, p) for p in patterns)] == []


def test_every_search_space_is_listed_in_the_readme(tracked: list[Path]) -> None:
    spaces = [path.as_posix() for path in tracked if path.parts[0] == "search_spaces"]
    assert spaces
    assert [path for path in spaces if path not in README] == []


def test_no_tracked_file_names_a_package_host_or_a_place_on_one_machine(
    tracked: list[Path],
) -> None:
    hosts = r"pypi[.]org|python[h]osted|download[.]pytorch|index[-]url|find[-]links"
    places = r"/[w]ork/|/[r]oot/|/home/\w|/Users/\w|file:///\w"
    pattern = re.compile(f"{hosts}|{places}".encode())
    found = {path.as_posix(): pattern.findall((ROOT / path).read_bytes()) for path in tracked}
    assert {path: matches for path, matches in found.items() if matches} == {}


def test_every_module_opens_with_a_docstring(tracked: list[Path]) -> None:
    modules = [path for path in tracked if path.suffix == ".py" and path.name != "__init__.py"]
    opens = {
        path.as_posix(): (ROOT / path).read_text().startswith(('"""', 'r"""', "#!"))
        for path in modules
    }
    assert [path for path, has_docstring in opens.items() if not has_docstring] == []


def test_what_a_packages_docstring_lists_is_in_the_package(tracked: list[Path]) -> None:
    row = re.compile(r"^(\w+/?(?:, \w+/?)*)(?: \([^)]*\))?(?: {2,}\S| ─▶)", re.MULTILINE)
    listed = {
        path.parent / name
        for path in tracked
        if path.name == "__init__.py"
        for names in row.findall(ast.get_docstring(ast.parse((ROOT / path).read_text())) or "")
        for name in names.split(", ")
    }
    assert Path("msdemucs/study/execution/loop") in listed
    known = {path.with_suffix("") for path in tracked} | {path.parent for path in tracked}
    assert sorted(listed - known) == []


# The public names


def test_public_names_are_sorted_and_exist() -> None:
    assert msdemucs.__all__ == sorted(msdemucs.__all__)
    for name in msdemucs.__all__:
        assert getattr(msdemucs, name).__name__ == name


@pytest.mark.parametrize(
    "module", ["msdemucs", "msdemucs.metrics", "msdemucs.spec", "msdemucs.cost", "msdemucs.cli.app"]
)
def test_import_leaves_torch_and_optuna_unloaded(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'torch', 'optuna'}} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_what_does_not_train_leaves_lightning_and_torchs_compiler_unloaded() -> None:
    modules = ["train.devices", "train.recipe", "train.run", "study.execution.loop"]
    imports = ", ".join(f"msdemucs.{module}" for module in modules)
    slow = "{'lightning_fabric', 'torch._dynamo'}"
    code = f"import sys, {imports}; print(sorted({slow} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_what_reads_a_recipe_leaves_what_scores_unloaded() -> None:
    slow = "{'msdemucs.evaluate', 'pandas', 'scipy', 'torchaudio'}"
    code = f"import sys, msdemucs.train.recipe; print(sorted({slow} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


# The environment


def declared() -> list[Requirement]:
    groups = PYPROJECT["dependency-groups"]
    names = [*PYPROJECT["project"]["dependencies"], *groups["dev"], *groups["peers"]]
    return [Requirement(name) for name in names]


def test_constraints_pin_every_declared_package_inside_its_range() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    pinned = {canonicalize_name(name): pin for name, pin in pins.items()}
    outside = [
        str(requirement)
        for requirement in declared()
        if not requirement.specifier.contains(pinned.get(canonicalize_name(requirement.name), "0"))
    ]
    assert outside == []


def test_hooks_before_a_commit_are_local_and_run_what_make_check_runs() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    hooks = {hook["entry"].split()[0] for hook in repository["hooks"]}
    recipe = (ROOT / "Makefile").read_text().split("check: setup\n")[1].split("\n\n")[0]
    checks = {line.split()[0].replace("$(BIN)", ".venv/bin") for line in recipe.splitlines()}
    assert hooks == checks


def run_script(path: Path, *arguments: str, tools: Path) -> subprocess.CompletedProcess[str]:
    """Runs a script that finds only the given programs."""
    environment = {"PATH": str(tools), "HOME": str(tools)}
    command = [shutil.which("bash") or "bash", str(path), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.fixture
def bare_tools(tmp_path: Path) -> Path:
    """A folder with the programs that every machine has and nothing else."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("bash", "cat", "cksum", "dirname", "env", "grep", "id", "rm"):
        (folder / name).symlink_to(os.path.realpath(shutil.which(name) or name))
    return folder


def test_missing_system_package_is_named_with_what_will_not_work(bare_tools: Path) -> None:
    script = ROOT / "scripts/system-packages.sh"
    run = run_script(script, "ffmpeg", "grep", tools=bare_tools)
    assert run.returncode == 1
    assert "ffmpeg is missing: MUSDB18 .stem.mp4 files and the real excerpt" in run.stderr
    assert "grep is missing" not in run.stderr


def test_missing_optional_system_package_is_named_and_the_run_goes_on(bare_tools: Path) -> None:
    script = ROOT / "scripts/system-packages.sh"
    run = run_script(script, "--optional", "ffmpeg", tools=bare_tools)
    assert run.returncode == 0
    assert "ffmpeg is missing" in run.stderr


def test_setup_without_python_says_what_to_install(bare_tools: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    (clone / "scripts").mkdir(parents=True)
    for name in ("pyproject.toml", "constraints.txt"):
        (clone / name).touch()
    for script in (ROOT / "scripts").iterdir():
        shutil.copy(script, clone / "scripts")
    run = run_script(clone / "scripts/setup.sh", tools=bare_tools)
    assert run.returncode == 1
    assert "no Python 3.11 with its venv module found" in run.stderr
    assert not (clone / ".venv").exists()
