// The converter for programs outside it: ONNX files in memory, their tensors, conversion to a graph, and which operators
// are known. facade/convert.h adds this build's evaluator and writing.
#pragma once

#include "converter/convert.h"
#include "converter/onnx/export.h"
#include "converter/onnx/external_data.h"
#include "converter/onnx/import.h"
#include "converter/onnx/lowering.h"
#include "converter/onnx/model.h"
#include "converter/onnx/reader.h"
#include "converter/onnx/tensor_data.h"
