// needs: GF_CONVERTER GF_OPS_CPU
// A user's own op: defined here, outside the library, with attributes, inference and a kernel; one more row in the tables.
#include "schema/ops/add.h"
#include "tests/runtime/session_support.h"

namespace gf::test {
namespace {

// y[i] = scale * x[reversed i], along the last axis; the output has one element more, which is `tail`.
struct Mirror {
  static constexpr OpInfo info{.id = kFirstCustomOpId, .name = "example.mirror"};
  struct Attrs {
    float scale = 1;
    int64_t tail = 0;
  };
  static constexpr AttrField fields[] = {field<&Attrs::scale>(1, "scale"), field<&Attrs::tail>(2, "tail", -9, 9)};
  static Error infer(InferContext& c, const Attrs&) {
    GF_TRY(c.expect_type(0, dtypes(DType::F32)));
    GF_TRY(c.expect_rank(0, 1));
    DimShape s = c.shape(0);
    s[0] = c.add(s[0], 1);
    return c.set(0, DType::F32, s);
  }
  static constexpr NoGradient grad{"an example"};
};

Error prepare_mirror(const NodeView& n, KernelPlan& plan) {
  if (n.input(0).dtype != DType::F32) return plan.refuse("float only");
  plan.data_bytes = sizeof(float);
  plan.scratch_bytes = static_cast<uint64_t>(n.input(0).shape.count()) * sizeof(float);
  return Error::Ok;
}
int g_destroyed = 0;
Error init_mirror(const NodeView& n, InitContext& c) {
  *static_cast<float*>(c.data) = n.attributes<Mirror::Attrs>().scale;
  return Error::Ok;
}
Error run_mirror(RunContext& c) {
  const int64_t n = c.input(0).count();
  auto* scratch = static_cast<float*>(c.scratch);
  for (int64_t i = 0; i < n; ++i) scratch[i] = c.input(0).as<const float>()[n - 1 - i];
  for (int64_t i = 0; i < n; ++i) c.output(0).as<float>()[i] = *static_cast<const float*>(c.data) * scratch[i];
  c.output(0).as<float>()[n] = static_cast<float>(c.attributes<Mirror::Attrs>().tail);
  return Error::Ok;
}
const Kernel kMirror{.op = kFirstCustomOpId, .name = "mirror_f32", .rank = 10, .prepare = prepare_mirror, .init = init_mirror, .run = run_mirror,
                     .destroy = [](void*) { ++g_destroyed; }};
const Kernel* const kMirrorTable[] = {&kMirror};

// Another op of the same id, as two users' op libraries would have: the name decides.
struct Other {
  static constexpr OpInfo info{.id = kFirstCustomOpId, .name = "example.other"};
  using Attrs = NoAttrs;
  static Error infer(InferContext& c, const Attrs&) { return c.fail(Error::Internal, "the wrong row"); }
  static constexpr NoGradient grad{"an example"};
};

Tables with_mirror() {
  static std::vector<const OpDef*> rows = [] {
    const OpTable all = default_tables(false).ops;
    std::vector<const OpDef*> r(all.rows.begin(), all.rows.end());
    r.push_back(&op_def<Other>);
    r.push_back(&op_def<Mirror>);
    return r;
  }();
  Tables t = default_tables(false);
  t.ops = {rows};
  t.add(kMirrorTable);
  return t;
}

std::vector<std::byte> mirror_file() {
  return emit_graph([](ir::Model&, ir::Entry& e) {
    const auto x = e.add_input("x", DType::F32, shape_of({e.symbols.symbol("N", 1, 8)}));
    ir::Builder b(e, e.body);
    b.set_origin("m", "Mirror 'm'");
    const auto y = b.add<Mirror>({x}, {.scale = 2, .tail = 7});
    const auto z = b.add<op::Add>({y, y});
    e.value(z).name = "z";
    e.body.outputs = {z};
  });
}

TEST(CustomOp, RunsBetweenTheLibrarysOps) {
  g_destroyed = 0;
  {
    Loaded l(mirror_file(), Loaded::with(), with_mirror());
    Running r(l);
    EXPECT_EQ(r.session.node(0).op, std::string("example.mirror"));
    EXPECT_EQ(r.session.node(0).kernel, std::string("mirror_f32"));
    EXPECT_GE(r.needs.scratch_bytes, 8 * sizeof(float));
    EXPECT_EQ(run(r.session, {{"x", HostTensor::from<float>(std::vector<float>{1, 2, 3})}})[0].as<float>(), (std::vector<float>{12, 8, 4, 14}));
    EXPECT_EQ(run(r.session, {{"x", HostTensor::from<float>(std::vector<float>{5})}})[0].as<float>(), (std::vector<float>{20, 14}));
  }
  EXPECT_EQ(g_destroyed, 1);
}

TEST(CustomOp, MissingRowAndMissingKernelSayTheName) {
  ErrorDetail d;
  const auto file = mirror_file();
  const Block bytes = Block::copy(file);
  const auto loaded = Program::load(bytes.span(), default_tables(false).ops, {}, &d);
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error(), Error::UnknownOp);
  EXPECT_NE(std::string(d.text).find("example.mirror"), std::string::npos) << d.text;
  Tables no_kernel = default_tables(false);
  no_kernel.ops = with_mirror().ops;
  try {
    Loaded l(file, Loaded::with(), no_kernel);
    FAIL() << "ran without a kernel";
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), Error::Unsupported);
    EXPECT_NE(std::string(e.what()).find("example.mirror"), std::string::npos) << e.what();
  }
}

TEST(CustomOp, ItsAttributesAreChecked) {
  EXPECT_THROW(emit_graph([](ir::Model&, ir::Entry& e) {
                 const auto x = e.add_input("x", DType::I32, shape_of({2}));
                 ir::Builder b(e, e.body);
                 e.body.outputs = {b.add<Mirror>({x})};
               }),
               Exception);  // inference refuses the type
  try {
    emit_graph([](ir::Model&, ir::Entry& e) {
      const auto x = e.add_input("x", DType::F32, shape_of({2}));
      ir::Builder b(e, e.body);
      b.add<Mirror>({x}, {.scale = 1, .tail = 10});
    });
    FAIL() << "tail 10 is outside [-9, 9]";
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), Error::BadAttribute);
    EXPECT_NE(std::string(e.what()).find("tail"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace gf::test
