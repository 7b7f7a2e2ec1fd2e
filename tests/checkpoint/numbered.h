// Checkpoints whose every byte follows from a number, so that a test knows what a file has to hold.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/core/exception.h"
#include "trainer/checkpoint/container.h"

namespace gf::test {

/// Tensors and counters of save number `number`; the first tensor has `floats` elements.
class Numbered {
 public:
  explicit Numbered(int64_t number, size_t floats = 48) : weights_(floats), moments_(5) {
    for (size_t i = 0; i < floats; ++i) weights_[i] = static_cast<uint32_t>(number) * 2654435761U + static_cast<uint32_t>(i);
    for (size_t i = 0; i < moments_.size(); ++i) moments_[i] = number * 1000 + static_cast<int64_t>(i);
    snapshot_.counters = {{"number", std::to_string(number)}, {"loader.position", std::to_string(7 * number)}};
    snapshot_.tensors = {{"layer.weight", DType::U32, {static_cast<int64_t>(floats)}, std::as_bytes(std::span(weights_))},
                         {"layer.weight.moment", DType::I64, {static_cast<int64_t>(moments_.size())}, std::as_bytes(std::span(moments_))}};
  }
  Numbered(const Numbered&) = delete;
  Numbered& operator=(const Numbered&) = delete;
  const Snapshot& at(int64_t step) {
    snapshot_.step = step;
    return snapshot_;
  }

 private:
  std::vector<uint32_t> weights_;
  std::vector<int64_t> moments_;
  Snapshot snapshot_;
};

/// The number of a checkpoint that is whole; throws std::runtime_error when a byte is not as it should be.
inline int64_t number_of(const Snapshot& found) {
  const auto fail = [](const std::string& what) { throw std::runtime_error("a checkpoint was accepted, but " + what); };
  if (!found.counters.contains("number")) fail("it has no number");
  const int64_t number = std::stoll(found.counters.at("number"));
  const io::SafeTensor* weights = found.find("layer.weight");
  if (weights == nullptr) fail("its weights are gone");
  Numbered wanted(number, weights->data.size() / 4);
  const Snapshot& w = wanted.at(found.step);
  if (found.counters != w.counters) fail("its counters are others");
  if (found.tensors.size() != w.tensors.size()) fail("it has other tensors");
  for (const io::SafeTensor& t : w.tensors) {
    const io::SafeTensor* f = found.find(t.name);
    if (f == nullptr || f->dtype != t.dtype || f->shape != t.shape || !std::equal(f->data.begin(), f->data.end(), t.data.begin(), t.data.end())) fail("'" + t.name + "' is another");
  }
  return number;
}

}  // namespace gf::test
