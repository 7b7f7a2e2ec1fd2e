// A call that must throw gf::Exception with this code and a message that has this text.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "runtime/core/exception.h"

namespace gf::test {

template <class F>
void expect_refused(Error code, const std::string& text, F&& f) {
  try {
    f();
    ADD_FAILURE() << "nothing was thrown: " << text;
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
  }
}

}  // namespace gf::test
