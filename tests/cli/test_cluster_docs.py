"""docs/cluster.md: its scripts and manifests parse, and every command in it is one of ours."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from msdemucs.cli.app import app

TEXT = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text()
BLOCKS = re.findall(r"```(sh|yaml)\n(.*?)```", TEXT, re.DOTALL)
SCRIPTS = [text for kind, text in BLOCKS if kind == "sh"]
JOB: dict[str, Any] = yaml.safe_load(next(text for kind, text in BLOCKS if kind == "yaml"))
(CONTAINER,) = JOB["spec"]["template"]["spec"]["containers"]
LINES = [line.removeprefix("srun ") for script in SCRIPTS for line in script.splitlines()]
COMMANDS = [shlex.split(line, comments=True) for line in LINES if line.startswith("msdemucs ")]


@pytest.mark.parametrize("words", [*COMMANDS, CONTAINER["command"]], ids=" ".join)
def test_every_command_is_one_that_the_command_line_takes(words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    arguments = words[1:]
    while hasattr(command, "commands"):
        name, *arguments = arguments
        command = command.commands[name]
    context = command.make_context(words[0], list(arguments))  # refuses what it does not know
    assert context.params


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_read_by_a_shell(script: str) -> None:
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_the_job_mounts_what_its_command_writes_to() -> None:
    pod = JOB["spec"]["template"]["spec"]
    folder = Path(CONTAINER["command"][CONTAINER["command"].index("--folder") + 1])
    (mount,) = CONTAINER["volumeMounts"]
    assert folder.is_relative_to(mount["mountPath"])
    assert mount["name"] in [volume["name"] for volume in pod["volumes"]]
    assert pod["restartPolicy"] == "OnFailure"
    assert pod["terminationGracePeriodSeconds"] >= 60
