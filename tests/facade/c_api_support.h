// Helpers for the tests of the C API: owners of handles, and a strict session in exact memory.
#pragma once

#include "runtime/include/ghostflow/ghostflow.h"
#include "tests/facade/facade_support.h"

namespace gf::test {

/// Owns a handle of the C API.
template <class T, void (*kDestroy)(T*)>
class Owned {
 public:
  ~Owned() { kDestroy(p); }
  T** out() { return &p; }
  operator T*() const { return p; }  // NOLINT: stands for the handle
  T* p = nullptr;
};
using OwnedModel = Owned<gf_model, gf_model_destroy>;
using OwnedProgram = Owned<gf_program, gf_program_destroy>;
using OwnedWeights = Owned<gf_weights, gf_weights_destroy>;
using OwnedState = Owned<gf_state, gf_state_destroy>;
using OwnedSession = Owned<gf_session, gf_session_destroy>;
using OwnedThreads = Owned<gf_threads, gf_threads_destroy>;

/// A strict session over blocks of exactly the promised sizes.
struct StrictC {
  explicit StrictC(const std::vector<std::byte>& bytes, const gf_session_options* options = nullptr, const gf_program_options* load = nullptr)
      : file(Block::copy(bytes)) {
    EXPECT_EQ(gf_program_load(file.span().data(), file.span().size(), load, program.out(), &error), GF_OK) << error.text;
    EXPECT_EQ(gf_session_needs(program, nullptr, options, &needs, &error), GF_OK) << error.text;
    for (const uint64_t n : {needs.weights_bytes, needs.state_bytes, needs.session_bytes, needs.activation_bytes, needs.scratch_bytes, needs.pool_bytes}) blocks.emplace_back(n);
    EXPECT_EQ(gf_weights_create(program, options, at(0), size(0), weights.out(), &error), GF_OK) << error.text;
    EXPECT_EQ(gf_state_create(program, at(1), size(1), state.out(), &error), GF_OK) << error.text;
    memory.session = at(2), memory.session_bytes = size(2);
    memory.activations = at(3), memory.activation_bytes = size(3);
    memory.scratch = at(4), memory.scratch_bytes = size(4);
    memory.pool = at(5), memory.pool_bytes = size(5);
    EXPECT_EQ(gf_session_create(program, nullptr, weights, state, options, &memory, session.out(), &error), GF_OK) << error.text;
  }
  void* at(size_t i) { return blocks[i].span().data(); }
  size_t size(size_t i) { return blocks[i].span().size(); }

  gf_error error{};
  Block file;
  OwnedProgram program;
  gf_needs needs = GF_NEEDS_INIT;
  std::vector<Block> blocks;
  OwnedWeights weights;
  OwnedState state;
  gf_session_memory memory = GF_SESSION_MEMORY_INIT;
  OwnedSession session;
};

}  // namespace gf::test
