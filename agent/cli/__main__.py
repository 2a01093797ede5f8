"""`python -m agent.cli`: the command line without the installed script. Must not do anything else."""

import sys

from agent.cli import main

if __name__ == "__main__":
    sys.exit(main())
