#include "tests/guard/guard_support.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <stdexcept>

namespace gf::guard {
namespace {

namespace fs = std::filesystem;

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> split_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> split_words(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

std::string trim(const std::string& text) {
  const size_t from = text.find_first_not_of(" \t\r");
  if (from == std::string::npos) return "";
  return text.substr(from, text.find_last_not_of(" \t\r") - from + 1);
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

/// True when `path` is `prefix` or lies below it. Prefixes end at a slash or at the end of a name.
bool is_below(const std::string& path, const std::string& prefix) {
  if (!path.starts_with(prefix)) return false;
  return path.size() == prefix.size() || prefix.ends_with('/') || path[prefix.size()] == '/';
}

const IncludeRule* find_rule(const std::vector<IncludeRule>& rules, const std::string& file) {
  const IncludeRule* best = nullptr;
  for (const auto& rule : rules)
    if (is_below(file, rule.prefix) && (best == nullptr || rule.prefix.size() > best->prefix.size())) best = &rule;
  return best;
}

bool skipped_folder(const fs::path& path) {
  static const std::set<std::string> kNames = {"build", "node_modules", "__pycache__", "out"};
  const std::string name = path.filename().string();
  return name.starts_with('.') || kNames.contains(name);
}

template <class Keep>
std::vector<std::string> files_below(const fs::path& root, Keep keep) {
  std::vector<std::string> files;
  for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator(); ++it) {
    if (it->is_directory() && skipped_folder(it->path())) {
      it.disable_recursion_pending();
      continue;
    }
    if (it->is_regular_file() && keep(it->path())) files.push_back(fs::relative(it->path(), root).generic_string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

std::vector<std::string> source_files(const fs::path& root) {
  static const std::set<std::string> kExtensions = {".h", ".cpp", ".cu", ".cuh", ".def", ".inc"};
  return files_below(root, [](const fs::path& path) { return kExtensions.contains(path.extension().string()); });
}

std::string to_text(const std::vector<Violation>& violations) {
  std::ostringstream out;
  for (const auto& v : violations) out << v.file << ":" << v.line << ": " << v.what << "\n";
  return out.str();
}

std::string strip(const std::string& text, bool strings_too) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    if (c == '/' && next == '/') {
      while (i < text.size() && text[i] != '\n') ++i;
    } else if (c == '/' && next == '*') {
      for (i += 2; i < text.size() && !(text[i - 1] == '*' && text[i] == '/' && i > 2); ++i)
        if (text[i] == '\n') out += '\n';
      ++i;
      out += ' ';
    } else if (c == '"' && i > 0 && text[i - 1] == 'R') {  // raw string: R"tag( ... )tag"
      const size_t open = text.find('(', i);
      if (open == std::string::npos) return out;
      const std::string close = ")" + text.substr(i + 1, open - i - 1) + "\"";
      const size_t end = std::min(text.find(close, open), text.size());
      for (size_t k = i; k < end; ++k)
        if (!strings_too || text[k] == '\n') out += text[k];
      i = std::min(end + close.size(), text.size());
    } else if (c == '"' || (c == '\'' && (i == 0 || !is_word(text[i - 1])))) {  // 1'000 is a number
      out += c;
      for (++i; i < text.size() && text[i] != c && text[i] != '\n'; ++i) {
        if (!strings_too) out += text[i];
        if (text[i] == '\\' && i + 1 < text.size()) {
          ++i;
          if (!strings_too) out += text[i];
        }
      }
      if (i < text.size()) out += text[i++];
    } else {
      out += c;
      ++i;
    }
  }
  return out;
}

std::vector<IncludeRule> read_include_table(const fs::path& file) {
  std::vector<IncludeRule> rules;
  std::vector<std::string> plain;
  const auto expand = [&](const std::vector<std::string>& names) {
    std::vector<std::string> out;
    for (const auto& name : names) {
      if (name == "plain")
        out.insert(out.end(), plain.begin(), plain.end());
      else
        out.push_back(name);
    }
    return out;
  };
  int number = 0;
  for (const auto& line : split_lines(read_text(file))) {
    ++number;
    if (trim(line).empty() || line[0] == '#') continue;
    if (line.starts_with("@plain ")) {
      for (const auto& name : split_words(line.substr(7))) plain.push_back(name);
      continue;
    }
    std::vector<std::string> columns;
    std::istringstream stream(line);
    for (std::string column; std::getline(stream, column, '|');) columns.push_back(trim(column));
    if (columns.size() != 4 || (columns[3] != "core" && columns[3] != "hosted"))
      throw std::runtime_error(file.string() + ":" + std::to_string(number) +
                               ": four columns are needed, the last 'core' or 'hosted'");
    const size_t cpp = columns[2].find("cpp:");
    IncludeRule rule{columns[0], split_words(columns[1]), expand(split_words(columns[2].substr(0, cpp))), {},
                     columns[3] == "core"};
    if (cpp != std::string::npos) rule.other_cpp = split_words(columns[2].substr(cpp + 4));
    rules.push_back(rule);
  }
  return rules;
}

namespace {

/// Name inside <...> or "..." of an #include line; empty when the line is none.
std::string included_name(const std::string& line, bool& quoted) {
  size_t at = line.find_first_not_of(" \t");
  if (at == std::string::npos || line[at] != '#') return "";
  at = line.find_first_not_of(" \t", at + 1);
  if (at == std::string::npos || line.compare(at, 7, "include") != 0) return "";
  at = line.find_first_of("<\"", at + 7);
  if (at == std::string::npos) return "";
  quoted = line[at] == '"';
  const size_t end = line.find(quoted ? '"' : '>', at + 1);
  return end == std::string::npos ? "" : line.substr(at + 1, end - at - 1);
}

bool allowed_other(const std::vector<std::string>& names, const std::string& header) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return name == "any" || name == header || (name.ends_with('/') && header.starts_with(name));
  });
}

bool allowed_project(const IncludeRule& rule, const std::string& header) {
  return std::any_of(rule.project.begin(), rule.project.end(), [&](const std::string& prefix) {
    return prefix == "*" ? !is_below(header, "tests") : is_below(header, prefix);
  });
}

const std::set<std::string>& project_folders() {
  static const std::set<std::string> kFolders = {"runtime", "schema", "ops",    "io",  "graph",    "converter", "trainer",
                                                 "facade",  "tools",  "python", "web", "examples", "bench",     "tests"};
  return kFolders;
}

/// Empty when the include is allowed.
std::string judge_include(const IncludeRule& rule, const std::string& file, const std::string& header, bool quoted) {
  if (header.starts_with("ghostflow/")) return "";  // installed public headers: for everybody above the runtime
  if (project_folders().contains(header.substr(0, header.find('/')))) {
    if (rule.core && header == "runtime/core/exception.h") return "the core never throws: exception.h is for hosted layers";
    if (!allowed_project(rule, header)) return rule.prefix + " may not include " + header;
    return "";
  }
  if (quoted && header.find('/') == std::string::npos && !allowed_other({"any"}, header))
    return "include \"" + header + "\" by its path from the root of the repository";
  if (allowed_other(rule.other, header)) return "";
  if (file.ends_with(".cpp") && allowed_other(rule.other_cpp, header)) return "";
  return rule.prefix + " may not include <" + header + ">";
}

}  // namespace

std::vector<Violation> check_includes(const fs::path& root, const std::vector<IncludeRule>& rules) {
  std::vector<Violation> found;
  for (const auto& file : source_files(root)) {
    const IncludeRule* rule = find_rule(rules, file);
    if (rule == nullptr) {
      found.push_back({file, 1, "no row of include_table.txt covers this file; add one for its folder"});
      continue;
    }
    int number = 0;
    for (const auto& line : split_lines(strip(read_text(root / file), false))) {
      ++number;
      bool quoted = false;
      const std::string header = included_name(line, quoted);
      if (header.empty()) continue;
      if (const std::string what = judge_include(*rule, file, header, quoted); !what.empty())
        found.push_back({file, number, what});
    }
  }
  return found;
}

namespace {

struct WordAt {
  std::string word;
  char before = '\0';  ///< nearest character before that is not a space
  char after = '\0';
  bool is_std = false;  ///< written std::word
};

/// The words of one line. `before` of the first word looks no further than the line.
std::vector<WordAt> words_of(const std::string& line) {
  std::vector<WordAt> words;
  for (size_t i = 0; i < line.size();) {
    if (!is_word(line[i])) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < line.size() && is_word(line[end])) ++end;
    WordAt word{line.substr(i, end - i)};
    for (size_t k = i; k-- > 0;)
      if (line[k] != ' ') {
        word.before = line[k];
        break;
      }
    const size_t after = line.find_first_not_of(' ', end);
    if (after != std::string::npos) word.after = line[after];
    word.is_std = i >= 5 && line.compare(i - 5, 5, "std::") == 0;
    words.push_back(word);
    i = end;
  }
  return words;
}

/// Empty when the core may use the word there.
std::string judge_core_word(const WordAt& at) {
  static const std::set<std::string> kNever = {"throw", "try", "catch", "dynamic_cast", "typeid"};
  static const std::set<std::string> kNeverStd = {
      "string",     "vector",     "map",        "set",        "unordered_map", "unordered_set", "deque",
      "list",       "function",   "shared_ptr", "unique_ptr", "make_unique",   "make_shared",   "to_string",
      "cout",       "cerr",       "clog",       "ostream",    "istream",       "stringstream",  "thread",
      "mutex",      "any",        "regex",      "exception",  "runtime_error", "promise",       "future",
      "async",      "filesystem", "format",     "any_cast",   "stable_sort",   "inplace_merge", "stable_partition"};
  static const std::set<std::string> kHeap = {"malloc", "calloc",         "realloc", "free",   "aligned_alloc",
                                              "strdup", "posix_memalign", "alloca",  "memalign"};
  if (kNever.contains(at.word) && at.before != '#') return "'" + at.word + "' in the core";
  if (at.is_std && kNeverStd.contains(at.word)) return "std::" + at.word + " in the core (it allocates, throws or is large)";
  if (kHeap.contains(at.word) && at.after == '(' && at.before != '.' && at.before != '>')
    return "'" + at.word + "' in the core: memory comes from the caller";
  if (at.word == "new" && at.after != '(' && at.before != '#') return "'new' in the core: only placement new is allowed";
  if (at.word == "delete" && at.before != '=') return "'delete' in the core: memory is the caller's";
  return "";
}

}  // namespace

