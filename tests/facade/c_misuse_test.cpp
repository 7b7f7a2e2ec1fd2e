// needs: GF_CONVERTER GF_IO GF_OPS_CPU
// Every misuse of the C API that a person can make in a debugger at midnight: a status and a sentence, never undefined
// behaviour (the asan stage runs this file). Row 43 of the list of hostile inputs.
#include <thread>

#include "runtime/include/ghostflow/ghostflow_custom.h"
#include "tests/facade/c_api_support.h"
#include "tests/runtime/sample_spec.h"

namespace gf::test {
namespace {

bool says(const gf_error& e, const char* words) { return std::string(e.text).find(words) != std::string::npos; }

TEST(CMisuse, NullsEverywhere) {
  gf_error e;
  gf_model* m = nullptr;
  gf_program* p = nullptr;
  gf_weights* w = nullptr;
  gf_state* st = nullptr;
  gf_session* s = nullptr;
  gf_tables* ta = nullptr;
  void* data = nullptr;
  const void* cdata = nullptr;
  const char* text = nullptr;
  size_t size = 0;
  float f[4] = {};
  gf_tensor t = GF_TENSOR_INIT;
  gf_needs needs = GF_NEEDS_INIT;
  gf_session_memory memory = GF_SESSION_MEMORY_INIT;
  gf_node_report report = GF_NODE_REPORT_INIT;
  const gf_status all[] = {
      gf_model_load(nullptr, nullptr, &m, &e), gf_model_load("x", nullptr, nullptr, &e), gf_model_load_memory(nullptr, 64, nullptr, &m, &e),
      gf_model_load_memory(f, 4, nullptr, nullptr, &e), gf_model_input(m, "x", GF_ANY, &data, &size, &e), gf_model_output(m, "x", GF_ANY, &cdata, &size, &e),
      gf_model_run(m, &e), gf_model_session(m, nullptr, &s, &e), gf_program_load(nullptr, 0, nullptr, &p, &e), gf_program_load(f, 4, nullptr, nullptr, &e),
      gf_program_tensor(p, nullptr, GF_INPUT, 0, &t, &e), gf_program_metadata(p, "labels", &text, &size, &e), gf_program_label(p, 0, &text, &size, &e),
      gf_threads_create(1, nullptr, nullptr, &e), gf_session_needs(p, nullptr, nullptr, &needs, &e), gf_weights_create(p, nullptr, f, 4, &w, &e),
      gf_weights_create(p, nullptr, f, 4, nullptr, &e), gf_state_create(p, f, 4, &st, &e), gf_state_create(p, f, 4, nullptr, &e),
      gf_session_create(p, nullptr, w, st, nullptr, &memory, &s, &e), gf_session_create(p, nullptr, w, st, nullptr, nullptr, nullptr, &e),
      gf_session_tensor(s, GF_INPUT, 0, &t, &e), gf_session_set_shape(s, 0, nullptr, 1, &e), gf_session_write(s, 0, f, 4, &e), gf_session_read(s, 0, f, 4, &e),
      gf_session_bind(s, GF_INPUT, 0, f, 4, &e), gf_session_run(s, &e), gf_session_set_profile(s, nullptr, nullptr, &e), gf_session_node(s, 0, &report, &e),
      gf_state_read(st, "x", f, 4, &e), gf_state_write(st, "x", f, 4, &e), gf_state_reset(st, &e), gf_state_save(st, f, 4, &e), gf_state_restore(st, f, 4, &e),
      gf_tables_create(nullptr, &e), gf_tables_add_op(ta, nullptr, &e), gf_tables_add_kernel(ta, nullptr, &e)};
  for (size_t i = 0; i < std::size(all); ++i) EXPECT_EQ(all[i], GF_INVALID_ARGUMENT) << "call " << i;
  EXPECT_EQ(gf_session_run(s, nullptr), GF_INVALID_ARGUMENT);
  EXPECT_EQ(gf_program_entry_count(nullptr), -1);
  EXPECT_EQ(gf_program_entry_name(nullptr, 0), nullptr);
  EXPECT_EQ(gf_program_count(nullptr, nullptr, GF_INPUT), -1);
  EXPECT_EQ(gf_session_count(nullptr, GF_INPUT), -1);
  EXPECT_EQ(gf_session_find(nullptr, GF_INPUT, "x"), -1);
  EXPECT_EQ(gf_session_node_count(nullptr), -1);
  EXPECT_EQ(gf_state_save_bytes(nullptr), 0U);
  EXPECT_EQ(gf_model_program(nullptr), nullptr);
  EXPECT_EQ(gf_model_state(nullptr), nullptr);
  gf_session_cancel(nullptr, 1);
  gf_model_destroy(nullptr);
  gf_program_destroy(nullptr);
  gf_weights_destroy(nullptr);
  gf_state_destroy(nullptr);
  gf_session_destroy(nullptr);
  gf_threads_destroy(nullptr);
  gf_tables_destroy(nullptr);
}

TEST(CMisuse, NullsBehindGoodObjects) {
  StrictC s(counter_file());
  gf_error e;
  gf_tensor t = GF_TENSOR_INIT;
  const char* text = nullptr;
  size_t size = 0;
  EXPECT_EQ(gf_program_tensor(s.program, nullptr, GF_INPUT, 0, nullptr, &e), GF_INVALID_ARGUMENT);
  EXPECT_EQ(gf_program_metadata(s.program, nullptr, &text, &size, &e), GF_INVALID_ARGUMENT);
  EXPECT_EQ(gf_program_metadata(s.program, "labels", nullptr, &size, &e), GF_INVALID_ARGUMENT);
  EXPECT_EQ(gf_program_label(s.program, 0, &text, nullptr, &e), GF_INVALID_ARGUMENT);
  EXPECT_EQ(gf_session_needs(s.program, nullptr, nullptr, nullptr, &e), GF_INVALID_ARGUMENT);
  OwnedSession another;
  EXPECT_EQ(gf_session_create(s.program, nullptr, nullptr, s.state, nullptr, &s.memory, another.out(), &e), GF_INVALID_ARGUMENT);
  EXPECT_TRUE(says(e, "weights is NULL")) << e.text;
  EXPECT_EQ(gf_session_create(s.program, nullptr, s.weights, s.state, nullptr, nullptr, another.out(), &e), GF_INVALID_ARGUMENT);
  EXPECT_EQ(gf_session_create(s.program, nullptr, s.weights, nullptr, nullptr, &s.memory, another.out(), &e), GF_INVALID_ARGUMENT);
  EXPECT_TRUE(says(e, "State")) << e.text;
  gf_session_memory hole = s.memory;
  hole.session = nullptr;
  EXPECT_EQ(gf_session_create(s.program, nullptr, s.weights, s.state, nullptr, &hole, another.out(), &e), GF_INVALID_ARGUMENT);
  EXPECT_EQ(gf_session_tensor(s.session, GF_INPUT, 0, nullptr, &e), GF_INVALID_ARGUMENT);
  EXPECT_EQ(gf_session_write(s.session, 0, nullptr, 8, &e), GF_INVALID_ARGUMENT);
  EXPECT_EQ(gf_session_read(s.session, 0, nullptr, 8, &e), GF_INVALID_ARGUMENT);
  EXPECT_EQ(gf_session_set_shape(s.session, 0, nullptr, 1, &e), GF_INVALID_ARGUMENT);
  EXPECT_EQ(gf_session_find(s.session, GF_INPUT, nullptr), -1);
  EXPECT_EQ(gf_session_node(s.session, 0, nullptr, &e), GF_INVALID_ARGUMENT);
  EXPECT_EQ(gf_state_read(s.state, nullptr, &t, 8, &e), GF_INVALID_ARGUMENT);
  EXPECT_EQ(gf_state_read(s.state, "total", nullptr, 8, &e), GF_INVALID_ARGUMENT);
  EXPECT_EQ(gf_state_save(s.state, nullptr, 100, &e), GF_INVALID_ARGUMENT);
}

// Every struct with a size: zero, one short, one long, and a number out of nowhere.
template <class T, class Call>
void expect_sizes_checked(T good, Call call) {
  for (const size_t size : {size_t{0}, sizeof(T) - 1, sizeof(T) + 1, sizeof(T) + 4096, ~size_t{0}, size_t{0xcdcdcdcd}}) {
    T bad = good;
    bad.struct_size = size;
    gf_error e;
    EXPECT_EQ(call(&bad, &e), GF_INVALID_ARGUMENT) << size;
    EXPECT_TRUE(says(e, "struct_size")) << e.text;
  }
}

TEST(CMisuse, AbsurdSizesOfStructs) {
  StrictC s(dynamic_file());
  const auto bytes = dynamic_file();
  OwnedModel m;
  OwnedProgram p;
  OwnedSession session;
  expect_sizes_checked(gf_model_options GF_MODEL_OPTIONS_INIT, [&](auto* o, gf_error* e) { return gf_model_load_memory(bytes.data(), bytes.size(), o, m.out(), e); });
  expect_sizes_checked(gf_program_options GF_PROGRAM_OPTIONS_INIT, [&](auto* o, gf_error* e) { return gf_program_load(s.file.span().data(), s.file.span().size(), o, p.out(), e); });
  gf_needs n = GF_NEEDS_INIT;
  expect_sizes_checked(gf_session_options GF_SESSION_OPTIONS_INIT, [&](auto* o, gf_error* e) { return gf_session_needs(s.program, nullptr, o, &n, e); });
  expect_sizes_checked(n, [&](auto* o, gf_error* e) { return gf_session_needs(s.program, nullptr, nullptr, o, e); });
  expect_sizes_checked(s.memory, [&](auto* o, gf_error* e) { return gf_session_create(s.program, nullptr, s.weights, nullptr, nullptr, o, session.out(), e); });
  expect_sizes_checked(gf_tensor GF_TENSOR_INIT, [&](auto* o, gf_error* e) { return gf_session_tensor(s.session, GF_INPUT, 0, o, e); });
  expect_sizes_checked(gf_node_report GF_NODE_REPORT_INIT, [&](auto* o, gf_error* e) { return gf_session_node(s.session, 0, o, e); });
}

TEST(CMisuse, OptionsThatMakeNoSense) {
  const auto bytes = dynamic_file();
  gf_error e;
  const auto load = [&](auto change) {
    gf_model_options o = GF_MODEL_OPTIONS_INIT;
    change(o);
    OwnedModel m;
    const gf_status status = gf_model_load_memory(bytes.data(), bytes.size(), &o, m.out(), &e);
    EXPECT_EQ(m.p == nullptr, status != GF_OK);
    return status;
  };
  for (const uint32_t bit : {32U, 1U << 30}) EXPECT_EQ(load([bit](auto& o) { o.flags = bit; }), GF_INVALID_ARGUMENT) << bit;
  EXPECT_TRUE(says(e, "0x40000000")) << e.text;
  EXPECT_EQ(load([](auto& o) { o.threads = -1; }), GF_INVALID_ARGUMENT);
  EXPECT_EQ(load([](auto& o) { o.threads = 1 << 20; }), GF_INVALID_ARGUMENT);
  EXPECT_EQ(load([](auto& o) { o.parallel.threads = 4; }), GF_INVALID_ARGUMENT);
  EXPECT_EQ(load([](auto& o) { o.parallel = {[](void*, int64_t, void (*)(void*, int64_t, int), void*) {}, nullptr, 0}; }), GF_INVALID_ARGUMENT);
  EXPECT_EQ(load([](auto& o) { o.flags = GF_EXTERNAL_INPUTS; }), GF_INVALID_ARGUMENT);
  OwnedProgram p;
  gf_program_options po = GF_PROGRAM_OPTIONS_INIT;
  po.allocator.allocate = [](void*, size_t, size_t) -> void* { return nullptr; };
  const Block file = Block::copy(bytes);
  EXPECT_EQ(gf_program_load(file.span().data(), file.span().size(), &po, p.out(), &e), GF_INVALID_ARGUMENT);
  OwnedThreads t;
  EXPECT_EQ(gf_threads_create(-1, nullptr, t.out(), &e), GF_INVALID_ARGUMENT);
  EXPECT_EQ(gf_threads_create(100000, nullptr, t.out(), &e), GF_INVALID_ARGUMENT);
}

TEST(CMisuse, FilesThatAreNone) {
  gf_error e;
  OwnedModel m;
  EXPECT_EQ(gf_model_load("/no/such/model.gf", nullptr, m.out(), &e), GF_NOT_FOUND);
  EXPECT_EQ(gf_model_load("/", nullptr, m.out(), &e), GF_IO_ERROR);
  EXPECT_EQ(gf_model_load("", nullptr, m.out(), &e), GF_INVALID_ARGUMENT);
  EXPECT_EQ(gf_model_load_memory("not a model", 11, nullptr, m.out(), &e), GF_BAD_FILE);
  EXPECT_EQ(gf_model_load_memory("", 0, nullptr, m.out(), &e), GF_BAD_FILE);
  EXPECT_EQ(m.p, nullptr);
  const auto bytes = dynamic_file();
  const Block file = Block::copy(bytes);
  OwnedProgram p;
  EXPECT_EQ(gf_program_load(file.span().data() + 1, file.span().size() - 1, nullptr, p.out(), &e), GF_MISALIGNED);
  EXPECT_EQ(gf_program_load(file.span().data(), file.span().size() - 1, nullptr, p.out(), &e), GF_BAD_FILE);
  gf_model_options o = GF_MODEL_OPTIONS_INIT;
  o.flags = GF_IN_PLACE;
  EXPECT_EQ(gf_model_load_memory(file.span().data() + 4, file.span().size() - 4, &o, m.out(), &e), GF_MISALIGNED);
}

TEST(CMisuse, BlocksThatAreNotAligned) {
  StrictC s(counter_file());
  gf_error e;
  std::vector<Block> room;
  const auto crooked = [&](size_t bytes) {
    room.emplace_back(bytes + GF_ALIGNMENT);
    return static_cast<void*>(room.back().span().data() + GF_ALIGNMENT / 2);
  };
  OwnedWeights w;
  EXPECT_EQ(gf_weights_create(s.program, nullptr, crooked(s.size(0)), s.size(0), w.out(), &e), GF_MISALIGNED) << e.text;
  OwnedState state;
  EXPECT_EQ(gf_state_create(s.program, crooked(s.size(1)), s.size(1), state.out(), &e), GF_MISALIGNED) << e.text;
  struct Part {
    void* gf_session_memory::*block;
    size_t gf_session_memory::*bytes;
    const char* name;
  };
  for (const Part& part : {Part{&gf_session_memory::session, &gf_session_memory::session_bytes, "session memory"},
                           Part{&gf_session_memory::activations, &gf_session_memory::activation_bytes, "activation memory"},
                           Part{&gf_session_memory::scratch, &gf_session_memory::scratch_bytes, "scratch memory"}}) {
    gf_session_memory m = s.memory;
    m.*part.block = crooked(m.*part.bytes);
    OwnedSession session;
    EXPECT_EQ(gf_session_create(s.program, nullptr, s.weights, s.state, nullptr, &m, session.out(), &e), GF_MISALIGNED) << part.name;
    EXPECT_TRUE(says(e, part.name) && says(e, "64")) << e.text;
  }
}

TEST(CMisuse, WrongNamesTypesSizesAndShapes) {
  OwnedModel m;
  gf_error e;
  const auto bytes = dynamic_file();
  ASSERT_EQ(gf_model_load_memory(bytes.data(), bytes.size(), nullptr, m.out(), &e), GF_OK);
  void* data = nullptr;
  size_t size = 0;
  EXPECT_EQ(gf_model_input(m, "picture", GF_FLOAT32, &data, &size, &e), GF_NOT_FOUND);
  EXPECT_TRUE(says(e, "no input 'picture'; it has 'x'")) << e.text;
  EXPECT_EQ(gf_model_input(m, "x", GF_INT8, &data, &size, &e), GF_TYPE_MISMATCH);
  EXPECT_TRUE(says(e, "float32") && says(e, "int8")) << e.text;
  EXPECT_EQ(gf_model_input(m, nullptr, GF_FLOAT32, &data, &size, &e), GF_INVALID_ARGUMENT);
  EXPECT_EQ(gf_model_input(m, "x", GF_FLOAT32, nullptr, &size, &e), GF_INVALID_ARGUMENT);
  gf_session* s = nullptr;
  EXPECT_EQ(gf_model_session(m, "decode", &s, &e), GF_NOT_FOUND);
  EXPECT_TRUE(says(e, "decode")) << e.text;
  ASSERT_EQ(gf_model_session(m, nullptr, &s, &e), GF_OK);
  const float x[12] = {};
  float y[12];
  EXPECT_EQ(gf_session_write(s, 0, x, 47, &e), GF_SHAPE_MISMATCH);
  EXPECT_EQ(gf_session_write(s, 0, x, 0, &e), GF_SHAPE_MISMATCH);
  EXPECT_EQ(gf_session_write(s, 1, x, 48, &e), GF_INVALID_ARGUMENT);
  EXPECT_EQ(gf_session_write(s, -1, x, 48, &e), GF_INVALID_ARGUMENT);
  EXPECT_EQ(gf_session_read(s, 0, y, 47, &e), GF_BUFFER_TOO_SMALL);
  EXPECT_EQ(gf_session_read(s, INT32_MAX, y, 48, &e), GF_INVALID_ARGUMENT);
  EXPECT_EQ(gf_session_bind(s, GF_INPUT, 0, y, 48, &e), GF_WRONG_PHASE);
  EXPECT_EQ(gf_session_bind(s, GF_STATE, 0, y, 48, &e), GF_INVALID_ARGUMENT);
  EXPECT_EQ(gf_session_bind(s, static_cast<gf_kind>(77), 0, y, 48, &e), GF_INVALID_ARGUMENT);
  struct Case {
    std::vector<int64_t> dims;
    gf_status status;
  };
  for (const Case& c : {Case{{5, 3}, GF_SHAPE_OUT_OF_BOUNDS}, {{0, 3}, GF_SHAPE_OUT_OF_BOUNDS}, {{-1, 3}, GF_SHAPE_OUT_OF_BOUNDS},
                        {{INT64_MIN, 3}, GF_SHAPE_OUT_OF_BOUNDS}, {{2, 4}, GF_SHAPE_MISMATCH}, {{2}, GF_SHAPE_MISMATCH}, {{1, 2, 3}, GF_SHAPE_MISMATCH}}) {
    EXPECT_EQ(gf_session_set_shape(s, 0, c.dims.data(), static_cast<int32_t>(c.dims.size()), &e), c.status) << e.text;
  }
  EXPECT_EQ(gf_session_set_shape(s, 0, nullptr, -1, &e), GF_SHAPE_MISMATCH);
  EXPECT_EQ(gf_session_set_shape(s, 0, nullptr, 9, &e), GF_SHAPE_MISMATCH);
  EXPECT_EQ(gf_session_set_shape(s, 0, nullptr, 0, &e), GF_SHAPE_MISMATCH);
  EXPECT_EQ(gf_session_run(s, &e), GF_OK) << e.text;  // the shape that it had is still there
}

TEST(CMisuse, StateOfAnotherNameSizeOrProgram) {
  StrictC s(counter_file());
  StrictC other(dynamic_file());
  gf_error e;
  float f[4] = {};
  EXPECT_EQ(gf_state_read(s.state, "nothing", f, 8, &e), GF_NOT_FOUND);
  EXPECT_EQ(gf_state_read(s.state, "total", f, 16, &e), GF_SHAPE_MISMATCH);
  EXPECT_EQ(gf_state_write(s.state, "total", f, 4, &e), GF_SHAPE_MISMATCH);
  EXPECT_EQ(gf_state_save(s.state, f, 8, &e), GF_BUFFER_TOO_SMALL);
  OwnedSession session;
  EXPECT_EQ(gf_session_create(s.program, nullptr, s.weights, other.state, nullptr, &s.memory, session.out(), &e), GF_INVALID_ARGUMENT);
  EXPECT_TRUE(says(e, "another program")) << e.text;
  std::vector<std::byte> saved(gf_state_save_bytes(s.state));
  ASSERT_EQ(gf_state_save(s.state, saved.data(), saved.size(), &e), GF_OK);
  EXPECT_EQ(gf_state_restore(other.state, saved.data(), saved.size(), &e), GF_NOT_FOUND);
  for (size_t cut = 0; cut < saved.size(); ++cut) EXPECT_NE(gf_state_restore(s.state, saved.data(), cut, &e), GF_OK) << cut;
  for (size_t at = 0; at < saved.size(); ++at) {
    std::vector<std::byte> bad = saved;
    bad[at] ^= std::byte{0x10};
    EXPECT_NE(gf_state_restore(s.state, bad.data(), bad.size(), &e), GF_OK) << at;
  }
}

TEST(CMisuse, AHandleOfAnotherKindIsNamed) {
  StrictC s(dynamic_file());
  gf_error e;
  EXPECT_EQ(gf_session_run(reinterpret_cast<gf_session*>(s.program.p), &e), GF_INVALID_ARGUMENT);
  EXPECT_TRUE(says(e, "not a session")) << e.text;
  EXPECT_EQ(gf_model_run(reinterpret_cast<gf_model*>(s.session.p), &e), GF_INVALID_ARGUMENT);
  EXPECT_EQ(gf_model_program(reinterpret_cast<gf_model*>(s.session.p)), nullptr);
  gf_program_destroy(reinterpret_cast<gf_program*>(s.session.p));  // each destroy ends objects of its own kind only
  gf_weights_destroy(reinterpret_cast<gf_weights*>(s.session.p));
  gf_state_destroy(reinterpret_cast<gf_state*>(s.session.p));
  gf_threads_destroy(reinterpret_cast<gf_threads*>(s.session.p));
  gf_tables_destroy(reinterpret_cast<gf_tables*>(s.session.p));
  gf_model_destroy(reinterpret_cast<gf_model*>(s.session.p));
  EXPECT_EQ(gf_session_run(s.session, &e), GF_OK) << e.text;
}

// Destroyed handles are told where their memory still stands: here an allocator that keeps everything.
TEST(CMisuse, ADestroyedHandleIsNamedWhileItsMemoryStands) {
  static std::vector<std::pair<void*, size_t>> kept;
  gf_program_options o = GF_PROGRAM_OPTIONS_INIT;
  o.allocator = {[](void*, size_t n, size_t a) { return std::aligned_alloc(a, (n + a - 1) / a * a); }, [](void*, void* p, size_t n) { kept.emplace_back(p, n); }, nullptr};
  {
    StrictC s(dynamic_file(), nullptr, &o);
    gf_session_destroy(s.session.p);
    gf_error e;
    EXPECT_EQ(gf_session_run(s.session.p, &e), GF_WRONG_PHASE);
    EXPECT_TRUE(says(e, "destroyed")) << e.text;
    gf_session_destroy(s.session.p);  // twice does nothing
  }
  for (const auto& [p, n] : kept) std::free(p);
}

TEST(CMisuse, TwoThreadsOnOneSession) {
  StrictC s(dynamic_file());
  struct Gate {
    std::atomic<bool> inside{false}, open{false};
  } gate;
  gf_error e;
  const auto hold = [](void* c, int32_t node, uint64_t, uint64_t) {
    auto& g = *static_cast<Gate*>(c);
    if (node != 0) return;
    g.inside = true;
    while (!g.open) std::this_thread::yield();
  };
  ASSERT_EQ(gf_session_set_profile(s.session, hold, &gate, &e), GF_OK);
  gf_status first = GF_INTERNAL;
  std::thread runner([&] { first = gf_session_run(s.session, nullptr); });
  while (!gate.inside) std::this_thread::yield();
  EXPECT_EQ(gf_session_run(s.session, &e), GF_BUSY);
  EXPECT_TRUE(says(e, "another thread")) << e.text;
  const int64_t dims[] = {1, 3};
  EXPECT_EQ(gf_session_set_shape(s.session, 0, dims, 2, &e), GF_BUSY);
  float numbers[12] = {};
  EXPECT_EQ(gf_session_write(s.session, 0, numbers, sizeof numbers, &e), GF_BUSY);
  EXPECT_EQ(gf_session_read(s.session, 0, numbers, sizeof numbers, &e), GF_BUSY);
  EXPECT_EQ(gf_session_set_profile(s.session, nullptr, nullptr, &e), GF_BUSY);
  gate.open = true;
  runner.join();
  EXPECT_EQ(first, GF_OK);
}

TEST(CMisuse, DataThatTheModelCannotTake) {
  StrictC s(counter_file());
  gf_error e;
  const int64_t index = 1000;
  ASSERT_EQ(gf_session_write(s.session, 0, &index, sizeof index, &e), GF_OK);
  EXPECT_EQ(gf_session_run(s.session, &e), GF_INDEX_OUT_OF_RANGE);
  EXPECT_EQ(e.node, 0);
  EXPECT_TRUE(says(e, "gather")) << e.text;
  float total[2];
  ASSERT_EQ(gf_state_read(s.state, "total", total, sizeof total, &e), GF_OK);
  EXPECT_EQ(total[0], 1);
}

// The bytes of a program must outlive it. Builds with assertions notice when they were overwritten (as freed memory is).
TEST(CMisuse, ModelBytesThatAreGone) {
  StrictC s(dynamic_file());
  gf_error e;
  ASSERT_EQ(gf_session_run(s.session, &e), GF_OK);
  std::memset(s.file.span().data(), 0xdd, 16);
#ifdef NDEBUG
  GTEST_SKIP() << "only builds with assertions look";
#else
  EXPECT_EQ(gf_session_run(s.session, &e), GF_WRONG_PHASE);
  EXPECT_TRUE(says(e, "outlive")) << e.text;
#endif
}

// A custom op that nobody registered: how a program does it, not how a build gets more ops.
TEST(CMisuse, ACustomOpThatNobodyRegisteredIsNamed) {
  FileSpec spec = sample_spec();
  spec.ops[0] = {kFirstCustomOpId, "lab.wobble"};
  const auto bytes = SpecWriter::write(spec);
  gf_error e;
  OwnedModel m;
  EXPECT_EQ(gf_model_load_memory(bytes.data(), bytes.size(), nullptr, m.out(), &e), GF_UNKNOWN_OP);
  for (const char* word : {"custom op 'lab.wobble' is not registered", "ModelOptions::custom_ops", "gf_tables_add_op"}) EXPECT_TRUE(says(e, word)) << e.text;
  EXPECT_FALSE(says(e, "ghostflow_add_runtime")) << e.text;
}

// An allocator whose second block is not aligned: an error, and what it gave is given back.
TEST(CMisuse, AMisalignedSecondBlockLeaksNothing) {
  struct Odd {
    int calls = 0, living = 0;
  } odd;
  const gf_allocator functions = {
      [](void* context, size_t bytes, size_t alignment) -> void* {
        auto& o = *static_cast<Odd*>(context);
        ++o.living;
        auto* block = static_cast<char*>(std::aligned_alloc(alignment, (bytes / alignment + 2) * alignment));
        return block != nullptr && ++o.calls == 2 ? block + 1 : block;
      },
      [](void* context, void* memory, size_t) {
        --static_cast<Odd*>(context)->living;
        std::free(reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(memory) & ~uintptr_t{7}));
      },
      &odd};
  OwnedThreads t;
  gf_error e;
  EXPECT_EQ(gf_threads_create(2, &functions, t.out(), &e), GF_MISALIGNED) << e.text;
  EXPECT_EQ(odd.calls, 2);
  EXPECT_EQ(odd.living, 0);
}

// A .gf with an op that the tables lack, as in an app built for other models.
TEST(CMisuse, AnOpThatWasLeftOutOfTheBuildIsNamed) {
  const auto bytes = dynamic_file();
  const Block file = Block::copy(bytes);
  Tables few;
  static const OpDef* const kRows[] = {&op_def<op::Gather>};
  few.ops = {kRows};
  ErrorDetail d;
  const auto program = Program::load(file.span(), few.ops, {}, &d);
  ASSERT_FALSE(program.ok());
  EXPECT_EQ(program.error(), Error::UnknownOp);
  EXPECT_NE(std::string(d.text).find("'add'"), std::string::npos) << d.text;
  EXPECT_NE(std::string(d.text).find("ghostflow_add_runtime"), std::string::npos) << d.text;
}

}  // namespace
}  // namespace gf::test
