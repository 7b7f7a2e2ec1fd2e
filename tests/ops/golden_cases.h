// Cases of data/*.json as inputs, attributes and expected outputs of evaluate(). For tests only.
#pragma once

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "ops/cpu/small_float.h"
#include "tests/ops/op_test_util.h"
#include "tests/support/paths.h"

namespace gf::test {

using nlohmann::json;

inline DType dtype_named(const std::string& name) {
  for (int k = 1; k < kDTypeCount; ++k)
    if (name == dtype_name(static_cast<DType>(k))) return static_cast<DType>(k);
  throw std::runtime_error("no type " + name);
}

inline double number(const json& v) {
  if (!v.is_string()) return v.get<double>();
  if (v == "nan") return std::numeric_limits<double>::quiet_NaN();
  return v == "inf" ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity();
}

inline HostTensor to_tensor(const json& t) {
  const DType dtype = dtype_named(t["dtype"]);
  const auto shape = t["shape"].get<std::vector<int64_t>>();
  if (dtype == DType::U64) return tensor<uint64_t>(dtype, shape, t["data"].get<std::vector<uint64_t>>());
  if (dtype_is_int(dtype)) return tensor<int64_t>(dtype, shape, t["data"].get<std::vector<int64_t>>());
  std::vector<double> values;
  for (const json& v : t["data"]) values.push_back(number(v));
  if (!dtype_is_float8(dtype)) return tensor<double>(dtype, shape, values);
  HostTensor result = HostTensor::zeros(dtype, shape);  // infinities must stay: no saturation here
  for (size_t k = 0; k < values.size(); ++k)
    result.data[k] = static_cast<std::byte>(cpu::f32_to_small_float(dtype, static_cast<float>(values[k]), false));
  return result;
}

inline Attributes to_attributes(const json& attrs) {
  Attributes result;
  for (const auto& [name, v] : attrs.items()) {
    if (v.is_string()) result.emplace_back(name, std::string_view(v.get_ref<const std::string&>()));
    else if (v.is_array() && !v.empty() && v[0].is_number_float()) result.emplace_back(name, v.get<std::vector<float>>());
    else if (v.is_array()) result.emplace_back(name, v.get<std::vector<int64_t>>());
    else if (v.is_number_integer()) result.emplace_back(name, v.get<int64_t>());
    else result.emplace_back(name, v.get<double>());
  }
  return result;
}

/// The cases of one file; a failure of the test when there are none.
inline json golden_cases(const std::string& name) {
  const auto path = std::filesystem::path(kSourceDir) / "tests/ops/data" / (name + ".json");
  std::ifstream file(path);
  if (!file) {
    ADD_FAILURE() << path << " is missing; make_*goldens.py write it";
    return json::array();
  }
  return json::parse(file);
}
inline HostInputs inputs_of(const json& c) {
  HostInputs inputs;
  for (const json& t : c["inputs"]) inputs.push_back(t.is_null() ? std::nullopt : std::optional(to_tensor(t)));
  return inputs;
}

}  // namespace gf::test
