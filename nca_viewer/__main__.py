"""`python -m nca_viewer` is `nca-viewer`."""

import signal


def main() -> None:
    """Run the command; Ctrl+C is no traceback even while it is being imported."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until `run_program` takes care of it, Ctrl+C ends the process at once.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from nca_viewer.ending import run_program
    from nca_viewer.version import PROGRAM

    def command() -> None:
        from nca_viewer.cli import main

        main()

    run_program(PROGRAM, command)


if __name__ == "__main__":
    main()
