"""``python -m singleout`` does what ``singleout`` does."""

import sys

from singleout.cli.main import main

sys.exit(main())
