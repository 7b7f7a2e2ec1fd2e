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

/// How a member of an Attrs struct holds its attribute.
enum class AttrStorage : uint8_t { Value, Bool, I8, U8, I16, U16, I32, U32, I64, F32, F64, String, Ints, Floats };

/// One end of the range of an Int field, in half the bytes, as there are hundreds: numbers of 25 bits times powers of two, and no
/// limit. Others do not compile.
class AttrLimit {
 public:
  static consteval AttrLimit least(int64_t value) { return value == std::numeric_limits<int64_t>::min() ? AttrLimit(-2, 62) : encode(value); }
  static consteval AttrLimit most(int64_t value) { return value == std::numeric_limits<int64_t>::max() ? AttrLimit(1, kEnd) : encode(value); }
  [[gnu::noinline]] constexpr int64_t value() const {
    const uint32_t exponent = static_cast<uint32_t>(code_) & kEnd;
    return static_cast<int64_t>((static_cast<uint64_t>(int64_t{code_ >> 6}) << exponent) - ((exponent + 1) >> 6));
  }

 private:
  static constexpr int32_t kEnd = 63;  // of int64: 2^63 - 1
  static void this_limit_has_no_short_form();  // no constant expression, and defined nowhere
  static consteval AttrLimit encode(int64_t value) {
    int32_t exponent = 0;
    for (; value >= 1 << 25 || value < -(1 << 25); ++exponent) {
      if (value % 2 != 0) this_limit_has_no_short_form();
      value /= 2;
    }
    return {static_cast<int32_t>(value), exponent};
  }
  consteval AttrLimit(int32_t number, int32_t exponent) : code_(number * 64 + exponent) {}

  int32_t code_;  // the number, and its exponent in 6 bits
};

/// One numbered field of an Attrs struct, type-erased. Made by field<>().
struct AttrField {
  const char* name = "";
  void* (*member)(void* attrs) = nullptr;  ///< address of the member in `attrs`
  AttrLimit least = AttrLimit::least(std::numeric_limits<int64_t>::min());  ///< allowed range of Int fields (enums: first..last)
  AttrLimit most = AttrLimit::most(std::numeric_limits<int64_t>::max());
  uint16_t number = 0;          ///< written number, unique in the op, never reused
  AttrType type = AttrType::None;
  AttrStorage storage = AttrStorage::Value;  ///< of the member; Value: it is an AttrValue
  bool must_understand = true;  ///< a reader that does not know the field must refuse the file

  constexpr int64_t min() const { return least.value(); }
  constexpr int64_t max() const { return most.value(); }

  /// Writes the part of `value` that `storage` names into the member of `attrs`; check_attr() comes first.
  void store(void* attrs, const AttrValue& value) const;
  AttrValue load(const void* attrs) const;  ///< the member of `attrs`, as a value of `type`
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
template <class M>
consteval AttrStorage attr_storage() {
  if constexpr (std::is_same_v<M, IntList>) return AttrStorage::Ints;
  else if constexpr (std::is_same_v<M, FloatList>) return AttrStorage::Floats;
  else if constexpr (std::is_same_v<M, std::string_view>) return AttrStorage::String;
  else if constexpr (std::is_same_v<M, bool>) return AttrStorage::Bool;
  else if constexpr (std::is_floating_point_v<M>) return sizeof(M) == 4 ? AttrStorage::F32 : AttrStorage::F64;
  else if constexpr (std::is_enum_v<M>) return attr_storage<std::underlying_type_t<M>>();
  else if constexpr (sizeof(M) == 1) return std::is_signed_v<M> ? AttrStorage::I8 : AttrStorage::U8;
  else if constexpr (sizeof(M) == 2) return std::is_signed_v<M> ? AttrStorage::I16 : AttrStorage::U16;
  else if constexpr (sizeof(M) == 4) return std::is_signed_v<M> ? AttrStorage::I32 : AttrStorage::U32;
  else {
    static_assert(std::is_signed_v<M>, "a file holds attributes as int64");
    return AttrStorage::I64;
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
    f.least = AttrLimit::least(0);
    f.most = AttrLimit::most(1);
  } else if constexpr (std::is_same_v<M, DType>) {
    f.least = AttrLimit::least(0);
    f.most = AttrLimit::most(kDTypeCount - 1);
  } else {
    f.least = AttrLimit::least(min);
    f.most = AttrLimit::most(max);
  }
  f.storage = detail::attr_storage<M>();
  f.member = [](void* attrs) -> void* { return &(static_cast<S*>(attrs)->*Member); };
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
