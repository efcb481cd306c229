"""Lets threadpoolctl see which libraries are loaded, without which nearest neighbours and other estimators do not predict.

It reads /proc/self/maps, and /proc is closed to a confined process; so that file is opened before.
"""
import os

PATH = "/proc/self/maps"
PART_BYTES = 1 << 16


def open_own_maps():
    """A descriptor of the file, or None where there is none."""
    return os.open(PATH, os.O_RDONLY) if os.path.exists(PATH) else None


def _read(descriptor):
    parts, at = [], 0
    while part := os.pread(descriptor, PART_BYTES, at):
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def tell_threadpoolctl(descriptor):
    """Makes threadpoolctl read the descriptor, if it is of a release that reads the file."""
    try:
        import threadpoolctl
    except ImportError:
        return
    controller = threadpoolctl.ThreadpoolController
    if descriptor is None or not hasattr(controller, "_find_libraries_with_linux"):
        return

    def find_libraries(self):
        for path in set(self._PATH_RE.findall(_read(descriptor))):
            self._make_controller_from_path(os.fsdecode(path))

    controller._find_libraries_with_linux = find_libraries
