// Messages as tables: one row per field of onnx.proto, read_fields walks a message by them. What a row does follows from the
// member it fills; what no table can say (a oneof, chunks that are joined) is a row or a fallback of its own.
// Internal to converter/onnx. Tables are constants, any thread.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "converter/onnx/reader_wire.h"

namespace gf::onnx::wire {

// One whole message into `out`, merged with what is there as protobuf does for repeated singular messages. Tensors and types
// stand in reader_tensor.cpp, models in reader.cpp, files of test data in reader_values.cpp.
void read_message(Message m, StringPair& out);
void read_message(Message m, Tensor& out);
void read_message(Message m, SparseTensor& out);
void read_message(Message m, Dimension& out);
void read_message(Message m, std::vector<Dimension>& out);
void read_message(Message m, Type& out);
void read_message(Message m, ValueInfo& out);
void read_message(Message m, Attribute& out);
void read_message(Message m, Node& out);
void read_message(Message m, QuantizationAnnotation& out);
void read_message(Message m, Graph& out);
void read_message(Message m, OpsetId& out);
void read_message(Message m, Function& out);
void read_message(Message m, Sequence& out);
void read_message(Message m, Map& out);
void read_message(Message m, OptionalValue& out);

/// A fresh context, after checking the size of `bytes`.
Context make_context(Bytes bytes, const ReadLimits& limits);

/// One field of a message that is read into a T.
template <class T>
struct Field {
  uint32_t number = 0;
  const char* name = "";
  void (*read)(Message& m, const char* name, T& out) = nullptr;
};

/// Reads all of `m` into `out` by `fields`; `other(m)` must read or skip a field that has no row.
template <class T, size_t kCount, class Other>
void read_fields(Message& m, T& out, const Field<T> (&fields)[kCount], Other other) {
  while (m.next()) {
    const Field<T>* row = fields;
    while (row != fields + kCount && row->number != m.field()) ++row;
    if (row == fields + kCount) other(m);
    else row->read(m, row->name, out);
  }
}
template <class T, size_t kCount>
void read_fields(Message& m, T& out, const Field<T> (&fields)[kCount]) {
  read_fields(m, out, fields, [](Message& unknown) { unknown.skip(); });
}

// --- numbers and bytes: the last one in the file wins, lists grow
inline void read_value(Message& m, const char* name, int64_t& out) { out = m.int64(name); }
inline void read_value(Message& m, const char* name, float& out) { out = m.f32(name); }
inline void read_value(Message& m, const char* name, TensorType& out) { out = static_cast<TensorType>(m.int32(name)); }
inline void read_value(Message& m, const char* name, std::vector<int64_t>& out) { m.int64s(name, out); }
inline void read_value(Message& m, const char* name, std::vector<float>& out) { m.floats(name, out); }
inline void read_value(Message& m, const char* name, std::optional<Bytes>& out) { out = m.context().file.slice(m.bytes(name)); }
/// Numbers of which only [0, count) are known.
template <class Enum>
void read_known(Message& m, const char* name, int32_t count, Error error, const char* what, Enum& out) {
  const int32_t number = m.int32(name);
  if (number < 0 || number >= count) m.fail(error, name, -1, what + std::to_string(number) + " is not known");
  out = static_cast<Enum>(number);
}
inline void read_value(Message& m, const char* name, AttributeType& out) {
  read_known(m, name, kAttributeTypeCount, Error::BadAttribute, "attribute type ", out);
}
inline void read_value(Message& m, const char* name, ElementKind& out) {
  read_known(m, name, 6, Error::BadFile, "the value ", out);
}
inline void read_value(Message& m, const char* name, Tensor::Location& out) {
  read_known(m, name, 2, Error::BadFile, "the value ", out);
}

// --- messages inside
/// A singular message merges with what is there.
template <class T>
void read_value(Message& m, const char* name, T& out) {
  read_message(m.message(name), out);
}
template <class T>
void read_value(Message& m, const char* name, std::optional<T>& out) {
  Message value = m.message(name);
  if (!out) out.emplace();
  read_message(value, *out);
}
/// A repeated one: one more element.
template <class T>
void read_value(Message& m, const char* name, std::vector<T>& out) {
  Message element = m.message(name, static_cast<int64_t>(out.size()));
  read_message(element, m.add(out));
}

// --- rows
template <class C, class M>
C class_of(M C::*);
template <auto kMember>
using ClassOf = decltype(class_of(kMember));

/// A number, a list of numbers, a message or a list of messages, as the member is.
template <auto kMember>
consteval Field<ClassOf<kMember>> value(uint32_t number, const char* name) {
  return {number, name, [](Message& m, const char* field, ClassOf<kMember>& out) { read_value(m, field, out.*kMember); }};
}
/// A singular message whose struct holds it in a vector of at most one.
template <auto kMember>
consteval Field<ClassOf<kMember>> one(uint32_t number, const char* name) {
  return {number, name, [](Message& m, const char* field, ClassOf<kMember>& out) {
            Message element = m.message(field);
            auto& list = out.*kMember;
            if (list.empty()) m.add(list);
            read_message(element, list.front());
          }};
}
/// Something that is skipped, but remembered to have been there.
template <auto kMember>
consteval Field<ClassOf<kMember>> mark(uint32_t number, const char* name) {
  return {number, name, [](Message& m, const char*, ClassOf<kMember>& out) {
            m.skip();
            out.*kMember = true;
          }};
}

template <auto kRead>
void read_string(Message& m, const char* name, std::string& out) {
  out = (m.*kRead)(name, -1);
}
template <auto kRead>
void read_string(Message& m, const char* name, std::vector<std::string>& out) {
  std::string value = (m.*kRead)(name, static_cast<int64_t>(out.size()));
  m.add(out) = std::move(value);
}
/// Identifiers: short, UTF-8, no NUL. One, or a list.
template <auto kMember>
consteval Field<ClassOf<kMember>> name(uint32_t number, const char* name) {
  return {number, name, [](Message& m, const char* field, ClassOf<kMember>& out) { read_string<&Message::name>(m, field, out.*kMember); }};
}
/// Any bytes. One, or a list.
template <auto kMember>
consteval Field<ClassOf<kMember>> text(uint32_t number, const char* name) {
  return {number, name, [](Message& m, const char* field, ClassOf<kMember>& out) { read_string<&Message::text>(m, field, out.*kMember); }};
}

}  // namespace gf::onnx::wire
