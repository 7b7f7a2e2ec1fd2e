// einsum: sums of products over named axes (ONNX Einsum): "bij,bjk->bik"; "..." stands for axes that broadcast, a letter
// twice in one term for a diagonal, no "->" for the letters that occur once, in alphabetical order.
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf {

/// A parsed equation. Labels 0..25 are a-z, 26..51 A-Z, kEllipsis + d the d-th axis from the right under "...".
struct EinsumPlan {
  static constexpr int kMaxOperands = 8;
  static constexpr int kEllipsis = 52;
  static constexpr int kLabels = kEllipsis + kMaxRank;

  int operands = 0;
  int ranks[kMaxOperands] = {};
  int8_t axes[kMaxOperands][kMaxRank] = {};  ///< label of each axis of each operand
  int output_rank = 0;
  int8_t output[kMaxRank] = {};              ///< label of each axis of the output

  /// Parses `equation` for operands of the given ranks. Returns nullptr, or what is wrong (a fixed string).
  const char* parse(std::string_view equation, const int* operand_ranks, int operand_count);

 private:
  static constexpr int letter(char c) {
    if (c >= 'a' && c <= 'z') return c - 'a';
    if (c >= 'A' && c <= 'Z') return 26 + c - 'A';
    return -1;
  }
};

inline const char* EinsumPlan::parse(std::string_view equation, const int* operand_ranks, int operand_count) {
  if (operand_count < 1 || operand_count > kMaxOperands) return "number of operands outside [1, 8]";
  operands = operand_count;
  int8_t label[256];  // letters of the term being read, without blanks
  int uses[kEllipsis] = {};
  int widest = 0;     // most axes under an ellipsis
  size_t at = 0;
  // reads one term up to ',', '-' or the end; `dots` is the position of the ellipsis among the labels, or -1
  const auto term = [&](int& count, int& dots) -> const char* {
    count = 0;
    dots = -1;
    for (; at < equation.size() && equation[at] != ',' && equation[at] != '-'; ++at) {
      if (equation[at] == ' ') continue;
      if (equation[at] == '.') {
        if (dots >= 0 || equation.substr(at, 3) != "...") return "bad '.' in the equation";
        dots = count;
        at += 2;
        continue;
      }
      if (letter(equation[at]) < 0) return "the equation has a character that is not a letter";
      if (count >= kMaxRank) return "a term of the equation has more letters than a tensor can have axes";
      label[count++] = static_cast<int8_t>(letter(equation[at]));
    }
    return nullptr;
  };
  for (int i = 0; i < operands; ++i) {
    int count = 0, dots = -1;
    if (i > 0) {
      if (at >= equation.size() || equation[at] != ',') return "the equation has fewer terms than there are operands";
      ++at;
    }
    if (const char* wrong = term(count, dots)) return wrong;
    const int hidden = operand_ranks[i] - count;
    if (hidden < 0 || (dots < 0 && hidden != 0)) return "a term does not fit the rank of its operand";
    if (dots >= 0 && hidden > widest) widest = hidden;
    ranks[i] = operand_ranks[i];
    int axis = 0;
    for (int k = 0; k <= count; ++k) {
      for (int h = 0; k == dots && h < hidden; ++h) axes[i][axis++] = static_cast<int8_t>(kEllipsis + hidden - 1 - h);
      if (k == count) break;
      axes[i][axis++] = label[k];
      ++uses[label[k]];
    }
  }
  if (at < equation.size() && equation[at] == ',') return "the equation has more terms than there are operands";
  output_rank = 0;
  if (at == equation.size()) {  // implicit output
    for (int d = widest - 1; d >= 0 && output_rank < kMaxRank; --d) output[output_rank++] = static_cast<int8_t>(kEllipsis + d);
    for (int c = 0; c < 52; ++c) {
      const int l = c < 26 ? 26 + c : c - 26;  // upper case sorts before lower case
      if (uses[l] != 1) continue;
      if (output_rank >= kMaxRank) return "the result has too many axes";
      output[output_rank++] = static_cast<int8_t>(l);
    }
    return nullptr;
  }
  if (equation.substr(at, 2) != "->") return "bad '-' in the equation";
  at += 2;
  int count = 0, dots = -1;
  if (const char* wrong = term(count, dots)) return wrong;
  if (at != equation.size()) return "the equation goes on after the output term";
  if (count + (dots >= 0 ? widest : 0) > kMaxRank) return "the result has too many axes";
  for (int k = 0; k <= count; ++k) {
    for (int d = widest - 1; k == dots && d >= 0; --d) output[output_rank++] = static_cast<int8_t>(kEllipsis + d);
    if (k == count) break;
    if (uses[label[k]] == 0) return "the output names a letter that no operand has";
    for (int j = 0; j < output_rank; ++j)
      if (output[j] == label[k]) return "the output names a letter twice";
    output[output_rank++] = label[k];
  }
  return nullptr;
}

namespace op {

struct Einsum {
  static constexpr OpInfo info{.id = 211, .name = "einsum", .min_inputs = 1, .max_inputs = EinsumPlan::kMaxOperands};
  struct Attrs {
    std::string_view equation = {};
  };
  static constexpr AttrField fields[] = {field<&Attrs::equation>(1, "equation")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kNumbers));
    int ranks[EinsumPlan::kMaxOperands] = {};
    for (int i = 0; i < c.input_count(); ++i) {
      if (!c.has_input(i)) return c.fail(Error::BadGraph, "input %d is missing", i);
      GF_TRY(c.expect_same_type(0, i));
      if (i < EinsumPlan::kMaxOperands) ranks[i] = c.rank(i);
    }
    EinsumPlan plan;
    if (const char* wrong = plan.parse(a.equation, ranks, c.input_count()))
      return c.fail(Error::BadAttribute, "%s", wrong);
    Dim sizes[EinsumPlan::kLabels];
    bool known[EinsumPlan::kLabels] = {};
    for (int i = 0; i < plan.operands; ++i)
      for (int d = 0; d < plan.ranks[i]; ++d) {
        const int label = plan.axes[i][d];
        const Dim size = c.shape(i)[d];
        if (!known[label] || (sizes[label].is_const() && sizes[label].lo == 1)) {
          sizes[label] = size;
          known[label] = true;
        } else if (!(size.is_const() && size.lo == 1)) {
          if (sizes[label].hi < size.lo || size.hi < sizes[label].lo)
            return c.fail(Error::ShapeMismatch, "axis %d of operand %d has length %lld, elsewhere it is %lld", d, i,
                          static_cast<long long>(size.lo), static_cast<long long>(sizes[label].lo));
          if (size.is_const()) sizes[label] = size;
        }
      }
    DimShape out;
    for (int d = 0; d < plan.output_rank; ++d) out.push(sizes[plan.output[d]]);
    return c.set(0, c.dtype(0), out);
  }
  /// Product of the sizes of all labels; one multiplication per further operand.
  static uint64_t macs(const NodeShapes& s, const Attrs& a) {
    const auto count = static_cast<int>(s.inputs.size());
    int ranks[EinsumPlan::kMaxOperands] = {};
    for (int i = 0; i < count && i < EinsumPlan::kMaxOperands; ++i) ranks[i] = s.input_rank(i);
    EinsumPlan plan;
    if (count < 2 || plan.parse(a.equation, ranks, count) != nullptr) return 0;
    uint64_t sizes[EinsumPlan::kLabels] = {}, total = static_cast<uint64_t>(count) - 1;
    bool used[EinsumPlan::kLabels] = {};
    for (int i = 0; i < count; ++i)
      for (int d = 0; d < ranks[i]; ++d) {
        const int label = plan.axes[i][d];
        sizes[label] = std::max(sizes[label], s.size(i, d));
        used[label] = true;
      }
    for (int l = 0; l < EinsumPlan::kLabels; ++l)
      if (used[l]) total = saturating_product(total, sizes[l]);
    return total;
  }
  static Error grad(Differentiator& d, const Attrs& a);  // d operand i = einsum of dy and the other operands, with the terms swapped
};

}  // namespace op
}  // namespace gf
