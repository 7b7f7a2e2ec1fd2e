// Strided copies: dimensions are ordered and collapsed first, then one of three inner loops does the work.
#include "ops/cpu/simd/isa_dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/transpose.cpp"
#include <cstring>

#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "ops/cpu/simd/transpose.h"
#include "ops/cpu/simd/transpose_blocks-inl.h"

#ifndef GF_SIMD_TRANSPOSE_TABLE
#define GF_SIMD_TRANSPOSE_TABLE
namespace gf::simd {
struct TransposeTable {
  /// to[j * to_stride + i] = from[i * from_stride + j], i in [0, rows), j in [0, cols); [log2 of element bytes]
  TransposeTile tile[4];
  /// to[i * to_stride] = from[i * from_stride], i in [0, n)
  void (*line[4])(const void* from, int64_t from_stride, void* to, int64_t to_stride, int64_t n);
};
}  // namespace gf::simd
#endif

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
void transpose_plain(const T* from, int64_t from_stride, T* to, int64_t to_stride, int64_t rows, int64_t cols) {
  for (int64_t j = 0; j < cols; ++j) {
    for (int64_t i = 0; i < rows; ++i) to[j * to_stride + i] = from[i * from_stride + j];
  }
}

template <class T>
void tile(const void* from, int64_t from_stride, void* to, int64_t to_stride, int64_t rows, int64_t cols) {
  transpose_plain(static_cast<const T*>(from), from_stride, static_cast<T*>(to), to_stride, rows, cols);
}

template <>
void tile<uint32_t>(const void* from, int64_t from_stride, void* to, int64_t to_stride, int64_t rows, int64_t cols) {
  const auto* f = static_cast<const uint32_t*>(from);
  auto* t = static_cast<uint32_t*>(to);
  // Blocks go down the rows first, so that a destination line is written whole before the next one is begun: partly
  // written lines that miss the cache cost more than reading the source's lines again from it.
  int64_t j = 0;
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  for (; j + 8 <= cols; j += 8) {
    int64_t i = 0;
    for (; i + 8 <= rows; i += 8) {
      transpose8x8(f + i * from_stride + j, from_stride, t + j * to_stride + i, to_stride);
    }
    transpose_plain(f + i * from_stride + j, from_stride, t + j * to_stride + i, to_stride, rows - i, 8);
  }
#endif
#if HWY_TARGET != HWY_SCALAR
  for (; j + 4 <= cols; j += 4) {
    int64_t i = 0;
    for (; i + 4 <= rows; i += 4) {
      transpose4x4(f + i * from_stride + j, from_stride, t + j * to_stride + i, to_stride);
    }
    transpose_plain(f + i * from_stride + j, from_stride, t + j * to_stride + i, to_stride, rows - i, 4);
  }
#endif
  transpose_plain(f + j, from_stride, t + j * to_stride, to_stride, rows, cols - j);
}

template <class T>
void line(const void* from, int64_t from_stride, void* to, int64_t to_stride, int64_t n) {
  const auto* f = static_cast<const T*>(from);
  auto* t = static_cast<T*>(to);
  if (from_stride == 0) {
    const T value = *f;
    if (to_stride == 1) {
      for (int64_t i = 0; i < n; ++i) t[i] = value;
    } else {
      for (int64_t i = 0; i < n; ++i) t[i * to_stride] = value;
    }
    return;
  }
  for (int64_t i = 0; i < n; ++i) t[i * to_stride] = f[i * from_stride];
}

