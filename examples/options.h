// The command line of the examples that train: `NAME [--option VALUE]...`. Every option has a default; what went wrong ends the program with
// a sentence and status 1, a wrong command line with the usage and status 2.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <string>

class Options {
 public:
  using Defaults = std::map<std::string, std::string>;
  explicit Options(Defaults values) : values_(std::move(values)) {}

  const std::string& text(const std::string& name) const { return values_.at(name); }
  /// A whole number of 0 or more.
  int64_t number(const std::string& name) const { return std::atoll(text(name).c_str()); }

  /// Takes what is given on the command line; false: an option that there is not, or one that is a number by default and is none.
  bool take(int argc, char** argv) {
    for (int i = 1; i < argc; i += 2) {
      const std::string name = std::string(argv[i]).starts_with("--") ? argv[i] + 2 : "";
      const auto known = values_.find(name);
      if (known == values_.end() || i + 1 == argc) return false;
      const std::string value = argv[i + 1];
      if (is_number(known->second) && !is_number(value)) return false;
      known->second = value;
    }
    return true;
  }
  void print_usage(const char* program) const {
    std::fprintf(stderr, "usage: %s", program);
    for (const auto& [name, value] : values_) std::fprintf(stderr, " [--%s %s]", name.c_str(), value.c_str());
    std::fputc('\n', stderr);
  }

 private:
  static bool is_number(const std::string& s) { return !s.empty() && s.size() < 10 && s.find_first_not_of("0123456789") == std::string::npos; }
  std::map<std::string, std::string> values_;
};

/// main() of an example: `work` trains.
inline int run_example(int argc, char** argv, const Options::Defaults& defaults, void (*work)(const Options&)) {
  Options options(defaults);
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // lines appear when they are written, in files and pipes too
  if (!options.take(argc, argv)) return options.print_usage(argv[0]), 2;
  try {
    work(options);
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
