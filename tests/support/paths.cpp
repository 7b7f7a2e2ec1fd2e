#include "tests/support/paths.h"

namespace gf::test {

const char* const kSourceDir = GF_SOURCE_DIR;
const char* const kBinDir = GF_BIN_DIR;

}  // namespace gf::test
