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

template <class T>
void copy_row(const T* source, int64_t source_stride, T* target, int64_t target_stride, int64_t count) {
  if (source_stride == 1 && target_stride == 1) {
    std::memcpy(target, source, static_cast<size_t>(count) * sizeof(T));
  } else if (source_stride == 0 && target_stride == 1) {
    const T v = *source;
    for (int64_t k = 0; k < count; ++k) target[k] = v;
  } else {
    for (int64_t k = 0; k < count; ++k) target[k * target_stride] = source[k * source_stride];
  }
}

template <class T>
void copy_rows(const ParallelFor& parallel, const T* source, T* target, const CopyBox& b) {
  const int last = b.rank - 1;
  const int64_t length = b.dims[last];
  int64_t rows = 1;
  for (int d = 0; d < last; ++d) rows *= b.dims[d];
  if (rows == 1 && length > kGrain) {  // one long row: cut it
    parallel.chunks(length, kGrain, [&](int64_t begin, int64_t end, int) {
      copy_row(source + b.source_offset + begin * b.source_strides[last], b.source_strides[last],
               target + b.target_offset + begin * b.target_strides[last], b.target_strides[last], end - begin);
    });
    return;
  }
  parallel.chunks(rows, row_grain(length), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end;) {
      int64_t from = 0, to = 0;
      offsets_of(b, 1U << last, r, from, to);
      // rows up to the end of the dim before the last lie evenly: no division for each of them (concat of channels)
      const int64_t run = last == 0 ? 1 : std::min(end - r, b.dims[last - 1] - r % b.dims[last - 1]);
      const int64_t from_step = last == 0 ? 0 : b.source_strides[last - 1];
      const int64_t to_step = last == 0 ? 0 : b.target_strides[last - 1];
      for (int64_t k = 0; k < run; ++k)
        copy_row(source + from + k * from_step, b.source_strides[last], target + to + k * to_step,
                 b.target_strides[last], length);
      r += run;
    }
  });
}

// The source is dense along dim `p`, the target along the last one: square tiles over both.
template <class T>
void copy_tiles(const ParallelFor& parallel, const T* source, T* target, const CopyBox& b, int p) {
  const int last = b.rank - 1;
  const int64_t rows = b.dims[p], cols = b.dims[last];
  const int64_t row_tiles = (rows + kSquare - 1) / kSquare;
  const uint32_t skip = (1U << last) | (1U << p);
  int64_t outer = 1;
  for (int d = 0; d < last; ++d)
    if (d != p) outer *= b.dims[d];
  const int64_t sp = b.source_strides[p], sl = b.source_strides[last];
  const int64_t tp = b.target_strides[p], tl = b.target_strides[last];
  parallel.chunks(outer * row_tiles, row_grain(std::min(rows, kSquare) * cols), [&](int64_t begin, int64_t end, int) {
    for (int64_t task = begin; task < end; ++task) {
      int64_t from = 0, to = 0;
      offsets_of(b, skip, task / row_tiles, from, to);
      const int64_t i0 = task % row_tiles * kSquare, i1 = std::min(rows, i0 + kSquare);
      for (int64_t j0 = 0; j0 < cols; j0 += kSquare) {
        const int64_t j1 = std::min(cols, j0 + kSquare);
        for (int64_t i = i0; i < i1; ++i) {
          const T* s = source + from + i * sp;
          T* t = target + to + i * tp;
          for (int64_t j = j0; j < j1; ++j) t[j * tl] = s[j * sl];
        }
      }
    }
  });
}

unsigned get_bits(const void* base, unsigned bits, int64_t index) {
  const int64_t per_byte = 8 / bits;
  const unsigned byte = static_cast<const uint8_t*>(base)[index / per_byte];
  return (byte >> (static_cast<unsigned>(index % per_byte) * bits)) & ((1U << bits) - 1U);
}
void put_bits(void* base, unsigned bits, int64_t index, unsigned value) {
  const int64_t per_byte = 8 / bits;
  const unsigned shift = static_cast<unsigned>(index % per_byte) * bits;
  uint8_t& byte = static_cast<uint8_t*>(base)[index / per_byte];
  byte = static_cast<uint8_t>((byte & ~(((1U << bits) - 1U) << shift)) | (value << shift));
}

[[maybe_unused]] void copy_sub_byte(unsigned bits, const void* source, void* target, const CopyBox& b) {
  int64_t count = 1;
  for (int d = 0; d < b.rank; ++d) count *= b.dims[d];
  for (int64_t k = 0; k < count; ++k) {
    int64_t from = 0, to = 0;
    offsets_of(b, 0, k, from, to);
    put_bits(target, bits, to, get_bits(source, bits, from));
  }
}

}  // namespace

void copy_box(const ParallelFor& parallel, DType type, const void* source, void* target, CopyBox box) {
  for (int d = 0; d < box.rank; ++d)
    if (box.dims[d] <= 0) return;
  merge(box);
  if (box.rank == 0) box.push(1, 1, 1);
  if constexpr ((kBuiltDTypes.bits & kSubByte.bits) != 0)
    if (dtype_is_sub_byte(type)) return copy_sub_byte(dtype_bits(type), source, target, box);
  const int last = box.rank - 1;
  int dense = -1;  // a dim other than the last along which the source is dense
  for (int d = 0; d < last; ++d)
    if (std::abs(box.source_strides[d]) == 1) dense = d;
  (void)dispatch_size(type, [&]<class T>() {
    const T* s = static_cast<const T*>(source);
    T* t = static_cast<T*>(target);
    if (dense >= 0 && std::abs(box.source_strides[last]) > 1) copy_tiles(parallel, s, t, box, dense);
    else copy_rows(parallel, s, t, box);
    return Error::Ok;
  });
}

void copy_dense(const ParallelFor& parallel, DType type, const void* source, void* target, int64_t count) {
  if (source == target || count <= 0) return;
  const int64_t bytes = dense_bytes(type, count);
  constexpr int64_t kChunk = int64_t{1} << 18;
  const auto* s = static_cast<const unsigned char*>(source);
  auto* t = static_cast<unsigned char*>(target);
  if (s < t + bytes && t < s + bytes) {  // overlapping halves of one buffer
    std::memmove(t, s, static_cast<size_t>(bytes));
    return;
  }
  parallel.chunks(bytes, kChunk, [&](int64_t begin, int64_t end, int) {
    std::memcpy(t + begin, s + begin, static_cast<size_t>(end - begin));
  });
}

void fill_elements(DType type, void* target, int64_t first, int64_t count, const void* value) {
  (void)dispatch_size(type, [&]<class T>() {
    T v;
    std::memcpy(&v, value, sizeof v);
    T* t = static_cast<T*>(target) + first;
    for (int64_t k = 0; k < count; ++k) t[k] = v;
    return Error::Ok;
  });
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
