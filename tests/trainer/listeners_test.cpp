// TensorBoard's event files against bytes of its own writer (data/tensorboard.json, made by make_tensorboard_goldens.py).
#include "trainer/loop/listeners.h"

#include <fstream>
#include <limits>

#include "tests/support/expect_refused.h"
#include "tests/support/test_data.h"
#include "tests/trainer/golden_json.h"

namespace gf::test {
namespace {

TEST(TensorBoardFiles, AreThoseOfItsOwnWriter) {
  const TempFolder folder;
  std::string path;
  {
    double time = 1700000000;
    TensorBoard board(folder.path("logs").string(), [&] { return time += 0.25; });
    path = board.file();
    board.step({.step = 1, .loss = 2.302585092994046, .learning_rate = 0.001});
    board.step({.step = 300, .loss = std::numeric_limits<double>::infinity(), .learning_rate = 0});
    board.validated({.step = 300, .metrics = {{"loss", -0.125}, {"accuracy", 0.9871}}});
    board.step({.step = int64_t{1} << 40, .loss = 1e-30, .learning_rate = 5e-324});
    board.end({});
  }
  std::ifstream f(path, std::ios::binary);
  std::string hex;
  for (char c = 0; f.get(c);) {
    constexpr const char* kDigits = "0123456789abcdef";
    hex += kDigits[static_cast<unsigned char>(c) >> 4];
    hex += kDigits[static_cast<unsigned char>(c) & 15];
  }
  EXPECT_EQ(hex, golden_file("tensorboard.json")["bytes"].get<std::string>());
}

TEST(TensorBoardFiles, TwoRunsInOneFolder) {
  const TempFolder folder;
  const TensorBoard first(folder.path("logs").string()), second(folder.path("logs").string());
  EXPECT_NE(first.file(), second.file());
  EXPECT_NE(first.file().find("events.out.tfevents."), std::string::npos);
  std::ofstream(folder.path("file")) << "not a folder";
  expect_refused(Error::IoError, "cannot write to", [&] { const TensorBoard wrong(folder.path("file").string()); });
}

}  // namespace
}  // namespace gf::test
