"""A filter of system calls: no new programs or processes, no sockets, no signals to others, nothing administrative."""
import ctypes
import errno
import os
import platform
import struct

# Numbers of system calls: x86_64 from arch/x86/entry/syscalls/syscall_64.tbl, aarch64 from asm-generic/unistd.h.
NUMBERS = {
    "x86_64": {
        "audit_arch": 0xC000003E, "clone": 56, "clone3": 435, "tgkill": 234,
        "denied": {
            "execve": 59, "execveat": 322, "fork": 57, "vfork": 58, "socket": 41, "socketpair": 53, "connect": 42,
            "bind": 49, "listen": 50, "accept": 43, "accept4": 288, "kill": 62, "tkill": 200, "rt_sigqueueinfo": 129,
            "rt_tgsigqueueinfo": 297, "pidfd_open": 434, "pidfd_getfd": 438, "pidfd_send_signal": 424, "ptrace": 101,
            "process_vm_readv": 310, "process_vm_writev": 311, "unshare": 272, "setns": 308, "mount": 165,
            "umount2": 166, "pivot_root": 155, "chroot": 161, "bpf": 321, "perf_event_open": 298,
            "userfaultfd": 323, "keyctl": 250, "add_key": 248, "request_key": 249, "io_uring_setup": 425,
            "init_module": 175, "finit_module": 313, "kexec_load": 246, "reboot": 169, "swapon": 167,
            "swapoff": 168, "settimeofday": 164, "clock_settime": 227, "personality": 135, "setsid": 112,
            "setpgid": 109, "open_by_handle_at": 304, "fsopen": 430, "fsmount": 432, "open_tree": 428,
        },
    },
    "aarch64": {
        "audit_arch": 0xC00000B7, "clone": 220, "clone3": 435, "tgkill": 131,
        "denied": {
            "execve": 221, "execveat": 281, "socket": 198, "socketpair": 199, "connect": 203, "bind": 200,
            "listen": 201, "accept": 202, "accept4": 242, "kill": 129, "tkill": 130, "rt_sigqueueinfo": 138,
            "rt_tgsigqueueinfo": 240, "pidfd_open": 434, "pidfd_getfd": 438, "pidfd_send_signal": 424, "ptrace": 117,
            "process_vm_readv": 270, "process_vm_writev": 271, "unshare": 97, "setns": 268, "mount": 40,
            "umount2": 39, "pivot_root": 41, "chroot": 51, "bpf": 280, "perf_event_open": 241,
            "userfaultfd": 282, "keyctl": 219, "add_key": 217, "request_key": 218, "io_uring_setup": 425,
            "init_module": 105, "finit_module": 273, "kexec_load": 104, "reboot": 142, "swapon": 224,
            "swapoff": 225, "settimeofday": 170, "clock_settime": 112, "personality": 92, "setsid": 157,
            "setpgid": 154, "open_by_handle_at": 265, "fsopen": 430, "fsmount": 432, "open_tree": 428,
        },
    },
}

LOAD, JUMP_EQUAL, JUMP_SET, JUMP_AT_LEAST, RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
OFFSET_NUMBER, OFFSET_ARCH, OFFSET_FIRST_ARGUMENT = 0, 4, 16
CLONE_THREAD = 0x00010000
X32_BIT = 0x40000000
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2


def _instruction(code, value=0, if_true=0, if_false=0):
    return struct.pack("<HBBI", code, if_true, if_false, value)


def _program(numbers, pid):
    denied = _instruction(RETURN, ERRNO | errno.EPERM)
    allowed = _instruction(RETURN, ALLOW)
    first_argument = _instruction(LOAD, OFFSET_FIRST_ARGUMENT)
    parts = [
        _instruction(LOAD, OFFSET_ARCH),
        _instruction(JUMP_EQUAL, numbers["audit_arch"], 1, 0),
        _instruction(RETURN, KILL),
        _instruction(LOAD, OFFSET_NUMBER),
        # The 32-bit calls of x86_64 have numbers of their own.
        _instruction(JUMP_AT_LEAST, X32_BIT, 0, 1),
        _instruction(RETURN, KILL),
        # Its arguments lie in memory, which a filter cannot read; the C library falls back to clone.
        _instruction(JUMP_EQUAL, numbers["clone3"], 0, 1),
        _instruction(RETURN, ERRNO | errno.ENOSYS),
        # Threads, but no processes.
        _instruction(JUMP_EQUAL, numbers["clone"], 0, 4),
        first_argument,
        _instruction(JUMP_SET, CLONE_THREAD, 0, 1),
        allowed,
        denied,
        # Signals to this process, as abort() sends one, but to no other.
        _instruction(JUMP_EQUAL, numbers["tgkill"], 0, 4),
        first_argument,
        _instruction(JUMP_EQUAL, pid, 0, 1),
        allowed,
        denied,
    ]
    for number in numbers["denied"].values():
        parts += [_instruction(JUMP_EQUAL, number, 0, 1), denied]
    parts.append(allowed)
    return b"".join(parts), len(parts)


def filter_system_calls(libc):
    """Installs the filter in this process for good; needs PR_SET_NO_NEW_PRIVS. Raises OSError where that fails."""
    numbers = NUMBERS.get(platform.machine())
    if numbers is None:
        raise OSError(errno.ENOSYS, f"no table of system calls for {platform.machine()}")
    code, length = _program(numbers, os.getpid())
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", length, ctypes.addressof(buffer))
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(program), 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
