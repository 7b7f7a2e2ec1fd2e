// needs: GF_CONVERTER GF_IO GF_OPS_CPU
// Ops and kernels written against the C API: every callback, attributes and their defaults, refusal, errors with the place.
#include <atomic>
#include <thread>

#include "runtime/include/ghostflow/ghostflow_custom.h"
#include "tests/facade/c_api_support.h"

namespace gf::test {
namespace {

// The op as the graph builder knows it; the C description below is its twin: y = scale * x, and `tail` at the end.
struct Mirror {
  static constexpr OpInfo info{.id = kFirstCustomOpId + 5, .name = "example.mirror"};
  struct Attrs {
    float scale = 1;
    int64_t tail = 0;
  };
  static constexpr AttrField fields[] = {field<&Attrs::scale>(1, "scale"), field<&Attrs::tail>(2, "tail", -9, 9)};
  static Error infer(InferContext& c, const Attrs&) {
    DimShape s = c.shape(0);
    s[0] = c.add(s[0], 1);
    return c.set(0, DType::F32, s);
  }
  static constexpr NoGradient grad{"an example"};
};

std::vector<std::byte> mirror_file(float scale, int64_t tail) {
  return emit_graph([&](ir::Model&, ir::Entry& e) {
    const auto x = e.add_input("x", DType::F32, shape_of({e.symbols.symbol("N", 1, 8)}));
    ir::Builder b(e, e.body);
    b.set_origin("m", "Mirror 'm'");
    const auto y = b.add<Mirror>({x}, {.scale = scale, .tail = tail});
    const auto z = b.add<op::Add>({y, y});
    e.value(z).name = "z";
    e.body.outputs = {z};
  });
}

struct Seen {
  int infers = 0, prepares = 0, inits = 0, runs = 0;
  static inline int destroys = 0;
};

gf_status mirror_infer(void* context, gf_node* node) {
  ++static_cast<Seen*>(context)->infers;
  gf_tensor x = GF_TENSOR_INIT;
  if (gf_node_input(node, 0, &x) != GF_OK || x.rank != 1) return gf_node_fail(node, GF_SHAPE_MISMATCH, "x must be a vector");
  const int64_t most = x.dims[0] + 1, least = x.min_dims[0] + 1;
  return gf_node_set_output(node, 0, GF_FLOAT32, 1, &most, &least);
}
gf_status mirror_prepare(void* context, gf_node* node, gf_kernel_plan* plan) {
  ++static_cast<Seen*>(context)->prepares;
  gf_tensor x = GF_TENSOR_INIT;
  EXPECT_EQ(gf_node_input(node, 0, &x), GF_OK);
  EXPECT_EQ(gf_node_input(node, 1, &x), GF_INVALID_ARGUMENT);
  if (x.dtype != GF_FLOAT32) return gf_node_fail(node, GF_UNSUPPORTED, "float only");
  plan->data_bytes = sizeof(double);
  plan->scratch_bytes = x.bytes;
  plan->scratch_bytes_per_worker = 4;
  return GF_OK;
}
gf_status mirror_init(void* context, gf_node* node) {
  ++static_cast<Seen*>(context)->inits;
  return gf_node_float(node, "scale", static_cast<double*>(gf_node_data(node)));
}
gf_status mirror_run(void* context, gf_node* node) {
  ++static_cast<Seen*>(context)->runs;
  gf_tensor x = GF_TENSOR_INIT, y = GF_TENSOR_INIT;
  int64_t tail = 0, none = 0;
  EXPECT_EQ(gf_node_input(node, 0, &x), GF_OK);
  EXPECT_EQ(gf_node_output(node, 0, &y), GF_OK);
  EXPECT_EQ(gf_node_int(node, "tail", &tail), GF_OK);
  EXPECT_EQ(gf_node_int(node, "scale", &none), GF_TYPE_MISMATCH);
  EXPECT_EQ(gf_node_int(node, "nothing", &none), GF_NOT_FOUND);
  EXPECT_EQ(gf_node_set_output(node, 0, GF_FLOAT32, 1, &tail, nullptr), GF_WRONG_PHASE);
  const auto* in = static_cast<const float*>(x.data);
  if (in[0] < 0) return gf_node_fail(node, GF_BAD_DATA, "negative numbers cannot be mirrored");
  auto* out = static_cast<float*>(y.data);
  struct Job {
    const float* in;
    float* out;
    double scale;
  } job{in, out, *static_cast<double*>(gf_node_data(node))};
  EXPECT_NE(gf_node_scratch(node), nullptr);
  EXPECT_NE(gf_node_worker_scratch(node, 0), nullptr);
  EXPECT_EQ(gf_node_worker_scratch(node, 1000), nullptr);
  gf_node_parallel(node, x.dims[0], [](void* a, int64_t i, int) {
    const auto& j = *static_cast<Job*>(a);
    j.out[i] = static_cast<float>(j.scale * static_cast<double>(j.in[i]));
  }, &job);
  out[x.dims[0]] = static_cast<float>(tail);
  return GF_OK;
}

struct Tables2 {
  Tables2() { EXPECT_EQ(gf_tables_create(&tables, &error), GF_OK); }
  ~Tables2() { gf_tables_destroy(tables); }
  gf_status add_op() {
    static const gf_attribute kAttributes[] = {{"scale", 1, GF_ATTRIBUTE_FLOAT, 0, 1, nullptr}, {"tail", 2, GF_ATTRIBUTE_INT, 0, 0, nullptr}};
    gf_op op = GF_OP_INIT;
    op.name = "example.mirror";
    op.attributes = kAttributes;
    op.attribute_count = 2;
    op.infer = mirror_infer;
    op.context = &seen;
    return gf_tables_add_op(tables, &op, &error);
  }
  gf_status add_kernel() {
    gf_kernel k = GF_KERNEL_INIT;
    k.op = "example.mirror";
    k.name = "mirror_c";
    k.prepare = mirror_prepare;
    k.init = mirror_init;
    k.run = mirror_run;
    k.destroy = [](void* data) {
      EXPECT_NE(data, nullptr);
      ++Seen::destroys;
    };
    k.context = &seen;
    return gf_tables_add_kernel(tables, &k, &error);
  }
  gf_status load(const std::vector<std::byte>& bytes, gf_model** model) {
    gf_model_options o = GF_MODEL_OPTIONS_INIT;
    o.tables = tables;
    o.threads = 2;
    return gf_model_load_memory(bytes.data(), bytes.size(), &o, model, &error);
  }
  gf_tables* tables = nullptr;
  Seen seen;
  gf_error error{};
};

std::vector<float> run_vector(gf_model* m, std::vector<float> x, gf_error* e, gf_status* status) {
  gf_session* s = nullptr;
  EXPECT_EQ(gf_model_session(m, nullptr, &s, e), GF_OK) << e->text;
  const auto n = static_cast<int64_t>(x.size());
  EXPECT_EQ(gf_session_set_shape(s, 0, &n, 1, e), GF_OK) << e->text;
  EXPECT_EQ(gf_session_write(s, 0, x.data(), x.size() * 4, e), GF_OK) << e->text;
  *status = gf_session_run(s, e);
  std::vector<float> z(x.size() + 1);
  if (*status == GF_OK) {
    EXPECT_EQ(gf_session_read(s, 0, z.data(), z.size() * 4, e), GF_OK) << e->text;
  }
  return z;
}

TEST(CCustom, OpAndKernelRunBetweenTheLibrarysOps) {
  Seen::destroys = 0;
  gf_status status = GF_OK;
  Tables2 t;
  ASSERT_EQ(t.add_op(), GF_OK) << t.error.text;
  ASSERT_EQ(t.add_kernel(), GF_OK) << t.error.text;
  {
    OwnedModel m;
    ASSERT_EQ(t.load(mirror_file(2, 7), m.out()), GF_OK) << t.error.text;
    gf_tables_destroy(t.tables);  // the model keeps what it uses
    t.tables = nullptr;
    EXPECT_EQ(run_vector(m, {1, 2, 3}, &t.error, &status), (std::vector<float>{4, 8, 12, 14}));
    EXPECT_EQ(run_vector(m, {5}, &t.error, &status), (std::vector<float>{20, 14}));
    run_vector(m, {-1, 2}, &t.error, &status);
    EXPECT_EQ(status, GF_BAD_DATA);
    EXPECT_EQ(t.error.node, 0);
    EXPECT_NE(std::string(t.error.text).find("cannot be mirrored"), std::string::npos) << t.error.text;
    EXPECT_NE(std::string(t.error.text).find("example.mirror"), std::string::npos) << t.error.text;
    gf_session* s = nullptr;
    ASSERT_EQ(gf_model_session(m, nullptr, &s, &t.error), GF_OK);
    gf_node_report r = GF_NODE_REPORT_INIT;
    ASSERT_EQ(gf_session_node(s, 0, &r, &t.error), GF_OK);
    EXPECT_STREQ(r.kernel, "mirror_c");
  }
  EXPECT_GT(t.seen.infers, 0);
  EXPECT_GT(t.seen.prepares, 0);
  EXPECT_EQ(t.seen.inits, 1);
  EXPECT_EQ(t.seen.runs, 3);
  EXPECT_EQ(Seen::destroys, 1);
}

TEST(CCustom, TablesMayGoBeforeWhatWasMadeOfThem) {
  Seen::destroys = 0;
  Tables2 t;
  ASSERT_EQ(t.add_op(), GF_OK);
  ASSERT_EQ(t.add_kernel(), GF_OK);
  gf_program_options o = GF_PROGRAM_OPTIONS_INIT;
  o.tables = t.tables;
  {
    StrictC s(mirror_file(2, 7), nullptr, &o);
    gf_tables_destroy(t.tables);
    t.tables = nullptr;
    const std::vector<float> x(8, 1.0F);
    ASSERT_EQ(gf_session_write(s.session, 0, x.data(), x.size() * 4, &t.error), GF_OK) << t.error.text;
    ASSERT_EQ(gf_session_run(s.session, &t.error), GF_OK) << t.error.text;
  }
  EXPECT_EQ(Seen::destroys, 1);
}

TEST(CCustom, AttributesThatTheFileLeavesOutHaveTheirDefaults) {
  Tables2 t;
  gf_status status = GF_OK;
  ASSERT_EQ(t.add_op(), GF_OK);
  ASSERT_EQ(t.add_kernel(), GF_OK);
  OwnedModel m;
  ASSERT_EQ(t.load(mirror_file(1, 0), m.out()), GF_OK) << t.error.text;
  EXPECT_EQ(run_vector(m, {1, 2}, &t.error, &status), (std::vector<float>{2, 4, 0}));
}

TEST(CCustom, WithoutTheOpOrTheKernelTheNameIsSaid) {
  OwnedModel m;
  gf_error e;
  const auto bytes = mirror_file(1, 0);
  EXPECT_EQ(gf_model_load_memory(bytes.data(), bytes.size(), nullptr, m.out(), &e), GF_UNKNOWN_OP);
  EXPECT_NE(std::string(e.text).find("example.mirror"), std::string::npos) << e.text;
  Tables2 t;
  ASSERT_EQ(t.add_op(), GF_OK);
  ASSERT_EQ(t.load(bytes, m.out()), GF_OK) << t.error.text;
  EXPECT_EQ(gf_model_run(m, &e), GF_UNSUPPORTED);
  EXPECT_NE(std::string(e.text).find("example.mirror"), std::string::npos) << e.text;
  EXPECT_EQ(e.node, 0);
}

// A better kernel for an op of the library.
TEST(CCustom, KernelForAnOpOfTheLibraryWinsByRankAndMayRefuse) {
  struct Context {
    bool refuse = false;
    int runs = 0;
  };
  const auto prepare = [](void* c, gf_node* node, gf_kernel_plan*) -> gf_status {
    return static_cast<Context*>(c)->refuse ? gf_node_fail(node, GF_UNSUPPORTED, "not today") : GF_OK;
  };
  const auto run = [](void* c, gf_node* node) -> gf_status {
    ++static_cast<Context*>(c)->runs;
    gf_tensor y = GF_TENSOR_INIT;
    EXPECT_EQ(gf_node_output(node, 0, &y), GF_OK);
    for (uint64_t i = 0; i < y.bytes / 4; ++i) static_cast<float*>(y.data)[i] = 42;
    return GF_OK;
  };
  for (const bool refuse : {false, true}) {
    Tables2 t;
    Context context{refuse};
    gf_kernel k = GF_KERNEL_INIT;
    k.op = "add";
    k.name = "add_c";
    k.rank = 60000;
    k.prepare = prepare;
    k.run = run;
    k.context = &context;
    ASSERT_EQ(gf_tables_add_kernel(t.tables, &k, &t.error), GF_OK) << t.error.text;
    OwnedModel m;
    ASSERT_EQ(t.load(dynamic_file(), m.out()), GF_OK) << t.error.text;
    ASSERT_EQ(gf_model_run(m, &t.error), GF_OK) << t.error.text;
    EXPECT_EQ(context.runs, refuse ? 0 : 2);
    gf_session* s = nullptr;
    ASSERT_EQ(gf_model_session(m, nullptr, &s, &t.error), GF_OK);
    gf_node_report r = GF_NODE_REPORT_INIT;
    ASSERT_EQ(gf_session_node(s, 0, &r, &t.error), GF_OK);
    EXPECT_EQ(std::string(r.kernel) == "add_c", !refuse);
    EXPECT_STREQ(r.refused, refuse ? "not today" : "");
  }
}

// One op "example.mirror" whose callbacks are the test's; the error of the first run, or of setting up.
struct Callbacks {
  gf_status (*infer)(void*, gf_node*) = [](void*, gf_node* node) {
    const int64_t n[] = {4};
    return gf_node_set_output(node, 0, GF_FLOAT32, 1, n, nullptr);
  };
  gf_status (*prepare)(void*, gf_node*, gf_kernel_plan*) = [](void*, gf_node*, gf_kernel_plan*) { return GF_OK; };
  gf_status (*init)(void*, gf_node*) = nullptr;
  gf_status (*run)(void*, gf_node*) = [](void*, gf_node*) { return GF_OK; };

