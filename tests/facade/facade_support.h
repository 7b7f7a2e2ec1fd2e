// Models for the tests of what programs include: one with State (counter_file.h), one with a dynamic input.
#pragma once

#include "schema/ops/add.h"
#include "tests/runtime/counter_file.h"

namespace gf::test {

// y = x + x + 1, x is [N, 3] with N in 1..4.
inline std::vector<std::byte> dynamic_file() {
  return emit_graph([](ir::Model&, ir::Entry& e) {
    const auto x = e.add_input("x", DType::F32, shape_of({e.symbols.symbol("N", 1, 4), 3}));
    ir::Builder b(e, e.body);
    const auto sum = b.add<op::Add>({x, x});
    const auto y = b.add<op::Add>({sum, b.scalar(DType::F32, 1)});
    e.value(y).name = "y";
    e.body.outputs = {y};
  });
}

}  // namespace gf::test