std::vector<Violation> check_core_words(const fs::path& root, const std::vector<IncludeRule>& rules) {
  std::vector<Violation> found;
  for (const auto& file : source_files(root)) {
    const IncludeRule* rule = find_rule(rules, file);
    if (rule == nullptr || !rule->core) continue;
    int number = 0;
    for (const auto& line : split_lines(strip(read_text(root / file), true))) {
      ++number;
      if (trim(line).starts_with('#')) continue;
      for (const auto& word : words_of(line))
        if (const std::string what = judge_core_word(word); !what.empty()) found.push_back({file, number, what});
    }
  }
  return found;
}

namespace {

/// Snake-case names of all ops, from the includes of schema/ops.h ("schema/ops/arg_max.h" -> "argmax"): spelled without
/// underscores and in lower case, so that ArgMax, arg_max and ARG_MAX are one name.
std::string fold_name(const std::string& name) {
  std::string folded;
  for (const char c : name)
    if (c != '_') folded += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return folded;
}

std::set<std::string> op_names(const fs::path& root) {
  std::set<std::string> names;
  for (const auto& line : split_lines(read_text(root / "schema/ops.h"))) {
    bool quoted = false;
    const std::string header = included_name(line, quoted);
    if (header.starts_with("schema/ops/")) names.insert(fold_name(fs::path(header).stem().string()));
  }
  return names;
}

bool may_list_ops(const std::string& file) {
  if (file == "schema/ops.h" || file.ends_with("/kernels.def") || file.ends_with("/table.cpp")) return true;
  if (file.starts_with("converter/onnx/import_") || file.starts_with("converter/onnx/export_")) return true;
  return file.starts_with("tests/") || file.starts_with("bench/");  // choose cases; nothing in the product reads them
}

/// Words of a line that look like a name of an op in a list: op::Name, "Name", macro(name), Name followed by a comma.
std::set<std::string> listed_ops(const std::string& line, const std::set<std::string>& names) {
  std::set<std::string> found;
  for (const auto& at : words_of(line)) {
    const bool in_list = at.before == ':' || at.before == '"' || at.before == '(' || at.before == '{' ||
                         at.before == ',' || at.before == '<' || at.before == '\0';
    const bool ends = at.after == '"' || at.after == ')' || at.after == '}' || at.after == ',' || at.after == '>' ||
                      at.after == ':' || at.after == '\0';
    const std::string folded = fold_name(at.word);
    if (in_list && ends && names.contains(folded)) found.insert(folded);
  }
  return found;
}

}  // namespace

