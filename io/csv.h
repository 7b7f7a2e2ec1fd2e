// Numbers from .csv/.txt, and label lists. Thread rule: reentrant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/array.h"

namespace gf::io {

struct CsvOptions {
  /// Auto: the first row is a header if any of its fields is not a number.
  enum class Header { Auto, None, FirstRow } header = Header::Auto;
  DType dtype = DType::F32;  ///< F32 or F64 of the values
  bool keep_2d = false;      ///< true: always [rows, columns]; false: one row or one column gives one dimension
};

struct CsvTable {
  std::vector<std::string> header;  ///< fields of the header row as they stand there; empty without one
  Array values;                     ///< [rows, columns], or [n] (see keep_2d)
  std::vector<int64_t> lines;       ///< of each row, from 1: for messages about values
};

/// Parses numbers. Fields end at a comma, semicolon, tab or run of spaces; rows at LF, CRLF or CR. Accepted: what C's
/// strtod takes in decimal ("1", "-2.5e3", "+1", "nan", "inf"), quotes around a field, a byte-order mark, empty lines,
/// lines that begin with '#'. A header may have another number of fields than the rows (scikit-learn's files do).
/// Throws BadFile with line and column for ragged rows, empty or non-numeric fields, and text without any number.
CsvTable parse_csv(std::string_view text, const std::string& where, const CsvOptions& options = {});

/// parse_csv of a file, gzip or not. Also NotFound, IoError, LimitExceeded.
CsvTable read_csv(const std::string& path, const CsvOptions& options = {}, const Limits& limits = {});

/// One label per line; the end of the last line may lack its LF. If every line n (from 0) begins with "n," "n:" or
/// "n ", that index is taken off. Throws BadFile for bytes that are not text (NUL) and for an empty file.
std::vector<std::string> parse_labels(std::string_view text, const std::string& where, const Limits& limits = {});
std::vector<std::string> read_labels(const std::string& path, const Limits& limits = {});

}  // namespace gf::io
