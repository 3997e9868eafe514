"""`python -m node.cli` is `gtx`."""

import sys

from node.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
