"""`python -m capture`: one capture pod."""

import sys

from capture.main import main

if __name__ == "__main__":
    sys.exit(main())
