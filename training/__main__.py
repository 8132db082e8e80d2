"""`python -m training` is `nca-train`."""

from nca_viewer.ending import run_program
from training import PROGRAM


def main() -> None:
    """Run the command; Ctrl+C is no traceback even while it is being imported."""

    def command() -> int:
        from training.cli import main

        return main()

    run_program(PROGRAM, command)


if __name__ == "__main__":
    main()
