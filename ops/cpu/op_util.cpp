// Conversion of runs of elements in two steps, so that the code grows with the number of types and not with that of pairs: every
// element type is read into the compute type that holds it exactly, and that is converted to the wanted one; storing is the reverse.
#include "ops/cpu/op_util.h"

#include <array>

#include "ops/cpu/small_float.h"

namespace gf::cpu {
namespace {

/// Elements between the two steps.
constexpr int64_t kPiece = 128;

// --- first step: storage <-> the compute type that holds it -----------------------------------------------------------

using Read = void (*)(DType type, const void* source, int64_t first, int64_t stride, int64_t count, void* wide);
using Write = void (*)(DType type, void* destination, int64_t first, int64_t count, const void* wide);

template <class T, class W>
W widen(T v) {
  if constexpr (std::is_same_v<T, F16> || std::is_same_v<T, BF16>) return to_f32(v);
  else return static_cast<W>(v);
}
template <class T, class W>
T narrow(W v) {
  if constexpr (std::is_same_v<T, F16>) return to_f16(v);
  else if constexpr (std::is_same_v<T, BF16>) return to_bf16(v);
  else return static_cast<T>(v);
}

template <class T, class W>
void read_run(DType, const void* source, int64_t first, int64_t stride, int64_t count, void* wide) {
  const T* s = static_cast<const T*>(source) + first;
  W* w = static_cast<W*>(wide);
  if (!kSmallCode && stride == 1)
    for (int64_t k = 0; k < count; ++k) w[k] = widen<T, W>(s[k]);
  else
    for (int64_t k = 0; k < count; ++k) w[k] = widen<T, W>(s[k * stride]);
}
template <class T, class W>
void write_run(DType, void* destination, int64_t first, int64_t count, const void* wide) {
  T* d = static_cast<T*>(destination) + first;
  const W* w = static_cast<const W*>(wide);
  for (int64_t k = 0; k < count; ++k) d[k] = narrow<T, W>(w[k]);
}

// bytes other than 0 and 1 (hostile files) must not be read as bool
[[maybe_unused]] void read_bool(DType, const void* source, int64_t first, int64_t stride, int64_t count, void* wide) {
  const uint8_t* s = static_cast<const uint8_t*>(source) + first;
  auto* w = static_cast<uint64_t*>(wide);
  for (int64_t k = 0; k < count; ++k) w[k] = s[k * stride] != 0 ? 1 : 0;
}
[[maybe_unused]] void write_bool(DType, void* destination, int64_t first, int64_t count, const void* wide) {
  bool* d = static_cast<bool*>(destination) + first;
  const auto* w = static_cast<const uint64_t*>(wide);
  for (int64_t k = 0; k < count; ++k) d[k] = w[k] != 0;
}

constexpr bool is_small_int(DType t) { return t == DType::I4 || t == DType::I2 || t == DType::U4 || t == DType::U2; }

// 8-bit and narrower types that have no C++ type.
void read_small(DType type, const void* source, int64_t first, int64_t stride, int64_t count, void* wide) {
  const unsigned bits = dtype_bits(type);
  for (int64_t k = 0; k < count; ++k) {
    const int64_t at = first + k * stride;
    const unsigned raw = bits == 8 ? static_cast<const uint8_t*>(source)[at] : sub_byte(source, bits, at);
    const unsigned sign = type == DType::I4 || type == DType::I2 ? 1U << (bits - 1) : 0U;
    if (is_small_int(type)) static_cast<int64_t*>(wide)[k] = static_cast<int64_t>(raw ^ sign) - static_cast<int64_t>(sign);
    else static_cast<float*>(wide)[k] = small_float_to_f32(type, raw);
  }
}
void write_small(DType type, void* destination, int64_t first, int64_t count, const void* wide) {
  const unsigned bits = dtype_bits(type);
  for (int64_t k = 0; k < count; ++k) {
    const unsigned raw = is_small_int(type) ? static_cast<unsigned>(static_cast<const int64_t*>(wide)[k])
                                            : f32_to_small_float(type, static_cast<const float*>(wide)[k], true);
    if (bits == 8) static_cast<uint8_t*>(destination)[first + k] = static_cast<uint8_t>(raw);
    else {
      // the first element of a byte clears it, so that padding bits of the last byte are zero
      if (const int64_t bit = (first + k) * bits; bit % 8 == 0) static_cast<uint8_t*>(destination)[bit / 8] = 0;
      set_sub_byte(destination, bits, first + k, raw);
    }
  }
}

struct Storage {
  Read read = nullptr;
  Write write = nullptr;  ///< not of the types that are compute types themselves
};

// f(kType, T, W) as template arguments for the types that C++ has: elements are T, and W holds them exactly.
template <class F>
constexpr void for_each_storage(F&& f) {
  f.template operator()<DType::F32, float, float>();
  f.template operator()<DType::F64, uint64_t, uint64_t>();
  f.template operator()<DType::F16, F16, float>();
  f.template operator()<DType::BF16, BF16, float>();
  f.template operator()<DType::I8, int8_t, int64_t>();
  f.template operator()<DType::U8, uint8_t, uint64_t>();
  f.template operator()<DType::I16, int16_t, int64_t>();
  f.template operator()<DType::U16, uint16_t, uint64_t>();
  f.template operator()<DType::I32, int32_t, int64_t>();
  f.template operator()<DType::U32, uint32_t, uint64_t>();
  f.template operator()<DType::I64, uint64_t, uint64_t>();
  f.template operator()<DType::U64, uint64_t, uint64_t>();
}

constexpr auto make_storage() {
  std::array<Storage, kDTypeCount> rows{};
  for_each_storage([&]<DType kType, class T, class W>() {
    if constexpr (kBuiltDTypes.contains(kType)) {
      Storage& row = rows[static_cast<size_t>(kType)];
      row.read = read_run<T, W>;
      if constexpr (!std::is_same_v<T, W>) row.write = write_run<T, W>;
    }
  });
  if constexpr (kBuiltDTypes.contains(DType::Bool)) rows[static_cast<size_t>(DType::Bool)] = {read_bool, write_bool};
  for (const DType t : {DType::I4, DType::U4, DType::I2, DType::U2, DType::F8E4M3FN, DType::F8E4M3FNUZ, DType::F8E5M2,
                        DType::F8E5M2FNUZ, DType::F4E2M1, DType::F8E8M0})
    if (kBuiltDTypes.contains(t)) rows[static_cast<size_t>(t)] = {read_small, write_small};
  return rows;
}
constexpr auto kStorage = make_storage();

// Where speed counts more than size: both steps at once to what kernels compute in most, f32 and f64.
constexpr bool has_direct() {
  bool any = false;
  for_each_storage([&]<DType kType, class T, class W>() { any = any || (kBuiltDTypes.contains(kType) && !std::is_same_v<T, W>); });
  return any;
}
template <bool kWanted>
constexpr auto make_direct() {
  std::array<std::array<Read, 2>, kDTypeCount> rows{};
  for_each_storage([&]<DType kType, class T, class W>() {
    if constexpr (kBuiltDTypes.contains(kType) && !std::is_same_v<T, W>)
      rows[static_cast<size_t>(kType)] = {read_run<T, float>, read_run<T, double>};
  });
  return rows;
}
template <bool kWanted>
Read direct_read(DType type, ComputeType to) {
  if constexpr (!kWanted) return nullptr;
  else if (to > ComputeType::F64) return nullptr;
  else {
    static constexpr auto kDirect = make_direct<kWanted>();
    return kDirect[static_cast<size_t>(type)][static_cast<size_t>(to)];
  }
}

// --- second step: between compute types -------------------------------------------------------------------------------

using Convert = void (*)(const void* source, int64_t count, void* destination);

/// What is converted to: a compute type, or one of two forms of them that some stores want.
enum Target : uint8_t {
  kToF32, kToF64, kToI64, kToU64,
  kToOdd,    ///< f32 that a narrower rounding follows: it must see what was cut off
  kToTruth,  ///< u64: value != 0
  kTargets
};

template <Target kTarget, class From>
auto converted(From v) {
  if constexpr (kTarget == kToTruth) return uint64_t{v != From(0)};
  else if constexpr (kTarget == kToOdd) return round_to_odd(static_cast<double>(v));
  else if constexpr (kTarget == kToF32) return static_cast<float>(v);
  else if constexpr (kTarget == kToF64) return static_cast<double>(v);
  else if constexpr (kTarget == kToI64) return saturating_to_int<int64_t>(v);
  else return saturating_to_int<uint64_t>(v);
}
template <Target kTarget, class From>
void convert_run(const void* source, int64_t count, void* destination) {
  const From* s = static_cast<const From*>(source);
  auto* d = static_cast<decltype(converted<kTarget, From>(From{}))*>(destination);
  for (int64_t k = 0; k < count; ++k) d[k] = converted<kTarget, From>(s[k]);
}

// Whether this build has a type that computes in `own`.
constexpr bool builds_compute(ComputeType own) {
  for (int t = 1; t < kDTypeCount; ++t)
    if (const auto type = static_cast<DType>(t); kBuiltDTypes.contains(type) && compute_type(type) == own) return true;
  return false;
}
// nullptr: the bits stay (integers keep their low ones), or no type of this build asks.
template <ComputeType kOwn, class From, Target kTarget>
constexpr Convert conversion() {
  constexpr bool kStay = std::is_integral_v<From> ? kTarget >= kToI64 && kTarget != kToOdd : kTarget == (kOwn == ComputeType::F32 ? kToF32 : kToF64);
  constexpr bool kLoads = kTarget < kComputeTypes && builds_compute(kOwn);
  constexpr bool kStores = kTarget == kToOdd     ? builds_compute(ComputeType::F32)
                           : kTarget == kToTruth ? kBuiltDTypes.contains(DType::Bool)
                                                 : builds_compute(static_cast<ComputeType>(kTarget));
  if constexpr (kStay || (kOwn == ComputeType::F32 && kTarget == kToOdd) || !(kLoads || kStores)) return nullptr;
  else return convert_run<kTarget, From>;
}
template <ComputeType kOwn, class From>
constexpr std::array<Convert, kTargets> conversions() {
  return {conversion<kOwn, From, kToF32>(), conversion<kOwn, From, kToF64>(), conversion<kOwn, From, kToI64>(),
          conversion<kOwn, From, kToU64>(), conversion<kOwn, From, kToOdd>(), conversion<kOwn, From, kToTruth>()};
}
constexpr std::array<Convert, kTargets> kConvert[kComputeTypes] = {conversions<ComputeType::F32, float>(), conversions<ComputeType::F64, double>(),
                                                                  conversions<ComputeType::I64, int64_t>(), conversions<ComputeType::U64, uint64_t>()};

Target target_of(DType type) {
  switch (compute_type(type)) {
    case ComputeType::F32: return type == DType::F32 ? kToF32 : kToOdd;
    case ComputeType::F64: return kToF64;
    // narrow unsigned types take the low bits of a signed integer
    default: return type == DType::U64 ? kToU64 : type == DType::Bool ? kToTruth : kToI64;
  }
}

template <class T>
void repeat(unsigned char* first, int64_t count) {
  T* d = reinterpret_cast<T*>(first);
  const T v = *d;
  for (int64_t k = 1; k < count; ++k) d[k] = v;
}

}  // namespace

void load_as(ComputeType to, const TensorView& t, int64_t first, int64_t stride, int64_t count, void* destination) {
  const DType type = t.dtype;
  const ComputeType own = compute_type(type);
  const Storage& storage = kStorage[static_cast<size_t>(type)];
  if (count <= 0 || storage.read == nullptr) return;
  const Convert convert = kConvert[static_cast<size_t>(own)][static_cast<size_t>(to)];
  auto* const d = static_cast<unsigned char*>(destination);
  const int64_t size = compute_bytes(to);
  if (stride == 1 && is_compute_storage(type)) {
    const void* const s = t.as<const unsigned char>() + first * compute_bytes(own);
    if (convert != nullptr) convert(s, count, d);
    else std::memcpy(d, s, static_cast<size_t>(count * size));
    return;
  }
  if (stride == 0 && count > 1) {
    load_as(to, t, first, 1, 1, d);
    if (size == 4) repeat<uint32_t>(d, count);
    else repeat<uint64_t>(d, count);
    return;
  }
  if (const Read read = direct_read<!kSmallCode && has_direct()>(type, to); read != nullptr) return read(type, t.data, first, stride, count, d);
  alignas(8) unsigned char piece[kPiece * 8];
  for (int64_t at = 0; at < count; at += kPiece) {
    const int64_t n = count - at < kPiece ? count - at : kPiece;
    void* const place = d + at * size;
    storage.read(type, t.data, first + at * stride, stride, n, convert == nullptr ? place : piece);
    if (convert != nullptr) convert(piece, n, place);
  }
}

void store_as(ComputeType from, const TensorView& t, int64_t first, int64_t count, const void* source) {
  const DType type = t.dtype;
  const Storage& storage = kStorage[static_cast<size_t>(type)];
  if (count <= 0 || storage.read == nullptr) return;
  const Convert convert = kConvert[static_cast<size_t>(from)][target_of(type)];
  if (is_compute_storage(type)) {
    const int64_t size = compute_bytes(compute_type(type));
    void* const d = t.as<unsigned char>() + first * size;
    if (convert != nullptr) convert(source, count, d);
    else std::memmove(d, source, static_cast<size_t>(count * size));
    return;
  }
  if (convert == nullptr) return storage.write(type, t.data, first, count, source);
  alignas(8) unsigned char piece[kPiece * 8];
  for (int64_t at = 0; at < count; at += kPiece) {
    const int64_t n = count - at < kPiece ? count - at : kPiece;
    convert(static_cast<const unsigned char*>(source) + at * compute_bytes(from), n, piece);
    storage.write(type, t.data, first + at, n, piece);
  }
}

template <class C>
void load(const TensorView& t, int64_t first, int64_t stride, int64_t count, C* destination) {
  load_as(compute_type_of<C>(), t, first, stride, count, destination);
}
template <class C>
void load(const TensorView& t, int64_t first, int64_t count, C* destination) {
  load_as(compute_type_of<C>(), t, first, 1, count, destination);
}
template <class C>
void store(const TensorView& t, int64_t first, int64_t count, const C* source) {
  store_as(compute_type_of<C>(), t, first, count, source);
}
template <class C>
C load_one(const TensorView& t, int64_t index) {
  C value{};
  load_as(compute_type_of<C>(), t, index, 1, 1, &value);
  return value;
}
template <class C>
void store_one(const TensorView& t, int64_t index, C value) {
  store_as(compute_type_of<C>(), t, index, 1, &value);
}
GF_CONVERSIONS(, float)
GF_CONVERSIONS(, double)
GF_CONVERSIONS(, int64_t)
GF_CONVERSIONS(, uint64_t)

unsigned sub_byte(const void* source, unsigned bits, int64_t index) {
  const auto bit = static_cast<uint64_t>(index) * bits;
  return static_cast<unsigned>(static_cast<const uint8_t*>(source)[bit / 8] >> bit % 8) & ((1U << bits) - 1U);
}
void set_sub_byte(void* destination, unsigned bits, int64_t index, unsigned value) {
  const auto bit = static_cast<uint64_t>(index) * bits;
  const unsigned mask = ((1U << bits) - 1U) << bit % 8;
  uint8_t& byte = static_cast<uint8_t*>(destination)[bit / 8];
  byte = static_cast<uint8_t>((byte & ~mask) | (value << bit % 8 & mask));
}

// --- broadcasting ------------------------------------------------------------------------------------------------------

int init_broadcast(int operands, const Shape& result, const Shape* const* shapes, int64_t* dims, int64_t (*strides)[kMaxRank],
                   bool* linear) {
  int64_t full[BroadcastCursor::kMaxOperands][kMaxRank];
  for (int j = 0; j < operands; ++j) {
    const Shape& s = *shapes[j];
    int64_t n = 1;
    for (int d = 0; d < kMaxRank; ++d) full[j][d] = 0;
    for (int d = s.rank - 1; d >= 0; --d) {
      full[j][d + result.rank - s.rank] = s[d] == 1 ? 0 : n;
      n *= s[d];
    }
  }
  int rank = 0;
  for (int d = 0; d < result.rank; ++d) {
    if (result[d] == 1) continue;
    bool merge = rank > 0;
    for (int j = 0; j < operands && merge; ++j) merge = strides[j][rank - 1] == full[j][d] * result[d];
    if (merge) dims[rank - 1] *= result[d];
    else dims[rank++] = result[d];
    for (int j = 0; j < operands; ++j) strides[j][rank - 1] = full[j][d];
  }
  if (rank == 0) {
    rank = 1;
    dims[0] = 1;
    for (int j = 0; j < operands; ++j) strides[j][0] = 0;
  }
  for (int j = 0; j < operands; ++j) linear[j] = rank == 1 && (strides[j][0] == 1 || dims[0] == 1);
  return rank;
}

BroadcastCursor::BroadcastCursor(int operands, int rank, const int64_t* dims, const int64_t (*strides)[kMaxRank], int64_t begin,
                                 int64_t end)
    : position(begin), operands_(operands), last_(rank - 1), dims_(dims), strides_(strides), end_(end) {
  if (begin >= end) return;
  for (int j = 0; j < operands; ++j) offsets[j] = 0;
  for (int d = last_; d >= 0; --d) {
    index_[d] = begin % dims[d];
    begin /= dims[d];
    for (int j = 0; j < operands; ++j) offsets[j] += index_[d] * strides[j][d];
  }
}

bool BroadcastCursor::next() { return step(operands_); }

}  // namespace gf::cpu