  gf_error first_error() const {
    Tables2 t;
    gf_op op = GF_OP_INIT;
    op.name = "example.mirror";
    op.infer = infer;
    EXPECT_EQ(gf_tables_add_op(t.tables, &op, &t.error), GF_OK) << t.error.text;
    gf_kernel k = GF_KERNEL_INIT;
    k.op = op.name;
    k.name = "mine";
    k.prepare = prepare;
    k.init = init;
    k.run = run;
    EXPECT_EQ(gf_tables_add_kernel(t.tables, &k, &t.error), GF_OK) << t.error.text;
    const auto bytes = emit_graph([](ir::Model&, ir::Entry& e) {
      ir::Builder b(e, e.body);
      b.set_origin("m", "Mirror 'm'");
      const auto y = b.add<Mirror>({e.add_input("x", DType::F32, shape_of({3}))});
      e.value(y).name = "y";
      e.body.outputs = {y};
    });
    OwnedModel m;
    t.error = gf_error{};
    if (t.load(bytes, m.out()) == GF_OK) static_cast<void>(gf_model_run(m, &t.error));
    return t.error;
  }
};

void expect_error(const gf_error& e, gf_status status, const char* words) {
  EXPECT_EQ(e.status, status) << e.text;
  EXPECT_NE(std::string(e.text).find(words), std::string::npos) << e.text;
  EXPECT_NE(std::string(e.text).find("Mirror 'm'"), std::string::npos) << e.text;  // where
  EXPECT_EQ(e.node, 0);
}

TEST(CCustom, CallbacksThatFailSayWhere) {
  EXPECT_EQ(Callbacks().first_error().status, GF_OK);
  Callbacks c;
  c.run = [](void*, gf_node*) { return GF_BAD_DATA; };
  expect_error(c.first_error(), GF_BAD_DATA, "did not say why");
  c.run = [](void*, gf_node* node) { return gf_node_fail(node, GF_BAD_DATA, "for this reason"); };
  expect_error(c.first_error(), GF_BAD_DATA, "for this reason");
  c.run = [](void*, gf_node*) { return static_cast<gf_status>(-7); };
  expect_error(c.first_error(), GF_INTERNAL, "no gf_status");
  c.run = [](void*, gf_node*) { return static_cast<gf_status>(65536 + GF_BUSY); };
  expect_error(c.first_error(), GF_INTERNAL, "no gf_status");
  c = Callbacks();
  c.init = [](void*, gf_node* node) { return gf_node_fail(node, GF_OUT_OF_MEMORY, "no room for me"); };
  expect_error(c.first_error(), GF_OUT_OF_MEMORY, "no room for me");
  c = Callbacks();
  c.prepare = [](void*, gf_node* node, gf_kernel_plan*) { return gf_node_fail(node, GF_UNSUPPORTED, "not these shapes"); };
  expect_error(c.first_error(), GF_UNSUPPORTED, "not these shapes");
  c.prepare = [](void*, gf_node* node, gf_kernel_plan*) { return gf_node_fail(node, GF_BAD_ATTRIBUTE, "scale is odd"); };
  expect_error(c.first_error(), GF_BAD_ATTRIBUTE, "scale is odd");
}

// While one thread makes a model's first session, another one is told so.
TEST(CCustom, TwoThreadsOnTheSetUpOfOneModel) {
  static std::atomic<bool> inside, open;
  inside = open = false;
  Tables2 t;
  ASSERT_EQ(t.add_op(), GF_OK);
  gf_kernel k = GF_KERNEL_INIT;
  k.op = "example.mirror";
  k.name = "waits";
  k.prepare = [](void*, gf_node*, gf_kernel_plan*) {
    inside = true;
    while (!open) std::this_thread::yield();
    return GF_OK;
  };
  k.run = [](void*, gf_node*) { return GF_OK; };
  ASSERT_EQ(gf_tables_add_kernel(t.tables, &k, &t.error), GF_OK);
  OwnedModel m;
  ASSERT_EQ(t.load(mirror_file(1, 0), m.out()), GF_OK) << t.error.text;
  gf_status first = GF_INTERNAL;
  std::thread maker([&] { first = gf_model_run(m, nullptr); });
  while (!inside) std::this_thread::yield();
  gf_error e;
  EXPECT_EQ(gf_model_run(m, &e), GF_BUSY);
  EXPECT_NE(std::string(e.text).find("another thread"), std::string::npos) << e.text;
  open = true;
  maker.join();
  EXPECT_EQ(first, GF_OK);
  EXPECT_EQ(gf_model_run(m, &e), GF_OK) << e.text;
}

TEST(CCustom, InferenceThatMakesNoSense) {
  Callbacks c;
  c.infer = [](void*, gf_node*) { return GF_OK; };
  expect_error(c.first_error(), GF_INTERNAL, "left output 0 unset");
  c.infer = [](void*, gf_node* node) { return gf_node_fail(node, GF_SHAPE_MISMATCH, "x is too long"); };
  expect_error(c.first_error(), GF_SHAPE_MISMATCH, "x is too long");
  c.infer = [](void*, gf_node*) { return GF_TYPE_MISMATCH; };
  expect_error(c.first_error(), GF_TYPE_MISMATCH, "did not say why");
  c.infer = [](void*, gf_node* node) {
    const int64_t n[] = {INT64_MAX, INT64_MAX};
    return gf_node_set_output(node, 0, GF_FLOAT32, 2, n, nullptr);
  };
  EXPECT_NE(c.first_error().status, GF_OK);
  c.infer = [](void*, gf_node* node) {  // none of these is taken, and the node says so itself
    const int64_t down[] = {-1}, n[] = {4}, more[] = {5};
    gf_tensor y = GF_TENSOR_INIT;
    EXPECT_EQ(gf_node_set_output(node, 0, GF_FLOAT32, 1, down, nullptr), GF_INVALID_ARGUMENT);
    EXPECT_EQ(gf_node_set_output(node, 0, GF_FLOAT32, 1, n, more), GF_INVALID_ARGUMENT);
    EXPECT_EQ(gf_node_set_output(node, 0, GF_FLOAT32, 9, n, nullptr), GF_INVALID_ARGUMENT);
    EXPECT_EQ(gf_node_set_output(node, 0, GF_FLOAT32, 1, nullptr, nullptr), GF_INVALID_ARGUMENT);
    EXPECT_EQ(gf_node_set_output(node, 1, GF_FLOAT32, 1, n, nullptr), GF_INVALID_ARGUMENT);
    EXPECT_EQ(gf_node_set_output(node, 0, static_cast<gf_dtype>(99), 1, n, nullptr), GF_INVALID_ARGUMENT);
    EXPECT_EQ(gf_node_set_output(node, 0, GF_ANY, 1, n, nullptr), GF_INVALID_ARGUMENT);
    EXPECT_EQ(gf_node_output(node, 0, &y), GF_WRONG_PHASE);
    EXPECT_EQ(gf_node_input(node, -1, &y), GF_INVALID_ARGUMENT);
    EXPECT_EQ(gf_node_input(node, 0, nullptr), GF_INVALID_ARGUMENT);
    EXPECT_EQ(gf_node_data(node), nullptr);
    EXPECT_EQ(gf_node_scratch(node), nullptr);
    gf_node_parallel(node, 3, [](void*, int64_t, int) { FAIL(); }, nullptr);
    return gf_node_set_output(node, 0, GF_FLOAT32, 1, n, nullptr);
  };
  EXPECT_EQ(c.first_error().status, GF_OK);
}

TEST(CCustom, PlansThatMakeNoSense) {
  for (uint64_t gf_kernel_plan::*bytes : {&gf_kernel_plan::data_bytes, &gf_kernel_plan::scratch_bytes, &gf_kernel_plan::scratch_bytes_per_worker}) {
    for (const uint64_t absurd : {~uint64_t{0}, ~uint64_t{0} / 2, uint64_t{1} << 50}) {
      static uint64_t gf_kernel_plan::*field;
      static uint64_t value;
      field = bytes, value = absurd;
      Callbacks c;
      c.prepare = [](void*, gf_node*, gf_kernel_plan* plan) {
        plan->*field = value;
        return GF_OK;
      };
      const gf_error e = c.first_error();
      EXPECT_TRUE(e.status == GF_LIMIT_EXCEEDED || e.status == GF_OUT_OF_MEMORY) << e.status << " " << e.text;
    }
  }
  Callbacks c;
  c.prepare = [](void*, gf_node*, gf_kernel_plan* plan) {
    plan->inplace_inputs = ~0U;  // inputs that there are not
    return GF_OK;
  };
  EXPECT_EQ(c.first_error().status, GF_OK);
}

// Bit i of inplace_inputs speaks of input i alone: input 32 once lent its memory when bit 0 was set.
struct Sum33 {
  static constexpr OpInfo info{.id = kFirstCustomOpId + 6, .name = "example.sum", .min_inputs = 33, .max_inputs = 33};
  using Attrs = NoAttrs;
  static Error infer(InferContext& c, const Attrs&) { return c.set(0, DType::F32, c.shape(0)); }
  static constexpr NoGradient grad{"an example"};
};

TEST(CCustom, MemoryIsOnlyTakenOverFromInputsThatWereNamed) {
  Tables2 t;
  gf_op op = GF_OP_INIT;
  op.name = "example.sum";
  op.min_inputs = op.max_inputs = 33;
  op.infer = [](void*, gf_node* node) {
    gf_tensor x = GF_TENSOR_INIT;
    EXPECT_EQ(gf_node_input(node, 0, &x), GF_OK);
    return gf_node_set_output(node, 0, GF_FLOAT32, x.rank, x.dims, x.min_dims);
  };
  ASSERT_EQ(gf_tables_add_op(t.tables, &op, &t.error), GF_OK) << t.error.text;
  gf_kernel k = GF_KERNEL_INIT;
  k.op = op.name;
  k.name = "sum_c";
  k.prepare = [](void*, gf_node*, gf_kernel_plan* plan) {
    plan->inplace_inputs = 1;
    return GF_OK;
  };
  k.run = [](void*, gf_node* node) {
    gf_tensor x = GF_TENSOR_INIT, y = GF_TENSOR_INIT;
    EXPECT_EQ(gf_node_output(node, 0, &y), GF_OK);
    for (int i = 0; i < 33; ++i) {
      EXPECT_EQ(gf_node_input(node, i, &x), GF_OK);
      for (int64_t j = 0; j < x.dims[0]; ++j) {
        float& sum = static_cast<float*>(y.data)[j];
        sum = (i == 0 ? 0 : sum) + static_cast<const float*>(x.data)[j];
      }
    }
    return GF_OK;
  };
  ASSERT_EQ(gf_tables_add_kernel(t.tables, &k, &t.error), GF_OK) << t.error.text;
  const auto bytes = emit_graph([](ir::Model&, ir::Entry& e) {
    ir::Builder b(e, e.body);
    const auto x = e.add_input("x", DType::F32, shape_of({16}));
    std::vector<ir::ValueId> inputs(32, x);
    inputs.push_back(b.add<op::Add>({x, x}));  // ends with the sum
    const auto y = b.add<Sum33>(inputs);
    const auto z = b.add<op::Add>({y, y});
    e.value(z).name = "z";
    e.body.outputs = {z};
  });
  OwnedModel m;
  ASSERT_EQ(t.load(bytes, m.out()), GF_OK) << t.error.text;
  void* x = nullptr;
  const void* z = nullptr;
  ASSERT_EQ(gf_model_input(m, "x", GF_FLOAT32, &x, nullptr, &t.error), GF_OK) << t.error.text;
  std::fill_n(static_cast<float*>(x), 16, 1.0F);
  ASSERT_EQ(gf_model_run(m, &t.error), GF_OK) << t.error.text;
  ASSERT_EQ(gf_model_output(m, "z", GF_FLOAT32, &z, nullptr, &t.error), GF_OK) << t.error.text;
  EXPECT_EQ(static_cast<const float*>(z)[0], 68);  // 2 x (32 x 1 + 2)
}

TEST(CCustom, DescriptionsThatMakeNoSense) {
  Tables2 t;
  const auto add = [&](auto change) {
    gf_op op = GF_OP_INIT;
    op.name = "example.one";
    op.infer = mirror_infer;
    change(op);
    return gf_tables_add_op(t.tables, &op, &t.error);
  };
  static const gf_attribute kTwice[] = {{"a", 1, GF_ATTRIBUTE_INT, 0, 0, nullptr}, {"b", 1, GF_ATTRIBUTE_INT, 0, 0, nullptr}};
  EXPECT_EQ(add([](gf_op& o) { o.struct_size = 0; }), GF_INVALID_ARGUMENT);
  EXPECT_EQ(add([](gf_op& o) { o.name = nullptr; }), GF_INVALID_ARGUMENT);
  EXPECT_EQ(add([](gf_op& o) { o.name = "add"; }), GF_INVALID_ARGUMENT);
  EXPECT_EQ(add([](gf_op& o) { o.infer = nullptr; }), GF_INVALID_ARGUMENT);
  EXPECT_EQ(add([](gf_op& o) { o.max_inputs = 0; }), GF_INVALID_ARGUMENT);
  EXPECT_EQ(add([](gf_op& o) { o.min_outputs = -3; }), GF_INVALID_ARGUMENT);
  EXPECT_EQ(add([](gf_op& o) { o.attribute_count = 1; }), GF_INVALID_ARGUMENT);
  EXPECT_EQ(add([](gf_op& o) { o.attribute_count = 17, o.attributes = kTwice; }), GF_INVALID_ARGUMENT);
  EXPECT_EQ(add([](gf_op& o) { o.attribute_count = 2, o.attributes = kTwice; }), GF_INVALID_ARGUMENT);
  EXPECT_EQ(add([](gf_op&) {}), GF_OK) << t.error.text;
  EXPECT_EQ(add([](gf_op&) {}), GF_INVALID_ARGUMENT);
  const auto kernel = [&](auto change) {
    gf_kernel k = GF_KERNEL_INIT;
    k.op = "example.one";
    k.prepare = mirror_prepare;
    k.run = mirror_run;
    change(k);
    return gf_tables_add_kernel(t.tables, &k, &t.error);
  };
  EXPECT_EQ(kernel([](gf_kernel& k) { k.struct_size = 1; }), GF_INVALID_ARGUMENT);
  EXPECT_EQ(kernel([](gf_kernel& k) { k.op = "no.such.op"; }), GF_NOT_FOUND);
  EXPECT_EQ(kernel([](gf_kernel& k) { k.op = nullptr; }), GF_INVALID_ARGUMENT);
  EXPECT_EQ(kernel([](gf_kernel& k) { k.run = nullptr; }), GF_INVALID_ARGUMENT);
  EXPECT_EQ(kernel([](gf_kernel& k) { k.rank = 70000; }), GF_INVALID_ARGUMENT);
  EXPECT_EQ(kernel([](gf_kernel& k) { k.destroy = [](void*) {}; }), GF_INVALID_ARGUMENT);
  OwnedModel m;
  ASSERT_EQ(t.load(dynamic_file(), m.out()), GF_OK);
  EXPECT_EQ(add([](gf_op& o) { o.name = "example.two"; }), GF_WRONG_PHASE);
}

}  // namespace
}  // namespace gf::test
