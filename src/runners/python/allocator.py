"""Gives back what the C library's allocator keeps of freed memory."""
import ctypes
import gc


def opened_trim():
    """glibc's malloc_trim, or None where the C library has none. To be opened before the process is confined."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, TypeError, AttributeError):
        return None


_trim = opened_trim()


def give_back():
    """Collects what nothing refers to, and returns free pages to the system, those between used ones too."""
    gc.collect()
    if _trim is not None:
        _trim(0)
