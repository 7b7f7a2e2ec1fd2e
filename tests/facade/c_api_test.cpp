// needs: GF_CONVERTER GF_IO GF_OPS_CPU
// The C API used as it is meant: both levels, shapes, State, metadata, threads, allocators, logs, profiles, cancellation.
#include <fstream>
#include <thread>

#include "tests/facade/c_api_support.h"

namespace gf::test {
namespace {

std::string save_file(const TempFolder& folder, const std::vector<std::byte>& bytes) {
  const std::string path = folder.path("model.gf").string();
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return path;
}

TEST(CApi, VersionAndNames) {
  EXPECT_EQ(gf_abi_version(), static_cast<uint32_t>(GF_ABI_VERSION));
  EXPECT_STREQ(gf_version_string(), "0.1.0");
  EXPECT_STREQ(gf_status_name(GF_SHAPE_MISMATCH), "ShapeMismatch");
  EXPECT_STREQ(gf_status_name(static_cast<gf_status>(12345)), "UnknownError");
  EXPECT_STREQ(gf_dtype_name(GF_BFLOAT16), "bfloat16");
  EXPECT_STREQ(gf_dtype_name(static_cast<gf_dtype>(-1)), "invalid");
}

TEST(CApi, ModelFromAFileAnswersByName) {
  const TempFolder folder;
  gf_error e;
  OwnedModel m;
  ASSERT_EQ(gf_model_load(save_file(folder, counter_file()).c_str(), nullptr, m.out(), &e), GF_OK) << e.text;
  void* index = nullptr;
  const void* y = nullptr;
  size_t bytes = 0;
  ASSERT_EQ(gf_model_input(m, "index", GF_INT64, &index, &bytes, &e), GF_OK) << e.text;
  ASSERT_EQ(bytes, sizeof(int64_t));
  *static_cast<int64_t*>(index) = 1;
  ASSERT_EQ(gf_model_run(m, &e), GF_OK) << e.text;
  ASSERT_EQ(gf_model_output(m, "y", GF_FLOAT32, &y, &bytes, &e), GF_OK) << e.text;
  ASSERT_EQ(bytes, 2 * sizeof(float));
  EXPECT_EQ(static_cast<const float*>(y)[0], 101);
  EXPECT_EQ(static_cast<const float*>(y)[1], 1002);

  float total[2] = {};
  gf_state* state = gf_model_state(m);
  ASSERT_NE(state, nullptr);
  ASSERT_EQ(gf_state_read(state, "total", total, sizeof total, &e), GF_OK) << e.text;
  EXPECT_EQ(total[1], 1002);
  std::vector<std::byte> saved(gf_state_save_bytes(state));
  ASSERT_EQ(gf_state_save(state, saved.data(), saved.size(), &e), GF_OK) << e.text;
  ASSERT_EQ(gf_state_reset(state, &e), GF_OK);
  ASSERT_EQ(gf_state_read(state, "total", total, sizeof total, &e), GF_OK);
  EXPECT_EQ(total[0], 1);
  ASSERT_EQ(gf_state_restore(state, saved.data(), saved.size(), &e), GF_OK) << e.text;
  ASSERT_EQ(gf_state_read(state, "total", total, sizeof total, &e), GF_OK);
  EXPECT_EQ(total[0], 101);
  total[0] = -1;
  ASSERT_EQ(gf_state_write(state, "total", total, sizeof total, &e), GF_OK);
  ASSERT_EQ(gf_model_run(m, &e), GF_OK) << e.text;
  EXPECT_EQ(static_cast<const float*>(y)[0], 99);
}

TEST(CApi, ProgramTellsWhatIsInTheFile) {
  StrictC s(counter_file());
  gf_error e;
  EXPECT_EQ(gf_program_entry_count(s.program), 1);
  EXPECT_STREQ(gf_program_entry_name(s.program, 0), "main");
  EXPECT_EQ(gf_program_entry_name(s.program, 1), nullptr);
  EXPECT_EQ(gf_program_count(s.program, nullptr, GF_INPUT), 1);
  EXPECT_EQ(gf_program_count(s.program, "main", GF_STATE), 2);
  gf_tensor t = GF_TENSOR_INIT;
  ASSERT_EQ(gf_program_tensor(s.program, nullptr, GF_STATE, 0, &t, &e), GF_OK) << e.text;
  EXPECT_STREQ(t.name, "total");
  EXPECT_EQ(t.dtype, GF_FLOAT32);
  EXPECT_EQ(t.rank, 1);
  EXPECT_EQ(t.dims[0], 2);
  EXPECT_EQ(t.bytes, 8U);
  EXPECT_EQ(t.data, nullptr);
  const char* text = nullptr;
  size_t size = 0;
  ASSERT_EQ(gf_program_metadata(s.program, "license", &text, &size, &e), GF_OK);
  EXPECT_EQ(std::string(text, size), "none");
  EXPECT_EQ(gf_program_metadata(s.program, "nothing", &text, &size, &e), GF_NOT_FOUND);
  ASSERT_EQ(gf_program_label(s.program, 1, &text, &size, &e), GF_OK);
  EXPECT_EQ(std::string(text, size), "one");
  ASSERT_EQ(gf_program_label(s.program, 2, &text, &size, &e), GF_OK);
  EXPECT_EQ(std::string(text, size), "two");
  EXPECT_EQ(gf_program_label(s.program, 3, &text, &size, &e), GF_NOT_FOUND);
  EXPECT_EQ(gf_program_label(s.program, -1, &text, &size, &e), GF_NOT_FOUND);
}

TEST(CApi, StrictSessionInExactMemoryWithAShapeThatChanges) {
  StrictC s(dynamic_file());
  gf_error e;
  gf_tensor t = GF_TENSOR_INIT;
  ASSERT_EQ(gf_program_tensor(s.program, "main", GF_INPUT, 0, &t, &e), GF_OK);
  EXPECT_EQ(t.dims[0], 4);
  EXPECT_EQ(t.min_dims[0], 1);
  EXPECT_EQ(t.min_dims[1], 3);
  const int64_t dims[] = {2, 3};
  ASSERT_EQ(gf_session_set_shape(s.session, 0, dims, 2, &e), GF_OK) << e.text;
  const float x[6] = {1, 2, 3, 4, 5, 6};
  ASSERT_EQ(gf_session_write(s.session, 0, x, sizeof x, &e), GF_OK) << e.text;
  ASSERT_EQ(gf_session_run(s.session, &e), GF_OK) << e.text;
  float y[6] = {};
  ASSERT_EQ(gf_session_read(s.session, gf_session_find(s.session, GF_OUTPUT, "y"), y, sizeof y, &e), GF_OK) << e.text;
  for (int i = 0; i < 6; ++i) EXPECT_EQ(y[i], 2 * x[i] + 1);
  ASSERT_EQ(gf_session_tensor(s.session, GF_OUTPUT, 0, &t, &e), GF_OK);
  EXPECT_EQ(t.dims[0], 2);
  EXPECT_EQ(t.bytes, sizeof y);
  EXPECT_EQ(gf_session_node_count(s.session), 2);
  gf_node_report r = GF_NODE_REPORT_INIT;
  ASSERT_EQ(gf_session_node(s.session, 0, &r, &e), GF_OK);
  EXPECT_NE(std::string(r.kernel), "");
}

TEST(CApi, OneByteLessOfAnyMemoryIsTooSmall) {
  StrictC s(counter_file());
  gf_error e;
  OwnedWeights w;
  if (s.needs.weights_bytes != 0) {
    EXPECT_EQ(gf_weights_create(s.program, nullptr, s.at(0), s.size(0) - 1, w.out(), &e), GF_BUFFER_TOO_SMALL);
  }
  OwnedState state;
  EXPECT_EQ(gf_state_create(s.program, s.at(1), s.size(1) - 1, state.out(), &e), GF_BUFFER_TOO_SMALL);
  EXPECT_NE(std::string(e.text).find("state memory"), std::string::npos) << e.text;
  for (size_t gf_session_memory::*bytes : {&gf_session_memory::session_bytes, &gf_session_memory::activation_bytes, &gf_session_memory::scratch_bytes}) {
    gf_session_memory m = s.memory;
    if (m.*bytes == 0) continue;
    --(m.*bytes);
    OwnedSession session;
    EXPECT_EQ(gf_session_create(s.program, nullptr, s.weights, s.state, nullptr, &m, session.out(), &e), GF_BUFFER_TOO_SMALL);
    EXPECT_EQ(session.p, nullptr);
  }
}

TEST(CApi, BoundMemoryIsReadAndWrittenInPlace) {
  gf_session_options o = GF_SESSION_OPTIONS_INIT;
  o.flags = GF_EXTERNAL_INPUTS | GF_EXTERNAL_OUTPUTS;
  StrictC s(dynamic_file(), &o);
  gf_error e;
  EXPECT_EQ(gf_session_run(s.session, &e), GF_WRONG_PHASE);
  EXPECT_NE(std::string(e.text).find("not bound"), std::string::npos) << e.text;
  std::vector<float> x(12, 3), y(12);
  ASSERT_EQ(gf_session_bind(s.session, GF_INPUT, 0, x.data(), 48, &e), GF_OK) << e.text;
  ASSERT_EQ(gf_session_bind(s.session, GF_OUTPUT, 0, y.data(), 48, &e), GF_OK) << e.text;
  ASSERT_EQ(gf_session_run(s.session, &e), GF_OK) << e.text;
  EXPECT_EQ(y, std::vector<float>(12, 7));
  EXPECT_EQ(gf_session_bind(s.session, GF_INPUT, 0, x.data(), 47, &e), GF_BUFFER_TOO_SMALL);
  EXPECT_EQ(gf_session_bind(s.session, GF_INPUT, 0, reinterpret_cast<char*>(x.data()) + 1, 48, &e), GF_MISALIGNED);
  EXPECT_EQ(gf_session_bind(s.session, GF_INPUT, 0, nullptr, 48, &e), GF_INVALID_ARGUMENT);
}

struct Counting {
  size_t living = 0, calls = 0, fail_at = ~size_t{0};
  static void* allocate(void* context, size_t bytes, size_t alignment) {
    auto& c = *static_cast<Counting*>(context);
    if (++c.calls > c.fail_at) return nullptr;
    c.living += bytes;
    return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  }
  static void release(void* context, void* memory, size_t bytes) {
    static_cast<Counting*>(context)->living -= bytes;
    std::free(memory);
  }
  gf_allocator functions() { return {&allocate, &release, this}; }
};

TEST(CApi, AllocatorIsUsedForEverythingAndGivenBackAll) {
  Counting c;
  gf_program_options o = GF_PROGRAM_OPTIONS_INIT;
  o.allocator = c.functions();
  {
    StrictC s(counter_file(), nullptr, &o);
    EXPECT_GT(c.living, 0U);
    const size_t before = c.calls;
    const int64_t index = 1;
    ASSERT_EQ(gf_session_write(s.session, 0, &index, sizeof index, nullptr), GF_OK);
    ASSERT_EQ(gf_session_run(s.session, nullptr), GF_OK);
    EXPECT_EQ(c.calls, before);
  }
  EXPECT_EQ(c.living, 0U);
  // whichever allocation fails, the answer is OutOfMemory and nothing leaks
  const std::vector<std::byte> bytes = counter_file();
  const Block file = Block::copy(bytes);
  for (size_t n = 0; n < c.calls; ++n) {
    Counting failing;
    failing.fail_at = n;
    o.allocator = failing.functions();
    OwnedProgram p;
    OwnedWeights w;
    gf_error e;
    const Block memory(65536);
    const gf_status first = gf_program_load(file.span().data(), file.span().size(), &o, p.out(), &e);
    const gf_status second = first != GF_OK ? first : gf_weights_create(p, nullptr, memory.span().data(), 65536, w.out(), &e);
    if (second == GF_OK) break;
    EXPECT_EQ(second, GF_OUT_OF_MEMORY) << n << " " << e.text;
  }
}

TEST(CApi, ThreadsOfTheLibraryAndOfTheCaller) {
  OwnedThreads pool;
  gf_error e;
  ASSERT_EQ(gf_threads_create(2, nullptr, pool.out(), &e), GF_OK) << e.text;
  gf_session_options o = GF_SESSION_OPTIONS_INIT;
  o.threads = pool;
  StrictC with_pool(dynamic_file(), &o);
  EXPECT_EQ(gf_session_run(with_pool.session, &e), GF_OK) << e.text;
  int calls = 0;
  gf_model_options mine = GF_MODEL_OPTIONS_INIT;
  mine.parallel = {[](void* context, int64_t tasks, void (*body)(void*, int64_t, int), void* argument) {
                     ++*static_cast<int*>(context);
                     for (int64_t t = 0; t < tasks; ++t) body(argument, t, static_cast<int>(t % 2));
                   },
                   &calls, 2};
  OwnedModel m;
  const auto digits = convert_digits(1, 1);
  ASSERT_EQ(gf_model_load_memory(digits.data(), digits.size(), &mine, m.out(), &e), GF_OK) << e.text;
  ASSERT_EQ(gf_model_run(m, &e), GF_OK) << e.text;
  EXPECT_GT(calls, 0);
}

TEST(CApi, LogTellsKernelsAndFailures) {
  std::vector<std::pair<gf_log_level, std::string>> lines;
  gf_model_options o = GF_MODEL_OPTIONS_INIT;
  o.log = [](void* context, gf_log_level level, const char* text) { static_cast<decltype(lines)*>(context)->emplace_back(level, text); };
  o.log_context = &lines;
  OwnedModel m;
  EXPECT_EQ(gf_model_load("/no/such/file.gf", &o, m.out(), nullptr), GF_NOT_FOUND);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0].first, GF_LOG_ERROR);
  const auto bytes = dynamic_file();
  ASSERT_EQ(gf_model_load_memory(bytes.data(), bytes.size(), &o, m.out(), nullptr), GF_OK);
  ASSERT_EQ(gf_model_run(m, nullptr), GF_OK);
  const auto names_add = [](const auto& line) { return line.first == GF_LOG_DEBUG && line.second.find("add") != std::string::npos; };
  EXPECT_EQ(std::count_if(lines.begin(), lines.end(), names_add), 2);
}

