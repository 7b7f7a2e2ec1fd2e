// Permutations and strided copies against index arithmetic: random shapes and permutations, every element size, slices,
// flips, broadcasts, fills, thread counts; nothing outside the destination is touched.
#include "ops/cpu/simd/transpose.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "tests/simd/vec_support.h"

namespace gf::simd {
namespace {

std::vector<unsigned char> counting_bytes(size_t n) {
  std::vector<unsigned char> bytes(n);
  for (size_t i = 0; i < n; ++i) bytes[i] = static_cast<unsigned char>(i * 131 + i / 251);
  return bytes;
}

// The contract, element by element.
void reference(int element, const StridedCopy& c, const unsigned char* source, unsigned char* destination, int k = 0) {
  if (k == c.rank) {
    std::memcpy(destination, source, static_cast<size_t>(element));
    return;
  }
  for (int64_t i = 0; i < c.dims[k]; ++i) {
    reference(element, c, source + i * c.source_strides[k] * element, destination + i * c.destination_strides[k] * element,
              k + 1);
  }
}

TEST(SimdTranspose, RandomPermutations) {
  std::mt19937 engine(3);
  for (int trial = 0; trial < 400; ++trial) {
    Shape shape;
    shape.rank = static_cast<int32_t>(engine() % 6);
    for (int k = 0; k < shape.rank; ++k) {
      shape[k] = static_cast<int64_t>(engine() % (shape.rank <= 2 ? 140 : shape.rank == 3 ? 40 : 9)) + (trial % 37 != 0 ? 1 : 0);
    }
    std::vector<int32_t> perm(static_cast<size_t>(shape.rank));
    std::iota(perm.begin(), perm.end(), 0);
    std::shuffle(perm.begin(), perm.end(), engine);
    const int element = 1 << (trial % 4);
    const auto bytes = static_cast<size_t>(shape.count() * element);
    const std::vector<unsigned char> in = counting_bytes(bytes);
    // expected: walk the output in order
    std::vector<unsigned char> want;
    std::vector<int64_t> index(perm.size(), 0);
    for (int64_t n = 0; n < shape.count(); ++n) {
      int64_t at = 0;
      std::vector<int64_t> in_index(perm.size());
      for (size_t k = 0; k < perm.size(); ++k) in_index[static_cast<size_t>(perm[k])] = index[k];
      for (size_t k = 0; k < perm.size(); ++k) at = at * shape[static_cast<int>(k)] + in_index[k];
      for (int b = 0; b < element; ++b) want.push_back(in[static_cast<size_t>(at * element + b)]);
      for (size_t k = perm.size(); k-- > 0;) {
        if (++index[k] < shape[perm[k]]) break;
        index[k] = 0;
      }
    }
    for (const Isa isa : test::available_isas()) {
      for (const int threads : {1, 2, 4}) {
        test::TestPool pool(threads);
        std::vector<unsigned char> out(bytes + 8, 0xee);
        transpose(isa, element, shape, perm.data(), in.data(), out.data(), pool.parallel());
        ASSERT_TRUE(std::equal(want.begin(), want.end(), out.begin())) << "trial " << trial << " " << isa_name(isa);
        for (size_t i = bytes; i < bytes + 8; ++i) ASSERT_EQ(out[i], 0xee);
      }
    }
  }
}

TEST(SimdTranspose, StridedCopiesSliceFlipBroadcastAndFill) {
  std::mt19937 engine(9);
  for (int trial = 0; trial < 400; ++trial) {
    StridedCopy c;
    c.rank = static_cast<int>(engine() % 5);
    const int element = 1 << (engine() % 4);
    int64_t source_size = 1, destination_size = 1, first = 0;
    for (int k = c.rank - 1; k >= 0; --k) {
      c.dims[k] = static_cast<int64_t>(engine() % 20) + 1;
      const int64_t step = static_cast<int64_t>(engine() % 3) + 1;   // slice with a step
      const int64_t gap = engine() % 2 == 0 ? 0 : 3;                 // a part of a larger output
      c.destination_strides[k] = destination_size;
      destination_size *= c.dims[k] + gap;
      switch (engine() % 4) {
        case 0: c.source_strides[k] = 0; break;
        case 1:
          c.source_strides[k] = -source_size * step;
          first += source_size * step * (c.dims[k] - 1);
          source_size *= c.dims[k] * step;
          break;
        default:
          c.source_strides[k] = source_size * (engine() % 2 == 0 ? 1 : step);
          source_size *= c.dims[k] * step;
      }
    }
    const std::vector<unsigned char> in = counting_bytes(static_cast<size_t>(source_size * element));
    const unsigned char* source = in.data() + first * element;
    std::vector<unsigned char> want(static_cast<size_t>(destination_size * element), 0x55);
    reference(element, c, source, want.data());
    std::vector<unsigned char> filled(want.size(), 0x55);
    StridedCopy fill = c;
    for (int64_t& s : fill.source_strides) s = 0;
    reference(element, fill, source, filled.data());
    for (const Isa isa : test::available_isas()) {
      test::TestPool pool(trial % 2 == 0 ? 1 : 3);
      std::vector<unsigned char> out(want.size(), 0x55);
      strided_copy(isa, element, c, source, out.data(), pool.parallel());
      ASSERT_EQ(out, want) << "trial " << trial << " " << isa_name(isa);
      std::fill(out.begin(), out.end(), static_cast<unsigned char>(0x55));
      strided_fill(isa, element, c, source, out.data(), pool.parallel());
      ASSERT_EQ(out, filled);
    }
  }
}

}  // namespace
}  // namespace gf::simd
