// Datasets of tables: CSV files and NumPy archives. Read whole when they are made. Thread rule: as Dataset.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/csv.h"
#include "trainer/data/dataset.h"

namespace gf::data {

struct CsvSettings {
  std::string target = {};                        ///< column by its name in the header, or by number from 0 (negative: from the end)
  /// Classes of the target, numbered from 0, which then is int64 [] and checked: 0 .. classes - 1. Without: float32 [1], any number.
  std::optional<int64_t> classes = {};
  io::CsvOptions::Header header = io::CsvOptions::Header::Auto;
  std::string features = "features", label = "target";  ///< names of the fields
  io::Limits limits = {};
};

/// Numbers of a CSV file, gzip or not: float32 features (all other columns, in order) and a target.
class CsvDataset : public TensorDataset {
 public:
  /// Throws what io::read_csv throws (NotFound, BadFile with line and column); NotFound: no such column (says which there are);
  /// BadData: a class that is no whole number or out of range, with its line.
  explicit CsvDataset(const std::string& file, const CsvSettings& settings);
  /// The same of text; `where` opens the messages.
  CsvDataset(std::string_view text, const std::string& where, const CsvSettings& settings);
};

/// Arrays of a .npz archive with the samples in the first dimension: all of them, or those named, in that order.
class NpzDataset : public TensorDataset {
 public:
  /// Throws what io::read_npz throws, NotFound (a name; says which there are), and what TensorDataset throws.
  explicit NpzDataset(const std::string& file, const std::vector<std::string>& names = {}, const io::Limits& limits = {});
};

}  // namespace gf::data
