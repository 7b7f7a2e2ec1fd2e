// Nets that gf-train fit knows by name, with the settings that they are usually trained with.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tools/train/data.h"
#include "trainer/nn/module.h"

namespace gf::cli {

struct NetDefaults {
  const char* name;
  const char* loss;
  const char* optimizer;
  const char* schedule;
  int64_t batch;
  std::shared_ptr<nn::Module> (*make)(const Data& data);  ///< throws UsageError: data of another kind
};
/// nullptr: no net of that name.
const NetDefaults* net_named(const std::string& name);
std::vector<std::string> net_names();

}  // namespace gf::cli
