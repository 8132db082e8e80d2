"""`python -m nca_viewer` is `nca-viewer`."""

import sys

from nca_viewer.environment import prepare
from nca_viewer.errors import INTERRUPTED_EXIT_CODE


def main() -> None:
    """Run the command; Ctrl+C is no traceback even while it is being imported."""
    passed_over = prepare()
    try:
        from nca_viewer.cli import main as command
        from nca_viewer.launch import say

        if passed_over:
            say(passed_over)
        command()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED_EXIT_CODE)


if __name__ == "__main__":
    main()
