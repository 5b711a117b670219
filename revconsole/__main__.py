"""Run the command line as `python -m revconsole`."""

import sys

if not sys.flags.safe_path:  # -m puts the working folder first, and nothing is imported from there
    del sys.path[0]

from revconsole.cli.entry import main

if __name__ == "__main__":
    main()
