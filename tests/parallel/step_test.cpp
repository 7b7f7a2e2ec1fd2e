// Train steps over ranks: N ranks are N pieces of a batch in one process, bit for bit; transfers begin inside the backward part; optimizer
// state in parts; statistics and counters; what is not finite.
#include <cmath>

#include "tests/parallel/ranks.h"
#include "tests/support/expect_refused.h"
#include "tests/trainer/step_nets.h"
#include "trainer/parallel/ops.h"
#include "trainer/parallel/shards.h"

namespace gf::test {
namespace {

using parallel::Communicator;
using States = std::map<std::string, std::vector<std::byte>>;

constexpr const char* kAccumulate = "accumulate";
constexpr int64_t kRows = 2, kSteps = 3;

std::vector<std::byte> file_of(const StepNet& c, const Rule& rule, const TrainStepOptions& options) {
  ir::Model graph = optimised_step(c, kRows, rule, options);
  return emit(graph);
}

TrainStepOptions over_ranks(TrainStepOptions options = {}, int shared_by = 0, int64_t bucket_bytes = 4096) {
  options.parallel = parallel::StepSettings{.ranks = std::max(1, shared_by), .shard_optimizer = shared_by != 0, .bucket_bytes = bucket_bytes};
  return options;
}

Model load(const std::vector<std::byte>& file, int threads = 1) {
  ModelOptions how;
  how.threads = threads;
  parallel::add_transfer_ops(how);
  return Model::from_bytes(file, how);
}

// Names and bytes; sums of gradients, which only one process has, left out.
States states_of(const Snapshot& s) {
  States states;
  for (const io::SafeTensor& t : s.tensors)
    if (!t.name.ends_with(".gradient") && t.name != kAddedState) states[t.name] = {t.data.begin(), t.data.end()};
  return states;
}
States states_of(Model& m) { return states_of(snapshot_of(m.program(), *m.state(), 0)); }

struct Result {
  States states;
  std::vector<double> losses;
};

// Batches of `pieces` micro-batches in one process.
Result one_process(const StepNet& c, const Rule& rule, TrainStepOptions options, int pieces, int64_t steps = kSteps) {
  options.accumulate_entry = kAccumulate;
  Model m = load(file_of(c, rule, options));
  Result r;
  for (int64_t step = 1; step <= steps; ++step) {
    double loss = 0;
    for (int k = 0; k < pieces; ++k) {
      Session& s = m.session(k + 1 < pieces ? kAccumulate : "main");
      set_batch(s, c, static_cast<uint64_t>(step), k * kRows);
      run_or_throw(s);
      loss += static_cast<double>(s.output(0).as<float>()[0]);
    }
    r.losses.push_back(loss / pieces);
  }
  r.states = states_of(m);
  return r;
}

// One for each rank.
std::vector<Result> ranks(const std::vector<std::byte>& file, const StepNet& c, int size, int64_t steps = kSteps, int threads = 1) {
  std::vector<Result> results(static_cast<size_t>(size));
  run_ranks(size, [&](Communicator& all) {
    const parallel::Scope scope(all);
    Model m = load(file, threads);
    Result& r = results[static_cast<size_t>(all.rank())];
    for (int64_t step = 1; step <= steps; ++step) {
      Session& s = m.session("main");
      set_batch(s, c, static_cast<uint64_t>(step), all.rank() * kRows);
      run_or_throw(s);
      r.losses.push_back(static_cast<double>(s.output(0).as<float>()[0]));
    }
    r.states = states_of(parallel::whole_snapshot(all, m.program(), *m.state(), 0));
  });
  return results;
}

void expect_same(const States& have, const States& want) {
  ASSERT_EQ(have.size(), want.size());
  for (const auto& [name, bytes] : want) {
    ASSERT_TRUE(have.contains(name)) << name;
    EXPECT_TRUE(have.at(name) == bytes) << name;
  }
}
void expect_near(const States& have, const States& want, float part) {
  for (const auto& [name, bytes] : want) {
    ASSERT_TRUE(have.contains(name)) << name;
    if (name.starts_with("optimizer.")) continue;
    const auto* a = reinterpret_cast<const float*>(have.at(name).data());
    const auto* b = reinterpret_cast<const float*>(bytes.data());
    float most = 0;
    for (size_t i = 0; i < bytes.size() / 4; ++i) most = std::max(most, std::fabs(b[i]));
    for (size_t i = 0; i < bytes.size() / 4; ++i) ASSERT_NEAR(a[i], b[i], part * most) << name << "[" << i << "]";
  }
}

std::vector<StepNet> nets_without_batch_norm() {
  std::vector<StepNet> nets = plain_nets();
  for (StepNet& c : all_nets())
    if (c.name.find("with dropout") != std::string::npos) nets.push_back(std::move(c));
  return nets;
}

TEST(ParallelStep, RanksArePiecesOfABatchBitForBit) {
  for (const StepNet& c : nets_without_batch_norm()) {
    for (const int size : {1, 2, 3}) {
      SCOPED_TRACE(c.name + ", " + std::to_string(size) + " ranks");
      TrainStepOptions options;
      options.clip_norm = size == 2 ? 0.5 : 0;
      const Result want = one_process(c, momentum(), options, size);
      for (const Result& r : ranks(file_of(c, momentum(), over_ranks(options)), c, size)) {
        expect_same(r.states, want.states);
        for (size_t i = 0; i < r.losses.size(); ++i) EXPECT_NEAR(r.losses[i], want.losses[i], 1e-6 * want.losses[i]);
      }
    }
  }
}

TEST(ParallelStep, BucketsAndThreadsChangeNothing) {
  const StepNet c = plain_nets()[2];
  const std::vector<Result> want = ranks(file_of(c, adamw(), over_ranks()), c, 2);
  for (const int64_t bytes : {1, 1 << 30})
    expect_same(ranks(file_of(c, adamw(), over_ranks({}, 0, bytes)), c, 2, kSteps, 2)[1].states, want[0].states);
}

// Accumulation on each rank, of which one leaves a piece out, is the mean of what there is.
TEST(ParallelStep, AccumulationOverRanks) {
  const StepNet c = plain_nets()[0];
  TrainStepOptions options;
  const Result want = one_process(c, momentum(), options, 4, 1);
  options.accumulate_entry = kAccumulate;
  const auto file = file_of(c, momentum(), over_ranks(options));
  run_ranks(2, [&](Communicator& all) {
    const parallel::Scope scope(all);
    Model m = load(file);
    for (int k = 0; k < 2; ++k) {
      Session& s = m.session(k == 0 ? kAccumulate : "main");
      set_batch(s, c, 1, (2 * k + all.rank()) * kRows);
      run_or_throw(s);
    }
    expect_near(states_of(m), want.states, 1e-6f);
  });
}

// --- where the transfers stand

std::vector<std::string> ops_of(const ir::Model& graph) {
  std::vector<std::string> ops;
  for (const auto& n : graph.entries[0]->body.nodes) ops.emplace_back(n->def->info.name);
  return ops;
}

TEST(ParallelStep, TransfersBeginInsideTheBackwardPart) {
  for (const StepNet& c : {plain_nets()[1], plain_nets()[2], all_nets()[6]}) {
    SCOPED_TRACE(c.name);
    for (const bool accumulates : {false, true}) {
      TrainStepOptions options;
      if (accumulates) options.accumulate_entry = kAccumulate;
      const ir::Model graph = optimised_step(c, kRows, adamw(), over_ranks(options));
      const std::vector<std::string> ops = ops_of(graph);
      const auto first_wait = std::find(ops.begin(), ops.end(), "parallel.wait");
      ASSERT_NE(first_wait, ops.end());
      // products (and their gradients) that run while something is on the way
      int64_t reduces = 0, behind_first = 0, products = 0;
      for (auto it = ops.begin(); it != first_wait; ++it) {
        reduces += *it == "parallel.reduce";
        const bool product = it->starts_with("conv") || it->starts_with("matmul") || it->starts_with("gemm");
        products += product;
        behind_first += product && reduces >= 2;  // the loss, and gradients
      }
      EXPECT_GE(reduces, 3);
      EXPECT_GE(3 * behind_first, products) << "a third of the products at least";
      // no product waits for a transfer
      for (auto it = first_wait; it != ops.end(); ++it) EXPECT_FALSE(it->starts_with("conv") || it->starts_with("matmul")) << *it;
    }
  }
}

// --- optimizer state in parts

TEST(ParallelStep, StateInPartsIsTheSame) {
  using namespace optim;
  const Rule rules[] = {momentum(), adamw(), std::make_shared<Adam>(AdamSettings{.weight_decay = 0.1}), std::make_shared<Lion>(), std::make_shared<NAdam>(), std::make_shared<RMSprop>()};
  const StepNet c = plain_nets()[1];
  for (const Rule& rule : rules)
    for (const int size : {1, 2, 3}) {
      SCOPED_TRACE(std::string(rule->name()) + ", " + std::to_string(size) + " ranks");
      const std::vector<Result> want = ranks(file_of(c, rule, over_ranks()), c, size), have = ranks(file_of(c, rule, over_ranks({}, size)), c, size);
      for (size_t r = 0; r < have.size(); ++r) {
        expect_same(have[r].states, want[0].states);
        EXPECT_EQ(have[r].losses, want[0].losses);
      }
    }
  // the norm of all gradients is summed in another order
  TrainStepOptions options;
  options.clip_norm = 0.1;
  expect_near(ranks(file_of(c, adamw(), over_ranks(options, 2)), c, 2)[1].states, ranks(file_of(c, adamw(), over_ranks(options)), c, 2)[0].states, 1e-4f);
}

TEST(ParallelStep, StateInPartsTakesLess) {
  const StepNet c = plain_nets()[1];
  const auto bytes_of = [&](int shared_by) {
    Model m = load(file_of(c, adamw(), over_ranks({}, shared_by)));
    return m.needs("main").state_bytes;
  };
  Model plain = load(file_of(c, adamw(), over_ranks()));
  uint64_t weights = 0;
  for (const auto& [name, bytes] : states_of(plain))
    if (name.find(".exp_avg") == std::string::npos) weights += bytes.size();
  const uint64_t moments = bytes_of(0) - weights;
  EXPECT_LT(bytes_of(2), weights + moments / 2 + 4096);
  EXPECT_LT(bytes_of(4), weights + moments / 4 + 4096);
}

TEST(ParallelStep, RulesThatAreNotElementwiseKeepTheirState) {
  using namespace optim;
  const Rule rules[] = {std::make_shared<LAMB>(), std::make_shared<LARS>(), std::make_shared<Adafactor>()};
  for (const Rule& rule : rules)
    expect_refused(Error::Unsupported, std::string(rule->name()) + ": its update of a number hangs on the others", [&] { (void)step_graph(plain_nets()[0], kRows, rule, over_ranks({}, 2)); });
  expect_refused(Error::Unsupported, "Muon: its update of a number hangs on the others", [] { parallel::check_elementwise(Muon(), 2, AutodiffOptions{}.ops); });
}

// --- checkpoints

TEST(ParallelStep, ACheckpointGoesOnWithAnyNumberOfRanks) {
  const StepNet c = plain_nets()[0];
  io::Bytes saved;
  run_ranks(2, [&](Communicator& all) {
    const parallel::Scope scope(all);
    Model m = load(file_of(c, adamw(), over_ranks({}, 2)));
    for (uint64_t step = 1; step <= 2; ++step) {
      set_batch(m.session("main"), c, step, all.rank() * kRows);
      run_or_throw(m.session("main"));
    }
    const Snapshot s = parallel::whole_snapshot(all, m.program(), *m.state(), 2);
    if (all.rank() == 0) saved = checkpoint_bytes(s);
  });
  // one process, two pieces of the batch
  TrainStepOptions accumulating;
  accumulating.accumulate_entry = kAccumulate;
  const Checkpoint point = parse_checkpoint(saved, "saved");
  Model one = load(file_of(c, adamw(), {}));
  (void)restore(point, one.program(), *one.state());
  const States start = states_of(one);
  for (const int size : {1, 2, 3, 4}) {
    const auto file = file_of(c, adamw(), over_ranks({}, size));
    run_ranks(size, [&](Communicator& all) {
      Model m = load(file);
      (void)parallel::restore_part(point, all, m.program(), *m.state());
      expect_same(states_of(parallel::whole_snapshot(all, m.program(), *m.state(), 2)), start);
    });
  }
  expect_refused(Error::NotFound, "exp_avg", [&] {
    Model sgd = load(file_of(c, momentum(), {}));
    const Checkpoint other = parse_checkpoint(checkpoint_bytes(snapshot_of(sgd.program(), *sgd.state(), 2)), "saved");
    Model m = load(file_of(c, adamw(), over_ranks({}, 1)));
    const auto alone = parallel::thread_ranks(1);
    (void)parallel::restore_part(other, *alone[0], m.program(), *m.state());
  });
  expect_refused(Error::InvalidArgument, "talks to no other rank", [&] {
    const auto alone = parallel::thread_ranks(1);
    (void)parallel::whole_snapshot(*alone[0], one.program(), *one.state(), 2);
  });
}

// --- batch norm: each rank goes on with the mean of all ranks' running statistics

TEST(ParallelStep, RunningStatisticsAreMeans) {
  const StepNet c = all_nets()[6];
  std::vector<States> alone;
  for (int r = 0; r < 2; ++r) {
    Model m = load(file_of(c, momentum(0), {}));
    set_batch(m.session("main"), c, 1, r * kRows);
    run_or_throw(m.session("main"));
    alone.push_back(states_of(m));
  }
  const std::vector<Result> together = ranks(file_of(c, momentum(0), over_ranks()), c, 2, 1);
  expect_same(together[1].states, together[0].states);
  int compared = 0;
  for (const auto& [name, bytes] : together[0].states) {
    if (name.find("running_") == std::string::npos) continue;
    ++compared;
    const auto* mean = reinterpret_cast<const float*>(bytes.data());
    const auto *a = reinterpret_cast<const float*>(alone[0].at(name).data()), *b = reinterpret_cast<const float*>(alone[1].at(name).data());
    for (size_t i = 0; i < bytes.size() / 4; ++i) EXPECT_EQ(mean[i], (a[i] + b[i]) / 2) << name;
  }
  EXPECT_GE(compared, 10);
}

// --- not finite

TEST(ParallelStep, OneRanksNaNIsEverybodys) {
  const StepNet c = plain_nets()[0];
  for (const int shared_by : {0, 2})
    for (const bool skips : {true, false}) {
      SCOPED_TRACE(std::to_string(shared_by) + (skips ? " skips" : " stops"));
      TrainStepOptions options;
      (skips ? options.skip_if_not_finite : options.stop_if_not_finite) = true;
      const auto file = file_of(c, adamw(), over_ranks(options, shared_by));
      run_ranks(2, [&](Communicator& all) {
        parallel::Scope scope(all);
        Model m = load(file);
        Session& s = m.session("main");
        const auto step = [&](bool bad) {
          set_batch(s, c, 1, all.rank() * kRows);
          if (bad && all.rank() == 1) s.input(0).as<float>()[3] = NAN;
          ErrorDetail detail;
          const Error e = s.run(&detail);
          if (e != Error::Ok) scope.wait_all();
          return e;
        };
        EXPECT_EQ(step(false), Error::Ok);
        States before = states_of(m);
        EXPECT_EQ(step(true), skips ? Error::Ok : Error::NonFinite);
        States after = states_of(m);
        if (skips) {
          EXPECT_EQ(*reinterpret_cast<const double*>(after.at(kSkippedState).data()), 1);
          before.erase(kSkippedState);
          after.erase(kSkippedState);
        }
        expect_same(after, before);
        EXPECT_EQ(step(false), Error::Ok);
      });
    }
}

TEST(ParallelStep, NeedsAScopeAndItsRanks) {
  const StepNet c = plain_nets()[0];
  Model m = load(file_of(c, momentum(), over_ranks({}, 2)));
  set_batch(m.session("main"), c, 1);
  expect_refused(Error::WrongPhase, "runs inside a parallel::Scope", [&] { run_or_throw(m.session("main")); });
  const auto alone = parallel::thread_ranks(1);
  const parallel::Scope scope(*alone[0]);
  expect_refused(Error::InvalidArgument, "made for 2 ranks, there are 1", [&] { run_or_throw(m.session("main")); });
}

}  // namespace
}  // namespace gf::test
