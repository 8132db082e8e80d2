"""For tests of what goes wrong: a simulation in which it does when a test says so, and who hears of it."""

from nca_viewer.kiosk.operation.heartbeat import Notifier


class Ears(Notifier):
    """Hears the heartbeat."""

    def __init__(self):
        super().__init__(None)
        self.heard = []

    def send(self, **fields):
        self.heard.append(fields)
        return True


class FaultySimulation:
    """A simulation in which a test decides what goes wrong; else it is the real one.

    Attributes:
        real: The real one.
        step_error: Raised by the next step, once.
        stalls: No snapshot comes while this is set.
        is_frozen: No step is taken until the next start.
        is_deaf: No stroke acts until the next start.
        freezes: Of each freeze that has ended how many steps it withheld.
    """

    def __init__(self, simulation):
        super().__setattr__("real", simulation)
        self.step_error = None
        self.stalls = False
        self.is_frozen = False
        self.is_deaf = False
        self.freezes = []
        self._withheld_steps = 0

    def __getattr__(self, name):
        return getattr(self.real, name)

    def __setattr__(self, name, value):
        """What the real one has is set there: who listens, experiments; not what stands before it here."""
        if hasattr(self.real, name) and not hasattr(type(self), name):
            setattr(self.real, name, value)
        else:
            super().__setattr__(name, value)

    def advance(self, steps):
        if self.step_error is not None:
            error, self.step_error = self.step_error, None
            raise error
        if self.is_frozen:
            self._withheld_steps += steps
        else:
            self.real.advance(steps)

    def apply(self, *arguments):
        if not self.is_deaf:
            self.real.apply(*arguments)

    def begin(self, image, mask_ratio):
        if self.is_frozen:
            self.freezes.append(self._withheld_steps)
        self._withheld_steps = 0
        self.is_frozen = self.is_deaf = False
        self.real.begin(image, mask_ratio)

    def request_snapshot(self, **options):
        return _Stalling(self, self.real.request_snapshot(**options))


class _Stalling:
    """A snapshot that does not come while the simulation stalls."""

    def __init__(self, simulation, pending):
        self._simulation, self._pending = simulation, pending

    @property
    def is_ready(self):
        return not self._simulation.stalls and self._pending.is_ready

    def result(self):
        assert not self._simulation.stalls, "it would have blocked"
        return self._pending.result()
