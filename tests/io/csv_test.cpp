// Numbers from text and label lists.
#include "io/csv.h"

#include <cmath>
#include <limits>

#include "tests/io/io_test_support.h"

namespace gf::io {
namespace {

using namespace test;

Array values(std::string_view text) { return parse_csv(text, "t").values; }
const std::vector<float> k123{1, 2, 3};

TEST(IoCsv, SeparatorsAndLineEnds) {
  for (const char* text : {"1,2,3", "1,2,3\n", "1 2 3\n", "  1   2  3 \r\n", "1\n2\n3", "1\r2\r3\r", "1\r\n2\r\n3\r\n",
                           "1;2;3", "1\t2\t3\n", "1, 2 ,3", "\"1\",\"2\",\"3\"\n",
                           "\xef\xbb\xbf"
                           "1,2,3\n",
                           "# note\n1,2,3\n\n\n"})
    EXPECT_EQ(values(text), Array::from(k123)) << text;
  EXPECT_EQ(values("1,2\n3,4\n"), Array::from(std::vector<float>{1, 2, 3, 4}, {2, 2}));
  CsvOptions options;
  options.keep_2d = true;
  EXPECT_EQ(parse_csv("1,2,3", "t", options).values.shape, (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(parse_csv("1\n2\n3", "t", options).values.shape, (std::vector<int64_t>{3, 1}));
}

TEST(IoCsv, NumberForms) {
  const auto v = values("+1,-2.5e3,.5,5.,1e-40,1e999,-1e999,1e-999,nan,-inf").as<float>();
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(std::vector<float>(v.begin(), v.begin() + 8),
            (std::vector<float>{1, -2500, 0.5F, 5, 1e-40F, inf, -inf, 0}));
  EXPECT_TRUE(std::isnan(v[8]));
  EXPECT_EQ(v[9], -inf);
  CsvOptions options;
  options.dtype = DType::F64;
  EXPECT_EQ(parse_csv("0.1", "t", options).values.as<double>(), (std::vector<double>{0.1}));
  options.dtype = DType::I32;
  EXPECT_EQ(error_of([&] { (void)parse_csv("1", "t", options); }), Error::InvalidArgument);
}

TEST(IoCsv, Headers) {
  const CsvTable table = parse_csv("150,4,setosa\n1,2\n3,4\n", "t");
  EXPECT_EQ(table.header, (std::vector<std::string>{"150", "4", "setosa"}));
  EXPECT_EQ(table.values.shape, (std::vector<int64_t>{2, 2}));
  CsvOptions options;
  options.header = CsvOptions::Header::FirstRow;
  EXPECT_EQ(parse_csv("1,2\n3,4\n", "t", options).values, Array::from(std::vector<float>{3, 4}));
  options.header = CsvOptions::Header::None;
  EXPECT_EQ(error_of([&] { (void)parse_csv("a,b\n3,4\n", "t", options); }), Error::BadFile);
}

TEST(IoCsv, RowsKnowTheirLines) {
  EXPECT_EQ(parse_csv("a,b\n1,2\n\n# note\r\n3,4\n5,6", "t").lines, (std::vector<int64_t>{2, 5, 6}));
}

TEST(IoCsv, ErrorsSayWhere) {
  std::string message;
  EXPECT_EQ(error_of([] { (void)values("1,2\n# x\n3,4,5\n"); }, &message), Error::BadFile);
  EXPECT_EQ(message, "t: line 3: has 3 numbers where the rows before have 2");
  EXPECT_EQ(error_of([] { (void)values("1,2\n3,x\n"); }, &message), Error::BadFile);
  EXPECT_EQ(message, "t: line 2, column 2: 'x' is not a number");
  EXPECT_EQ(error_of([] { (void)values("1,2\n3,\n"); }, &message), Error::BadFile);
  EXPECT_EQ(message, "t: line 2, column 2: empty field; write nan for a missing value");
  for (const char* text :
       {"", "\n\n", "#only\n", "a,b\n", "a,b\n1,0x10\n", "1\n1e\n", "1\n+-1\n", "1\n\"1\n2\n", "1\n--1"})
    EXPECT_EQ(error_of([&] { (void)values(text); }), Error::BadFile) << text;
  EXPECT_EQ(error_of([&] { (void)values(std::string_view("1\n\0\x1b\n", 5)); }, &message), Error::BadFile);
  EXPECT_EQ(message, "t: line 2, column 1: '?\?' is not a number");
}

TEST(IoLabels, PlainAndIndexed) {
  EXPECT_EQ(parse_labels("cat\r\n dog\n\nbird", "t"), (std::vector<std::string>{"cat", "dog", "", "bird"}));
  EXPECT_EQ(parse_labels("0,tench, Tinca\n1,goldfish\n", "t"), (std::vector<std::string>{"tench, Tinca", "goldfish"}));
  EXPECT_EQ(parse_labels("0 cat\n2 dog\n", "t"), (std::vector<std::string>{"0 cat", "2 dog"}));
  EXPECT_EQ(error_of([] { (void)parse_labels("", "t"); }), Error::BadFile);
  EXPECT_EQ(error_of([] { (void)parse_labels(std::string_view("a\0b", 3), "t"); }), Error::BadFile);
}

TEST(IoCsv, RealData) {
  GF_SHARED_DATA_OR_SKIP(fish, "models/squeezenet/fish.csv");
  const Array pixels = read_csv(fish).values;
  EXPECT_EQ(pixels.shape, (std::vector<int64_t>{3 * 224 * 224}));
  const auto v = pixels.as<double>();
  double sum = 0;
  for (const double x : v) sum += x;
  EXPECT_EQ(v[0], 60.0);
  EXPECT_EQ(v.back(), 29.0);
  EXPECT_EQ(sum, 12511666.0) << "numpy.loadtxt(..., delimiter=',').sum()";
  const auto labels = read_labels(shared_data("models/squeezenet/labels.txt"));
  ASSERT_EQ(labels.size(), 1000U);
  EXPECT_EQ(labels[0], "tench, Tinca tinca");
  const CsvTable iris = read_csv(shared_data("tabular/iris.csv"));
  EXPECT_EQ(iris.values.shape, (std::vector<int64_t>{150, 5}));
  EXPECT_EQ(iris.header.back(), "virginica");
  EXPECT_EQ(read_csv(shared_data("tabular/digits.csv.gz")).values.shape, (std::vector<int64_t>{1797, 65}));
  EXPECT_EQ(read_csv(shared_data("tabular/diabetes_data_raw.csv.gz")).values.shape, (std::vector<int64_t>{442, 10}));
  EXPECT_EQ(read_csv(shared_data("models/mnist-cntk/golden_cpu.csv")).values.shape, (std::vector<int64_t>{10, 2}));
}

}  // namespace
}  // namespace gf::io
