"""Landlock: which folders this process may read, and the one that it may write to."""
import ctypes
import errno
import os
import struct
import sys
import sysconfig

# System calls have these numbers on every architecture that Linux got since 2018; see landlock(7).
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION_FLAG, RULE_PATH_BENEATH = 1, 1

READ_FILE, READ_DIR = 1 << 2, 1 << 3
WRITE_FILE, REMOVE_DIR, REMOVE_FILE, MAKE_DIR, MAKE_REG = 1 << 1, 1 << 4, 1 << 5, 1 << 7, 1 << 8
TRUNCATE = 1 << 14
READ = READ_FILE | READ_DIR
WRITE = READ | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG
# By version of the interface: rights over files (13 at first), TCP (from 4), signals and abstract sockets (from 6).
FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
NEWEST_KNOWN = 5
NETWORK_RIGHTS, SCOPES = 0b11, 0b11


def _readable():
    """Where Python, its packages and the system's shared libraries lie, and what numerical libraries ask of the machine."""
    folders = [path for path in sys.path if path]
    folders += [sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    folders += [sysconfig.get_config_var("LIBDIR") or "", os.path.dirname(os.path.abspath(__file__))]
    folders += ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo"]
    folders += ["/dev/urandom", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system"]
    return {os.path.realpath(folder) for folder in folders if folder}


def _call(libc, *arguments):
    result = libc.syscall(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _allow(libc, ruleset, path, rights):
    try:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        # Rights over the contents of folders cannot be given on a plain file.
        if not os.path.isdir(path):
            rights &= READ_FILE | WRITE_FILE | TRUNCATE
        rule = struct.pack("<Qi", rights, folder)
        _call(libc, ADD_RULE, ruleset, RULE_PATH_BENEATH, ctypes.c_char_p(rule), 0)
    finally:
        os.close(folder)


def restrict_files(libc, segments, work):
    """Confines this process for good; returns the interface's version. Raises OSError where that fails.

    `segments`: the folder that models are read from; `work`: the folder that may be written to.
    """
    if not sys.platform.startswith("linux"):
        raise OSError(errno.ENOSYS, "Landlock is there on Linux only")
    version = _call(libc, CREATE_RULESET, None, ctypes.c_size_t(0), VERSION_FLAG)
    handled = FILE_RIGHTS[min(version, NEWEST_KNOWN)]
    attributes = struct.pack("<QQQ", handled, NETWORK_RIGHTS if version >= 4 else 0, SCOPES if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = _call(libc, CREATE_RULESET, ctypes.c_char_p(attributes), ctypes.c_size_t(size), 0)
    try:
        for path in _readable() | {os.path.realpath(segments)}:
            _allow(libc, ruleset, path, READ)
        _allow(libc, ruleset, "/dev/null", READ_FILE | WRITE_FILE)
        _allow(libc, ruleset, os.path.realpath(work), (WRITE | TRUNCATE) & handled)
        _call(libc, RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return version
