// A program as a user writes it: digits.gf and 28 x 28 pixel values in a text file; prints the label of the class.
#include <ghostflow/model.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "runtime/core/error.h"  // this program's own

static_assert(CONSUMERS_OWN_ERROR_HEADER == 1);

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    gf::Model model = gf::Model::load(argv[1]);
    std::ifstream pixels(argv[2]);
    for (float& p : model.input<float>("image")) {
      if (!(pixels >> p)) return 3;
      p /= 255;
    }
    model.run();
    const auto scores = model.output<float>("probabilities");
    std::puts(model.labels().at(static_cast<size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin())).c_str());
    try {
      model.input<float>("picture");
      return 4;
    } catch (const gf::Exception& e) {  // an exception type of the library, caught here
      return e.code() == gf::Error::NotFound ? 0 : 5;
    }
  } catch (const gf::Exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
