#include "ops/cpu/movement.h"

#include <algorithm>
#include <cstdlib>

namespace gf::cpu {
namespace {

/// Side of a square tile: 32 x 32 elements of 8 bytes on both sides stay in a first-level cache.
constexpr int64_t kSquare = 32;

// Drops dims of 1 and joins neighbours that both sides walk as one.
void merge(CopyBox& b) {
  int rank = 0;
  for (int d = 0; d < b.rank; ++d) {
    if (b.dims[d] == 1) continue;
    if (rank > 0 && b.source_strides[rank - 1] == b.source_strides[d] * b.dims[d] &&
        b.target_strides[rank - 1] == b.target_strides[d] * b.dims[d]) {
      b.dims[rank - 1] *= b.dims[d];
      b.source_strides[rank - 1] = b.source_strides[d];
      b.target_strides[rank - 1] = b.target_strides[d];
      continue;
    }
    b.dims[rank] = b.dims[d];
    b.source_strides[rank] = b.source_strides[d];
    b.target_strides[rank] = b.target_strides[d];
    ++rank;
  }
  b.rank = rank;
}

// Offsets of outer position `index` over the dims that `skip` leaves (bit set: inner dim, not part of the index).
void offsets_of(const CopyBox& b, uint32_t skip, int64_t index, int64_t& source, int64_t& target) {
  source = b.source_offset;
  target = b.target_offset;
  for (int d = b.rank - 1; d >= 0; --d) {
    if (((skip >> d) & 1U) != 0) continue;
    const int64_t k = index % b.dims[d];
    index /= b.dims[d];
    source += k * b.source_strides[d];
    target += k * b.target_strides[d];
  }
}

// A rectangle of elements on one side: where it starts, steps between rows and between elements, in elements.
template <class Pointer>
struct Side {
  Pointer at;
  int64_t row = 0, column = 1;
};
using Source = Side<const unsigned char*>;
using Target = Side<unsigned char*>;

template <class T>
void copy_steps(const Source& source, const Target& target, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; ++r) {
    const T* s = reinterpret_cast<const T*>(source.at) + r * source.row;
    T* t = reinterpret_cast<T*>(target.at) + r * target.row;
    if (!kSmallCode && source.column == 0 && target.column == 1) {
      std::fill_n(t, columns, *s);
    } else if (!kSmallCode && target.column == 1) {
      for (int64_t k = 0; k < columns; ++k) t[k] = s[k * source.column];
    } else {
      for (int64_t k = 0; k < columns; ++k) t[k * target.column] = s[k * source.column];
    }
  }
}

// The one place that knows element sizes; all around it is the same code for every type.
void copy_rectangle(int64_t bytes, const Source& s, const Target& t, int64_t rows, int64_t columns) {
  if (s.column == 1 && t.column == 1) {
    for (int64_t r = 0; r < rows; ++r)
      std::memcpy(t.at + r * t.row * bytes, s.at + r * s.row * bytes, static_cast<size_t>(columns * bytes));
    return;
  }
  const auto copy = [&]<class T>() {
    if constexpr (builds_bits(8 * sizeof(T))) copy_steps<T>(s, t, rows, columns);
  };
  switch (bytes) {
    case 1: return copy.template operator()<uint8_t>();
    case 2: return copy.template operator()<uint16_t>();
    case 4: return copy.template operator()<uint32_t>();
    case 8: return copy.template operator()<uint64_t>();
    default:  // 16: first halves, second halves
      for (int half = 0; half < 16; half += 8)
        copy_steps<uint64_t>({s.at + half, 2 * s.row, 2 * s.column}, {t.at + half, 2 * t.row, 2 * t.column}, rows, columns);
  }
}

// Rectangles over dim `p` and the last one. Where the source is dense along `p` and not along the last dim they are squares, else
// whole rows.
void copy_rectangles(const ParallelFor& parallel, int64_t bytes, const void* source, void* target, const CopyBox& b, int p,
                     bool squares) {
  const int last = b.rank - 1;
  const int64_t rows = b.dims[p], columns = b.dims[last];
  const int64_t height = squares ? kSquare : row_grain(columns), width = squares ? kSquare : columns;
  const int64_t bands = (rows + height - 1) / height;
  const uint32_t skip = (1U << last) | (1U << p);
  int64_t outer = 1;
  for (int d = 0; d < last; ++d)
    if (d != p) outer *= b.dims[d];
  const auto copy = [&](int64_t from, int64_t to, int64_t n, int64_t m) {
    copy_rectangle(bytes, {static_cast<const unsigned char*>(source) + from * bytes, b.source_strides[p], b.source_strides[last]},
                   {static_cast<unsigned char*>(target) + to * bytes, b.target_strides[p], b.target_strides[last]}, n, m);
  };
  if (outer * rows == 1 && columns > kGrain) {  // one long row: cut it
    parallel.chunks(columns, kGrain, [&](int64_t begin, int64_t end, int) {
      copy(b.source_offset + begin * b.source_strides[last], b.target_offset + begin * b.target_strides[last], 1, end - begin);
    });
    return;
  }
  parallel.chunks(outer * bands, row_grain(std::min(rows, height) * columns), [&](int64_t begin, int64_t end, int) {
    for (int64_t task = begin; task < end; ++task) {
      int64_t from = 0, to = 0;
      offsets_of(b, skip, task / bands, from, to);
      const int64_t i = task % bands * height, n = std::min(rows - i, height);
      for (int64_t j = 0; j < columns; j += width)
        copy(from + i * b.source_strides[p] + j * b.source_strides[last], to + i * b.target_strides[p] + j * b.target_strides[last],
             n, std::min(columns - j, width));
    }
  });
}

[[maybe_unused]] void copy_sub_byte(unsigned bits, const void* source, void* target, const CopyBox& b) {
  int64_t count = 1;
  for (int d = 0; d < b.rank; ++d) count *= b.dims[d];
  for (int64_t k = 0; k < count; ++k) {
    int64_t from = 0, to = 0;
    offsets_of(b, 0, k, from, to);
    set_sub_byte(target, bits, to, sub_byte(source, bits, from));
  }
}

}  // namespace

