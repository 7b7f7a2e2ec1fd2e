// A model that writes State in every run, with metadata.
#pragma once

#include "schema/ops/add.h"
#include "schema/ops/gather.h"
#include "schema/ops/identity.h"
#include "tests/runtime/session_support.h"

namespace gf::test {

// total = total + table[index]; y is the new total. State "total" (initially 1, 2) and "runs" (0).
inline std::vector<std::byte> counter_file() {
  return emit_graph([](ir::Model& m, ir::Entry& e) {
    m.metadata.emplace_back("labels", "zero\none\r\ntwo");
    m.metadata.emplace_back("license", "none");
    m.states.push_back({"total", DType::F32, {2}, ir::make_floats(std::vector<float>{1, 2}, {2})});
    m.states.push_back({"runs", DType::F32, {}, nullptr});
    const auto index = e.add_input("index", DType::I64, {});
    ir::Value total, runs;
    total.name = "total";
    total.dtype = runs.dtype = DType::F32;
    total.shape = shape_of({2});
    total.shape_known = runs.shape_known = true;
    total.state = 0;
    runs.state = 1;
    const auto total_id = e.add_value(std::move(total)), runs_id = e.add_value(std::move(runs));
    ir::Builder b(e, e.body);
    const auto table = e.add_constant(ir::make_floats(std::vector<float>{1, 10, 100, 1000, 5, 50}, {3, 2}));
    const auto row = b.add<op::Gather>({table, index});
    const auto y = b.add<op::Add>({total_id, row});
    const auto counted = b.add<op::Add>({runs_id, b.scalar(DType::F32, 1)});
    e.value(y).name = "y";
    b.node<op::Identity>({y}).writes_state = 0;
    b.node<op::Identity>({counted}).writes_state = 1;
    e.body.outputs = {y};
  });
}

}  // namespace gf::test
