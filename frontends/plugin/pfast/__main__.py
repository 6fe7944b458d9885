"""`python -m pfast`: pytest-fast's command line; with a command of pfast's first, pfast itself."""

from __future__ import annotations

import sys

from pfast._main import become, main

become(sys.argv[1:])
raise SystemExit(main(sys.argv[1:]))
