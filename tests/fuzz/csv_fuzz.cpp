// libFuzzer target: any text gives a table, labels, image options, or a gf::Exception.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "io/csv.h"
#include "io/image.h"
#include "runtime/core/exception.h"

template <class Action>
static void attempt(Action&& action) {
  try {
    (void)action();
  } catch (const gf::Exception&) {  // the expected answer to most inputs
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  attempt([&] { return gf::io::parse_csv(text, "fuzz"); });
  attempt([&] { return gf::io::parse_labels(text, "fuzz"); });
  attempt([&] { return gf::io::parse_image_options(text); });
  return 0;
}
