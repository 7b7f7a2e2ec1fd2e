// Number tables and label lists from text.
#include "io/csv.h"

#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "io/file.h"
#include "runtime/core/exception.h"

namespace gf::io {
namespace {

std::string_view as_text(const Bytes& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && is_blank(s.front())) s.remove_prefix(1);
  while (!s.empty() && is_blank(s.back())) s.remove_suffix(1);
  return s;
}

std::string_view without_byte_order_mark(std::string_view text) {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  if (text.starts_with(kMark)) text.remove_prefix(kMark.size());
  return text;
}

// Takes the first line off `text`; LF, CRLF and lone CR end it.
std::string_view take_line(std::string_view& text) {
  const size_t end = text.find_first_of("\r\n");
  const std::string_view line = text.substr(0, end);
  if (end == std::string_view::npos) {
    text = {};
  } else {
    text.remove_prefix(end + (text.substr(end, 2) == "\r\n" ? 2 : 1));
  }
  return line;
}

// Splits at hard separators if the line has any, else at runs of blanks; a separator inside quotes does not split.
template <class Each>
void for_each_field(std::string_view line, Each&& each) {
  const bool hard = line.find_first_of(",;") != std::string_view::npos;
  const bool tabs = !hard && line.find('\t') != std::string_view::npos;
  line = hard ? line : trimmed(line);
  size_t start = 0;
  bool quoted = false;
  for (size_t i = 0; i <= line.size(); ++i) {
    const char c = i < line.size() ? line[i] : '\0';
    if (i < line.size() && c == '"') quoted = !quoted;
    const bool soft_end = c == ' ' && !tabs;
    const bool separator = hard ? (c == ',' || c == ';') : (c == '\t' || soft_end);
    if (i < line.size() && (quoted || !separator)) continue;
    if (!hard && i == start && i < line.size() && soft_end) {  // inside a run of blanks
      start = i + 1;
      continue;
    }
    std::string_view field = trimmed(line.substr(start, i - start));
    if (field.size() >= 2 && field.front() == '"' && field.back() == '"')
      field = trimmed(field.substr(1, field.size() - 2));
    each(field);
    start = i + 1;
  }
}

template <class T>
std::optional<T> number(std::string_view field) {
  if (field.starts_with('+')) {
    field.remove_prefix(1);
    if (field.starts_with('-')) return std::nullopt;
  }
  T value{};
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (end != field.data() + field.size() || field.empty()) return std::nullopt;
  if (error == std::errc{}) return value;
  if (error != std::errc::result_out_of_range) return std::nullopt;
  // too large or too small for T: infinity or zero with the sign kept, as strtod gives them
  const bool negative = field.starts_with('-');
  const size_t exponent = field.find_first_of("eE");
  const bool tiny = exponent != std::string_view::npos
                        ? field.substr(exponent + 1).starts_with('-')
                        : field.substr(0, field.find('.')).find_first_of("123456789") == std::string_view::npos;
  const T magnitude = tiny ? T{0} : std::numeric_limits<T>::infinity();
  return negative ? -magnitude : magnitude;
}

template <class T>
class Parser {
 public:
  Parser(const std::string& where, const CsvOptions& options) : where_(where), options_(options) {}

  CsvTable parse(std::string_view text) {
    text = without_byte_order_mark(text);
    while (!text.empty()) {
      const std::string_view line = take_line(text);
      ++line_;
      if (const std::string_view bare = trimmed(line); !bare.empty() && bare.front() != '#') row(line);
    }
    if (values_.empty()) throw Exception(Error::BadFile, where_ + ": no numbers found; is it a text file of numbers?");
    CsvTable table{std::move(header_), {}, std::move(lines_)};
    const auto rows = static_cast<int64_t>(rows_), columns = static_cast<int64_t>(columns_);
    const bool flat = !options_.keep_2d && (rows == 1 || columns == 1);
    table.values =
        Array::from(values_, flat ? std::vector<int64_t>{rows * columns} : std::vector<int64_t>{rows, columns});
    return table;
  }

