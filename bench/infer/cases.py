"""Test cases in the ONNX backend-test layout (test_data_set_i/input_j.pb, output_j.pb), and ONNX Runtime on them.

Needs numpy, onnx and onnxruntime, not PyTorch.
"""
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

RTOL, ATOL = 1e-3, 1e-4


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
