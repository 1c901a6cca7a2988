"""`python -m msdemucs`: the `msdemucs` command of the interpreter that is named."""

from msdemucs.cli.app import main

if __name__ == "__main__":
    main()
