"""tritonclient.grpc against the server: metadata, raw tensors, compression, async, deadlines, repository, errors."""
import threading

import numpy
import tritonclient.grpc as triton
from models import arguments, check_labels, iris, sentences, states
from tritonclient.utils import InferenceServerException

client = triton.InferenceServerClient(arguments())
rows, classes = iris()
texts, labels = sentences()


def matrix(name="X", values=rows):
    tensor = triton.InferInput(name, list(values.shape), "FP32")
    tensor.set_data_from_numpy(values)
    return tensor


def text_input():
    tensor = triton.InferInput("text", [len(texts)], "BYTES")
    tensor.set_data_from_numpy(numpy.array([text.encode() for text in texts], dtype=object))
    return tensor


def refused(status, word, work):
    try:
        work()
    except InferenceServerException as error:
        assert error.status() == f"StatusCode.{status}" and word in error.message(), error
    else:
        raise AssertionError(f"{word} was not refused")


def index():
    return states([
        {"name": one.name, "version": one.version, "state": one.state, "reason": one.reason}
        for one in client.get_model_repository_index().models
    ])


assert client.is_server_live() and client.is_server_ready()
server = client.get_server_metadata()
assert server.name == "modelkeep" and "model_repository" in server.extensions, server

client.unload_model("iris")
assert not client.is_model_ready("iris")
client.load_model("iris")
assert client.is_model_ready("iris") and client.is_model_ready("iris", "1")
assert index()[("iris", "1")] == ("READY", "")
metadata = client.get_model_metadata("iris", as_json=True)
assert metadata["inputs"] == [{"name": "X", "datatype": "FP32", "shape": ["-1", "4"]}], metadata
assert client.get_model_metadata("sentiment", "1").versions == ["1", "2"]

wanted = [triton.InferRequestedOutput(name) for name in ("probabilities", "label")]
for compression in (None, "gzip", "deflate"):
    answer = client.infer("iris", [matrix()], outputs=wanted, request_id="r-1", compression_algorithm=compression)
    assert answer.get_response().id == "r-1"
    assert [one.name for one in answer.get_response().outputs] == ["probabilities", "label"]
    assert numpy.array_equal(answer.as_numpy("label"), classes)
    assert answer.as_numpy("probabilities").shape == (150, 3)

check_labels(client.infer("sentiment", [text_input()]).as_numpy("output"), labels)
assert client.infer("sentiment", [text_input()], model_version="old").get_response().model_version == "1"
top = client.infer("sentiment", [text_input()], parameters={"top_k": 2}, timeout=30_000_000, client_timeout=30)
assert top.as_numpy("output").shape == (len(texts),)

done = threading.Semaphore(0)
results = []


def collect(result, error):
    results.append(error if result is None else result.as_numpy("label"))
    done.release()


for _ in range(8):
    client.async_infer("iris", [matrix()], collect)
for _ in range(8):
    assert done.acquire(timeout=30)
assert all(numpy.array_equal(result, classes) for result in results), results

client.unload_model("iris")
assert index()[("iris", "1")] == ("UNAVAILABLE", "unloaded")
assert numpy.array_equal(client.infer("iris", [matrix()]).as_numpy("label"), classes)

refused("NOT_FOUND", "nope", lambda: client.load_model("nope"))
refused("NOT_FOUND", "99", lambda: client.infer("iris", [matrix()], model_version="99"))
# One input is taken under any name, as MLServer's clients send it; a second one is nobody's.
assert numpy.array_equal(client.infer("iris", [matrix(name="Y")]).as_numpy("label"), classes)
refused("INVALID_ARGUMENT", '"Y"', lambda: client.infer("iris", [matrix(), matrix(name="Y")]))
refused("INVALID_ARGUMENT", "config", lambda: client.load_model("iris", config="{}"))
refused("PERMISSION_DENIED", "pin", lambda: client.unload_model("pinned"))
big = numpy.zeros((1_000_000, 4), dtype=numpy.float32)
refused("RESOURCE_EXHAUSTED", "larger than max", lambda: client.infer("iris", [matrix(values=big)]))
assert client.is_server_live()
client.close()
print("ok")
