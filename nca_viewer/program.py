"""What the commands of both programs have in common: every failure is one line, and an interrupt is told."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, ClassVar, NoReturn

import click

from nca_viewer.ending import Interrupted, as_interrupted, ending
from nca_viewer.errors import DEBUG_VARIABLE, UserError, one_line, unexpected_message


class OneLineErrors(click.Command):
    """Prints every failure as one line on stderr, and ends the process with its exit code.

    0 is success, 2 whatever a user can set right, 1 what should not happen; 130, 143 and 129 are those of
    `nca_viewer.ending`, where a signal told the program to end.

    Attributes:
        program: What the line begins with.
    """

    program: ClassVar[str]

    def remedy(self, error: Exception) -> str | None:
        """What to say of an error that nobody expected, where a user can set it right."""
        return None

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command; as `click.Command.main`, but for the errors."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        ending.begin(self.program)
        try:
            result = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(error.exit_code)
        except click.ClickException as error:
            self._fail(error.format_message(), UserError.exit_code)
        except UserError as error:
            self._fail(str(error), error.exit_code)
        except (Interrupted, click.Abort, KeyboardInterrupt):
            ending.say_last_words()
            sys.exit(ending.exit_code)
        except Exception as error:
            if ending.is_told:  # What a library made of the interrupt.
                ending.say_last_words()
                sys.exit(ending.exit_code)
            if os.environ.get(DEBUG_VARIABLE):
                raise
            if remedy := self.remedy(error):
                self._fail(remedy, UserError.exit_code)
            self._fail(unexpected_message(error), 1)
        sys.exit(result if isinstance(result, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        """Do the work; an interrupt is told in our own words."""
        with as_interrupted():
            return super().invoke(ctx)

    def _fail(self, message: str, exit_code: int) -> NoReturn:
        click.echo(f"{self.program}: error: {one_line(message)}", err=True)
        sys.exit(exit_code)
