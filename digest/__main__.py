"""`python -m digest` is the same as `digest`."""

import sys

from digest import cli

sys.exit(cli.main())
