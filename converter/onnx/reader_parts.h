// Pieces of the ONNX reader that its three .cpp files share: tensors and types (reader_tensor.cpp), models (reader.cpp),
// files of test data (reader_values.cpp). Internal to converter/onnx. Each function reads one whole message into `out`
// and merges with what is there, as protobuf does for repeated singular messages.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "converter/onnx/reader_wire.h"

namespace gf::onnx::wire {

void read_tensor_into(Message m, Tensor& out);
void read_sparse_into(Message m, SparseTensor& out);
void read_type_into(Message m, Type& out);
void add_pair(Message& m, const char* field, std::vector<StringPair>& out);
/// A fresh context, after checking the size of `bytes`.
Context make_context(Bytes bytes, const ReadLimits& limits);

template <class T>
int64_t next_index(const std::vector<T>& list) {
  return static_cast<int64_t>(list.size());
}

inline void add_name(Message& m, const char* field, std::vector<std::string>& out) {
  std::string value = m.name(field, next_index(out));
  m.add(out) = std::move(value);
}

inline void add_text(Message& m, const char* field, std::vector<std::string>& out) {
  std::string value = m.text(field, next_index(out));
  m.add(out) = std::move(value);
}

/// Reads the current field as one more element of `list`.
template <class T, class Read>
void add_element(Message& m, const char* field, std::vector<T>& list, Read read) {
  Message element = m.message(field, next_index(list));
  read(element, m.add(list));
}

/// The member behind a singular field, made on first use.
template <class T>
T& only(Message& m, std::vector<T>& list) {
  return list.empty() ? m.add(list) : list.front();
}

}  // namespace gf::onnx::wire