constexpr TransposeTable kTransposeTable = {{tile<uint8_t>, tile<uint16_t>, tile<uint32_t>, tile<uint64_t>},
                                            {line<uint8_t>, line<uint16_t>, line<uint32_t>, line<uint64_t>}};

}  // namespace
}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gf::simd {
namespace {

constexpr int64_t kTaskBytes = 65536;
constexpr int64_t kTileRows = 32;   // 2-D tiles: 32 x 32 of 4 bytes, source and destination stay in the first-level cache
constexpr int64_t kTileCols = 32;

struct Dim {
  int64_t size, from, to;
};

struct Loops {
  int rank = 0;
  Dim dims[kMaxRank + 2];
};

// Drops dimensions of size 1, orders by destination stride (outermost first), joins what is contiguous on both sides.
// False when there is nothing to copy.
bool normalise(const StridedCopy& copy, Loops& loops) {
  for (int k = 0; k < copy.rank; ++k) {
    if (copy.dims[k] <= 0) return false;
    if (copy.dims[k] == 1) continue;
    const Dim dim{copy.dims[k], copy.source_strides[k], copy.destination_strides[k]};
    int at = loops.rank++;
    for (; at > 0 && loops.dims[at - 1].to < dim.to; --at) loops.dims[at] = loops.dims[at - 1];
    loops.dims[at] = dim;
  }
  int kept = 0;
  for (int k = 0; k < loops.rank; ++k) {
    const Dim dim = loops.dims[k];
    if (kept > 0) {
      Dim& outer = loops.dims[kept - 1];
      if (outer.to == dim.to * dim.size && outer.from == dim.from * dim.size) {
        outer = {outer.size * dim.size, dim.from, dim.to};
        continue;
      }
    }
    loops.dims[kept++] = dim;
  }
  loops.rank = kept;
  return true;
}

// Element offsets of the flat index `index` over dims [0, count).
void offsets(const Loops& loops, int count, int64_t index, int64_t& from, int64_t& to) {
  from = to = 0;
  for (int k = count - 1; k >= 0; --k) {
    const int64_t i = index % loops.dims[k].size;
    index /= loops.dims[k].size;
    from += i * loops.dims[k].from;
    to += i * loops.dims[k].to;
  }
}

int64_t outer_count(const Loops& loops, int count) {
  int64_t n = 1;
  for (int k = 0; k < count; ++k) n *= loops.dims[k].size;
  return n;
}

void copy_run(const unsigned char* from, unsigned char* to, int64_t bytes) {
  switch (bytes) {  // short runs: a call of memcpy would cost more than the copy
    case 4: std::memcpy(to, from, 4); return;
    case 8: std::memcpy(to, from, 8); return;
    case 12: std::memcpy(to, from, 12); return;
    case 16: std::memcpy(to, from, 16); return;
    case 32: std::memcpy(to, from, 32); return;
    default: std::memcpy(to, from, static_cast<size_t>(bytes)); return;
  }
}

struct Job {
  const TransposeTable& table;
  int log_bytes;
  const unsigned char* source;
  unsigned char* destination;
  const ParallelFor& parallel;

  const unsigned char* from(int64_t elements) const { return source + elements * (int64_t{1} << log_bytes); }
  unsigned char* to(int64_t elements) const { return destination + elements * (int64_t{1} << log_bytes); }
};

// Innermost dimension contiguous on both sides. Long runs are cut so that one large copy uses all threads.
void run_contiguous(const Job& job, Loops loops) {
  Dim& inner = loops.dims[loops.rank - 1];
  const int64_t piece = kTaskBytes >> job.log_bytes;
  int64_t run = inner.size;
  if (outer_count(loops, loops.rank - 1) < 16 && run > piece) run = piece;
  const int64_t pieces = (inner.size + run - 1) / run;
  const int64_t runs = outer_count(loops, loops.rank - 1) * pieces;
  const int64_t grain = kTaskBytes / (run << job.log_bytes) + 1;
  job.parallel.chunks(runs, grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      int64_t from, to;
      offsets(loops, loops.rank - 1, r / pieces, from, to);
      const int64_t first = r % pieces * run;
      const int64_t n = inner.size - first < run ? inner.size - first : run;
      copy_run(job.from(from + first), job.to(to + first), n << job.log_bytes);
    }
  });
}

