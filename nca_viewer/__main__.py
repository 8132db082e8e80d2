"""`python -m nca_viewer` is `nca-viewer`."""

import sys


def main() -> None:
    """Run the command; Ctrl+C is no traceback even while it is being imported."""
    try:
        from nca_viewer.cli import main as command

        command()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
