// A small .gf as plain values with every part of the format in it. Broken files are made from it.
#pragma once

#include <cstring>

#include "schema/ops/add.h"
#include "schema/ops/concat.h"
#include "schema/ops/identity.h"
#include "schema/ops/if.h"
#include "schema/ops/loop.h"
#include "tests/runtime/gf_file_spec.h"

namespace gf::test {

/// y = x + c, state s = s + y; a loop that concatenates; an if. Small, and every part of the format is in it.
inline FileSpec sample_spec() {
  FileSpec f;
  f.ops = {{op::Add::info.id, "add"}, {op::Loop::info.id, "loop"}, {op::Identity::info.id, "identity"}, {op::If::info.id, "if"}, {op::Concat::info.id, "concat"}};
  f.data.resize(192);
  const float ones[2] = {1, 2};
  std::memcpy(f.data.data(), ones, sizeof ones);
  const int64_t three = 3;
  std::memcpy(f.data.data() + 64, &three, sizeof three);
  f.data[128] = std::byte{1};
  f.segments = {{0, 192}};
  f.constants = {{{2}, 0, 8}, {{}, 64, 8, 0, false, static_cast<uint8_t>(DType::I64)}, {{}, 128, 1, 0, false, static_cast<uint8_t>(DType::Bool)}};
  f.states = {{"s", {2}, 0}};
  EntrySpec e;
  e.symbols = {{"N", 1, 4}};
  const auto i64 = static_cast<uint8_t>(DType::I64), boolean = static_cast<uint8_t>(DType::Bool);
  e.tensors = {
      {format::kInput, 0, 0, {{2}}, static_cast<uint8_t>(DType::F32), "x"},          // 0
      {format::kInput, 1, 0, {{4, 0}}, static_cast<uint8_t>(DType::F32), "n"},       // 1
      {format::kConstant, 0, 0, {{2}}},                                              // 2
      {format::kComputed, 0, 0, {{2}}},                                              // 3 y
      {format::kConstant, 1, 0, {}, i64},                                            // 4 trips
      {format::kConstant, 2, 0, {}, boolean},                                        // 5 true
      {format::kComputed, 0, 1, {}, i64},                                            // 6 body: i
      {format::kComputed, 0, 1, {}, boolean},                                        // 7 body: cond
      {format::kComputed, 0, 1, {{2}}},                                              // 8 body: carried
      {format::kComputed, 0, 1, {}, boolean},                                        // 9 body: cond out
      {format::kComputed, 0, 1, {{2}}},                                              // 10 body: carried out
      {format::kComputed, 0, 1, {{2}}},                                              // 11 body: scanned
      {format::kComputed, 0, 0, {{2}}},                                              // 12 loop: last
      {format::kComputed, 0, 0, {{3}, {2}}},                                         // 13 loop: stacked
      {format::kComputed, 0, 2, {{2}}},                                              // 14 then
      {format::kComputed, 0, 3, {{2}}},                                              // 15 else
      {format::kComputed, 0, 0, {{2}}},                                              // 16 if
      {format::kComputed, 0, 0, {{6, format::kDimExpression}}},                      // 17 x ++ n
      {format::kState, 0, 0, {{2}}},                                                 // 18 s
      {format::kComputed, 0, 0, {{2}}},                                              // 19 s + y
      {format::kState, 0, 0, {{2}}},                                                 // 20 s after
  };
  e.graphs = {
      {{{0, {0, 2}, {3}}, {1, {4, 5, 3}, {12, 13}, {1}}, {3, {5}, {16}, {2, 3}}, {4, {0, 1}, {17}}, {0, {18, 3}, {19}}, {2, {19}, {20}}}, {0, 1}, {12, 13, 16, 17}},
      {{{2, {7}, {9}}, {0, {8, 2}, {10}}, {2, {8}, {11}}}, {6, 7, 8}, {9, 10, 11}},
      {{{0, {3, 3}, {14}}}, {}, {14}},
      {{{2, {3}, {15}}}, {}, {15}},
  };
  e.output_names = {"last", "stacked", "either", "joined"};
  f.entries = {e};
  return f;
}

}  // namespace gf::test