namespace {

/// The first stretch of the file that lists too many ops; line 0 when there is none.
Violation find_op_list(const fs::path& root, const std::string& file, const std::set<std::string>& names) {
  constexpr size_t kMost = 12;
  constexpr size_t kWindow = 40;
  std::vector<std::set<std::string>> lines;
  for (const auto& line : split_lines(strip(read_text(root / file), false))) {
    bool quoted = false;
    lines.push_back(included_name(line, quoted).empty() ? listed_ops(line, names) : std::set<std::string>());
  }
  for (size_t first = 0; first < lines.size(); ++first) {
    std::set<std::string> seen;
    for (size_t i = first; i < std::min(first + kWindow, lines.size()); ++i) seen.insert(lines[i].begin(), lines[i].end());
    if (lines[first].empty() || seen.size() < kMost) continue;
    std::string text = std::to_string(seen.size()) + " ops listed here:";
    for (const auto& name : seen) text += " " + name;
    return {file, static_cast<int>(first) + 1, text + "; the one list of ops is schema/ops.h"};
  }
  return {file, 0, ""};
}

}  // namespace

std::vector<Violation> check_op_lists(const fs::path& root) {
  const std::string table = "tests/guard/op_lists_allowed.txt";
  std::set<std::string> allowed;
  for (const auto& line : split_lines(read_text(root / table)))
    if (!trim(line).empty() && line[0] != '#') allowed.insert(trim(line.substr(0, line.find('|'))));
  const auto names = op_names(root);
  std::vector<Violation> found;
  for (const auto& file : source_files(root)) {
    if (may_list_ops(file)) continue;
    const Violation list = find_op_list(root, file, names);
    if (list.line != 0 && allowed.erase(file) == 0) found.push_back(list);
  }
  for (const auto& file : allowed) found.push_back({table, 0, file + " lists no ops (any more): remove its row"});
  return found;
}

