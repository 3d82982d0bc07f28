"""Whether a process of this machine is still there."""

import os


def is_alive(process: int) -> bool:
    """Whether there is a process of a number; one of somebody else's is there as well.

    Example:
        >>> is_alive(os.getpid()), is_alive(2**80)
        (True, False)
    """
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
