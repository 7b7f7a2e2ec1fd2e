// Attributes: numbered, typed fields of an op's plain Attrs struct, with frozen defaults. Lists and strings are views:
// their bytes belong to the file (runtime) or to the graph node (converter) and outlive the struct.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <type_traits>

#include "runtime/core/dtype.h"
#include "runtime/core/error.h"

namespace gf {

using IntList = std::span<const int64_t>;
using FloatList = std::span<const float>;

/// Wire type of an attribute. Values stand in files: never renumber.
enum class AttrType : uint8_t { None = 0, Int = 1, Float = 2, String = 3, Ints = 4, Floats = 5 };

/// An attribute value as it comes from a file or a graph node. Views only.
struct AttrValue {
  AttrType type = AttrType::None;
  int64_t i = 0;
  double f = 0;
  std::string_view s = {};
  IntList ints = {};
  FloatList floats = {};
};

/// Longest list a definition may read from a file; longer ones are a LimitExceeded at load.
inline constexpr size_t kMaxAttrList = size_t{1} << 20;

/// One numbered field of an Attrs struct, type-erased. Made by field<>().
struct AttrField {
  uint16_t number = 0;          ///< written number, unique in the op, never reused
  const char* name = "";
  AttrType type = AttrType::None;
  bool must_understand = true;  ///< a reader that does not know the field must refuse the file
  int64_t min = std::numeric_limits<int64_t>::min();  ///< allowed range of Int fields (enums: first..last)
  int64_t max = std::numeric_limits<int64_t>::max();
  void (*store)(void* attrs, const AttrValue& value) = nullptr;
  AttrValue (*load)(const void* attrs) = nullptr;
};

namespace detail {
template <class T>
struct MemberOf;
template <class S, class M>
struct MemberOf<M S::*> {
  using Struct = S;
  using Type = M;
};
template <class M>
consteval AttrType attr_type() {
  if constexpr (std::is_same_v<M, IntList>) return AttrType::Ints;
  else if constexpr (std::is_same_v<M, FloatList>) return AttrType::Floats;
  else if constexpr (std::is_same_v<M, std::string_view>) return AttrType::String;
  else if constexpr (std::is_floating_point_v<M>) return AttrType::Float;
  else {
    static_assert(std::is_integral_v<M> || std::is_enum_v<M>, "attributes are numbers, enums, strings or lists");
    return AttrType::Int;
  }
}
}  // namespace detail

/// Declares one field: `field<&Attrs::axis>(1, "axis")`; for ints and enums optionally the allowed range. A member that
/// Attrs inherits needs its struct named: `field<&Attrs::axis, Attrs>`.
template <auto Member, class Struct = typename detail::MemberOf<decltype(Member)>::Struct>
consteval AttrField field(uint16_t number, const char* name, int64_t min = std::numeric_limits<int64_t>::min(),
                          int64_t max = std::numeric_limits<int64_t>::max()) {
  using S = Struct;
  using M = typename detail::MemberOf<decltype(Member)>::Type;
  AttrField f;
  f.number = number;
  f.name = name;
  f.type = detail::attr_type<M>();
  if constexpr (std::is_same_v<M, bool>) {
    f.min = 0;
    f.max = 1;
  } else if constexpr (std::is_same_v<M, DType>) {
    f.min = 0;
    f.max = kDTypeCount - 1;
  } else {
    f.min = min;
    f.max = max;
  }
  f.store = [](void* attrs, const AttrValue& v) {
    M& m = static_cast<S*>(attrs)->*Member;
    if constexpr (std::is_same_v<M, IntList>) m = v.ints;
    else if constexpr (std::is_same_v<M, FloatList>) m = v.floats;
    else if constexpr (std::is_same_v<M, std::string_view>) m = v.s;
    else if constexpr (std::is_floating_point_v<M>) m = static_cast<M>(v.f);
    else m = static_cast<M>(v.i);
  };
  f.load = [](const void* attrs) {
    const M& m = static_cast<const S*>(attrs)->*Member;
    AttrValue v;
    v.type = detail::attr_type<M>();
    if constexpr (std::is_same_v<M, IntList>) v.ints = m;
    else if constexpr (std::is_same_v<M, FloatList>) v.floats = m;
    else if constexpr (std::is_same_v<M, std::string_view>) v.s = m;
    else if constexpr (std::is_floating_point_v<M>) v.f = static_cast<double>(m);
    else v.i = static_cast<int64_t>(m);
    return v;
  };
  return f;
}

/// The fields of an op out of the blocks that ops of its family share.
template <size_t... N>
consteval std::array<AttrField, (N + ...)> join_fields(const std::array<AttrField, N>&... blocks) {
  std::array<AttrField, (N + ...)> joined;
  size_t at = 0;
  const auto append = [&](const auto& block) {
    for (const AttrField& f : block) joined[at++] = f;
  };
  (append(blocks), ...);
  return joined;
}

/// Checks `value` against `field` (type, range, list length). `detail` names field and reason.
Error check_attr(const AttrField& field, const AttrValue& value, ErrorDetail* detail, int32_t node);
/// check_attr, then stores.
Error store_attr(const AttrField& field, const AttrValue& value, void* attrs, ErrorDetail* detail, int32_t node);

}  // namespace gf
