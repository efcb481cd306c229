"""What keeps a model's code from doing harm. Each part says whether it is in force; none is taken for granted."""
import ctypes
import os
import resource
import signal
import struct
import sys

from files import restrict_files
from system_calls import filter_system_calls

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWNET = (
    0x04000000, 0x08000000, 0x10000000, 0x40000000,
)
CAPSET = {"x86_64": 126, "aarch64": 91}
CAPABILITY_VERSION_3 = 0x20080522

# Largest file that may be written to the private folder, in bytes, and the most descriptors and threads.
MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_DESCRIPTORS = 256
MAX_THREADS = 256


def _check(result):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def close_descriptors():
    """Leaves standard input, output and error, and the channel to the node."""
    os.closerange(4, min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 1 << 20))


def _no_new_privileges(libc):
    _check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    _check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def _write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _own_namespaces(libc):
    """A network without interfaces, and no capability anywhere."""
    user, group = os.getuid(), os.getgid()
    _check(libc.unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS))
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user} {user} 1")
    _write("/proc/self/gid_map", f"{group} {group} 1")
    number = CAPSET.get(os.uname().machine)
    if number is not None:
        header = struct.pack("<Ii", CAPABILITY_VERSION_3, 0)
        _check(libc.syscall(number, ctypes.c_char_p(header), ctypes.c_char_p(bytes(24))))


def _limits(max_memory_bytes):
    resource.setrlimit(resource.RLIMIT_AS, (max_memory_bytes, max_memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (MAX_DESCRIPTORS, MAX_DESCRIPTORS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_threads():
    """Counts the threads of the user namespace; without one it would count all of the user's processes."""
    resource.setrlimit(resource.RLIMIT_NPROC, (MAX_THREADS, MAX_THREADS))


def allow_cpu_seconds(seconds):
    """Ends this process by SIGXCPU if it computes for longer than that from now on."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


def isolate(segments, work, max_memory_bytes):
    """Isolates this process for good. Returns what is in force, as a dictionary of names and sentences or None.

    To be called before numerical libraries are imported: they start threads, and namespaces want none.
    """
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform.startswith("linux") else None
    report = {}

    def attempt(name, sentence, work_of_it):
        try:
            if libc is None and name != "limits":
                raise OSError(0, "only on Linux")
            result = work_of_it()
            report[name] = {"inForce": True, "detail": sentence.format(result)}
        except (OSError, ValueError) as error:
            report[name] = {"inForce": False, "detail": str(error)}

    memory = f"{max_memory_bytes // 1_000_000} MB of address space"
    attempt("privileges", "no new privileges, ends with the node", lambda: _no_new_privileges(libc))
    attempt("network", "own user and network namespace, without interfaces", lambda: _own_namespaces(libc))
    if report["network"]["inForce"]:
        attempt("threads", f"at most {MAX_THREADS} threads", _limit_threads)
    attempt(
        "limits",
        f"{memory}, CPU time a call, files of {MAX_FILE_BYTES // 1_000_000} MB, {MAX_DESCRIPTORS} descriptors",
        lambda: _limits(max_memory_bytes),
    )
    attempt(
        "files",
        "Landlock {}: reads Python's own folders and the segments, writes to a private folder",
        lambda: restrict_files(libc, segments, work),
    )
    attempt("systemCalls", "no new processes or programs, no sockets", lambda: filter_system_calls(libc))
    return report
