// needs: GF_CONVERTER GF_IO GF_OPS_CPU
// Ops and kernels written against the C API: every callback, attributes and their defaults, refusal, errors with the place.
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
