"""The memory of this process: how much it is, and giving back what is free.

C's allocator keeps what many small and large pieces left between one another: after an hour of targets a worker would
hold nearly twice of what it uses. glibc gives it back when asked; elsewhere nothing is done.
"""

import ctypes
import gc
import os
from pathlib import Path


def resident_gb() -> float:
    """The memory of this process now, in GB; its peak where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e9
    except (OSError, ValueError, AttributeError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def give_back() -> None:
    """Give memory that nothing uses back to the system."""
    gc.collect()
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, TypeError, AttributeError):
        return
    trim(0)