TEST(CApi, ProfileSeesNodesAndCancelStopsRuns) {
  StrictC s(dynamic_file());
  gf_error e;
  std::vector<int32_t> nodes;
  const auto hook = [](void* context, int32_t node, uint64_t begin, uint64_t end) {
    EXPECT_LE(begin, end);
    static_cast<std::vector<int32_t>*>(context)->push_back(node);
  };
  ASSERT_EQ(gf_session_set_profile(s.session, hook, &nodes, &e), GF_OK);
  ASSERT_EQ(gf_session_run(s.session, &e), GF_OK);
  EXPECT_EQ(nodes, (std::vector<int32_t>{0, 1}));
  ASSERT_EQ(gf_session_set_profile(s.session, nullptr, nullptr, &e), GF_OK);
  std::thread([&] { gf_session_cancel(s.session, 1); }).join();
  EXPECT_EQ(gf_session_run(s.session, &e), GF_CANCELLED);
  gf_session_cancel(s.session, 0);
  EXPECT_EQ(gf_session_run(s.session, &e), GF_OK);
  EXPECT_EQ(nodes.size(), 2U);
}

TEST(CApi, SessionsOfAModelShareItsWeightsAndAreItsOwn) {
  OwnedModel m;
  gf_error e;
  const auto bytes = dynamic_file();
  ASSERT_EQ(gf_model_load_memory(bytes.data(), bytes.size(), nullptr, m.out(), &e), GF_OK);
  gf_session *one = nullptr, *two = nullptr;
  ASSERT_EQ(gf_model_session(m, nullptr, &one, &e), GF_OK);
  ASSERT_EQ(gf_model_session(m, "main", &two, &e), GF_OK);
  EXPECT_EQ(one, two);
  gf_session_destroy(one);  // ignored: it belongs to the model
  EXPECT_EQ(gf_session_run(one, &e), GF_OK) << e.text;
  EXPECT_EQ(gf_program_count(gf_model_program(m), nullptr, GF_INPUT), 1);
  EXPECT_EQ(gf_model_state(m), nullptr);
}

}  // namespace
}  // namespace gf::test
