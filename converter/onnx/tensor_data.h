// Elements of ONNX tensors as dense bytes: little-endian, row-major, sub-byte types low bits first (the form of
// raw_data and of gf constants). Strings stay in Tensor::strings. No state; any thread.
#pragma once

#include <string_view>

#include "converter/onnx/external_data.h"
#include "converter/onnx/model.h"
#include "converter/onnx/model_check.h"

namespace gf::onnx {

/// The dense element bytes of `tensor`, exactly bytes(dims, type) long: raw_data and external data as views without a
/// copy (no alignment), typed fields decoded. Bools come out as 0 or 1 (any other byte is taken as 1, by copy).
/// Numbers in typed fields that do not fit the type are an error. `external` reads data_location EXTERNAL; without it
/// such a tensor is an error. `where` begins the message of an error.
/// Errors: those of check_tensor and ExternalData; Unsupported for STRING and the 6-bit floats; BadFile.
Bytes tensor_bytes(const Tensor& tensor, ExternalData* external = nullptr, std::string_view where = {},
                   const ReadLimits& limits = {});

/// Number of elements. Throws as check_tensor does for bad dims.
int64_t element_count(const Tensor& tensor, const ReadLimits& limits = {});

/// Values of an INT64 or INT32 tensor (shapes, axes, indices). Throws TypeMismatch for other types.
std::vector<int64_t> int64_values(const Tensor& tensor, ExternalData* external = nullptr, std::string_view where = {},
                                  const ReadLimits& limits = {});

/// The dense form of a sparse tensor: dims of the whole, zeros where no value is given, `raw_data` filled. Indices
/// ([NNZ] linear or [NNZ, rank]) must be in range, ascending and unique. Errors: BadFile, LimitExceeded
/// (max_dense_bytes); Unsupported for STRING and sub-byte element types.
Tensor densify(const SparseTensor& sparse, ExternalData* external = nullptr, std::string_view where = {},
               const ReadLimits& limits = {});

}  // namespace gf::onnx
