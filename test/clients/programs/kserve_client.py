"""kserve: InferenceRESTClient and InferenceGRPCClient, which are awaited."""
import asyncio
import json

import numpy
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig
from recorder import BEARER, CONTEXT, DOCUMENTS, GRPC, QUERY, QUESTION, ROWS, TEXT, URL, Recorder

# Given as a copy each time: the client of REST writes into what it is given.
HEADERS = {"authorization": BEARER}
METADATA = (("authorization", BEARER),)
record = Recorder()


def request(model, parameters=None, **inputs):
    tensors = []
    for name, texts in inputs.items():
        tensor = InferInput(name=name, shape=[len(texts)], datatype="BYTES")
        tensor.set_data_from_numpy(numpy.array(texts, dtype=object), binary_data=False)
        tensors.append(tensor)
    return InferRequest(model_name=model, infer_inputs=tensors, parameters=parameters)


def rows(binary):
    tensor = InferInput(name="X", shape=[2, 4], datatype="FP32")
    tensor.set_data_from_numpy(numpy.array(ROWS, dtype=numpy.float32), binary_data=binary)
    return InferRequest(model_name="iris", infer_inputs=[tensor])


def answers(response):
    data = response.outputs[0].as_numpy()
    return [json.loads(one) for one in data]


def label(response):
    return next(one for one in response.outputs if one.name == "label").as_numpy()


def typed():
    tensor = InferInput(name="text", shape=[1], datatype="BYTES", parameters={"content_type": "str"})
    tensor.set_data_from_numpy(numpy.array([TEXT], dtype=object), binary_data=False)
    return InferRequest(model_name="sentiment", infer_inputs=[tensor])


ASKED = [
    ("content_type", typed, answers),
    ("text-classification", lambda: request("sentiment", text=[TEXT]), answers),
    ("text-classification(top_k)", lambda: request("sentiment", {"top_k": 2}, text=[TEXT]), answers),
    ("question-answering", lambda: request("qa", question=[QUESTION], context=[CONTEXT]), answers),
    ("text-ranking", lambda: request("ranking", query=[QUERY], texts=DOCUMENTS), answers),
    ("tensors", lambda: rows(False), label),
    ("binary tensors", lambda: rows(True), label),
]


async def main():
    rest = InferenceRESTClient(RESTConfig(protocol="v2", timeout=60))
    for name, asked, read in ASKED:
        async def infer():
            given = asked()
            return read(await rest.infer(URL, given, model_name=given.model_name, headers=dict(HEADERS)))
        await record.wait(f"InferenceRESTClient.infer: {name}", infer)
    await record.wait("InferenceRESTClient.infer(dict)", lambda: as_dict(rest))
    await record.wait("InferenceRESTClient.is_server_live", lambda: rest.is_server_live(URL, headers=dict(HEADERS)))
    await record.wait("InferenceRESTClient.is_server_ready", lambda: rest.is_server_ready(URL, headers=dict(HEADERS)))
    await record.wait("InferenceRESTClient.is_model_ready", lambda: rest.is_model_ready(URL, "iris", headers=dict(HEADERS)))
    await rest.close()

    grpc = InferenceGRPCClient(url=GRPC)
    for name, asked, read in ASKED:
        if name == "binary tensors":
            continue
        async def infer():
            return read(await grpc.infer(asked(), headers=METADATA))
        await record.wait(f"InferenceGRPCClient.infer: {name}", infer)
    await record.wait("InferenceGRPCClient.is_server_live", lambda: grpc.is_server_live(headers=METADATA))
    await record.wait("InferenceGRPCClient.is_server_ready", lambda: grpc.is_server_ready(headers=METADATA))
    await record.wait("InferenceGRPCClient.is_model_ready", lambda: grpc.is_model_ready("iris", headers=METADATA))
    await grpc.close()


async def as_dict(rest):
    body = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [TEXT]}]}
    return answers(await rest.infer(URL, body, model_name="sentiment", headers=dict(HEADERS)))


asyncio.run(main())
record.print("kserve")
