#include "trainer/tensor/match.h"

#include <algorithm>
#include <map>

#include "runtime/core/exception.h"

namespace gf {
namespace {

constexpr size_t kMostNames = 200;  // of one kind in a message: a hostile file has a million

std::string list(const std::vector<std::string>& items, const char* between) {
  std::string text;
  for (size_t i = 0; i < std::min(items.size(), kMostNames); ++i) text += (i == 0 ? "" : between) + items[i];
  if (items.size() > kMostNames) text += " and " + std::to_string(items.size() - kMostNames) + " more";
  return text;
}
std::vector<std::string> printable(const std::vector<std::string>& names) {
  std::vector<std::string> text;
  for (const std::string& name : names) text.push_back("'" + io::printable(name) + "'");
  return text;
}

}  // namespace

std::vector<TensorSpec> specs_of(const NamedTensors& tensors) {
  std::vector<TensorSpec> specs;
  for (const auto& [name, t] : tensors) specs.push_back({name, t.dtype(), t.shape()});
  return specs;
}

void Differences::refuse(const std::string& what) const {
  if (none()) return;
  std::vector<std::string> parts;
  if (!missing.empty()) parts.push_back("missing: " + list(printable(missing), ", "));
  if (!unexpected.empty()) parts.push_back("unexpected: " + list(printable(unexpected), ", "));
  if (!shapes.empty()) parts.push_back(list(shapes, "; "));
  if (!types.empty()) parts.push_back(list(types, "; "));
  if (!others.empty()) parts.push_back(list(others, "; "));
  const Error code = !missing.empty() || !unexpected.empty() ? Error::NotFound
                     : !shapes.empty()                       ? Error::ShapeMismatch
                     : !types.empty()                        ? Error::TypeMismatch
                                                             : Error::InvalidArgument;
  throw Exception(code, what + ": " + list(parts, "; "));
}

Differences differences(const std::vector<TensorSpec>& wanted, const std::vector<TensorSpec>& there, const std::string& owner) {
  std::map<std::string, const TensorSpec*> by_name;
  Differences d;
  for (const TensorSpec& t : there)
    if (!by_name.emplace(t.name, &t).second) d.unexpected.push_back(t.name);  // a second one of the name
  for (const TensorSpec& w : wanted) {
    const auto it = by_name.find(w.name);
    if (it == by_name.end()) {
      d.missing.push_back(w.name);
      continue;
    }
    const TensorSpec& t = *it->second;
    const std::string name = "'" + io::printable(w.name) + "'";
    if (t.shape != w.shape) d.shapes.push_back(name + " has shape " + io::shape_text(t.shape) + ", " + owner + "'s is " + io::shape_text(w.shape));
    if (t.dtype != w.dtype) d.types.push_back(name + " is " + dtype_name(t.dtype) + ", " + owner + "'s is " + dtype_name(w.dtype));
    by_name.erase(it);
  }
  for (const auto& [name, t] : by_name) d.unexpected.push_back(name);
  return d;
}

}  // namespace gf
