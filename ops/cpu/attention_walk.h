// What the portable attention and its gradient share: where rows lie, which keys a query reads, softmax of a row of doubles.
#pragma once

#include <cmath>

#include "ops/cpu/movement.h"
#include "schema/ops/attention.h"

namespace gf::cpu::attention {

/// Where rows [batch, heads, length] of q, k, v or y lie; a row is `dim` elements.
struct Rows {
  int64_t heads = 1, length = 1, dim = 1;
  bool heads_first = true;

  Rows(const Shape& s, AttentionLayout layout) : dim(s[3]), heads_first(layout == AttentionLayout::HeadsFirst) {
    heads = s[heads_first ? 1 : 2];
    length = s[heads_first ? 2 : 1];
  }
  int64_t at(int64_t batch, int64_t head, int64_t row) const {
    return (heads_first ? (batch * heads + head) * length + row : (batch * length + row) * heads + head) * dim;
  }
};

/// Mask and limits of one query row.
class KeyFilter {
 public:
  /// Mask, lengths and offset are the inputs from `rest` on.
  KeyFilter(const RunContext& c, int rest, const op::Attention::Attrs& a, int64_t batch, int64_t head, int64_t row, int64_t q_len,
            int64_t kv_len)
      : mask_(c.has_input(rest) ? &c.input(rest) : nullptr), end_(kv_len) {
    int64_t offset = c.has_input(rest + 2) ? load_one<int64_t>(c.input(rest + 2), 0) : 0;
    if (c.has_input(rest + 1)) {
      const int64_t length = load_one<int64_t>(c.input(rest + 1), batch);
      if (!c.has_input(rest + 2)) offset = length - q_len;
      end_ = length < kv_len ? (length < 0 ? 0 : length) : kv_len;
    }
    const int64_t position = row + offset;
    if (a.left_window >= 0 && position - a.left_window > begin_) begin_ = position - a.left_window;
    if (a.is_causal) limit(position);
    if (a.right_window >= 0) limit(position + a.right_window);
    if (mask_ == nullptr) return;
    const Shape& s = mask_->shape;
    const int64_t index[4] = {batch, head, row, 0};
    int64_t stride = 1;
    for (int d = s.rank - 1; d >= 0; --d) {
      const int axis = d + 4 - s.rank;
      if (axis == 3) step_ = s[d] == 1 ? 0 : 1;
      if (s[d] != 1) first_ += index[axis] * stride;
      stride *= s[d];
    }
  }
  /// Adds the mask to the scores of all keys: -inf where a key may not be read.
  void apply(double* scores, double* room, int64_t kv_len) const {
    if (mask_ != nullptr) load(*mask_, first_, step_, kv_len, room);
    for (int64_t j = 0; j < kv_len; ++j) {
      const bool inside = j >= begin_ && j < end_;
      if (mask_ != nullptr && inside && mask_->dtype != DType::Bool && room[j] != -HUGE_VAL) scores[j] += room[j];
      const bool masked = mask_ != nullptr && (mask_->dtype == DType::Bool ? room[j] == 0 : room[j] == -HUGE_VAL);
      if (!inside || masked) scores[j] = -HUGE_VAL;
    }
  }

 private:
  void limit(int64_t last) { end_ = last + 1 < end_ ? last + 1 : end_; }

  const TensorView* mask_;
  int64_t begin_ = 0, end_ = 0, first_ = 0, step_ = 0;
};

/// Softmax in place; a row of -inf alone becomes 0.
inline void softmax(double* scores, int64_t count) {
  double greatest = -HUGE_VAL, sum = 0;
  for (int64_t j = 0; j < count; ++j)
    if (scores[j] > greatest || scores[j] != scores[j]) greatest = scores[j];
  for (int64_t j = 0; j < count; ++j) {
    scores[j] = greatest == -HUGE_VAL ? 0 : std::exp(scores[j] - greatest);
    sum += scores[j];
  }
  if (sum == 0) return;
  for (int64_t j = 0; j < count; ++j) scores[j] /= sum;
}

inline double scale_of(const op::Attention::Attrs& a, int64_t dim) {
  return a.scale != 0 ? static_cast<double>(a.scale) : 1 / std::sqrt(static_cast<double>(dim));
}

}  // namespace gf::cpu::attention
