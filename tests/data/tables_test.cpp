// CSV and npz datasets, token windows.
#include "io/npy.h"
#include "tests/data/data_support.h"
#include "tests/support/expect_refused.h"
#include "tests/support/test_data.h"
#include "trainer/data/tables.h"
#include "trainer/data/text.h"

namespace gf::test {
namespace {

using namespace data;

constexpr const char* kTable = "a,kind,b\n1,0,2.5\n# a remark\n\n3,2,-4\n";

TEST(CsvDataset, TakesTheTargetByNameOrNumber) {
  for (const char* target : {"kind", "1", "-2"}) {
    const CsvDataset d(kTable, "t.csv", {.target = target, .classes = 3});
    EXPECT_EQ(fields_text(d.fields()), "features float32 [2], target int64 []");
    EXPECT_EQ(d.size(), 2);
    const auto s = sample(d, 1);
    EXPECT_EQ(s[0].array.as<float>(), (std::vector<float>{3, -4}));
    EXPECT_EQ(s[1].array.as<int64_t>()[0], 2);
  }
  const CsvDataset numbers(kTable, "t.csv", {.target = "b", .features = "x", .label = "y"});
  EXPECT_EQ(fields_text(numbers.fields()), "x float32 [2], y float32 [1]");
  EXPECT_EQ(sample(numbers, 0)[1].array.as<float>()[0], 2.5F);
}

TEST(CsvDataset, ReadsRealTables) {
  GF_SKIP_WITHOUT_DATA("tabular/iris.csv");
  const CsvDataset iris(data_path("tabular/iris.csv").string(), {.target = "-1", .classes = 3});
  EXPECT_EQ(iris.size(), 150);  // the header says 150,4,...
  std::vector<int> count(3);
  for (int64_t i = 0; i < 150; ++i) ++count[static_cast<size_t>(sample(iris, i)[1].array.as<int64_t>()[0])];
  EXPECT_EQ(count, (std::vector<int>{50, 50, 50}));
  const CsvDataset digits(data_path("tabular/digits.csv.gz").string(), {.target = "64", .classes = 10});
  EXPECT_EQ(digits.size(), 1797);
}

TEST(CsvDataset, BadInput) {
  const auto refuse = [](Error code, const std::string& what, std::string_view text, const CsvSettings& s) {
    expect_refused(code, what, [&] { CsvDataset d(text, "t.csv", s); });
  };
  refuse(Error::BadFile, "t.csv: line 3: has 2 numbers where the rows before have 3", "a,b,c\n1,2,3\n1,2\n", {.target = "a"});
  refuse(Error::BadFile, "t.csv: line 2, column 2: 'x' is not a number", "1,2\n3,x\n", {.target = "0"});
  refuse(Error::BadFile, "t.csv: line 1, column 2: empty field", "1,,2\n", {.target = "0", .header = io::CsvOptions::Header::None});
  refuse(Error::BadFile, "no numbers found", "", {.target = "0"});
  refuse(Error::BadFile, "has one column", "1\n2\n", {.target = "0"});
  refuse(Error::NotFound, "t.csv: there is no column 'q' among 3; give a number from 0 to 2, or a name; the header has a, kind, b", kTable, {.target = "q"});
  refuse(Error::NotFound, "there is no column '3'", kTable, {.target = "3"});
  refuse(Error::NotFound, "there is no column ''", kTable, {});
  refuse(Error::BadData, "t.csv: line 5, column 2: the class is none of 0 to 1", kTable, {.target = "kind", .classes = 2});
  refuse(Error::BadData, "t.csv: line 2, column 3: the class is none of 0 to 2", kTable, {.target = "b", .classes = 3});
  refuse(Error::BadData, "line 1, column 1: the class", "nan,1\n", {.target = "0", .classes = 3, .header = io::CsvOptions::Header::None});
  expect_refused(Error::NotFound, "gone.csv", [] { CsvDataset d(std::string("/nowhere/gone.csv"), {.target = "0"}); });
}

TEST(NpzDataset, TakesAllOrSomeArrays) {
  const TempFolder folder;
  const std::string file = folder.path("d.npz").string();
  io::write_npz(file, {{"x", io::Array::from(std::vector<float>{1, 2, 3, 4}, {2, 2})}, {"y", io::Array::from(std::vector<int64_t>{7, 8})},
                       {"other", io::Array::from(std::vector<float>{1, 2, 3})}});
  const NpzDataset d(file, {"y", "x"});
  EXPECT_EQ(fields_text(d.fields()), "y int64 [], x float32 [2]");
  EXPECT_EQ(sample(d, 1)[1].array.as<float>(), (std::vector<float>{3, 4}));
  expect_refused(Error::ShapeMismatch, "array 'other' of shape [3] has 3 samples where 'x' has 2", [&] { NpzDataset all(file); });
  expect_refused(Error::NotFound, "d.npz: there is no array 'z'; there is x, y, other", [&] { NpzDataset all(file, {"z"}); });
  expect_refused(Error::NotFound, "gone.npz", [&] { NpzDataset all(folder.path("gone.npz").string()); });
  expect_refused(Error::BadFile, "bad.npz", [&] { NpzDataset all(folder.write("bad.npz", "PK\3\4 not really").string()); });
}

TEST(TextDataset, TargetsAreOneFurtherOn) {
  const TextDataset d({0, 1, 2, 3, 4, 5, 6, 7, 8}, {.length = 4});
  EXPECT_EQ(d.size(), 2);
  EXPECT_EQ(sample(d, 1)[0].array.as<int64_t>(), (std::vector<int64_t>{4, 5, 6, 7}));
  EXPECT_EQ(sample(d, 1)[1].array.as<int64_t>(), (std::vector<int64_t>{5, 6, 7, 8}));
  EXPECT_EQ(d.describe(1), "tokens 4 to 7");
  const TextDataset dense({0, 1, 2, 3, 4, 5, 6, 7, 8}, {.length = 4, .stride = 1});
  EXPECT_EQ(dense.size(), 5);
  EXPECT_EQ(sample(dense, 4)[1].array.as<int64_t>(), (std::vector<int64_t>{5, 6, 7, 8}));
  expect_refused(Error::BadData, "4 tokens are too few for a sample of 4 and its targets", [] { TextDataset t({1, 2, 3, 4}, {.length = 4}); });
  expect_refused(Error::InvalidArgument, "must be positive", [] { TextDataset t({1, 2, 3, 4}, {.length = 0}); });
  expect_refused(Error::InvalidArgument, "must be positive", [] { TextDataset t({1, 2, 3, 4}, {.length = 2, .stride = -1}); });
  expect_refused(Error::NotFound, "gone.txt", [] { (void)read_text("/nowhere/gone.txt"); });
}

}  // namespace
}  // namespace gf::test
