"""mlserver: requests that its codecs write, sent as its users send them, and answers that they read."""
import json

import numpy
import pandas
import requests
from mlserver.codecs import NumpyCodec, NumpyRequestCodec, PandasCodec, StringCodec, StringRequestCodec
from mlserver.codecs.base import find_input_codec
from mlserver.types import InferenceRequest, InferenceResponse, RequestOutput
from recorder import BEARER, ROWS, TEXT, TEXTS, URL, Recorder

record = Recorder()
ARRAY = numpy.array(ROWS, dtype=numpy.float32)


def send(model, request):
    answer = requests.post(f"{URL}/v2/models/{model}/infer", data=request.model_dump_json(exclude_none=True),
                           headers={"Authorization": BEARER, "Content-Type": "application/json"}, timeout=60)
    answer.raise_for_status()
    return InferenceResponse.model_validate_json(answer.text)


def output(response, name):
    return next(one for one in response.outputs if one.name == name)


def texts(response):
    return [json.loads(one) for one in StringCodec.decode_output(output(response, "output"))]


def label(response):
    return NumpyCodec.decode_output(output(response, "label"))


def one_input(encoded):
    return InferenceRequest(inputs=[encoded])


record("StringCodec.encode_input, decode_output", lambda: texts(send(
    "sentiment", one_input(StringCodec.encode_input("text", [TEXT], use_bytes=False)))))
record("StringCodec.encode_input of any name", lambda: texts(send(
    "embeddings", one_input(StringCodec.encode_input("payload", TEXTS, use_bytes=False)))))
record("StringRequestCodec.encode_request", lambda: texts(send(
    "sentiment", StringRequestCodec.encode_request([TEXT], use_bytes=False))))
record("StringRequestCodec.decode_response", lambda: [json.loads(one) for one in StringRequestCodec.decode_response(
    send("sentiment", StringRequestCodec.encode_request([TEXT], use_bytes=False)))])
record("NumpyCodec.encode_input, decode_output", lambda: label(send("iris", one_input(NumpyCodec.encode_input("X", ARRAY)))))
record("NumpyRequestCodec.encode_request", lambda: label(send("iris", NumpyRequestCodec.encode_request(ARRAY))))
record("PandasCodec.encode_request of texts", lambda: texts(send(
    "qa", PandasCodec.encode_request(pandas.DataFrame({"question": ["Who wrote it?"], "context": ["It was Ada who wrote it."]}),
                                     use_bytes=False))))


def labelled():
    # The codec reads columns alone, which the probabilities of three classes are not.
    request = InferenceRequest(inputs=[NumpyCodec.encode_input("X", ARRAY)], outputs=[RequestOutput(name="label")])
    return PandasCodec.decode_response(send("iris", request))["label"].tolist()


record("PandasCodec.decode_response", labelled)


def by_content_type(given):
    # As MLServer's own clients do: the output says which codec reads it.
    return find_input_codec(given.parameters.content_type).decode_output(given)


record("find_input_codec(content_type).decode_output", lambda: [
    by_content_type(output(send("iris", one_input(NumpyCodec.encode_input("X", ARRAY))), "label")),
    [json.loads(one) for one in by_content_type(output(send(
        "sentiment", one_input(StringCodec.encode_input("text", [TEXT], use_bytes=False))), "output"))]])
record.print("mlserver")
