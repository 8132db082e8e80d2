"""`python -m nca_viewer` is `nca-viewer`."""

from nca_viewer.ending import run_program
from nca_viewer.version import PROGRAM


def main() -> None:
    """Run the command; Ctrl+C is no traceback even while it is being imported."""

    def command() -> None:
        from nca_viewer.cli import main

        main()

    run_program(PROGRAM, command)


if __name__ == "__main__":
    main()
