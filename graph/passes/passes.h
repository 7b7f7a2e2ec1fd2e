// The passes, one function each; pipeline.cpp orders them. Each lives in the .cpp that its comment names.
#pragma once

#include "graph/passes/pipeline.h"

namespace gf {

int fold_all(ir::Model& model, const PassOptions& options);     // cleanup.cpp: constants computed now
int widen_half(ir::Model& model, const PassOptions& options);   // half.cpp: float16 and bfloat16 graphs in float32
int store_half(ir::Model& model, const PassOptions& options);   // half.cpp: their constants in 16 bits (last)
int remove_dead(ir::Model& model, const PassOptions& options);  // cleanup.cpp: nodes whose results nobody reads
int remove_no_ops(ir::Model& model,
                  const PassOptions& options);  // cleanup.cpp: identity, x + 0, x * 1, reshape to itself
int share_transposed(ir::Model& model, const PassOptions& options);  // cleanup.cpp: a matrix and its transpose
int merge_common(ir::Model& model, const PassOptions& options);  // cleanup.cpp: equal nodes on equal inputs

int lower_ops(ir::Model& model, const PassOptions& options);  // lower.cpp: ops that run faster as others
int move_transposes(ir::Model& model, const PassOptions& options);  // layout.cpp: NCHW leftovers cancel
int fold_weights(ir::Model& model, const PassOptions& options);  // fold_weights.cpp: batch norm, scales, shifts, pads
int simplify(ir::Model& model, const PassOptions& options);      // simplify.cpp: views, casts, concats, expands, ...
int split_products(ir::Model& model,
                   const PassOptions& options);  // simplify.cpp: slices of products (late: after biases)
int order_for_memory(ir::Model& model, const PassOptions& options);  // order.cpp
int match_activations(ir::Model& model,
                      const PassOptions& options);              // activation_patterns.cpp: GELU, SiLU, ... written out
int match_norms(ir::Model& model, const PassOptions& options);  // norm_patterns.cpp: layer norm, RMS norm, softmax
int match_attention(ir::Model& model, const PassOptions& options);    // attention_patterns.cpp
int absorb_transposes(ir::Model& model, const PassOptions& options);  // attention_patterns.cpp: into matmul attributes
int fuse_norm_activations(ir::Model& model, const PassOptions& options);  // batch_norms.cpp: relu and clip into batch norms of training
int remake_normalised(ir::Model& model, const PassOptions& options);      // batch_norms.cpp: their results twice instead of kept
int pack_masks(ir::Model& model, const PassOptions& options);            // mask_bits.cpp: what waits for the backward part, as bits
int recompute_for_memory(ir::Model& model, const PassOptions& options);  // recompute.cpp: results made twice, for a memory budget
int keep_in_half(ir::Model& model, const PassOptions& options);  // kept_in_half.cpp: what waits for the backward part waits in bfloat16
int round_operands(ir::Model& model, const PassOptions& options);  // product_precision.cpp: products of train steps from bfloat16 operands
int add_rows_in_place(ir::Model& model, const PassOptions& options);  // row_updates.cpp: gradients of tables that need not be as large as those
int place_state_writes(ir::Model& model, const PassOptions& options);  // state_writes.cpp: updates as early as is right
int integer_products(ir::Model& model, const PassOptions& options);   // integer_products.cpp: dequantised numbers multiplied as integers
int fuse_pointwise(ir::Model& model, const PassOptions& options);     // pointwise_chains.cpp
int fuse_epilogues(ir::Model& model, const PassOptions& options);     // epilogue.cpp: residual add, activation

}  // namespace gf
