"""What all tests take for granted of the process that they run in."""

from __future__ import annotations

import os
import signal


def pytest_configure() -> None:
    """Hear Ctrl-C, and let children hear it, also where a shell took it away.

    Shells that run something in the background have it ignore interrupts and SIGQUIT,
    and whatever it starts inherits that: a shell script cannot hear them again.
    Messages are as people see them, also in a job on GitHub, where they are redacted.
    """
    os.environ.pop("GITHUB_ACTIONS", None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGQUIT) is signal.SIG_IGN:
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)
