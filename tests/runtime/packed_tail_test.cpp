// needs: GF_CONVERTER GF_SIMD
// What packed_tail() says may be dropped is not read: it is overwritten, and weights are moved, before sessions are made. Nor need it be
// there before: files whose constants come piece by piece pack the same weights.
#include "schema/format/format.h"
#include "schema/ops/identity.h"
#include "tests/runtime/session_support.h"

namespace gf::test {
namespace {

uint64_t tail_of(const Loaded& l) {
  const Block work(work_bytes(*l.program, l.tables));
  PackedTail tail;
  ErrorDetail detail;
  Loaded::check(packed_tail(*l.program, l.tables, l.options, work.span(), tail, &detail), detail);
  return tail.begin;
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

// A file that is elsewhere, and how it is read.
struct Elsewhere {
  std::span<const std::byte> bytes;
  uint64_t longest = 0;
  int64_t left = INT64_MAX;  // reads that succeed

  ConstantReader reader(std::span<std::byte> window = {}) {
    return {[](void* self, uint64_t offset, uint64_t size, std::byte* to) {
              auto& e = *static_cast<Elsewhere*>(self);
              e.longest = std::max(e.longest, size);
              std::memcpy(to, e.bytes.data() + offset, static_cast<size_t>(size));
              return e.left-- > 0;
            },
            this, window, &read_constant};
  }
};

// Far below kPlanReadBytes, as these nets are small.
constexpr uint64_t kSmall = 512;

// `l` again, from a memory that has header, seal and small constants; where other constants are, NaNs.
void load_in_pieces(Loaded& l, Elsewhere& from) {
  const std::span<const std::byte> bytes = from.bytes;
  uint32_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  const size_t head = header + sizeof header, seal = bytes.size() - format::kSealBytes;
  const std::span<std::byte> file = l.file.span();
  std::memset(file.data() + head, 0xff, seal - head);
  const auto loaded = Program::load(file, l.tables.ops);
  ASSERT_TRUE(loaded.ok());
  l.program = *loaded;
  ASSERT_TRUE(read_small_constants(*l.program, from.reader(), file.data(), kSmall));
  EXPECT_LE(from.longest, kSmall);
}

Error pack_in_pieces(Loaded& l, Elsewhere& from, uint64_t short_of_window, ErrorDetail& detail) {
  const Block work(work_bytes(*l.program, l.tables));
  MemoryNeeds needs;
  PackedTail tail;
  Loaded::check(memory_needs(*l.program, l.program->entry_name(0), l.tables, l.options, work.span(), needs, &detail), detail);
  Loaded::check(packed_tail(*l.program, l.tables, l.options, work.span(), tail, &detail), detail);
  EXPECT_EQ(needs.weights_bytes, l.weights_memory.span().size());
  if (tail.window < short_of_window) return Error::BufferTooSmall;
  const Block create_memory(needs.create_bytes), window(tail.window - short_of_window);
  std::memset(l.weights_memory.span().data(), 0, l.weights_memory.span().size());
  SessionOptions options = l.options;
  options.reader = from.reader(window.span());
  const auto packed = Weights::create(*l.program, l.tables, options, l.weights_memory.span(), create_memory.span(), work.span(), &detail);
  if (!packed.ok()) return packed.error();
  l.weights = *packed;
  std::memcpy(l.file.span().data(), from.bytes.data(), static_cast<size_t>(tail.begin));
  return Error::Ok;
}

TEST(PackedTail, ConstantsMayComePieceByPiece) {
  int packing = 0;
  for (const std::string& name : golden_names()) {
    SCOPED_TRACE(name);
    const TestNet net = read_net(source_path("tests/golden/" + name));
    const std::vector<std::byte> bytes = convert_net(net);
    Loaded whole(bytes), pieces(bytes);
    Elsewhere from{bytes};
    load_in_pieces(pieces, from);
    ErrorDetail detail;
    ASSERT_EQ(pack_in_pieces(pieces, from, 0, detail), Error::Ok) << detail.text;
    packing += from.longest > kSmall ? 1 : 0;
    Running a(whole), b(pieces);
    ASSERT_EQ(a.session.node_count(), b.session.node_count());
    for (int n = 0; n < a.session.node_count(); ++n) EXPECT_STREQ(a.session.node(n).kernel, b.session.node(n).kernel);
    for (const Named& inputs : net.inputs) {
      const std::vector<HostTensor> expected = run(a.session, inputs), got = run(b.session, inputs);
      ASSERT_EQ(got.size(), expected.size());
      for (size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i].data, expected[i].data) << "output " << i;
    }
  }
  EXPECT_GE(packing, 10) << "few nets have a constant that planning may not read";
}

TEST(PackedTail, AShortWindowAndAFailedReadAreErrors) {
  const std::vector<std::byte> bytes = convert_net(read_net(source_path("tests/golden/mobilenet_v2")));
  Loaded l(bytes);
  Elsewhere from{bytes};
  load_in_pieces(l, from);
  ErrorDetail detail;
  EXPECT_EQ(pack_in_pieces(l, from, kAlignment, detail), Error::BufferTooSmall);
  EXPECT_NE(std::string(detail.text).find("window"), std::string::npos) << detail.text;
  from.left = 3;
  EXPECT_EQ(pack_in_pieces(l, from, 0, detail), Error::IoError);
  EXPECT_NE(std::string(detail.text).find("could not be read"), std::string::npos) << detail.text;
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