// Innermost destination dimension contiguous, dimension `across` contiguous in the source: tiles of the two.
void run_tiles(const Job& job, Loops loops, int across) {
  const Dim inner = loops.dims[loops.rank - 1], other = loops.dims[across];
  for (int k = across; k + 2 < loops.rank; ++k) loops.dims[k] = loops.dims[k + 1];
  const int outer = loops.rank - 2;
  const int64_t row_tiles = (inner.size + kTileRows - 1) / kTileRows, col_tiles = (other.size + kTileCols - 1) / kTileCols;
  const int64_t tile_bytes = (inner.size < kTileRows ? inner.size : kTileRows) *
                             (other.size < kTileCols ? other.size : kTileCols) << job.log_bytes;
  job.parallel.chunks(outer_count(loops, outer) * row_tiles * col_tiles, kTaskBytes / tile_bytes + 1,
                      [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      int64_t from, to;
      offsets(loops, outer, t / (row_tiles * col_tiles), from, to);
      // neighbouring tiles share source rows' cache lines: columns change fastest
      const int64_t i = t / col_tiles % row_tiles * kTileRows, j = t % col_tiles * kTileCols;
      from += i * inner.from + j;
      to += i + j * other.to;
      const int64_t rows = inner.size - i < kTileRows ? inner.size - i : kTileRows;
      const int64_t cols = other.size - j < kTileCols ? other.size - j : kTileCols;
      job.table.tile[job.log_bytes](job.from(from), inner.from, job.to(to), other.to, rows, cols);
    }
  });
}

void run_lines(const Job& job, const Loops& loops) {
  const Dim inner = loops.dims[loops.rank - 1];
  const int64_t grain = kTaskBytes / (inner.size << job.log_bytes) + 1;
  job.parallel.chunks(outer_count(loops, loops.rank - 1), grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      int64_t from, to;
      offsets(loops, loops.rank - 1, r, from, to);
      job.table.line[job.log_bytes](job.from(from), inner.from, job.to(to), inner.to, inner.size);
    }
  });
}

int log2_bytes(int element_bytes) { return element_bytes == 1 ? 0 : element_bytes == 2 ? 1 : element_bytes == 4 ? 2 : 3; }

}  // namespace

void strided_copy(Isa isa, int element_bytes, const StridedCopy& copy, const void* source, void* destination,
                  const ParallelFor& parallel) {
  Loops loops;
  if (!normalise(copy, loops)) return;
  const Job job{GF_SIMD_SELECT(isa, kTransposeTable), log2_bytes(element_bytes), static_cast<const unsigned char*>(source),
                static_cast<unsigned char*>(destination), parallel};
  if (loops.rank == 0) return copy_run(job.source, job.destination, element_bytes);
  const Dim inner = loops.dims[loops.rank - 1];
  if (inner.from == 1 && inner.to == 1) return run_contiguous(job, loops);
  if (inner.to == 1 && inner.from != 0) {
    for (int k = loops.rank - 2; k >= 0; --k) {
      if (loops.dims[k].from == 1) return run_tiles(job, loops, k);
    }
  }
  run_lines(job, loops);
}

void transpose(Isa isa, int element_bytes, const Shape& in_shape, const int32_t* perm, const void* in, void* out,
               const ParallelFor& parallel) {
  int64_t in_strides[kMaxRank];
  int64_t stride = 1;
  for (int k = in_shape.rank - 1; k >= 0; --k) {
    in_strides[k] = stride;
    stride *= in_shape[k];
  }
  StridedCopy copy;
  copy.rank = in_shape.rank;
  stride = 1;
  for (int k = in_shape.rank - 1; k >= 0; --k) {
    copy.dims[k] = in_shape[perm[k]];
    copy.source_strides[k] = in_strides[perm[k]];
    copy.destination_strides[k] = stride;
    stride *= copy.dims[k];
  }
  strided_copy(isa, element_bytes, copy, in, out, parallel);
}

TransposeTile transpose_tile(Isa isa, int element_bytes) {
  return (GF_SIMD_SELECT(isa, kTransposeTable.tile))[log2_bytes(element_bytes)];
}

void strided_fill(Isa isa, int element_bytes, const StridedCopy& copy, const void* value, void* destination,
                  const ParallelFor& parallel) {
  StridedCopy fill = copy;
  for (int64_t& stride : fill.source_strides) stride = 0;
  strided_copy(isa, element_bytes, fill, value, destination, parallel);
}

}  // namespace gf::simd
#endif
