// needs: GF_CONVERTER GF_SIMD
// What packed_tail() says may be dropped is not read: it is overwritten, and weights are moved, before sessions are made.
#include "schema/ops/identity.h"
#include "tests/runtime/session_support.h"

namespace gf::test {
namespace {

uint64_t tail_of(const Loaded& l) {
  const Block work(work_bytes(*l.program, l.tables));
  uint64_t begin = 0;
  ErrorDetail detail;
  Loaded::check(packed_tail(*l.program, l.tables, l.options, work.span(), begin, &detail), detail);
  return begin;
}

// The end of the file gone, the weights somewhere else.
void drop_tail(Loaded& l) {
  const uint64_t begin = tail_of(l);
  std::memset(l.file.span().data() + begin, 0xff, l.file.span().size() - static_cast<size_t>(begin));
  Block moved = Block::copy(l.weights_memory.span());
  std::memset(l.weights_memory.span().data(), 0xff, l.weights_memory.span().size());
  EXPECT_FALSE(Weights::at(l.weights_memory.span()).ok());
  l.weights_memory = std::move(moved);
  const auto found = Weights::at(l.weights_memory.span());
  ASSERT_TRUE(found.ok());
  l.weights = *found;
}

TEST(PackedTail, GoldenNetsRunWithoutIt) {
  double least = 1, kept_of_mobilenet = 1;
  for (const std::string& name : golden_names()) {
    const TestNet net = read_net(source_path("tests/golden/" + name));
    const std::vector<std::byte> bytes = convert_net(net);
    Loaded whole(bytes), cut(bytes);
    drop_tail(cut);
    Running a(whole), b(cut);
    for (const Named& inputs : net.inputs) {
      const std::vector<HostTensor> expected = run(a.session, inputs), got = run(b.session, inputs);
      ASSERT_EQ(got.size(), expected.size());
      for (size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i].data, expected[i].data) << name << ", output " << i;
    }
    const double kept = static_cast<double>(tail_of(whole)) / static_cast<double>(bytes.size());
    least = std::min(least, kept);
    if (name == "mobilenet_v2") kept_of_mobilenet = kept;
  }
  EXPECT_LT(least, 0.5);
  EXPECT_LT(kept_of_mobilenet, 0.9);
}

TEST(PackedTail, KeepsWhatStateBeginsWithAndWhatIsReadInPlace) {
  const auto numbers = random_vector<float>(64 * 1024, 1, -1, 1);
  const std::vector<std::byte> bytes = emit_graph([&](ir::Model& model, ir::Entry& entry) {
    model.states.push_back({.name = "s", .dtype = DType::F32, .dims = {64, 1024}, .initial = ir::make_floats(numbers, {64, 1024})});
    const ir::ValueId x = entry.add_input("x", DType::F32, shape_of({64, 1024}));
    ir::Builder b(entry, entry.body);
    entry.body.outputs = {b.add<op::Identity>({x})};
    entry.value(entry.body.outputs[0]).name = "y";
  });
  const Loaded l(bytes);
  EXPECT_GE(tail_of(l) + 128, bytes.size());  // all but the seal
}

}  // namespace
}  // namespace gf::test
