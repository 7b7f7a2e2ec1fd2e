#include "graph/passes/scalar_eval.h"

#include <map>

namespace gf {
namespace {

using ApplyFn = double (*)(const void* attrs, double a, double b);

struct Row {
  const OpDef* def = nullptr;
  int arity = 0;
  ApplyFn apply = nullptr;
};

template <class Op>
constexpr Row row_of() {
  if constexpr (IsElementwise<Op>) {
    if constexpr (Op::kTypes.contains(DType::F64) && Op::kKind == ElementwiseKind::Unary)
      return {&op_def<Op>, 1, [](const void* attrs, double a, double) {
                return static_cast<double>(Op::apply(a, *static_cast<const typename Op::Attrs*>(attrs)));
              }};
    else if constexpr (Op::kTypes.contains(DType::F64) && Op::kKind == ElementwiseKind::Binary)
      return {&op_def<Op>, 2, [](const void* attrs, double a, double b) {
                return static_cast<double>(Op::apply(a, b, *static_cast<const typename Op::Attrs*>(attrs)));
              }};
    else
      return {};
  } else {
    return {};
  }
}

const Row* find_row(const OpDef& def) {
  static const auto rows = [] {
    std::map<const OpDef*, Row> all;
    AllOps::for_each([&]<class Op>() {
      constexpr Row row = row_of<Op>();
      if constexpr (row.arity > 0) all.emplace(row.def, row);
    });
    return all;
  }();
  const auto it = rows.find(&def);
  return it == rows.end() ? nullptr : &it->second;
}

}  // namespace

int scalar_arity(const OpDef& def) {
  const Row* row = find_row(def);
  return row == nullptr ? 0 : row->arity;
}

double scalar_apply(const ir::Node& n, double a, double b) {
  const ir::DecodedAttrs attrs(n);
  return find_row(*n.def)->apply(attrs.get(), a, b);
}

double ScalarFunction::operator()(const Rewriter& r, double x) const {
  std::map<ir::ValueId, double> known{{variable, x}};
  const auto operand = [&](ir::ValueId v) {
    const auto it = known.find(v);
    return it != known.end() ? it->second : *r.uniform(v);
  };
  for (const ir::Node* n : nodes)
    known[n->outputs[0]] = scalar_apply(*n, operand(n->inputs[0]), n->inputs.size() > 1 ? operand(n->inputs[1]) : 0);
  return known.at(result);
}

}  // namespace gf
