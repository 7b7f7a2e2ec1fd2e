#include "trainer/data/tables.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "io/npy.h"
#include "runtime/core/exception.h"

namespace gf::data {
namespace {

// The column that `name` means: of the header, or a number.
size_t column_of(const std::string& name, const std::vector<std::string>& header, int64_t columns, const std::string& where) {
  const bool names_columns = static_cast<int64_t>(header.size()) == columns;
  if (names_columns) {
    const auto at = std::find(header.begin(), header.end(), name);
    if (at != header.end()) return static_cast<size_t>(at - header.begin());
  }
  int64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error == std::errc{} && end == name.data() + name.size() && number >= -columns && number < columns)
    return static_cast<size_t>(number < 0 ? number + columns : number);
  std::string known;
  for (const std::string& h : header) known += (known.empty() ? "; the header has " : ", ") + io::printable(h);
  throw Exception(Error::NotFound, where + ": there is no column '" + io::printable(name) + "' among " + std::to_string(columns) +
                                       "; give a number from 0 to " + std::to_string(columns - 1) + (names_columns ? ", or a name" + known : ""));
}

std::vector<io::NamedArray> arrays_of(const io::CsvTable& table, const std::string& where, const CsvSettings& settings) {
  const int64_t rows = table.values.shape[0], columns = table.values.shape[1];
  if (columns < 2) throw Exception(Error::BadFile, where + ": has one column; features and a target are wanted");
  const size_t target = column_of(settings.target, table.header, columns, where), width = static_cast<size_t>(columns);
  const std::span<const double> values = table.values.view<double>();
  std::vector<float> features, numbers;
  std::vector<int64_t> labels;
  features.reserve(values.size());
  for (size_t r = 0; r < static_cast<size_t>(rows); ++r) {
    const std::span<const double> row = values.subspan(r * width, width);
    for (size_t c = 0; c < width; ++c)
      if (c != target) features.push_back(static_cast<float>(row[c]));
    if (!settings.classes) {
      numbers.push_back(static_cast<float>(row[target]));
      continue;
    }
    if (!(row[target] >= 0 && row[target] < static_cast<double>(*settings.classes) && row[target] == std::floor(row[target])))
      throw Exception(Error::BadData, where + ": line " + std::to_string(table.lines[r]) + ", column " + std::to_string(target + 1) +
                                          ": the class is none of 0 to " + std::to_string(*settings.classes - 1));
    labels.push_back(static_cast<int64_t>(row[target]));
  }
  std::vector<io::NamedArray> out;
  out.push_back({settings.features, io::Array::from(features, {rows, columns - 1})});
  out.push_back({settings.label, settings.classes ? io::Array::from(labels, {rows}) : io::Array::from(numbers, {rows, 1})});
  return out;
}

io::CsvOptions options_of(const CsvSettings& settings) { return {.header = settings.header, .dtype = DType::F64, .keep_2d = true}; }

std::vector<io::NamedArray> chosen(std::vector<io::NamedArray> arrays, const std::vector<std::string>& names, const std::string& where) {
  if (names.empty()) return arrays;
  std::vector<io::NamedArray> out;
  for (const std::string& name : names) {
    const auto at = std::find_if(arrays.begin(), arrays.end(), [&](const io::NamedArray& a) { return a.name == name; });
    if (at == arrays.end()) {
      std::string known;
      for (const io::NamedArray& a : arrays) known += (known.empty() ? "" : ", ") + io::printable(a.name);
      throw Exception(Error::NotFound, where + ": there is no array '" + io::printable(name) + "'; there is " + known);
    }
    out.push_back(*at);
  }
  return out;
}

}  // namespace

CsvDataset::CsvDataset(const std::string& file, const CsvSettings& settings)
    : TensorDataset(arrays_of(io::read_csv(file, options_of(settings), settings.limits), io::printable(file), settings)) {}
CsvDataset::CsvDataset(std::string_view text, const std::string& where, const CsvSettings& settings)
    : TensorDataset(arrays_of(io::parse_csv(text, where, options_of(settings)), where, settings)) {}

NpzDataset::NpzDataset(const std::string& file, const std::vector<std::string>& names, const io::Limits& limits)
    : TensorDataset(chosen(io::read_npz(file, limits), names, io::printable(file))) {}

}  // namespace gf::data
