// Large graphs, legal and hostile: what loading and planning say of them, and that plans of that size are right. That the
// work grows with the number of nodes, not with its square, is counted in instructions by large_graph_test.py, which runs the
// tests named LargeGraph with two sizes (GF_LARGE_GRAPH_NODES).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <random>
#include <set>

#include "runtime/exec/session.h"
#include "runtime/plan/arena_plan.h"
#include "schema/ops/identity.h"
#include "tests/runtime/gf_file_spec.h"

namespace gf::test {
namespace {

constexpr Kernel kIdentity{.op = op::Identity::info.id,
                           .name = "identity_test",
                           .prepare = [](const NodeView&, KernelPlan&) { return Error::Ok; },
                           .run = [](RunContext&) { return Error::Ok; }};
constexpr const Kernel* kKernels[] = {&kIdentity};

Tables tables() {
  Tables t;
  t.ops = OpList<op::Identity>::table();
  t.add(kKernels);
  return t;
}

struct Freed {
  void operator()(std::byte* p) const { std::free(p); }
};
using Memory = std::unique_ptr<std::byte, Freed>;
Memory aligned(uint64_t bytes) { return Memory(static_cast<std::byte*>(std::aligned_alloc(64, static_cast<size_t>(align64(bytes + 1))))); }

// x -> identity -> ... -> y, `nodes` long; every third value is read once more at the very end, so that many live at once.
FileSpec chain(int32_t nodes) {
  FileSpec f;
  f.ops = {{op::Identity::info.id, "identity"}};
  EntrySpec e;
  e.tensors.push_back({format::kInput, 0, 0, {{2}}});
  GraphSpec g;
  for (int32_t i = 1; i <= nodes; ++i) {
    e.tensors.push_back({format::kComputed, 0, 0, {{2}}});
    g.nodes.push_back({0, {i > nodes / 2 && i % 3 == 0 ? i - nodes / 2 : i - 1}, {i}});
  }
  g.inputs = {0};
  g.outputs = {nodes};
  e.graphs = {g};
  e.output_names = {"y"};
  f.entries = {e};
  return f;
}

// Loads and plans; Ok when both went well.
Error load_and_plan(const std::vector<std::byte>& bytes) {
  const Memory file = aligned(bytes.size());
  std::memcpy(file.get(), bytes.data(), bytes.size());
  const Tables t = tables();
  const auto program = Program::load({file.get(), bytes.size()}, t.ops);
  if (!program.ok()) return program.error();
  const uint64_t size = work_bytes(*program, t);
  const Memory work = aligned(size);
  MemoryNeeds needs;
  return memory_needs(*program, "main", t, {}, {work.get(), static_cast<size_t>(size)}, needs);
}

int32_t nodes() {
  const char* asked = std::getenv("GF_LARGE_GRAPH_NODES");
  return asked == nullptr ? 60000 : std::atoi(asked);
}

TEST(LargeGraph, LoadsAndIsPlanned) { EXPECT_EQ(load_and_plan(SpecWriter::write(chain(nodes()))), Error::Ok); }

TEST(LargeGraph, OutputNamedTwiceIsFound) {  // the last output is the first one again
  FileSpec f = chain(nodes());
  auto& g = f.entries[0].graphs[0];
  g.outputs.clear();
  for (int32_t i = 1; i <= nodes(); ++i) g.outputs.push_back(i);
  g.outputs.push_back(1);
  f.entries[0].output_names.assign(g.outputs.size(), "o");
  EXPECT_EQ(load_and_plan(SpecWriter::write(f)), Error::BadGraph);
}

TEST(LargeGraph, StateReplacedTwiceIsFound) {  // each state is replaced, the last one twice
  FileSpec f = chain(1);
  auto& e = f.entries[0];
  for (int32_t i = 0; i <= nodes(); ++i) {
    const int32_t index = std::min(i, nodes() - 1);
    if (i < nodes()) f.states.push_back({"s", {2}});
    e.tensors.push_back({format::kState, static_cast<uint32_t>(index), 0, {{2}}});
    e.graphs[0].nodes.push_back({0, {1}, {i + 2}});
  }
  EXPECT_EQ(load_and_plan(SpecWriter::write(f)), Error::BadGraph);
}

std::vector<PlanItem> random_items(size_t count) {
  std::mt19937 random(7);
  std::vector<PlanItem> items(count);
  for (size_t i = 0; i < count; ++i) {
    items[i].id = static_cast<uint32_t>(i);
    items[i].first = static_cast<int32_t>(i / 4);
    items[i].last = items[i].first + static_cast<int32_t>(random() % 50);
    items[i].bytes = 64 * (1 + random() % (random() % 16 == 0 ? 4096 : 64));
  }
  return items;
}

ArenaPlan plan_of(std::vector<PlanItem>& items) {
  std::vector<uint32_t> order(3 * items.size());
  ArenaPlan plan;
  EXPECT_EQ(plan_arena(items, order, plan), Error::Ok);
  return plan;
}

// Takes the items in order of time and looks at the neighbours by offset of what is alive.
void expect_disjoint(const std::vector<PlanItem>& items, const ArenaPlan& plan) {
  struct Event {
    int32_t step;
    bool ends;
    size_t item;
  };
  std::vector<Event> events;
  for (size_t i = 0; i < items.size(); ++i) {
    events.push_back({items[i].first, false, i});
    events.push_back({items[i].last + 1, true, i});
  }
  std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.step != b.step ? a.step < b.step : a.ends > b.ends; });
  std::set<std::pair<uint64_t, uint64_t>> alive;  // begin, end
  for (const Event& e : events) {
    const std::pair<uint64_t, uint64_t> range{items[e.item].offset, items[e.item].offset + items[e.item].bytes};
    if (e.ends) {
      ASSERT_EQ(alive.erase(range), 1u);
      continue;
    }
    ASSERT_LE(range.second, plan.arena_bytes);
    ASSERT_EQ(range.first % 64, 0u);
    const auto [at, fresh] = alive.insert(range);
    ASSERT_TRUE(fresh);
    ASSERT_TRUE(at == alive.begin() || std::prev(at)->second <= range.first);
    ASSERT_TRUE(std::next(at) == alive.end() || range.second <= std::next(at)->first);
  }
}

TEST(LargePlan, BuffersThatLiveTogetherNeverOverlap) {
  for (const size_t count : {size_t{0}, size_t{1}, size_t{100}, kExactItems, kExactItems + 1, size_t{50000}}) {
    std::vector<PlanItem> items = random_items(count);
    const ArenaPlan plan = plan_of(items);
    EXPECT_GE(plan.arena_bytes, plan.max_live_bytes);
    expect_disjoint(items, plan);
    EXPECT_LE(static_cast<double>(plan.arena_bytes), 1.5 * static_cast<double>(plan.max_live_bytes)) << count;
    std::cout << count << " buffers: arena / most alive = " << (plan.max_live_bytes == 0 ? 1.0 : static_cast<double>(plan.arena_bytes) / static_cast<double>(plan.max_live_bytes)) << "\n";
  }
}

TEST(LargePlan, SizesThatOverflowAreAnError) {
  for (const size_t count : {size_t{4}, kExactItems + 4}) {
    std::vector<PlanItem> items(count);
    for (PlanItem& i : items) i.bytes = uint64_t{1} << 62;
    std::vector<uint32_t> order(3 * count);
    ArenaPlan plan;
    EXPECT_EQ(plan_arena(items, order, plan), Error::LimitExceeded);
  }
}

}  // namespace
}  // namespace gf::test