std::vector<Violation> check_readmes(const fs::path& root) {
  constexpr size_t kMostLines = 60;
  std::set<std::string> folders;
  for (const auto& file : source_files(root)) {
    // a folder needs one, and so do the folders above it; groups of tests and the one-file-per-op folder need none
    for (fs::path folder = fs::path(file).parent_path(); !folder.empty(); folder = folder.parent_path()) {
      const std::string name = folder.generic_string();
      if (name.starts_with("tests/") || name == "schema/ops" || name.find("include/ghostflow") != std::string::npos) continue;
      folders.insert(name);
    }
  }
  std::vector<Violation> found;
  for (const auto& folder : folders)
    if (!fs::exists(root / folder / "README.md"))
      found.push_back({folder, 0, "no README.md (what it is, what it may include, where to start reading)"});
  for (const auto& file : files_below(root, [](const fs::path& path) { return path.filename() == "README.md"; })) {
    const size_t lines = split_lines(read_text(root / file)).size();
    if (file != "README.md" && lines > kMostLines)
      found.push_back({file, static_cast<int>(lines), std::to_string(lines) + " lines; a folder's README has at most 60"});
  }
  return found;
}

std::vector<Violation> check_machine_paths(const fs::path& root) {
  static const std::set<std::string> kExtensions = {".h",  ".cpp", ".cu",   ".def", ".inc",  ".py", ".sh",
                                                    ".md", ".txt", ".json", ".fbs", ".cmake"};
  // put together from two halves so that this file does not find itself
  const std::array<std::string, 5> kMarks = {std::string("/ho") + "me/", std::string("/ro") + "ot/",
                                             std::string("/wo") + "rk/", std::string("/tmp/") + "gf/",
                                             std::string("/Us") + "ers/"};
  std::vector<Violation> found;
  for (const auto& file :
       files_below(root, [](const fs::path& path) { return kExtensions.contains(path.extension().string()); })) {
    int number = 0;
    for (const auto& line : split_lines(read_text(root / file))) {
      ++number;
      for (const auto& mark : kMarks) {
        const size_t at = line.find(mark);
        // "$HOME/work/" or "a/work/" is a relative or variable path, not a machine's
        if (at == std::string::npos || (at > 0 && (is_word(line[at - 1]) || line[at - 1] == '}' || line[at - 1] == '.')))
          continue;
        found.push_back({file, number, "path of a machine: " + mark});
      }
    }
  }
  return found;
}

}  // namespace gf::guard
