"""What a study may be called: its name is that of files, and an argument of commands."""

import re

NAME = "[A-Za-z0-9][A-Za-z0-9._-]*"
"""The pattern of a name."""

LONGEST_NAME = 100
"""Letters of a name."""

FILE_ENDINGS = (".db", ".journal", ".log", ".yaml", ".yml")
"""Of what commands take for a file in place of a study's name."""


def checked_name(name: str) -> str:
    """The name.

    Raises:
        ValueError: no file and no command could have it.
    """
    if not re.fullmatch(NAME, name):
        raise ValueError(f"must be letters, digits and . _ - alone; found “{name}”")
    if len(name) > LONGEST_NAME:
        raise ValueError(f"must have at most {LONGEST_NAME} letters; found {len(name)}")
    if name.endswith(FILE_ENDINGS):
        raise ValueError(f"must not end as a file's name does; found “{name}”")
    return name
