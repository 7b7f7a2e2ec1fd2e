"""From a PyTorch module to an ONNX model."""
import io
import logging
import warnings

import onnx
import torch


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
