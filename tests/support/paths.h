// Where this build's sources and programs lie. Compiled into one small library, so that no other test object depends on the
// checkout it was built in: a compiler cache then serves every checkout.
#pragma once

namespace gf::test {

extern const char* const kSourceDir;  ///< root of the source tree
extern const char* const kBinDir;     ///< programs of this build

}  // namespace gf::test
