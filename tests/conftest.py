"""What all tests take for granted of the process that they run in."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Hear Ctrl-C, and let children hear it, also where a shell took it away.

    Shells that run something in the background have it ignore interrupts, and
    whatever it starts inherits that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
