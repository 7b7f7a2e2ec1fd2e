// Transfers between ranks: sums in the order of the ranks, whatever the sizes, several on the way at once; ranks that do not come.
#include "trainer/parallel/communicator.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/parallel/ranks.h"
#include "tests/support/expect_refused.h"

namespace gf::test {
namespace {

using parallel::Communicator;

// Numbers whose sum hangs on its order.
template <class T>
T number(int rank, int64_t i) { return static_cast<T>(std::sin(static_cast<double>(i * 7 + rank)) * std::pow(10.0, (rank * 5 + i) % 6)); }

template <class T>
void expect_sums(DType type) {
  for (const int size : {1, 2, 3, 5})
    for (const int64_t count : {0, 1, 2, 7, 5000, 70001}) {
      SCOPED_TRACE(std::to_string(size) + " ranks, " + std::to_string(count) + " numbers");
      std::vector<std::vector<T>> results(static_cast<size_t>(size));
      run_ranks(size, [&](Communicator& c) {
        auto& data = results[static_cast<size_t>(c.rank())];
        for (int64_t i = 0; i < count; ++i) data.push_back(number<T>(c.rank(), i));
        c.wait(c.all_reduce(data.data(), count, type));
      });
      for (int64_t i = 0; i < count; ++i) {
        T sum = number<T>(0, i);
        for (int r = 1; r < size; ++r) sum += number<T>(r, i);
        for (const auto& data : results) ASSERT_EQ(data[static_cast<size_t>(i)], sum) << i;
      }
    }
}
TEST(Communicator, SumsAreInTheOrderOfRanks) {
  expect_sums<float>(DType::F32);
  expect_sums<double>(DType::F64);
}

TEST(Communicator, PartsOfSumsAndEverybodysParts) {
  run_ranks(3, [&](Communicator& c) {
    std::vector<float> data;
    for (int64_t i = 0; i < 12; ++i) data.push_back(number<float>(c.rank(), i));
    c.wait(c.reduce_scatter(data.data(), 4, DType::F32));
    for (int64_t i = 4 * c.rank(); i < 4 * c.rank() + 4; ++i)
      EXPECT_EQ(data[static_cast<size_t>(i)], number<float>(0, i) + number<float>(1, i) + number<float>(2, i));
    std::vector<int64_t> all = {-1, -1, -1};
    all[static_cast<size_t>(c.rank())] = 10 + c.rank();
    c.wait(c.all_gather(all.data(), sizeof(int64_t)));
    EXPECT_EQ(all, (std::vector<int64_t>{10, 11, 12}));
    double from = c.rank() == 2 ? 0.5 : 0;
    c.wait(c.broadcast(&from, sizeof from, 2));
    EXPECT_EQ(from, 0.5);
    c.barrier();
  });
}

// Many are begun before one is waited for, and waiting for a later one is enough for all before it.
TEST(Communicator, SeveralAtOnce) {
  run_ranks(2, [&](Communicator& c) {
    std::vector<std::vector<float>> data(20, std::vector<float>(1000));
    std::vector<parallel::Ticket> tickets;
    for (size_t k = 0; k < data.size(); ++k) {
      std::fill(data[k].begin(), data[k].end(), static_cast<float>(k) + static_cast<float>(c.rank()));
      tickets.push_back(c.all_reduce(data[k].data(), 1000, DType::F32));
    }
    c.wait(tickets.back());
    for (size_t k = 0; k < data.size(); ++k) {
      c.wait(tickets[k]);
      EXPECT_EQ(data[k][999], 2 * static_cast<float>(k) + 1);
    }
  });
}

TEST(Communicator, ARankThatDoesNotComeEndsTheOthers) {
  float number = 1;
  const auto late = run_ranks_to_end(2, [&](Communicator& c) {
    float mine = 1;
    if (c.rank() == 0) c.wait(c.all_reduce(&mine, 1, DType::F32));
  }, std::chrono::milliseconds(50));
  EXPECT_EQ(late[0], "rank 0 waited 50 ms for rank 1, which is dead or slow");
  const auto failed = run_ranks_to_end(3, [&](Communicator& c) {
    float mine = 1;
    if (c.rank() == 1) throw Exception(Error::BadData, "label 12 is out of range");
    c.wait(c.all_reduce(&mine, 1, DType::F32));
  });
  EXPECT_EQ(failed[0], "rank 1: label 12 is out of range");
  EXPECT_EQ(failed[2], "rank 1: label 12 is out of range");
  const auto other = run_ranks_to_end(2, [&](Communicator& c) {
    float mine[4] = {};
    c.wait(c.all_gather(mine, c.rank() == 0 ? 4 : 8));
  });
  EXPECT_NE((other[0] + other[1]).find("their models differ"), std::string::npos);
  // nobody waits for what a communicator leaves open when it dies
  auto ranks = parallel::thread_ranks(2);
  (void)ranks[0]->all_reduce(&number, 1, DType::F32);
}

TEST(Communicator, BadArguments) {
  expect_refused(Error::InvalidArgument, "1 to 64 ranks", [] { (void)parallel::thread_ranks(0); });
  const auto ranks = parallel::thread_ranks(1);
  int64_t whole = 1;
  expect_refused(Error::TypeMismatch, "not of int64", [&] { (void)ranks[0]->all_reduce(&whole, 1, DType::I64); });
  expect_refused(Error::InvalidArgument, "there is no rank 1", [&] { (void)ranks[0]->broadcast(&whole, 8, 1); });
  const parallel::Scope scope(*ranks[0]);
  expect_refused(Error::WrongPhase, "already", [&] { const parallel::Scope second(*ranks[0]); });
}

}  // namespace
}  // namespace gf::test
