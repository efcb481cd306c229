"""tritonclient.http against the server: metadata, JSON and binary tensors, compressed bodies, repository, errors."""
import numpy
import tritonclient.http as triton
from models import arguments, check_labels, iris, sentences, states
from tritonclient.utils import InferenceServerException

client = triton.InferenceServerClient(arguments().removeprefix("http://"), concurrency=4)
rows, classes = iris()
texts, labels = sentences()


def matrix(binary, name="X", values=rows):
    tensor = triton.InferInput(name, list(values.shape), "FP32")
    tensor.set_data_from_numpy(values, binary_data=binary)
    return tensor


def text_input(binary):
    tensor = triton.InferInput("text", [len(texts)], "BYTES")
    tensor.set_data_from_numpy(numpy.array([text.encode() for text in texts], dtype=object), binary_data=binary)
    return tensor


def outputs(binary):
    return [triton.InferRequestedOutput(name, binary_data=binary) for name in ("probabilities", "label")]


def refused(status, word, work):
    try:
        work()
    except InferenceServerException as error:
        assert error.status() == str(status) and word in error.message(), error
    else:
        raise AssertionError(f"{word} was not refused")


assert client.is_server_live() and client.is_server_ready()
server = client.get_server_metadata()
assert server["name"] == "modelkeep", server
assert {"binary_tensor_data", "model_repository"} <= set(server["extensions"]), server

# Nothing is loaded before it is asked for; asking whether it is ready begins to load it.
assert states(client.get_model_repository_index())[("iris", "1")] == ("UNAVAILABLE", "not loaded")
assert not client.is_model_ready("iris")
client.load_model("iris")
assert client.is_model_ready("iris") and client.is_model_ready("iris", "1")
metadata = client.get_model_metadata("iris")
assert metadata["inputs"] == [{"name": "X", "datatype": "FP32", "shape": [-1, 4]}], metadata
assert client.get_model_metadata("sentiment", "1")["versions"] == ["1", "2"]

for binary_in in (False, True):
    for binary_out in (False, True):
        answer = client.infer("iris", [matrix(binary_in)], outputs=outputs(binary_out), request_id="r-1")
        assert answer.get_response()["id"] == "r-1"
        assert [one["name"] for one in answer.get_response()["outputs"]] == ["probabilities", "label"]
        assert numpy.array_equal(answer.as_numpy("label"), classes)
        assert answer.as_numpy("probabilities").shape == (150, 3)
        assert answer.as_numpy("probabilities").dtype == numpy.float32

# Without outputs the client asks for all of them in binary form.
assert numpy.array_equal(client.infer("iris", [matrix(True)]).as_numpy("label"), classes)

for coding in ("gzip", "deflate"):
    many = numpy.tile(rows, (40, 1))
    answer = client.infer(
        "iris",
        [matrix(True, values=many)],
        request_compression_algorithm=coding,
        response_compression_algorithm=coding,
    )
    assert numpy.array_equal(answer.as_numpy("label"), numpy.tile(classes, 40)), coding
    answer = client.infer("iris", [matrix(False)], outputs=outputs(False), request_compression_algorithm=coding)
    assert numpy.array_equal(answer.as_numpy("label"), classes), coding

for binary in (False, True):
    requested = [triton.InferRequestedOutput("output", binary_data=binary)]
    check_labels(client.infer("sentiment", [text_input(binary)], outputs=requested).as_numpy("output"), labels)
# An alias stands in the place of a version.
assert client.infer("sentiment", [text_input(True)], model_version="old").get_response()["model_version"] == "1"
top = client.infer("sentiment", [text_input(True)], parameters={"top_k": 2}, timeout=30_000_000)
assert top.as_numpy("output").shape == (len(texts),)

# Tokens instead of text.
ids = numpy.array([[2, 5, 6, 3]], dtype=numpy.int64)
tokens = []
for one in client.get_model_metadata("sentiment")["parameters"]["tensor_inputs"]:
    tensor = triton.InferInput(one["name"], [1, 4], "INT64")
    tensor.set_data_from_numpy({"input_ids": ids}.get(one["name"], numpy.ones_like(ids)), binary_data=True)
    tokens.append(tensor)
assert client.infer("sentiment", tokens).as_numpy("logits").shape == (1, 2)

waiting = [client.async_infer("iris", [matrix(True)]) for _ in range(8)]
for one in waiting:
    assert numpy.array_equal(one.get_result().as_numpy("label"), classes)

client.unload_model("iris")
assert states(client.get_model_repository_index())[("iris", "1")] == ("UNAVAILABLE", "unloaded")
# A node loads on demand.
assert numpy.array_equal(client.infer("iris", [matrix(True)]).as_numpy("label"), classes)
assert states(client.get_model_repository_index())[("iris", "1")] == ("READY", "")

refused(404, "nope", lambda: client.load_model("nope"))
refused(404, "99", lambda: client.infer("iris", [matrix(True)], model_version="99"))
# One input is taken under any name, as MLServer's clients send it; a second one is nobody's.
assert numpy.array_equal(client.infer("iris", [matrix(True, name="Y")]).as_numpy("label"), classes)
refused(400, '"Y"', lambda: client.infer("iris", [matrix(True), matrix(True, name="Y")]))
refused(400, "nope", lambda: client.infer("iris", [matrix(True)], outputs=[triton.InferRequestedOutput("nope")]))
refused(400, "classification", lambda: client.infer("iris", [matrix(True)], outputs=[triton.InferRequestedOutput("label", class_count=2)]))
refused(400, "config", lambda: client.load_model("iris", config="{}"))
refused(403, "pin", lambda: client.unload_model("pinned"))
client.close()
print("ok")
