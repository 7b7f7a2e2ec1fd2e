// A source as NO_ERROR_TEXTS of ghostflow_add_runtime compiles it: errors keep code and node, sentences go.
#include "runtime/core/no_error_texts.h"

#include <gtest/gtest.h>

namespace gf::test {
namespace {

TEST(NoErrorTexts, CodeAndNodeStay) {
  ErrorDetail detail;
  static_cast<void>(detail.set(Error::IoError, 1, "an older sentence"));
  int asked = 0;
  const auto number = [&] { return ++asked; };
  EXPECT_EQ(GF_FAIL(&detail, Error::BadGraph, 7, "node %d", number()), Error::BadGraph);
  EXPECT_EQ(detail.error, Error::BadGraph);
  EXPECT_EQ(detail.node, 7);
  EXPECT_STREQ(detail.text, "");
  EXPECT_EQ(asked, 0) << "what fills the sentence in should not run";
  EXPECT_EQ(GF_FAIL(nullptr, Error::BadData, -1, "nobody reads this"), Error::BadData);
}

}  // namespace
}  // namespace gf::test
