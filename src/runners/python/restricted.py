"""Unpickling with an allow-list: joblib's unpickler, which imports nothing that is not on it."""
import pickle
import re
import types

from frames import Failure


# What belongs to every model of this process: a pickle that set attributes on it would change the others' answers.
SHARED = (type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType)


def _is_listed(patterns, name):
    return any(re.fullmatch(pattern, name) for pattern in patterns)


def is_allowed(policy, module, name):
    """True if a global is on the allow-list. A dot in the name would walk through attributes, out of that module."""
    full = f"{module}.{name}"
    return "." not in name and (full in policy["exact"] or _is_listed(policy["classes"] + policy["functions"], full))


def check_found(policy, module, name, found):
    """Refuses what is not what its name promised: a list of names alone could be met by a module's own imports."""
    full = f"{module}.{name}"
    if full in policy["exact"] or _is_listed(policy["functions"], full):
        return
    package = module.split(".")[0]
    if isinstance(found, type) and found.__module__.split(".")[0] == package:
        return
    raise Failure("UNSAFE_FORMAT", f"The model imports {full}, which is no class of {package}")


def restrict(policy):
    """Makes joblib.load of this process keep to the allow-list, in nested arrays of objects too."""
    from joblib import numpy_pickle

    class Restricted(numpy_pickle.NumpyUnpickler):
        dispatch = numpy_pickle.NumpyUnpickler.dispatch.copy()

        def load_build(self):
            if len(self.stack) > 1 and isinstance(self.stack[-2], SHARED):
                raise Failure("UNSAFE_FORMAT", f"The model changes {self.stack[-2]!r}, which others share")
            super().load_build()

        dispatch[pickle.BUILD[0]] = load_build

        def find_class(self, module, name):
            if not is_allowed(policy, module, name):
                raise Failure(
                    "UNSAFE_FORMAT",
                    f"The model imports {module}.{name}, which is not on the allow-list of what estimators are made of. "
                    "Convert it to ONNX, or start this node with --allow-pickle=any if you trust its publisher",
                )
            found = super().find_class(module, name)
            check_found(policy, module, name, found)
            return found

    read_array = numpy_pickle.NumpyArrayWrapper.read_array

    def read_array_restricted(self, unpickler, *rest):
        # joblib below 1.6 reads these with a plain unpickler.
        if self.dtype.hasobject:
            return Restricted("", unpickler.file_handle, *([False] if rest else [])).load()
        return read_array(self, unpickler, *rest)

    numpy_pickle.NumpyArrayWrapper.read_array = read_array_restricted
    numpy_pickle.NumpyUnpickler = Restricted
