"""Pages of the documentation, as their readers use them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for `pages`, which is no test
