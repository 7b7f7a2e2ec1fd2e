// linear_attention: attention without softmax as a recurrence over a state S [dim of k, dim of v] per key head (ONNX
// LinearAttention-27; Katharopoulos et al. 2020, gates: Yang et al. 2023, delta rule: Yang et al. 2024). For each step t:
//   S = exp(g_t) * S                      (gated rules)
//   u = v_t, or beta_t * (v_t - S^T k_t)  (delta rules)
//   S = S + k_t u^T;  y_t = scale * S^T q_t
// Inputs q, k, v [batch, length, heads * dim], past state [batch, kv_heads, k_dim, v_dim] (optional: zeros), decay
// [batch, length, kv_heads or kv_heads * k_dim] (gated), beta [batch, length, kv_heads or 1] (delta). Outputs y and S.
#pragma once

#include "schema/formula.h"

namespace gf {

/// Which terms the recurrence has. Values stand in files.
enum class LinearAttentionRule : uint8_t { Linear = 0, Gated = 1, Delta = 2, GatedDelta = 3 };
constexpr bool is_gated(LinearAttentionRule rule) { return (static_cast<int>(rule) & 1) != 0; }
constexpr bool is_delta(LinearAttentionRule rule) { return (static_cast<int>(rule) & 2) != 0; }

}  // namespace gf

namespace gf::op {

struct LinearAttention {
  static constexpr OpInfo info{
      .id = 322, .name = "linear_attention", .min_inputs = 3, .max_inputs = 6, .min_outputs = 1, .max_outputs = 2};
  struct Attrs {
    int64_t q_heads = 1;   ///< a multiple of kv_heads
    int64_t kv_heads = 1;
    float scale = 0;       ///< of y; 0: 1 / sqrt(dim of k)
    LinearAttentionRule rule = LinearAttentionRule::Linear;
  };
  static constexpr AttrField fields[] = {field<&Attrs::q_heads>(1, "q_heads", 1, int64_t{1} << 30),
                                         field<&Attrs::kv_heads>(2, "kv_heads", 1, int64_t{1} << 30),
                                         field<&Attrs::scale>(3, "scale"), field<&Attrs::rule>(4, "rule", 0, 3)};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_same_type(0, 1));
    GF_TRY(c.expect_same_type(0, 2));
    if (a.q_heads < 1 || a.kv_heads < 1 || a.q_heads % a.kv_heads != 0)
      return c.fail(Error::BadAttribute, "%lld query heads are no multiple of %lld key heads",
                    static_cast<long long>(a.q_heads), static_cast<long long>(a.kv_heads));
    GF_TRY(check_gate(c, 4, is_gated(a.rule), "decay"));
    GF_TRY(check_gate(c, 5, is_delta(a.rule), "beta"));
    Dim q_dim, k_dim, v_dim;
    GF_TRY(head_dim(c, 0, a.q_heads, q_dim));
    GF_TRY(head_dim(c, 1, a.kv_heads, k_dim));
    GF_TRY(head_dim(c, 2, a.kv_heads, v_dim));
    GF_TRY(c.expect_equal(q_dim, k_dim, "heads of q and k differ in size"));
    for (const int i : {1, 2, 4, 5}) {
      if (!c.has_input(i)) continue;
      GF_TRY(c.expect_equal(c.shape(i)[0], c.shape(0)[0], "the inputs differ in batch"));
      GF_TRY(c.expect_equal(c.shape(i)[1], c.shape(0)[1], "the inputs differ in length"));
    }
    GF_TRY(check_width(c, 4, "decay", a.kv_heads, c.mul(k_dim, a.kv_heads)));
    GF_TRY(check_width(c, 5, "beta", a.kv_heads, 1));
    DimShape state;
    for (const Dim d : {c.shape(0)[0], Dim(a.kv_heads), k_dim, v_dim}) state.push(d);
    if (c.has_input(3)) {
      GF_TRY(c.expect_type(3, kFloats));
      GF_TRY(c.expect_rank(3, 4));
      for (int d = 0; d < 4; ++d)
        GF_TRY(c.expect_equal(c.shape(3)[d], state[d], "the past state is not [batch, kv_heads, k_dim, v_dim]"));
    }
    DimShape out = c.shape(0);
    out[2] = c.mul(v_dim, a.q_heads);
    GF_TRY(c.set(0, c.dtype(0), out));
    return c.set(1, c.has_input(3) ? c.dtype(3) : c.dtype(0), state);
  }
  // back through the steps one by one
  static constexpr GradientOfExpansion grad{};
  static Error formula(Expander& e, const Attrs& a);

 private:
  static Error head_dim(InferContext& c, int i, int64_t heads, Dim& dim) {
    GF_TRY(c.expect_rank(i, 3));
    const Dim width = c.shape(i)[2];
    if (width.is_const() && width.lo % heads != 0)
      return c.fail(Error::ShapeMismatch, "the %lld columns of input %d do not divide by %lld heads",
                    static_cast<long long>(width.lo), i, static_cast<long long>(heads));
    dim = c.floor_div(width, heads);
    return Error::Ok;
  }
  static Error check_gate(InferContext& c, int i, bool wanted, const char* name) {
    if (c.has_input(i) != wanted)
      return c.fail(Error::InvalidArgument, "this update rule %s %s", wanted ? "needs the input" : "does not take the input", name);
    if (!wanted) return Error::Ok;
    GF_TRY(c.expect_same_type(0, i));
    return c.expect_rank(i, 3);
  }
  static Error check_width(InferContext& c, int i, const char* name, int64_t one, const Dim& other) {
    if (!c.has_input(i)) return Error::Ok;
    const Dim width = c.shape(i)[2];
    if (!width.is_const() || width.lo == one || !other.is_const() || width.lo == other.lo) return Error::Ok;
    return c.fail(Error::ShapeMismatch, "%s has %lld columns, must have %lld or %lld", name,
                  static_cast<long long>(width.lo), static_cast<long long>(one), static_cast<long long>(other.lo));
  }
};

}  // namespace gf::op