 private:
  [[noreturn]] void bad(size_t column, const std::string& what) const {
    throw Exception(Error::BadFile, where_ + ": line " + std::to_string(line_) +
                                        (column != 0 ? ", column " + std::to_string(column) : "") + ": " + what);
  }
  static bool has_text(std::string_view line) {
    bool text = false;
    for_each_field(line, [&text](std::string_view field) { text = text || !number<T>(field); });
    return text;
  }
  void row(std::string_view line) {
    const bool first = std::exchange(first_, false);
    if (first && (options_.header == CsvOptions::Header::FirstRow ||
                  (options_.header == CsvOptions::Header::Auto && has_text(line)))) {
      for_each_field(line, [this](std::string_view field) { header_.emplace_back(field); });
      return;
    }
    size_t column = 0;
    for_each_field(line, [&](std::string_view field) {
      ++column;
      const std::optional<T> value = number<T>(field);
      if (!value && field.empty()) bad(column, "empty field; write nan for a missing value");
      if (!value) bad(column, "'" + printable(field) + "' is not a number");
      values_.push_back(*value);
    });
    if (rows_ == 0) columns_ = column;
    if (column != columns_)
      bad(0, "has " + std::to_string(column) + " numbers where the rows before have " + std::to_string(columns_));
    ++rows_;
    lines_.push_back(static_cast<int64_t>(line_));
  }

  const std::string& where_;
  const CsvOptions& options_;
  std::vector<std::string> header_;
  std::vector<T> values_;
  std::vector<int64_t> lines_;
  size_t line_ = 0, rows_ = 0, columns_ = 0;
  bool first_ = true;
};

// The label behind "<index>," "<index>:" or "<index> ", if the line has one.
std::optional<std::string_view> behind_index(std::string_view line, size_t index) {
  const std::string wanted = std::to_string(index);
  if (!line.starts_with(wanted)) return std::nullopt;
  line.remove_prefix(wanted.size());
  if (line.empty() || (line[0] != ',' && line[0] != ':' && !is_blank(line[0]))) return std::nullopt;
  return trimmed(line.substr(1));
}

}  // namespace

CsvTable parse_csv(std::string_view text, const std::string& where, const CsvOptions& options) {
  if (options.dtype == DType::F32) return Parser<float>(where, options).parse(text);
  if (options.dtype == DType::F64) return Parser<double>(where, options).parse(text);
  throw Exception(Error::InvalidArgument, where + ": numbers are read as float32 or float64; convert afterwards");
}

CsvTable read_csv(const std::string& path, const CsvOptions& options, const Limits& limits) {
  return parse_csv(as_text(read_file_or_gzip(path, limits)), printable(path), options);
}

std::vector<std::string> parse_labels(std::string_view text, const std::string& where, const Limits& limits) {
  text = without_byte_order_mark(text);
  if (text.empty()) throw Exception(Error::BadFile, where + ": no labels; write one per line");
  if (text.find('\0') != std::string_view::npos)
    throw Exception(Error::BadFile, where + ": not a text file (NUL byte)");
  std::vector<std::string> labels;
  bool all_indexed = true;
  while (!text.empty()) {
    const std::string_view line = trimmed(take_line(text));
    all_indexed = all_indexed && behind_index(line, labels.size()).has_value();
    labels.emplace_back(line);
    if (labels.size() > limits.max_entries) throw Exception(Error::LimitExceeded, where + ": too many lines");
  }
  for (size_t i = 0; all_indexed && i < labels.size(); ++i) labels[i] = std::string(*behind_index(labels[i], i));
  return labels;
}

std::vector<std::string> read_labels(const std::string& path, const Limits& limits) {
  return parse_labels(as_text(read_file(path, limits)), printable(path), limits);
}

}  // namespace gf::io
