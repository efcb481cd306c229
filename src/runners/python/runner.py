"""The runner process for pickled models: hosts them and answers frames on file descriptor 3, one at a time.

Takes one argument, a JSON object: policy (null: anything may be imported), packages (a folder of packages to use, or
null), segmentsFolder, maxMemoryBytes, cpuSecondsPerCall. Needs the standard library to start; numpy, joblib and scikit-learn when a model is loaded, and skops for a skops file.
"""
import faulthandler
import json
import os
import resource
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from allocator import give_back  # noqa: E402
from frames import Failure, decode_tensor, read_frame, write_frame  # noqa: E402
from isolation import allow_cpu_seconds, close_descriptors, isolate  # noqa: E402
from loaded_libraries import open_own_maps, tell_threadpoolctl  # noqa: E402

CHANNEL = 3
# What every model needs, and what skops files need besides.
NEEDED = ("numpy", "joblib", "scikit-learn")
FOR_SKOPS = ("skops",)

options = json.loads(sys.argv[1])
if options["packages"] is not None:
    # Last, so that no package stands in for a module of Python itself before this process is confined.
    sys.path.append(options["packages"])
models = {}
loads = 0
ready = False


def packages():
    """The releases of what loading needs; None for what is missing."""
    from importlib import metadata

    found = {"python": sys.version.split()[0]}
    for name in NEEDED + FOR_SKOPS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def prepare():
    """Imports what loading needs, once."""
    global ready
    if ready:
        return
    found = packages()
    missing = [name for name in NEEDED if found[name] is None]
    if missing:
        advice = "install with pip, or name another Python with --python"
        if options["packages"] is not None:
            advice = "add them to the version's requirements.txt and publish it again"
        raise Failure("LOAD_FAILED", f"{' and '.join(missing)} not installed for {sys.executable}: {advice}")
    try:
        import joblib  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError as error:
        raise Failure("LOAD_FAILED", f"scikit-learn cannot be imported by {sys.executable}: {error}") from error
    tell_threadpoolctl(own_maps)
    if options["policy"] is not None:
        from restricted import restrict

        restrict(options["policy"])
    ready = True


def hosted(key):
    model = models.get(key)
    if model is None:
        raise Failure("INTERNAL", f"Version {key} is not loaded in runner {os.getpid()}")
    return model


def load(message):
    global loads
    started = time.perf_counter()
    key = message["key"]
    if key not in models:
        prepare()
        from estimator import Estimator

        models[key] = Estimator(message["manifest"], options["segmentsFolder"], options["policy"])
        loads += 1
        for warning in models[key].warnings:
            print(f"version {key}: {warning}", file=log, flush=True)
    model = models[key]
    took = (time.perf_counter() - started) * 1000
    return {"inputs": model.inputs, "outputs": model.outputs, "loadMs": took}


def unload(key):
    if models.pop(key, None) is not None:
        give_back()


def stats():
    if own_size is None:
        rss_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    else:
        rss_bytes = int(os.pread(own_size, 200, 0).split()[1]) * resource.getpagesize()
    return {
        "pid": os.getpid(),
        "loaded": list(models),
        "sessionsCreated": loads,
        "rssBytes": rss_bytes,
        "isolation": isolation,
        "packages": packages(),
    }


def answer(message, body):
    op = message["op"]
    if op == "prepare":
        prepare()
        return {}, []
    if op == "load":
        return load(message), []
    if op == "warm":
        hosted(message["key"])
        return {}, []
    if op == "predict":
        raise Failure("INVALID_INPUT", "This model has no task: send tensors to /v2/models/…/infer instead of text")
    if op == "infer":
        tensors = {place["name"]: decode_tensor(place, body) for place in message.get("tensors", [])}
        return {}, hosted(message["key"]).infer(tensors, message.get("outputs"))
    if op == "unload":
        unload(message["key"])
        return {}, []
    if op == "stats":
        return stats(), []
    raise Failure("INTERNAL", f"A runner has no operation {op}")


def serve():
    while True:
        frame = read_frame(CHANNEL)
        if frame is None:
            return
        message, body = frame
        allow_cpu_seconds(options["cpuSecondsPerCall"])
        try:
            result, arrays = answer(message, body)
            write_frame(CHANNEL, {"id": message["id"], "result": result}, arrays)
        except Failure as failure:
            write_frame(CHANNEL, {"id": message["id"], "error": {"code": failure.code, "message": str(failure)}})
        except MemoryError:
            error = {"code": "OUT_OF_BUDGET", "message": "The Python runner may use no more memory"}
            write_frame(CHANNEL, {"id": message["id"], "error": error})


def own_words():
    """Where this runner writes for the node's log; what a model prints goes nowhere, so that it disturbs nothing."""
    words = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.close(nowhere)
    faulthandler.enable(words)
    sys.excepthook = lambda kind, error, trace: traceback.print_exception(kind, error, trace, file=words)
    return words


close_descriptors()
log = own_words()
own_size = os.open("/proc/self/statm", os.O_RDONLY) if os.path.exists("/proc/self/statm") else None
own_maps = open_own_maps()
isolation = isolate(options["segmentsFolder"], os.getcwd(), options["maxMemoryBytes"])
serve()
