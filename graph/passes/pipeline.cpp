#include "graph/passes/pipeline.h"

#include "graph/passes/fold.h"
#include "graph/passes/passes.h"

namespace gf {
namespace {

int count_nodes(const ir::Block& block) {
  int n = static_cast<int>(block.nodes.size());
  for (const auto& node : block.nodes)
    for (const ir::Block& b : node->blocks) n += count_nodes(b);
  return n;
}
int count_nodes(const ir::Model& model) {
  int n = 0;
  for (const auto& e : model.entries) n += count_nodes(e->body);
  return n;
}

// Order matters: clean-ups first so that patterns are bare, layout before epilogues so that no transpose stands
// between.
constexpr Pass kPasses[] = {
    {"remove_dead", 0, remove_dead},
    {"half_in_float32", 2, widen_half},
    {"lower", 2, lower_ops},
    {"fold_constants", 1, fold_all},
    {"remove_no_ops", 1, remove_no_ops},
    {"common_subexpressions", 1, merge_common},
    {"simplify", 1, simplify},
    {"activations", 2, match_activations},
    {"normalisations", 2, match_norms},
    {"layout", 2, move_transposes},
    {"common_subexpressions", 2, merge_common},
    {"attention", 2, match_attention},
    {"layout", 2, move_transposes},
    {"simplify", 2, simplify},
    {"fold_constants", 2, fold_all},
    {"transposed_products", 2, absorb_transposes},
    {"fold_weights", 2, fold_weights},
    {"split_products", 2, split_products},
    {"shared_transposes", 2, share_transposed},
    {"integer_products", 2, integer_products},
    {"row_updates", 2, add_rows_in_place},
    {"norm_activations", 2, fuse_norm_activations},
    {"epilogues", 2, fuse_epilogues},
    {"pointwise_chains", 2, fuse_pointwise},
    {"common_subexpressions", 2, merge_common},
    {"remove_dead", 1, remove_dead},
    {"order", 2, order_for_memory},
    {"normalised_again", 2, remake_normalised},
    {"state_writes", 2, place_state_writes},
    {"product_precision", 1, round_operands},
    {"kept_in_half", 1, keep_in_half},
    {"mask_bits", 2, pack_masks},
    {"recompute", 1, recompute_for_memory},
    {"half_storage", 2, store_half},
};

}  // namespace

PassReport run_passes(ir::Model& model, const PassOptions& options) {
  PassReport report;
  report.nodes_before = count_nodes(model);
  bool integers_done = false;  // until then weights stay bytes
  bool widened = false;  // the weights came as 16-bit floats
  for (const Pass& pass : kPasses) {
    if (pass.level > options.level || (pass.run == store_half && !widened)) continue;
    PassResult r;
    r.pass = pass.name;
    r.nodes_before = count_nodes(model);
    PassOptions own = options;
    own.notes = &r.notes;
    integers_done = integers_done || pass.run == integer_products;
    if (options.integer_products && !integers_done) own.evaluator = keeping_int8(options.evaluator);
    r.changes = pass.run(model, own);
    widened = widened || (pass.run == widen_half && r.changes > 0);
    r.nodes_after = count_nodes(model);
#ifndef NDEBUG
    ir::check(model);
#endif
    report.passes.push_back(std::move(r));
  }
  report.nodes_after = count_nodes(model);
  return report;
}

}  // namespace gf
