"""Run the command line as `python -m revconsole`."""

from revconsole.cli.app import main

if __name__ == "__main__":
    main()
