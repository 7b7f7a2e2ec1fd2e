// What the tests of data share: datasets without files, batches as plain numbers, files in formats that are written here by hand.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "runtime/core/exception.h"
#include "trainer/data/data_loader.h"

namespace gf::test {

/// Sample i is {i, a random number of its draws}; `fail_at` throws, `slow_at` takes its time.
class CountingDataset : public data::Dataset {
 public:
  explicit CountingDataset(int64_t size) : size_(size) {}
  int64_t size() const override { return size_; }
  const std::vector<data::Field>& fields() const override { return fields_; }
  void read(int64_t index, data::SampleContext& context, std::span<const std::span<std::byte>> to) const override {
    ++reads;
    if (index == fail_at) throw Exception(Error::BadFile, "the file is damaged");
    if (index == throw_other_at) throw std::runtime_error("something else");
    if (slow_every > 0 && index % slow_every == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const float random = static_cast<float>(context.draws.uniform());
    std::memcpy(to[0].data(), &index, sizeof(index));
    std::memcpy(to[1].data(), &random, sizeof(random));
  }
  std::string describe(int64_t index) const override { return named ? "file_" + std::to_string(index) + ".bin" : ""; }

  std::atomic<int64_t> fail_at{-1}, throw_other_at{-1};
  int64_t slow_every = 0;
  bool named = false;
  mutable std::atomic<int> reads{0};

 private:
  int64_t size_;
  std::vector<data::Field> fields_{{"x", DType::I64, {}}, {"r", DType::F32, {}}};
};

struct Seen {
  std::vector<int64_t> x;
  std::vector<float> r;
  bool operator==(const Seen&) const = default;
};

inline Seen seen(const data::Batch& batch) { return {batch["x"].as<int64_t>(), batch["r"].as<float>()}; }

/// The next `count` batches, over the ends of epochs.
inline std::vector<Seen> batches(data::DataLoader& loader, int count) {
  std::vector<Seen> out;
  while (static_cast<int>(out.size()) < count)
    if (const data::Batch* b = loader.next()) out.push_back(seen(*b));
  return out;
}

/// All of the epoch that the loader stands in.
inline std::vector<Seen> epoch(data::DataLoader& loader) {
  std::vector<Seen> out;
  while (const data::Batch* b = loader.next()) out.push_back(seen(*b));
  return out;
}

inline std::vector<int64_t> all_x(const std::vector<Seen>& from) {
  std::vector<int64_t> out;
  for (const Seen& s : from) out.insert(out.end(), s.x.begin(), s.x.end());
  return out;
}
inline std::vector<int64_t> sorted(std::vector<int64_t> v) {
  std::sort(v.begin(), v.end());
  return v;
}
inline std::vector<int64_t> counting(int64_t n) {
  std::vector<int64_t> v(static_cast<size_t>(n));
  std::iota(v.begin(), v.end(), int64_t{0});
  return v;
}

/// An IDX file of uint8.
inline std::string idx_file(const std::vector<uint32_t>& dims, const std::string& data) {
  std::string out{'\0', '\0', '\x08', static_cast<char>(dims.size())};
  for (const uint32_t d : dims)
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(d >> shift & 0xff);
  return out + data;
}

}  // namespace gf::test
