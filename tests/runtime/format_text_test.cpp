// The formatter of error texts against the C library's printf.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <random>
#include <regex>
#include <string>

#include "runtime/core/format.h"
#include "tests/support/test_data.h"

namespace gf {
namespace {

#define GF_EXPECT_AS_PRINTF(...)                                  \
  do {                                                            \
    char ours[400], theirs[400];                                  \
    const size_t count = format_text(ours, sizeof ours, __VA_ARGS__); \
    std::snprintf(theirs, sizeof theirs, __VA_ARGS__);            \
    EXPECT_STREQ(ours, theirs);                                   \
    EXPECT_EQ(count, std::string(theirs).size());                 \
  } while (false)

TEST(FormatText, WritesIntegersAndTextAsPrintfDoes) {
  GF_EXPECT_AS_PRINTF("nothing");
  GF_EXPECT_AS_PRINTF("%d %d %d %d", 0, -1, INT32_MAX, INT32_MIN);
  GF_EXPECT_AS_PRINTF("%u %u", 0U, UINT32_MAX);
  GF_EXPECT_AS_PRINTF("%lld %lld %llu", -1LL, static_cast<long long>(INT64_MIN), static_cast<unsigned long long>(UINT64_MAX));
  GF_EXPECT_AS_PRINTF("%zu bytes, 100 %%", SIZE_MAX);
  GF_EXPECT_AS_PRINTF("'%s' '%.3s' '%.60s' '%.*s' '%.*s'", "name", "abcdef", "short", 2, "abcdef", 0, "x");
}

TEST(FormatText, WritesNumbersWithSixDigitsAsPrintfDoes) {
  for (const double v : {0.0, -0.0, 1.0, -1.0, 0.5, 100.0, 123456.0, 999999.5, 1e6, 1234567.0, 0.0001, 0.00012345, 0.00001, 1e-5,
                         1e9, 1e100, 1e300, 1.7976931348623157e308, 5e-324, 2.2250738585072014e-308, 3.14159265358979, 1.0 / 3,
                         9.999999, 0.99999949, 1234565.0, 123456.5, 12345.25, 1e22, 65504.0})
    GF_EXPECT_AS_PRINTF("%g", v);
  GF_EXPECT_AS_PRINTF("%g %g", std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity());
  char text[8];
  format_text(text, sizeof text, "%g", std::numeric_limits<double>::quiet_NaN());
  EXPECT_STREQ(text, "nan");
  std::mt19937_64 random(7);
  for (int i = 0; i < 20000; ++i) {
    const double v = std::ldexp(static_cast<double>(random() >> 11), static_cast<int>(random() % 240) - 170);
    GF_EXPECT_AS_PRINTF("%g", v);
  }
}

TEST(FormatText, CutsAndAlwaysTerminates) {
  char text[6] = "*****";
  EXPECT_EQ(format_text(text, sizeof text, "%s", "longer than that"), 5U);
  EXPECT_STREQ(text, "longe");
  EXPECT_EQ(format_text(text, 1, "%d", 12), 0U);
  EXPECT_STREQ(text, "");
  text[0] = '*';
  EXPECT_EQ(format_text(text, 0, "%d", 12), 0U);
  EXPECT_EQ(text[0], '*');
}

// An unknown conversion would end an error text early: no format of the core may use one.
TEST(FormatText, EveryFormatOfTheCoreIsKnown) {
  const std::regex literal(R"re("((?:[^"\\]|\\.)*)")re"), known(R"(%(%|(\.(\*|[0-9]+))?s|d|u|lld|llu|zu|g))");
  int formats = 0;
  for (const char* folder : {"runtime", "schema", "ops/cpu"})
    for (const auto& entry : std::filesystem::recursive_directory_iterator(test::source_path(folder))) {
      const std::string extension = entry.path().extension().string();
      if (extension != ".h" && extension != ".cpp") continue;
      std::ifstream file(entry.path());
      for (std::string line; std::getline(file, line);) {
        if (line.find("asm") != std::string::npos) continue;  // its operands are no formats
        for (std::sregex_iterator at(line.begin(), line.end(), literal), end; at != end; ++at) {
          const std::string text = (*at)[1];
          if (text.find('%') == std::string::npos) continue;
          ++formats;
          EXPECT_EQ(std::regex_replace(text, known, "").find('%'), std::string::npos) << entry.path() << ": " << line;
        }
      }
    }
  EXPECT_GT(formats, 200);
}

}  // namespace
}  // namespace gf
