#include "converter/onnx/tensor_data.h"

#include <algorithm>
#include <cstring>
#include <protozero/varint.hpp>

#include "runtime/core/checked.h"
#include "runtime/core/exception.h"

namespace gf::onnx {
namespace {

using Field = TypedData::Field;

/// What one number of int32_data may be for a type, and how many bytes it becomes.
struct Int32Rule {
  int64_t lowest;
  int64_t highest;
  size_t bytes;
};

Int32Rule int32_rule(TensorType type) {
  switch (type) {
    case TensorType::Int32:
      return {INT32_MIN, INT32_MAX, 4};
    case TensorType::Int16:
      return {INT16_MIN, INT16_MAX, 2};
    case TensorType::Int8:
      return {INT8_MIN, INT8_MAX, 1};
    case TensorType::Bool:
      return {INT32_MIN, INT32_MAX, 1};
    case TensorType::Uint16:
    case TensorType::Float16:
    case TensorType::BFloat16:
      return {0, UINT16_MAX, 2};
    // A byte of packed 4- or 2-bit elements: some writers sign-extend it.
    case TensorType::Int4:
    case TensorType::Int2:
      return {INT8_MIN, UINT8_MAX, 1};
    default:
      return {0, UINT8_MAX, 1};
  }
}

std::string describe(const Tensor& tensor) {
  return tensor.name.empty() ? std::string() : "tensor '" + printable(tensor.name) + "' ";
}

uint64_t next_varint(const char*& p, const char* end) { return protozero::decode_varint(&p, end); }

template <class T>
void store(std::vector<std::byte>& out, size_t index, T value) {
  std::memcpy(out.data() + index * sizeof value, &value, sizeof value);
}

std::vector<std::byte> decode_int32(const Tensor& tensor, const FieldPath& path) {
  const Int32Rule rule = int32_rule(tensor.data_type);
  std::vector<std::byte> out(static_cast<size_t>(tensor.typed.count) * rule.bytes);
  const char* p = tensor.typed.wire.text().data();
  const char* end = p + tensor.typed.wire.size();
  for (size_t i = 0; p != end; ++i) {
    auto value = static_cast<int64_t>(static_cast<int32_t>(static_cast<uint32_t>(next_varint(p, end))));
    if (value < rule.lowest || value > rule.highest)
      fail_at(Error::BadFile, path,
              describe(tensor) + "has " + std::to_string(value) + " as number " + std::to_string(i) +
                  " of int32_data, which is no " + tensor_type_name(tensor.data_type));
    if (tensor.data_type == TensorType::Bool) value = value != 0 ? 1 : 0;
    if (rule.bytes == 4) store(out, i, static_cast<int32_t>(value));
    if (rule.bytes == 2) store(out, i, static_cast<uint16_t>(value));
    if (rule.bytes == 1) store(out, i, static_cast<uint8_t>(value));
  }
  return out;
}

std::vector<std::byte> decode_int64(const Tensor& tensor, const FieldPath& path) {
  const bool narrow = tensor.data_type == TensorType::Uint32;
  std::vector<std::byte> out(static_cast<size_t>(tensor.typed.count) * (narrow ? 4 : 8));
  const char* p = tensor.typed.wire.text().data();
  const char* end = p + tensor.typed.wire.size();
  for (size_t i = 0; p != end; ++i) {
    const uint64_t value = next_varint(p, end);
    if (narrow && value > UINT32_MAX)
      fail_at(Error::BadFile, path,
              describe(tensor) + "has " + std::to_string(value) + " as number " + std::to_string(i) +
                  " of uint64_data, which is no UINT32");
    if (narrow)
      store(out, i, static_cast<uint32_t>(value));
    else
      store(out, i, value);
  }
  return out;
}

/// Bytes other than 0 and 1 would be undefined behaviour in a C++ bool and true in every other reader.
Bytes clean_bools(Bytes bytes) {
  const auto above_one = [](std::byte b) { return b > std::byte{1}; };
  if (std::none_of(bytes.span().begin(), bytes.span().end(), above_one)) return bytes;
  std::vector<std::byte> copy(bytes.span().begin(), bytes.span().end());
  for (std::byte& b : copy) b = b != std::byte{0} ? std::byte{1} : std::byte{0};
  return Bytes::take(std::move(copy));
}

Bytes inner_bytes(const Tensor& tensor, uint64_t size, const FieldPath& path, const ReadLimits& limits) {
  if (tensor.raw_data) return *tensor.raw_data;
  if (tensor.typed.count == 0) return {};
  if (size > limits.max_dense_bytes)
    fail_at(Error::LimitExceeded, path,
            describe(tensor) + "has " + std::to_string(size) + " bytes to decode; the limit is " +
                std::to_string(limits.max_dense_bytes));
  switch (tensor.typed.field) {
    case Field::Float:
    case Field::Double:
      return tensor.typed.wire;  // the wire form is the dense form
    case Field::Int32:
      return Bytes::take(decode_int32(tensor, path));
    default:
      return Bytes::take(decode_int64(tensor, path));
  }
}

/// Linear positions of the values of a sparse tensor, validated.
std::vector<int64_t> sparse_positions(const SparseTensor& sparse, int64_t total, int64_t count, ExternalData* external,
                                      const FieldPath& path, const ReadLimits& limits) {
  const std::vector<int64_t>& shape = sparse.indices.dims;
  const size_t rank = sparse.dims.size();
  const bool linear = shape.size() == 1;
  if (shape.empty() || shape.size() > 2 || shape[0] != count ||
      (shape.size() == 2 && shape[1] != static_cast<int64_t>(rank)))
    fail_at(Error::BadFile, path,
            "indices must have the shape [" + std::to_string(count) + "] or [" + std::to_string(count) + ", " +
                std::to_string(rank) + "]");
  if (sparse.indices.data_type != TensorType::Int64) fail_at(Error::BadFile, path, "indices must be INT64");
  const std::vector<int64_t> indices = int64_values(sparse.indices, external, path.field, limits);
  std::vector<int64_t> positions(static_cast<size_t>(count));
  for (size_t i = 0; i < positions.size(); ++i) {
    int64_t position = linear ? indices[i] : 0;
    bool good = position >= 0 && position < total;
    for (size_t axis = 0; !linear && axis < rank; ++axis) {
      const int64_t index = indices[i * rank + axis];
      good = good && index >= 0 && index < sparse.dims[axis];
      if (good) position = position * sparse.dims[axis] + index;  // stays below total, which fits
    }
    if (!good) fail_at(Error::BadFile, path, "index " + std::to_string(i) + " is outside the tensor");
    if (i > 0 && position <= positions[i - 1])
      fail_at(Error::BadFile, path,
              "indices must ascend without repetition; number " + std::to_string(i) + " does not");
    positions[i] = position;
  }
  return positions;
}

}  // namespace

int64_t element_count(const Tensor& tensor, const ReadLimits& limits) {
  return checked_count(tensor.dims, limits, {nullptr, "dims"});
}

Bytes tensor_bytes(const Tensor& tensor, ExternalData* external, std::string_view where, const ReadLimits& limits) {
  const FieldPath path{nullptr, where};
  check_tensor(tensor, limits, path);
  if (to_dtype(tensor.data_type) == DType::Invalid || tensor.data_type == TensorType::String)
    fail_at(Error::Unsupported, path,
            describe(tensor) + "of type " + tensor_type_name(tensor.data_type) + " has no dense bytes here");
  const int64_t count = checked_count(tensor.dims, limits, path);
  const uint64_t size = checked_bytes(count, tensor.data_type, path);
  Bytes bytes;
  if (tensor.location == Tensor::Location::External) {
    if (external == nullptr)
      fail_at(Error::IoError, path, describe(tensor) + "has its data in another file, which this call may not read");
    bytes = external->read(tensor, size, where);
  } else {
    bytes = inner_bytes(tensor, size, path, limits);
  }
  if (bytes.size() != size)
    fail_at(Error::BadFile, path,
            describe(tensor) + "needs " + std::to_string(size) + " bytes but has " + std::to_string(bytes.size()));
  return tensor.data_type == TensorType::Bool ? clean_bools(std::move(bytes)) : bytes;
}

std::vector<int64_t> int64_values(const Tensor& tensor, ExternalData* external, std::string_view where,
                                  const ReadLimits& limits) {
  const bool narrow = tensor.data_type == TensorType::Int32;
  if (!narrow && tensor.data_type != TensorType::Int64)
    fail_at(Error::TypeMismatch, {nullptr, where},
            describe(tensor) + "has type " + tensor_type_name(tensor.data_type) + " where INT64 is needed");
  const Bytes bytes = tensor_bytes(tensor, external, where, limits);
  const size_t width = narrow ? 4 : 8;
  std::vector<int64_t> out(bytes.size() / width);
  for (size_t i = 0; i < out.size(); ++i) {
    int32_t small = 0;
    if (narrow) std::memcpy(&small, bytes.data() + i * width, width);
    if (narrow) out[i] = small;
    if (!narrow) std::memcpy(&out[i], bytes.data() + i * width, width);
  }
  return out;
}

Tensor densify(const SparseTensor& sparse, ExternalData* external, std::string_view where, const ReadLimits& limits) {
  const FieldPath path{nullptr, where};
  const DType type = to_dtype(sparse.values.data_type);
  if (type == DType::String || type == DType::Invalid || dtype_is_sub_byte(type))
    fail_at(Error::Unsupported, path,
            std::string("sparse tensors of type ") + tensor_type_name(sparse.values.data_type) + " are not supported");
  const int64_t total = checked_count(sparse.dims, limits, path);
  const uint64_t size = checked_bytes(total, sparse.values.data_type, path);
  if (size > limits.max_dense_bytes)
    fail_at(Error::LimitExceeded, path,
            "the dense form of a sparse tensor has " + std::to_string(size) + " bytes; the limit is " +
                std::to_string(limits.max_dense_bytes));
  const Bytes values = tensor_bytes(sparse.values, external, where, limits);
  if (sparse.values.dims.size() != 1) fail_at(Error::BadFile, path, "the values of a sparse tensor must have rank 1");
  const std::vector<int64_t> positions = sparse_positions(sparse, total, sparse.values.dims[0], external, path, limits);
  const size_t width = dtype_bits(type) / 8;
  std::vector<std::byte> dense(static_cast<size_t>(size));
  for (size_t i = 0; i < positions.size(); ++i)
    std::memcpy(dense.data() + static_cast<size_t>(positions[i]) * width, values.data() + i * width, width);
  Tensor out;
  out.name = sparse.values.name;
  out.data_type = sparse.values.data_type;
  out.dims = sparse.dims;
  out.raw_data = Bytes::take(std::move(dense));
  out.doc_string = sparse.values.doc_string;
  return out;
}

}  // namespace gf::onnx
