"""From a PyTorch module to an .onnx file and to the ONNX backend-test layout (model.onnx, test_data_set_i/*.pb)."""
import io
import logging
import pathlib
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper

RTOL, ATOL = 1e-3, 1e-4


def export(net, inputs, input_names, output_names, opset, dynamic=None, dynamo=False, keep_batch_norm=False, fold=True):
    """Returns the ONNX model of `net`. `dynamic`: {value name: {axis: dimension name}}.

    `keep_batch_norm` leaves BatchNormalization in the graph; otherwise the exporter folds it into the convolutions.
    `fold=False` keeps constant sub-graphs (a transposed tied weight is then not stored twice).
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    args = tuple(torch.from_numpy(x) for x in inputs)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            shapes = tuple((dynamic or {}).get(name, {}) for name in input_names)
            program = torch.onnx.export(net, args, dynamo=True, opset_version=opset, input_names=input_names,
                                        output_names=output_names, dynamic_shapes=shapes if dynamic else None,
                                        verbose=False)
            model = program.model_proto
        else:
            mode = torch.onnx.TrainingMode.PRESERVE if keep_batch_norm else torch.onnx.TrainingMode.EVAL
            torch.onnx.export(net, args, buffer, dynamo=False, opset_version=opset, input_names=input_names,
                              output_names=output_names, dynamic_axes=dynamic, training=mode, do_constant_folding=fold)
            model = onnx.load_from_string(buffer.getvalue())
    strip(model)
    return model


def strip(model):
    """Drops doc strings, per-node metadata and intermediate shapes: they only make files large."""
    del model.graph.value_info[:]
    for node in model.graph.node:
        node.doc_string = ""
        if hasattr(node, "metadata_props"):
            del node.metadata_props[:]
    for value in list(model.graph.input) + list(model.graph.output) + list(model.graph.initializer):
        value.doc_string = ""
        if hasattr(value, "metadata_props"):
            del value.metadata_props[:]
    if hasattr(model.graph, "metadata_props"):
        del model.graph.metadata_props[:]


def session(model, optimise=True, threads=1):
    """An ONNX Runtime session over a file or over bytes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def write_tensor(path, name, value):
    path.write_bytes(numpy_helper.from_array(np.ascontiguousarray(value), name).SerializeToString())


def write_set(folder, names_and_inputs, names_and_outputs):
    """Writes one test_data_set folder, replacing what is in it."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.pb"):
        old.unlink()
    for kind, tensors in (("input", names_and_inputs), ("output", names_and_outputs)):
        for i, (name, value) in enumerate(tensors):
            write_tensor(folder / f"{kind}_{i}.pb", name, value)


def read_set(folder, kind):
    """{name: array} of the `input_*.pb` or `output_*.pb` of a test_data_set folder, in order."""
    result = {}
    for i in range(len(list(pathlib.Path(folder).glob(f"{kind}_*.pb")))):
        tensor = onnx.load_tensor(str(pathlib.Path(folder) / f"{kind}_{i}.pb"))
        result[tensor.name] = numpy_helper.to_array(tensor)
    return result


def worst(actual, expected):
    """Largest |difference| / (ATOL + RTOL * |expected|): at most 1 is a pass; infinite where shapes differ."""
    if actual.shape != expected.shape:
        return float("inf")
    if actual.size == 0:
        return 0.0
    actual, expected = actual.astype(np.float64), expected.astype(np.float64)
    ratio = np.abs(actual - expected) / (ATOL + RTOL * np.abs(expected))
    return float("inf") if np.isnan(ratio).any() else float(ratio.max())
