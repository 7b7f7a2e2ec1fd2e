// Small readers that several families of importer rows share.
#pragma once

#include "runtime/core/bit_cast.h"

#include "converter/onnx/attribute_names.h"
#include "converter/onnx/lowering.h"

namespace gf::onnx {

/// unsupported() when an input holds strings.
inline void refuse_strings(Lowering& l) {
  for (size_t i = 0; i < l.input_count(); ++i)
    if (l.has_input(i) && l.dtype(i) == DType::String) l.unsupported("string tensors", "convert strings outside the model");
}

/// An element type given as ONNX number; `fallback` when the attribute is absent. unsupported() for types we lack.
inline DType dtype_attr(Lowering& l, std::string_view name, DType fallback) {
  if (!l.has_attr(name)) return fallback;
  const int64_t number = l.int_attr(name, 0);
  const DType type = number > 0 && number < 1000 ? to_dtype(static_cast<TensorType>(number)) : DType::Invalid;
  if (type == DType::Invalid) l.unsupported("element type " + std::to_string(number));
  return type;
}

/// A string attribute that names one of `words`.
template <class E, size_t N>
E word_attr(Lowering& l, std::string_view name, const Word<E> (&words)[N], std::string_view fallback) {
  const std::string text = l.string_attr(name, fallback);
  if (const E* value = value_of(words, text)) return *value;
  l.invalid(std::string(name) + " is '" + text + "', must be " + all_words(words), Error::BadAttribute);
}

/// Seed of a random operator: the bits of the attribute (a float or an int), or one of its own made from the first
/// output's name, so that a model gives the same draws each time it is converted.
inline int64_t seed_of(Lowering& l) {
  if (const Attribute* a = l.node.find("seed"); a != nullptr)
    return a->i != 0 ? a->i : static_cast<int64_t>(bit_cast<uint32_t>(a->f));
  uint64_t hash = 0xcbf29ce484222325U;  // FNV-1a
  for (const char c : l.node.output.empty() ? std::string() : l.node.output[0]) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3U;
  }
  return static_cast<int64_t>(hash >> 1);
}

/// Axes of an operator that took them as attribute before opset `since_input` and as input 1 from then on.
/// Nothing: not given.
inline std::optional<std::vector<int64_t>> axes_of(Lowering& l, int since_input) {
  if (l.opset >= since_input) {
    if (!l.has_input(1)) return std::nullopt;
    return l.need_ints(1, "the axes input");
  }
  if (!l.has_attr("axes")) return std::nullopt;
  return l.ints_attr("axes");
}

}  // namespace gf::onnx
