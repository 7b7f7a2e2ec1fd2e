// Datasets of arrays, and what is made of other datasets.
#include <set>

#include "tests/data/data_support.h"
#include "tests/support/expect_refused.h"

namespace gf::test {
namespace {

using namespace data;

std::vector<io::NamedArray> pair_of(int64_t n) {
  std::vector<float> x;
  std::vector<int64_t> y;
  for (int64_t i = 0; i < n; ++i) {
    x.insert(x.end(), {static_cast<float>(i), static_cast<float>(-i)});
    y.push_back(i);
  }
  return {{"x", io::Array::from(x, {n, 2})}, {"y", io::Array::from(y, {n})}};
}

TEST(TensorDataset, GivesRows) {
  const TensorDataset d(pair_of(5));
  EXPECT_EQ(d.size(), 5);
  EXPECT_EQ(fields_text(d.fields()), "x float32 [2], y int64 []");
  const auto s = sample(d, 3);
  EXPECT_EQ(s[0].array.as<float>(), (std::vector<float>{3, -3}));
  EXPECT_EQ(s[1].array.as<int64_t>(), (std::vector<int64_t>{3}));
  expect_refused(Error::InvalidArgument, "there is no sample 5 of 5", [&] { (void)sample(d, 5); });
}

TEST(TensorDataset, BadInput) {
  expect_refused(Error::InvalidArgument, "no arrays", [] { TensorDataset d({}); });
  expect_refused(Error::ShapeMismatch, "array 'y' of shape [4] has 4 samples where 'x' has 5", [] {
    auto p = pair_of(5);
    p[1] = pair_of(4)[1];
    TensorDataset d(p);
  });
  expect_refused(Error::ShapeMismatch, "is one number", [] { TensorDataset d({{"x", io::Array::from(std::vector<float>{1}, {})}}); });
  expect_refused(Error::InvalidArgument, "array 'x' is there twice", [] { TensorDataset d({pair_of(2)[0], pair_of(2)[0]}); });
  expect_refused(Error::InvalidArgument, "has no name", [] { TensorDataset d({{"", io::Array::from(std::vector<float>{1}, {1})}}); });
  expect_refused(Error::Unsupported, "whole bytes are needed", [] { TensorDataset d({{"x", io::Array::zeros(DType::I4, {4})}}); });
  expect_refused(Error::InvalidArgument, "the dataset is empty", [] { DataLoader l(std::make_shared<TensorDataset>(pair_of(0))); });
}

TEST(Subset, TakesSomeInTheirOrder) {
  const auto d = std::make_shared<TensorDataset>(pair_of(5));
  const Subset some(d, {4, 0, 4});
  EXPECT_EQ(some.size(), 3);
  EXPECT_EQ(sample(some, 2)[1].array.as<int64_t>(), (std::vector<int64_t>{4}));
  expect_refused(Error::InvalidArgument, "Subset: there is no sample 5 of 5", [&] { Subset(d, {0, 5}); });
  expect_refused(Error::InvalidArgument, "Subset: there is no sample -1", [&] { Subset(d, {-1}); });
  expect_refused(Error::InvalidArgument, "Subset: no dataset", [] { Subset(nullptr, {}); });
}

TEST(ConcatDataset, JoinsWhatHasTheSameFields) {
  const auto a = std::make_shared<TensorDataset>(pair_of(3)), none = std::make_shared<TensorDataset>(pair_of(0)), b = std::make_shared<TensorDataset>(pair_of(2));
  const ConcatDataset all({a, none, b});
  EXPECT_EQ(all.size(), 5);
  std::vector<int64_t> y;
  for (int64_t i = 0; i < 5; ++i) y.push_back(sample(all, i)[1].array.as<int64_t>()[0]);
  EXPECT_EQ(y, (std::vector<int64_t>{0, 1, 2, 0, 1}));
  const auto other = std::make_shared<TensorDataset>(std::vector<io::NamedArray>{{"x", io::Array::from(std::vector<float>{1, 2, 3}, {1, 3})}, pair_of(1)[1]});
  expect_refused(Error::ShapeMismatch, "dataset 1 has x float32 [3], y int64 [] where the first has x float32 [2], y int64 []", [&] { ConcatDataset({a, other}); });
  auto typed = pair_of(1);
  typed[1].array = io::Array::from(std::vector<float>{1}, {1});
  expect_refused(Error::TypeMismatch, "y float32 [] where", [&] { ConcatDataset({a, std::make_shared<TensorDataset>(typed)}); });
  expect_refused(Error::InvalidArgument, "no datasets", [] { ConcatDataset({}); });
}

TEST(RandomSplit, SplitsWithoutOverlap) {
  const auto d = std::make_shared<TensorDataset>(pair_of(11));
  const auto parts = random_split(d, std::vector<double>{0.5, 0.3, 0.2}, 3);
  ASSERT_EQ(parts.size(), 3U);
  EXPECT_EQ(parts[0]->size(), 6);  // 5 and one of those left over
  EXPECT_EQ(parts[1]->size(), 3);
  EXPECT_EQ(parts[2]->size(), 2);
  std::vector<int64_t> all;
  for (const auto& p : parts) all.insert(all.end(), p->indices().begin(), p->indices().end());
  EXPECT_NE(all, counting(11));
  EXPECT_EQ(sorted(all), counting(11));
  EXPECT_EQ(random_split(d, std::vector<int64_t>{6, 5}, 3)[0]->indices(), parts[0]->indices());
  EXPECT_NE(random_split(d, std::vector<int64_t>{6, 5}, 4)[0]->indices(), parts[0]->indices());
  expect_refused(Error::InvalidArgument, "leave 1 of 11 samples over", [&] { random_split(d, std::vector<int64_t>{6, 4}); });
  expect_refused(Error::InvalidArgument, "sum to the 11 samples", [&] { random_split(d, std::vector<int64_t>{6, 6}); });
  expect_refused(Error::InvalidArgument, "the shares sum to 0.9", [&] { random_split(d, std::vector<double>{0.5, 0.4}); });
  expect_refused(Error::InvalidArgument, "between 0 and 1", [&] { random_split(d, std::vector<double>{1.5, -0.5}); });
}

}  // namespace
}  // namespace gf::test
