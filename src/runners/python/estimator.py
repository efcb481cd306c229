"""An estimator of a pickle or a skops file: loaded from its segments, described, asked."""
import io
import os
import warnings

from frames import Failure
from skops_files import MAGIC, load_skops

# What an estimator may be asked for, in the order of the outputs; the second row only where there is no predict.
METHODS = ("predict", "predict_proba", "decision_function")
OTHER_METHODS = ("transform",)
INPUT = "X"
# Names the packages of a version's environment; the node reads it before the runner is started.
REQUIREMENTS = "requirements.txt"


class Chained(io.RawIOBase):
    """Several files, one after the other."""

    def __init__(self, paths):
        super().__init__()
        self._paths = list(paths)
        self._file = None

    def readable(self):
        return True

    def readinto(self, buffer):
        while True:
            if self._file is None:
                if not self._paths:
                    return 0
                self._file = open(self._paths.pop(0), "rb", buffering=0)
            count = self._file.readinto(buffer)
            if count:
                return count
            self._file.close()
            self._file = None

    def close(self):
        if self._file is not None:
            self._file.close()
        super().close()


def _open(manifest, folder):
    [file] = [one for one in manifest["files"] if one["path"] != REQUIREMENTS]
    paths = [os.path.join(folder, segment["digest"].removeprefix("sha256:")) for segment in file["segments"]]
    if len(paths) == 1:
        return open(paths[0], "rb")
    return io.BufferedReader(Chained(paths), 1 << 20)


def _read(file, policy):
    """The object of a file: by its first bytes a skops file, else a pickle, whose allow-list `restrict` put in force."""
    import joblib

    if file.peek(len(MAGIC)).startswith(MAGIC):
        return load_skops(file, policy)
    return joblib.load(file)


def _load(manifest, folder, policy):
    with _open(manifest, folder) as file, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            return _read(file, policy), [str(warning.message).split("\n")[0] for warning in caught]
        except Failure:
            raise
        except MemoryError as error:
            raise Failure("OUT_OF_BUDGET", "Loading it takes more memory than the Python runner may use") from error
        except (ModuleNotFoundError, AttributeError) as error:
            raise Failure(
                "LOAD_FAILED", f"Loading it failed: {error}. Install what it was saved with for the Python of --python"
            ) from error
        except BaseException as error:
            raise Failure("LOAD_FAILED", f"Loading it failed: {type(error).__name__}: {error}") from error


class Estimator:
    """One loaded version."""

    def __init__(self, manifest, folder, policy):
        self._model, self.warnings = _load(manifest, folder, policy)
        names = [name for name in METHODS if callable(getattr(self._model, name, None))]
        if "predict" not in names:
            names += [name for name in OTHER_METHODS if callable(getattr(self._model, name, None))]
        if not names:
            kind = type(self._model).__name__
            raise Failure("LOAD_FAILED", f"The file holds a {kind}, no estimator with predict or transform")
        self._names = names
        self.inputs = [self._input()]
        self.outputs = self._probe()

    def _input(self):
        first = self._model.steps[0][1] if hasattr(self._model, "steps") else self._model
        if getattr(first, "vocabulary_", None) is not None or type(first).__name__ == "HashingVectorizer":
            return {"name": INPUT, "type": "string", "dims": [-1]}
        count = getattr(self._model, "n_features_in_", None)
        return {"name": INPUT, "type": "float64", "dims": [-1, int(count) if count is not None else -1]}

    def _probe(self):
        """What each output looks like, by one run on one row."""
        import numpy

        info = self.inputs[0]
        if info["type"] == "string":
            row = numpy.array(["probe"], dtype=object)
        else:
            row = numpy.zeros((1, max(info["dims"][1], 1)))
        found = []
        for name in self._names:
            try:
                arrays = self._ask(name, row)
            except Failure:
                # An estimator may refuse this row and take others: what it gives is seen at the first request.
                arrays = [(name, "float64", None, [-1])]
            found += [{"name": one, "type": kind, "dims": [-1, *dims[1:]]} for one, kind, _, dims in arrays]
        return found

    def _ask(self, name, rows):
        try:
            answer = getattr(self._model, name)(rows)
        except MemoryError as error:
            raise Failure("OUT_OF_BUDGET", f"{name} takes more memory than the Python runner may use") from error
        except Exception as error:
            raise Failure("INVALID_INPUT", f"{name} refused the input: {str(error).splitlines()[0][:500]}") from error
        # Estimators of several outputs give a list of arrays.
        if isinstance(answer, list) and name != "predict":
            return [_tensor(f"{name}_{index}", one) for index, one in enumerate(answer)]
        return [_tensor(name, answer)]

    def infer(self, tensors, wanted):
        """Answers one matrix; returns what write_frame takes."""
        rows = self._check(tensors)
        known = {output["name"]: output["name"] for output in self.outputs} | {name: name for name in self._names}
        for name in wanted or []:
            if name not in known:
                raise Failure("INVALID_INPUT", f'The model has no output "{name}"; it has {", ".join(self._names)}')
        arrays = []
        for method in self._names:
            if wanted is None or any(name == method or name.startswith(f"{method}_") for name in wanted):
                arrays += self._ask(method, rows)
        return [array for array in arrays if wanted is None or array[0] in wanted]

    def _check(self, tensors):
        [info] = self.inputs
        if list(tensors) != [INPUT]:
            named = ", ".join(f'"{name}"' for name in tensors) or "none"
            raise Failure("INVALID_INPUT", f'The model takes one input, "{INPUT}"; the request has {named}')
        rows = tensors[INPUT]
        if info["type"] == "string":
            if rows.dtype != object:
                raise Failure("INVALID_INPUT", f'Input "{INPUT}" takes texts (BYTES)')
            return rows.reshape(-1)
        if rows.dtype == object:
            raise Failure("INVALID_INPUT", f'Input "{INPUT}" takes numbers (FP64 or FP32), not texts')
        count = info["dims"][1]
        if rows.ndim != 2 or (count >= 0 and rows.shape[1] != count):
            wanted = count if count >= 0 else "any"
            raise Failure(
                "INVALID_INPUT", f'Input "{INPUT}" has the shape {list(rows.shape)}, the model takes [any, {wanted}]'
            )
        return rows.astype("float64", copy=False)


def _tensor(name, answer):
    """An answer as (name, type, data, dims)."""
    import numpy

    array = answer.toarray() if hasattr(answer, "toarray") else numpy.asarray(answer)
    if array.dtype.kind in "iu":
        return name, "int64", numpy.ascontiguousarray(array, "<i8"), array.shape
    if array.dtype.kind == "f":
        return name, "float64", numpy.ascontiguousarray(array, "<f8"), array.shape
    if array.dtype.kind == "b":
        return name, "bool", numpy.ascontiguousarray(array), array.shape
    return name, "string", [str(one) for one in array.reshape(-1)], array.shape
