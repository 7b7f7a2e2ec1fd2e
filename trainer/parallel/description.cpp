// Apart from shards.cpp: a step is made without what checkpoints need.
#include <nlohmann/json.hpp>

#include "trainer/parallel/step_transfers.h"

namespace gf::parallel {

using nlohmann::json;

std::string describe(const StepSettings& settings, const std::vector<PartDescription>& parts) {
  json j = {{"ranks", parts.empty() ? 0 : settings.ranks}, {"parts", json::array()}};
  for (const PartDescription& p : parts) {
    json slots = json::array();
    for (const PartDescription::Slot& s : p.slots) slots.push_back({{"name", s.name}, {"number", s.number}});
    j["parts"].push_back({{"name", p.name}, {"count", p.count}, {"parameters", p.parameters}, {"slots", slots}});
  }
  return j.dump();
}

}  // namespace gf::parallel