void copy_box(const ParallelFor& parallel, DType type, const void* source, void* target, CopyBox& box) {
  for (int d = 0; d < box.rank; ++d)
    if (box.dims[d] <= 0) return;
  merge(box);
  if constexpr ((kBuiltDTypes.bits & kSubByte.bits) != 0)
    if (dtype_is_sub_byte(type)) return copy_sub_byte(dtype_bits(type), source, target, box);
  if (box.rank == 0) box.push(1, 1, 1);
  if (box.rank == 1) {  // a rectangle has two dims
    box.push(box.dims[0], box.source_strides[0], box.target_strides[0]);
    box.dims[0] = 1;
  }
  const int last = box.rank - 1;
  int p = last - 1;
  bool squares = false;
  for (int d = 0; d < last && std::abs(box.source_strides[last]) > 1; ++d)
    if (std::abs(box.source_strides[d]) == 1) {
      p = d;
      squares = true;
    }
  copy_rectangles(parallel, dtype_bits(type) / 8, source, target, box, p, squares);
}

void copy_box(const ParallelFor& parallel, const TensorView& source, const TensorView& target, CopyBox& box) {
  copy_box(parallel, source.dtype, source.data, target.data, box);
}

void copy_elements(const TensorView& source, int64_t from, const TensorView& target, int64_t to, int64_t count) {
  const unsigned bits = dtype_bits(source.dtype);
  if (bits < 8) {
    for (int64_t k = 0; k < count; ++k) set_sub_byte(target.data, bits, to + k, sub_byte(source.data, bits, from + k));
    return;
  }
  const int64_t bytes = bits / 8;
  const unsigned char* s = source.as<const unsigned char>() + from * bytes;
  unsigned char* t = target.as<unsigned char>() + to * bytes;
  switch (count * bytes) {  // a call of memcpy takes longer than to copy few bytes
    case 1: *t = *s; return;
    case 2: std::memcpy(t, s, 2); return;
    case 4: std::memcpy(t, s, 4); return;
    case 8: std::memcpy(t, s, 8); return;
    default: std::memcpy(t, s, static_cast<size_t>(count * bytes));
  }
}

void copy_dense(const ParallelFor& parallel, const TensorView& source, const TensorView& target) {
  const int64_t bytes = dense_bytes(source.dtype, source.count());
  constexpr int64_t kChunk = int64_t{1} << 18;
  const auto* s = source.as<const unsigned char>();
  auto* t = target.as<unsigned char>();
  if (s == t || bytes <= 0) return;
  if (s < t + bytes && t < s + bytes) {  // overlapping halves of one buffer
    std::memmove(t, s, static_cast<size_t>(bytes));
    return;
  }
  parallel.chunks(bytes, kChunk, [&](int64_t begin, int64_t end, int) {
    std::memcpy(t + begin, s + begin, static_cast<size_t>(end - begin));
  });
}

void fill_elements(const TensorView& target, int64_t first, int64_t count, const void* value) {
  const int64_t bytes = dtype_bits(target.dtype) / 8;
  copy_rectangle(bytes, {static_cast<const unsigned char*>(value), 0, 0}, {target.as<unsigned char>() + first * bytes}, 1, count);
}

Error index_error(const RunContext& c, int64_t index, int64_t position, int axis, int64_t length) {
  return GF_FAIL(c.detail, Error::IndexOutOfRange, c.node, "index %lld (entry %lld) is outside axis %d of length %lld",
                 static_cast<long long>(index), static_cast<long long>(position), axis, static_cast<long long>(length));
}

Error check_indices(const RunContext& c, const TensorView& indices, int axis, int64_t length) {
  const int64_t n = indices.count();
  for (int64_t k = 0; k < n; ++k) {
    const int64_t index = index_at(indices, k);
    if (index < -length || index >= length) return index_error(c, index, k, axis, length);
  }
  return Error::Ok;
}

}  // namespace gf::cpu
