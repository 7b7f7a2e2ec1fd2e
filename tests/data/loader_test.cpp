// The loader: order, threads, resuming, ranks, errors, memory. Expected orders come from the definition of an epoch (each sample once) and
// from the loader without threads.
#include <cmath>
#include <set>

#include "tests/data/data_support.h"
#include "tests/support/expect_refused.h"
#include "tests/support/heap_counter.h"

namespace gf::test {
namespace {

using data::DataLoader;
using data::DataLoaderSettings;
using data::Position;

std::shared_ptr<CountingDataset> counted(int64_t size) { return std::make_shared<CountingDataset>(size); }

TEST(DataLoader, GivesEverySampleOnceInOrder) {
  DataLoader loader(counted(10), {.batch_size = 4});
  EXPECT_EQ(loader.size(), 3);
  const auto seen = epoch(loader);
  ASSERT_EQ(seen.size(), 3U);
  EXPECT_EQ(seen[0].x, (std::vector<int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(seen[2].x, (std::vector<int64_t>{8, 9}));
  DataLoader dropping(counted(10), {.batch_size = 4, .drop_last = true});
  EXPECT_EQ(dropping.size(), 2);
  EXPECT_EQ(all_x(epoch(dropping)), counting(8));
}

TEST(DataLoader, BatchesHaveNamesShapesAndIndices) {
  DataLoader loader(counted(5), {.batch_size = 3});
  const data::Batch* b = loader.next();
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->size(), 3);
  EXPECT_EQ((*b)["x"].shape, (std::vector<int64_t>{3}));
  EXPECT_EQ((*b)["r"].dtype, DType::F32);
  EXPECT_EQ(b->tensor("x").to_vector<int64_t>(), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(std::vector<int64_t>(b->indices().begin(), b->indices().end()), (std::vector<int64_t>{0, 1, 2}));
  expect_refused(Error::NotFound, "there is no field 'y'; there is x int64 [], r float32 []", [&] { (void)(*b)["y"]; });
}

TEST(DataLoader, CycleGoesOnWithTheNextEpoch) {
  DataLoader loader(counted(5), {.batch_size = 2, .shuffle = true, .seed = 7}), epochs(counted(5), {.batch_size = 2, .shuffle = true, .seed = 7});
  std::vector<int64_t> cycled;
  for (int i = 0; i < 9; ++i)
    for (const int64_t index : loader.cycle().indices()) cycled.push_back(index);
  std::vector<int64_t> want;
  for (int e = 0; e < 3; ++e)
    for (const int64_t x : all_x(epoch(epochs))) want.push_back(x);
  EXPECT_EQ(cycled, want);
}

TEST(DataLoader, ShufflesAnewInEachEpoch) {
  DataLoader loader(counted(1000), {.batch_size = 64, .shuffle = true, .seed = 7});
  const auto first = all_x(epoch(loader)), second = all_x(epoch(loader));
  EXPECT_EQ(sorted(first), counting(1000));
  EXPECT_EQ(sorted(second), counting(1000));
  EXPECT_NE(first, second);
  EXPECT_NE(first, counting(1000));
  DataLoader same(counted(1000), {.batch_size = 10, .shuffle = true, .seed = 7}), other(counted(1000), {.batch_size = 64, .shuffle = true, .seed = 8});
  EXPECT_EQ(all_x(epoch(same)), first);  // the order does not depend on the batch
  EXPECT_NE(all_x(epoch(other)), first);
}

// Computed in Python by make_order_golden.py.
TEST(DataLoader, OrderIsTheSameOnEveryMachine) {
  const data::Permutation order(60000, 1, data::Purpose::Order, 3);
  std::vector<int64_t> first;
  for (int64_t i = 0; i < 6; ++i) first.push_back(order[i]);
  EXPECT_EQ(first, (std::vector<int64_t>{29996, 29500, 18987, 30474, 23618, 4965}));
  const data::Permutation few(6, 1, data::Purpose::Order, 3);
  std::vector<int64_t> all;
  for (int64_t i = 0; i < 6; ++i) all.push_back(few[i]);
  EXPECT_EQ(all, (std::vector<int64_t>{4, 0, 2, 3, 1, 5}));
  data::Draws draws(1, data::Purpose::Sample, 3, 7);
  for (const uint32_t word : {0x9f75f6abU, 0x63db940eU, 0x544cfcddU, 0xf2dce651U}) EXPECT_EQ(draws.bits(), word);
}

TEST(DataLoader, ThreadsChangeNeitherOrderNorContents) {
  const auto dataset = counted(103);
  dataset->slow_every = 7;
  const DataLoaderSettings settings{.batch_size = 8, .shuffle = true, .seed = 3};
  DataLoader plain(dataset, settings);
  const auto expected = batches(plain, 40);  // three epochs and a bit
  for (const int workers : {1, 2, 4})
    for (const int ahead : {1, 3}) {
      SCOPED_TRACE(workers);
      DataLoaderSettings s = settings;
      s.num_workers = workers;
      s.prefetch_factor = ahead;
      DataLoader loader(dataset, s);
      EXPECT_EQ(batches(loader, 40), expected);
    }
}

TEST(DataLoader, ReadsNoFurtherAheadThanTold) {
  const auto dataset = counted(1000);
  DataLoader loader(dataset, {.batch_size = 10, .num_workers = 2, .prefetch_factor = 2});
  ASSERT_NE(loader.next(), nullptr);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_LE(dataset->reads.load(), 10 * (2 * 2 + 1));
  EXPECT_EQ(loader.memory_bytes(), uint64_t{5 * 10 * (8 + 4 + 8)});
}

TEST(DataLoader, PositionGoesOnExactly) {
  for (const int workers : {0, 2})
    for (const int before : {0, 1, 5, 12, 13, 14, 20}) {
      SCOPED_TRACE(std::to_string(workers) + " workers, " + std::to_string(before) + " batches");
      const DataLoaderSettings settings{.batch_size = 8, .shuffle = true, .seed = 11, .num_workers = workers};
      DataLoader whole(counted(103), settings);
      const auto expected = batches(whole, 40);
      DataLoader first(counted(103), settings);
      batches(first, before);
      const Position at = first.position();
      DataLoaderSettings other = settings;
      other.num_workers = 2 - workers;
      other.seed = 99;  // comes with the position
      DataLoader second(counted(103), other);
      batches(second, 3);
      second.restore(at);
      EXPECT_EQ(second.position(), at);
      EXPECT_EQ(batches(second, 40 - before), std::vector<Seen>(expected.begin() + before, expected.end()));
    }
}

TEST(DataLoader, RangeLoopIsTheRestOfAnEpoch) {
  DataLoader loader(counted(20), {.batch_size = 8, .shuffle = true});
  const auto count = [&] {
    std::vector<Seen> out;
    for (auto& batch : loader) out.push_back(seen(batch));
    return out;
  };
  const auto first = count();
  EXPECT_EQ(first.size(), 3U);
  EXPECT_EQ(loader.position().epoch, 1);
  EXPECT_EQ(count().size(), 3U);
  for (auto& batch : loader) {
    (void)batch;
    break;
  }
  EXPECT_EQ(loader.position().epoch, 2);
  EXPECT_EQ(count().size(), 3U);  // after a break: the next epoch, whole
  EXPECT_EQ(loader.position().epoch, 4);
  loader.restore({0, 0, 8, 20});
  EXPECT_EQ(count(), std::vector<Seen>(first.begin() + 1, first.end()));
  loader.set_epoch(0);
  EXPECT_EQ(count(), first);
}

TEST(DataLoader, RanksTogetherAreOneRankWithSmallerSteps) {
  DataLoader one(counted(100), {.batch_size = 8, .shuffle = true, .seed = 5});
  const auto all = epoch(one);
  for (const bool drop : {true, false}) {
    std::vector<std::vector<Seen>> ranks;
    for (const int rank : {0, 1, 2}) {
      DataLoader loader(counted(100), {.batch_size = 8, .shuffle = true, .drop_last = drop, .seed = 5, .num_workers = rank, .rank = rank, .world = 3});
      EXPECT_EQ(loader.size(), drop ? 4 : 5);
      ranks.push_back(epoch(loader));
      EXPECT_EQ(ranks.back().size(), static_cast<size_t>(loader.size()));
    }
    for (size_t step = 0; step < 4; ++step)
      for (size_t rank = 0; rank < 3; ++rank) EXPECT_EQ(ranks[rank][step], all[3 * step + rank]) << step << " " << rank;
    if (drop) continue;
    // 4 samples are left: the last step takes them and the first 20 of the order again, and is full
    std::vector<int64_t> last, order = all_x(all), expected(order.begin() + 96, order.end());
    for (size_t rank = 0; rank < 3; ++rank) last.insert(last.end(), ranks[rank][4].x.begin(), ranks[rank][4].x.end());
    expected.insert(expected.end(), order.begin(), order.begin() + 20);
    EXPECT_EQ(last, expected);
  }
}

TEST(DataLoader, PositionHoldsForOtherBatchesAndRanks) {
  DataLoader two(counted(100), {.batch_size = 5, .shuffle = true, .seed = 5, .rank = 1, .world = 2});
  batches(two, 4);
  DataLoader one(counted(100), {.batch_size = 10, .shuffle = true, .seed = 5});
  const auto order = all_x(epoch(one));
  one.restore(two.position());
  EXPECT_EQ(all_x(epoch(one)), std::vector<int64_t>(order.begin() + 40, order.end()));
}

TEST(DataLoader, ErrorOfAWorkerComesWithItsBatch) {
  for (const int workers : {0, 1, 3}) {
    const auto dataset = counted(100);
    dataset->fail_at = 25;
    dataset->named = true;
    DataLoader loader(dataset, {.batch_size = 10, .num_workers = workers});
    EXPECT_EQ(all_x(batches(loader, 2)), counting(20));
    for (int again = 0; again < 2; ++again)
      expect_refused(Error::BadFile, "DataLoader: sample 25 (file_25.bin): the file is damaged", [&] { (void)loader.next(); });
    EXPECT_EQ(loader.position().next, 20);
    dataset->fail_at = -1;  // mended: it goes on
    EXPECT_EQ(sorted(all_x(epoch(loader))), std::vector<int64_t>([] { auto v = counting(100); v.erase(v.begin(), v.begin() + 20); return v; }()));
    dataset->fail_at = 99;
    loader.set_epoch(0);
    ASSERT_NE(loader.next(), nullptr);
  }  // and a loader that is destroyed while workers fail or wait stops cleanly
  const auto dataset = counted(100);
  dataset->throw_other_at = 3;
  DataLoader loader(dataset, {.batch_size = 10, .num_workers = 1});
  expect_refused(Error::BadData, "DataLoader: sample 3: something else", [&] { (void)loader.next(); });
}

TEST(DataLoader, MeasuresHowLongItIsWaitedFor) {
  const auto dataset = counted(40);
  dataset->slow_every = 1;
  DataLoader plain(dataset, {.batch_size = 10});
  epoch(plain);
  EXPECT_GE(plain.stall_seconds(), 0.040);
  DataLoader ahead(dataset, {.batch_size = 10, .num_workers = 1, .prefetch_factor = 8});
  ASSERT_NE(ahead.next(), nullptr);
  EXPECT_GE(ahead.stall_seconds(), 0.008);
  // the rest of the epoch is read while nobody asks for it
  for (int i = 0; i < 10000 && dataset->reads.load() < 2 * 40; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_GE(dataset->reads.load(), 2 * 40);
}

TEST(DataLoader, TakesNothingFromTheHeapAfterAnEpoch) {
  GF_SKIP_WITHOUT_HEAP_COUNTER();
  for (const int workers : {0, 2}) {
    DataLoader loader(counted(100), {.batch_size = 8, .shuffle = true, .num_workers = workers});
    const auto run = [&](int epochs) {
      for (int e = 0; e < epochs; ++e)
        while (loader.next() != nullptr) {
        }
    };
    run(3);
    const HeapCounts counts = count_heap_calls([&] { run(3); });
    EXPECT_EQ(counts.allocations, 0U) << workers;
  }
}

TEST(DataLoader, BadSettings) {
  const auto refuse = [](const std::string& text, const DataLoaderSettings& settings, int64_t size = 10) {
    expect_refused(Error::InvalidArgument, text, [&] { DataLoader loader(counted(size), settings); });
  };
  refuse("the dataset is empty", {}, 0);
  refuse("batch_size is 0; it must be 1 or more", {.batch_size = 0});
  refuse("batch_size is -4", {.batch_size = -4});
  refuse("a step takes 11 samples, but the dataset has 10 and drop_last leaves out", {.batch_size = 11, .drop_last = true});
  refuse("a step takes 12 samples", {.batch_size = 6, .drop_last = true, .world = 2});
  refuse("num_workers is -1", {.num_workers = -1});
  refuse("num_workers is 100000", {.num_workers = 100000});
  refuse("prefetch_factor is 0", {.prefetch_factor = 0});
  refuse("rank 2 of 2 is none", {.rank = 2, .world = 2});
  refuse("rank 0 of 0 is none", {.world = 0});
  refuse("which is absurd", {.batch_size = INT64_MAX, .world = 3});
  refuse("null pointer", {.batch_transforms = {nullptr}});
  expect_refused(Error::InvalidArgument, "no dataset is given", [] { DataLoader loader(nullptr); });
  DataLoader loader(counted(10), {.batch_size = 20});  // larger than the dataset without drop_last: one smaller batch
  EXPECT_EQ(all_x(epoch(loader)), counting(10));
  for (const Position& p : {Position{0, 0, 11, 10}, Position{0, 0, -1, 10}, Position{0, -1, 0, 10}})
    expect_refused(Error::InvalidArgument, "does not lie in a dataset of 10 samples", [&] { loader.restore(p); });
  expect_refused(Error::InvalidArgument, "is one in a dataset of 9 samples; this one has 10", [&] { loader.restore({0, 0, 3, 9}); });
}

TEST(Permutation, EachNumberOnceForAnySize) {
  for (int64_t n = 0; n < 600; n += n < 280 ? 1 : 7) {
    const data::Permutation order(n, 42, data::Purpose::Order, n);
    std::vector<int64_t> v;
    for (int64_t i = 0; i < n; ++i) v.push_back(order[i]);
    ASSERT_EQ(sorted(v), counting(n));
  }
  const int64_t large = (int64_t{1} << 40) + 12345;
  const data::Permutation order(large, 1, data::Purpose::Order, 0);
  std::set<int64_t> found;
  for (int64_t i = 0; i < 1000; ++i) {
    const int64_t x = order[large - 1 - i];
    ASSERT_TRUE(x >= 0 && x < large);
    found.insert(x);
  }
  EXPECT_EQ(found.size(), 1000U);
}

// Pearson's chi-squared over many epochs: every order of few samples, and every place of many, is equally likely. The bound is the mean of
// the statistic and 6 of its standard deviations (sqrt(2 * cells)).
TEST(Permutation, OrdersAreEquallyLikely) {
  const auto expect_chi = [](const std::vector<double>& counts, const std::vector<double>& expected, const std::string& what) {
    const double cells = static_cast<double>(counts.size());
    double chi = 0;
    for (size_t i = 0; i < counts.size(); ++i) chi += (counts[i] - expected[i]) * (counts[i] - expected[i]) / expected[i];
    EXPECT_LT(chi, cells - 1 + 6 * std::sqrt(2 * cells)) << what;
  };
  for (const int64_t n : {2, 3, 4, 5}) {
    std::vector<int64_t> order = counting(n);
    std::vector<std::vector<int64_t>> all;
    do all.push_back(order);
    while (std::next_permutation(order.begin(), order.end()));
    std::vector<double> counts(all.size());
    for (int64_t e = 0; e < 24000; ++e) {
      const data::Permutation p(n, 9, data::Purpose::Order, e);
      for (int64_t i = 0; i < n; ++i) order[static_cast<size_t>(i)] = p[i];
      counts[static_cast<size_t>(std::lower_bound(all.begin(), all.end(), order) - all.begin())] += 1;
    }
    expect_chi(counts, std::vector<double>(all.size(), 24000.0 / static_cast<double>(all.size())), "orders of " + std::to_string(n));
  }
  // places and neighbours in buckets of `wide` numbers: the second of a pair is one of the others
  for (const auto& [n, wide] : std::vector<std::pair<int64_t, int64_t>>{{10, 1}, {60, 4}, {320, 20}}) {
    const int64_t buckets = n / wide, epochs = 8000;
    const double each = static_cast<double>(wide) * static_cast<double>(wide) * static_cast<double>(epochs);
    std::vector<double> places(static_cast<size_t>(buckets * buckets)), pairs(places.size());
    std::vector<double> expected_places(places.size(), each / static_cast<double>(n)), expected_pairs(places.size());
    for (int64_t a = 0; a < buckets; ++a)
      for (int64_t b = 0; b < buckets; ++b)
        expected_pairs[static_cast<size_t>(a * buckets + b)] =
            static_cast<double>(wide * (a == b ? wide - 1 : wide) * epochs) / static_cast<double>(n * (n - 1));
    for (int64_t e = 0; e < epochs; ++e) {
      const data::Permutation p(n, 10, data::Purpose::Order, e);
      for (int64_t i = 0; i < n; ++i) places[static_cast<size_t>(i / wide * buckets + p[i] / wide)] += 1;
      pairs[static_cast<size_t>(p[0] / wide * buckets + p[1] / wide)] += 1;
    }
    expect_chi(places, expected_places, "places of " + std::to_string(n));
    if (wide == 1)
      for (int64_t a = buckets - 1; a >= 0; --a) {  // no number stands beside itself
        pairs.erase(pairs.begin() + static_cast<std::ptrdiff_t>(a * buckets + a));
        expected_pairs.erase(expected_pairs.begin() + static_cast<std::ptrdiff_t>(a * buckets + a));
      }
    expect_chi(pairs, expected_pairs, "neighbours of " + std::to_string(n));
  }
}

TEST(Draws, HaveTheMomentsOfTheirDistributions) {
  data::Draws draws(1, data::Purpose::Sample, 0, 0);
  const int n = 20000;
  double uniform = 0, normal = 0, square = 0, beta = 0, beta_square = 0;
  std::vector<double> below(7);
  for (int i = 0; i < n; ++i) {
    const double u = draws.uniform(), z = draws.normal(), b = draws.beta(0.4, 0.4);
    ASSERT_TRUE(u >= 0 && u < 1 && b >= 0 && b <= 1);
    uniform += u / n;
    normal += z / n;
    square += z * z / n;
    beta += b / n;
    beta_square += (b - 0.5) * (b - 0.5) / n;
    below[static_cast<size_t>(draws.below(7))] += 1;
  }
  EXPECT_NEAR(uniform, 0.5, 0.01);
  EXPECT_NEAR(normal, 0, 0.03);
  EXPECT_NEAR(square, 1, 0.05);
  EXPECT_NEAR(beta, 0.5, 0.015);
  EXPECT_NEAR(beta_square, 0.4 * 0.4 / (0.8 * 0.8 * 1.8), 0.005);  // variance ab / ((a + b)^2 (a + b + 1))
  for (const double c : below) EXPECT_NEAR(c, n / 7.0, 6 * std::sqrt(n / 7.0));
}

TEST(Draws, DependOnSeedEpochIndexAndPurpose) {
  const auto first = [](uint64_t seed, data::Purpose p, int64_t epoch, int64_t index) { return data::Draws(seed, p, epoch, index).uniform(); };
  const std::set<double> different{first(1, data::Purpose::Sample, 0, 0), first(2, data::Purpose::Sample, 0, 0), first(1, data::Purpose::Sample, 1, 0),
                                   first(1, data::Purpose::Sample, 0, 1), first(1, data::Purpose::Batch, 0, 0)};
  EXPECT_EQ(different.size(), 5U);
  EXPECT_EQ(first(1, data::Purpose::Sample, 2, 3), first(1, data::Purpose::Sample, 2, 3));
}

}  // namespace
}  // namespace gf::test
