// Importer rows of attention and what stands around it in transformers: ONNX Attention-23 to 25, LinearAttention and
// RotaryEmbedding, and the fused operators that ONNX Runtime's optimiser writes (domain com.microsoft) where base ops can
// say the same. 3-D tensors [batch, length, heads * dim] become 4-D without a transpose (heads inner); caches need heads first.
#include <limits>

#include "converter/onnx/import_util.h"
#include "converter/onnx/lowering.h"

namespace gf::onnx {
namespace {

using ir::kNoValue;
using ir::ValueId;

const std::vector<int64_t> kSwapHeads{0, 2, 1, 3};

/// The parts of an attention operator after its own peculiarities are gone.
struct Parts {
  ValueId q = kNoValue, k = kNoValue, v = kNoValue;  // 4-D in `layout`
  ValueId past_k = kNoValue, past_v = kNoValue;      // [batch, heads, past, dim]
  ValueId mask = kNoValue, lengths = kNoValue, offset = kNoValue;
  AttentionLayout layout = AttentionLayout::HeadsFirst;
  bool flat = false;  // y goes back to 3-D
};

ValueId split_heads(Lowering& l, ValueId x, int64_t heads, const char* attribute) {
  if (heads < 1) l.invalid(std::string(attribute) + " is missing", Error::BadAttribute);
  const Dim hidden = l.b.shape(x)[2];
  if (hidden.is_const() && hidden.lo % heads != 0)
    l.invalid(std::to_string(hidden.lo) + " hidden elements do not divide by " + std::to_string(heads) + " heads",
              Error::ShapeMismatch);
  return l.b.reshape(x, std::vector<int64_t>{0, 0, heads, -1});
}

// A cache, or a present output, wants [batch, heads, length, dim].
void heads_first(Lowering& l, Parts& p) {
  if (p.layout == AttentionLayout::HeadsFirst) return;
  for (ValueId* v : {&p.q, &p.k, &p.v}) *v = l.b.transpose(*v, kSwapHeads);
  p.layout = AttentionLayout::HeadsFirst;
}

// Joins the cache, gives the present outputs and places the queries behind it.
void join_cache(Lowering& l, Parts& p, size_t present_k, size_t present_v) {
  const bool past = p.past_k != kNoValue;
  if (past != (p.past_v != kNoValue)) l.invalid("past_key and past_value must be given together");
  if (!past && !l.wants_output(present_k) && !l.wants_output(present_v)) return;
  heads_first(l, p);
  if (past) {
    p.offset = l.b.add<op::ShapeOf>({p.past_k}, {.start = 2, .end = 3});
    p.k = l.b.add<op::Concat>({p.past_k, p.k}, {.axis = 2});
    p.v = l.b.add<op::Concat>({p.past_v, p.v}, {.axis = 2});
  }
  l.output(present_k, p.k);
  l.output(present_v, p.v);
}

// A mask whose last axis is shorter than the keys hides the rest of them.
void pad_mask(Lowering& l, Parts& p) {
  if (p.mask == kNoValue) return;
  const DimShape& m = l.b.shape(p.mask);
  const int axis = p.layout == AttentionLayout::HeadsFirst ? 2 : 1;
  if (m.rank < 1 || m[m.rank - 1].same(l.b.shape(p.k)[axis])) return;
  const int rank = m.rank;
  const ValueId keys = l.b.add<op::ShapeOf>({p.k}, {.start = axis, .end = axis + 1});
  const ValueId have = l.b.add<op::ShapeOf>({p.mask}, {.start = rank - 1});
  const ValueId missing = l.b.add<op::Sub>({keys, have});
  const ValueId pads =
      l.b.add<op::Concat>({l.b.ints(std::vector<int64_t>(static_cast<size_t>(2 * rank - 1), 0)), missing}, {.axis = 0});
  const DType type = l.b.dtype(p.mask);
  std::vector<ValueId> inputs{p.mask, pads};
  if (type != DType::Bool) inputs.push_back(l.b.scalar(type, -std::numeric_limits<double>::infinity()));
  p.mask = l.b.add<op::Pad>(std::move(inputs));
}

// Adds the node; gives y in the form of the operator's inputs.
void emit(Lowering& l, const Parts& p, op::Attention::Attrs a, size_t scores_output = SIZE_MAX) {
  a.layout = p.layout;
  const bool scores = scores_output != SIZE_MAX && l.wants_output(scores_output);
  const std::vector<ValueId> y =
      l.b.node<op::Attention>({p.q, p.k, p.v, p.mask, p.lengths, p.offset}, a, scores ? 2 : 1).outputs;
  if (scores) l.output(scores_output, y[1]);
  if (!p.flat) return l.output(0, y[0]);
  const ValueId inner = p.layout == AttentionLayout::HeadsFirst ? l.b.transpose(y[0], kSwapHeads) : y[0];
  l.output(0, l.b.reshape(inner, std::vector<int64_t>{0, 0, -1}));
}

void attention(Lowering& l) {
  Parts p;
  p.q = l.input(0);
  p.k = l.input(1);
  p.v = l.input(2);
  p.flat = l.rank(0) == 3;
  if (p.flat) {
    p.layout = AttentionLayout::HeadsInner;
    const int64_t kv_heads = l.int_attr("kv_num_heads", 0);
    p.q = split_heads(l, p.q, l.int_attr("q_num_heads", 0), "q_num_heads");
    p.k = split_heads(l, p.k, kv_heads, "kv_num_heads");
    p.v = split_heads(l, p.v, kv_heads, "kv_num_heads");
  } else if (l.rank(0) != 4) {
    l.invalid("Q has rank " + std::to_string(l.rank(0)) + ", must be 3 or 4", Error::ShapeMismatch);
  }
  p.past_k = l.optional_input(4);
  p.past_v = l.optional_input(5);
  p.mask = l.optional_input(3);
  p.lengths = l.optional_input(6);
  join_cache(l, p, 1, 2);
  pad_mask(l, p);
  op::Attention::Attrs a;
  a.scale = l.float_attr("scale", 0);
  if (l.has_attr("scale") && a.scale == 0.0f) l.unsupported("a scale of 0");
  a.softcap = l.float_attr("softcap", 0);
  a.is_causal = l.int_attr("is_causal", 0) != 0;
  a.left_window = l.int_attr("left_window_size", -1);
  a.right_window = l.int_attr("right_window_size", -1);
  const int64_t mode = l.int_attr("qk_matmul_output_mode", 0);
  if (mode < 0 || mode > 3) l.invalid("qk_matmul_output_mode is " + std::to_string(mode), Error::BadAttribute);
  a.scores = static_cast<AttentionScores>(mode);
  emit(l, p, a, 3);
}

// past state, decay and beta stand where ours do; chunk_size is a hint for other devices.
void linear_attention(Lowering& l) {
  op::LinearAttention::Attrs a;
  a.q_heads = l.int_attr("q_num_heads", 0);
  a.kv_heads = l.int_attr("kv_num_heads", 0);
  if (a.q_heads < 1 || a.kv_heads < 1) l.invalid("q_num_heads or kv_num_heads is missing", Error::BadAttribute);
  a.scale = l.float_attr("scale", 0);
  a.rule = word_attr(l, "update_rule", kLinearAttentionRules, "gated_delta");
  l.outputs(l.b.node<op::LinearAttention>({l.input(0), l.input(1), l.input(2), l.optional_input(3), l.optional_input(4),
                                           l.optional_input(5)}, a, 2));
}

// --- rotary embedding

void emit_rotary(Lowering& l, ValueId x, ValueId cos, ValueId sin, ValueId ids) {
  op::RotaryEmbedding::Attrs a;
  a.interleaved = l.int_attr("interleaved", 0) != 0;
  const bool flat = l.b.rank(x) == 3;
  if (flat) {
    x = split_heads(l, x, l.int_attr("num_heads", 0), "num_heads");
    a.layout = AttentionLayout::HeadsInner;
  }
  const int64_t dim = l.int_attr("rotary_embedding_dim", 0);
  const Dim half = l.b.shape(cos)[l.b.rank(cos) - 1];
  if (dim != 0 && half.is_const() && half.lo * 2 != dim)
    l.invalid(
        "rotary_embedding_dim is " + std::to_string(dim) + ", the caches have " + std::to_string(half.lo) + " columns",
        Error::ShapeMismatch);
  const ValueId y = l.b.add<op::RotaryEmbedding>({x, cos, sin, ids}, a);
  l.output(0, flat ? l.b.reshape(y, std::vector<int64_t>{0, 0, -1}) : y);
}
void rotary_embedding(Lowering& l) { emit_rotary(l, l.input(0), l.input(1), l.input(2), l.optional_input(3)); }
// com.microsoft: the ids come second, and one id alone is where the sequence starts.
void rotary_embedding_ms(Lowering& l) {
  if (l.float_attr("scale", 1) != 1.0f) l.unsupported("RotaryEmbedding with a scale");
  ValueId ids = l.input(1);
  if (l.rank(1) == 1) {
    const int axis = l.rank(0) == 4 ? 2 : 1;
    const ValueId length = l.b.add<op::Squeeze>({l.b.add<op::ShapeOf>({l.input(0)}, {.start = axis, .end = axis + 1})});
    const ValueId steps = l.b.add<op::Range>({l.b.int_scalar(0), length, l.b.int_scalar(1)});
    ids = l.b.add<op::Unsqueeze>({l.b.add<op::Add>({steps, ids})}, {.axes = std::vector<int64_t>{0}});
  }
  emit_rotary(l, l.input(0), l.input(2), l.input(3), ids);
}

// --- com.microsoft

using Approximate = op::Gelu::Approximate;

void fast_gelu(Lowering& l) {
  const ValueId x = l.has_input(1) ? l.b.add<op::Add>({l.input(0), l.input(1)}) : l.input(0);
  l.output(0, l.b.add<op::Gelu>({x}, {.approximate = Approximate::Tanh}));
}
void bias_gelu(Lowering& l) { l.output(0, l.b.add<op::Gelu>({l.b.add<op::Add>({l.input(0), l.input(1)})})); }
void quick_gelu(Lowering& l) {
  l.output(0, l.b.add<op::Swish>({l.input(0)}, {.alpha = l.float_attr("alpha", 1.702f)}));
}

// word[ids] + position[0..length) + segment[segments], normalised.
void embed_layer_norm(Lowering& l) {
  const ValueId ids = l.input(0);
  if (l.rank(0) != 2) l.invalid("input_ids must have rank 2", Error::ShapeMismatch);
  ValueId positions = kNoValue;
  if (l.has_input(8)) {
    positions = l.b.add<op::Gather>({l.input(3), l.input(8)});
  } else {
    const ValueId length = l.b.add<op::ShapeOf>({ids}, {.start = 1});
    positions = l.b.add<op::Slice>({l.input(3), l.b.ints({0}), length, l.b.ints({0})});
  }
  ValueId sum = l.b.add<op::Add>({l.b.add<op::Gather>({l.input(2), ids}), positions});
  if (l.has_input(4) && l.has_input(1)) sum = l.b.add<op::Add>({sum, l.b.add<op::Gather>({l.input(4), l.input(1)})});
  l.output(0, l.b.add<op::LayerNorm>({sum, l.input(5), l.input(6)}, {.epsilon = l.float_attr("epsilon", 1e-12f)}));
  if (l.wants_output(1)) {  // how many positions of each sequence the mask leaves; 0 without a mask
    const ValueId mask = l.has_input(7) ? l.input(7) : l.b.add<op::Sub>({ids, ids});
    l.output(1, l.b.add<op::ReduceSum>({l.b.cast(mask, DType::I32)},
                                       {.axes = std::vector<int64_t>{1}, .keepdims = false}));
  }
  if (l.wants_output(2)) l.output(2, sum);
}

// mask_index: [batch] lengths, or 0/1 of [batch, keys] or [batch, queries, keys].
void mask_index(Lowering& l, size_t i, Parts& p) {
  if (!l.has_input(i)) return;
  const ValueId m = l.input(i);
  const int rank = l.b.rank(m);
  if (rank == 1) {
    const Dim n = l.b.shape(m)[0];
    if (!n.same(l.shape(0)[0])) l.unsupported("a mask of end and start positions");
    p.lengths = l.b.cast(m, DType::I64);
    if (p.offset == kNoValue) p.offset = l.b.ints({0});
    return;
  }
  if (rank != 2 && rank != 3) l.unsupported("a mask of rank " + std::to_string(rank));
  const std::vector<int64_t> axes = rank == 2 ? std::vector<int64_t>{1, 2} : std::vector<int64_t>{1};
  p.mask = l.b.add<op::Unsqueeze>({l.b.cast(m, DType::Bool)}, {.axes = axes});
}

// A bias that is added beside a boolean mask: hidden keys get -inf.
void add_bias(Lowering& l, size_t i, Parts& p) {
  if (!l.has_input(i)) return;
  const ValueId bias = l.input(i);
  if (p.mask == kNoValue) {
    p.mask = bias;
    return;
  }
  const ValueId low = l.b.scalar(l.b.dtype(bias), -std::numeric_limits<double>::infinity());
  p.mask = l.b.add<op::Where>({p.mask, bias, low});
}

// Keys that a finite mask_filter_value hides are read when every key is hidden; we give 0 there.
void attention_ms(Lowering& l) {
  if (l.has_input(4) || l.wants_output(1))
    l.unsupported("the past input of com.microsoft Attention", "MultiHeadAttention or ONNX Attention");
  if (l.int_attr("do_rotary", 0) != 0) l.unsupported("do_rotary");
  const int64_t heads = l.int_attr("num_heads", 0);
  ValueId packed = l.b.add<op::MatMul>({l.input(0), l.input(1), l.optional_input(2)});
  std::vector<int64_t> sizes = l.ints_attr("qkv_hidden_sizes");
  if (sizes.empty()) {
    const Dim all = l.shape(1)[1];
    if (!all.is_const() || all.lo % 3 != 0) l.unsupported("packed weights of unknown size");
    sizes.assign(3, all.lo / 3);
  }
  if (sizes.size() != 3) l.invalid("qkv_hidden_sizes needs three entries", Error::BadAttribute);
  const std::vector<ValueId> qkv = l.b.node<op::Split>({packed}, {.axis = 2, .sizes = sizes}, 3).outputs;
  Parts p;
  p.layout = AttentionLayout::HeadsInner;
  p.flat = true;
  p.q = split_heads(l, qkv[0], heads, "num_heads");
  p.k = split_heads(l, qkv[1], heads, "num_heads");
  p.v = split_heads(l, qkv[2], heads, "num_heads");
  mask_index(l, 3, p);
  add_bias(l, 5, p);
  op::Attention::Attrs a;
  a.scale = l.float_attr("scale", 0);
  a.is_causal = l.int_attr("unidirectional", 0) != 0;
  emit(l, p, a);
}

void multi_head_attention(Lowering& l) {
  if (l.rank(0) != 3 || !l.has_input(1) || !l.has_input(2) || l.rank(1) != 3 || l.rank(2) != 3)
    l.unsupported("packed or 4-D keys and values of MultiHeadAttention");
  if (l.has_input(8) || l.has_input(9)) l.unsupported("cache buffers of MultiHeadAttention");
  const int64_t heads = l.int_attr("num_heads", 0);
  std::vector<ValueId> x{l.input(0), l.input(1), l.input(2)};
  if (l.has_input(3)) {
    std::vector<int64_t> sizes;
    for (size_t i = 0; i < 3; ++i) {
      const Dim n = l.shape(i)[2];
      if (!n.is_const()) l.unsupported("a bias for a hidden size that is not known");
      sizes.push_back(n.lo);
    }
    const std::vector<ValueId> bias = l.b.node<op::Split>({l.input(3)}, {.axis = 0, .sizes = sizes}, 3).outputs;
    for (size_t i = 0; i < 3; ++i) x[i] = l.b.add<op::Add>({x[i], bias[i]});
  }
  Parts p;
  p.layout = AttentionLayout::HeadsInner;
  p.flat = true;
  p.q = split_heads(l, x[0], heads, "num_heads");
  p.k = split_heads(l, x[1], heads, "num_heads");
  p.v = split_heads(l, x[2], heads, "num_heads");
  p.past_k = l.optional_input(6);
  p.past_v = l.optional_input(7);
  join_cache(l, p, 1, 2);
  mask_index(l, 4, p);
  add_bias(l, 5, p);
  op::Attention::Attrs a;
  a.scale = l.float_attr("scale", 0);
  a.is_causal = l.int_attr("unidirectional", 0) != 0;
  emit(l, p, a);
}

constexpr ImportRow kRows[] = {
    {"", "Attention", 23, attention},
    {"", "LinearAttention", 27, linear_attention},
    {"", "RotaryEmbedding", 23, rotary_embedding},
    {"com.microsoft", "Attention", 1, attention_ms},
    {"com.microsoft", "BiasGelu", 1, bias_gelu},
    {"com.microsoft", "EmbedLayerNormalization", 1, embed_layer_norm},
    {"com.microsoft", "FastGelu", 1, fast_gelu},
    {"com.microsoft", "MultiHeadAttention", 1, multi_head_attention},
    {"com.microsoft", "QuickGelu", 1, quick_gelu},
    {"com.microsoft", "RotaryEmbedding", 1, rotary_embedding_ms},
};

}  // namespace

std::span<const ImportRow> import_rows_attention() { return kRows; }

}  // namespace gf::onnx
