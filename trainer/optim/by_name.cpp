#include "trainer/optim/by_name.h"

#include <charconv>
#include <functional>
#include <map>
#include <set>

#include "runtime/core/exception.h"
#include "trainer/optim/optimizers.h"

namespace gf::optim {
namespace {

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t end; (end = text.find(at, begin)) != std::string::npos; begin = end + 1) parts.push_back(text.substr(begin, end - begin));
  parts.push_back(text.substr(begin));
  return parts;
}

template <class List>
std::string listed(const List& names) {
  std::string text;
  for (const std::string& n : names) text += (text.empty() ? "" : ", ") + n;
  return text;
}

// The settings that were given, taken one by one by the optimizer that knows them.
class Given {
 public:
  Given(std::string optimizer, const std::vector<std::string>& words) : optimizer_(std::move(optimizer)) {
    for (size_t i = 1; i < words.size(); ++i) {
      const size_t equals = words[i].find('=');
      if (equals == std::string::npos || equals == 0) fail("'" + words[i] + "' is not SETTING=VALUE");
      if (!values_.emplace(words[i].substr(0, equals), words[i].substr(equals + 1)).second) fail("'" + words[i].substr(0, equals) + "' is given twice");
    }
  }

  Given& take(const char* name, double& to) {
    if (const std::string* text = find(name)) to = number(name, *text);
    return *this;
  }
  Given& take(const char* name, std::optional<double>& to) {
    if (const std::string* text = find(name)) to = number(name, *text);
    return *this;
  }
  Given& take(const char* name, int& to) {
    if (const std::string* text = find(name)) {
      const double value = number(name, *text);
      to = static_cast<int>(value);
      if (!(value >= 0 && value < 1e6) || static_cast<double>(to) != value) fail(std::string(name) + " is a whole number, not '" + *text + "'");
    }
    return *this;
  }
  Given& take(const char* name, bool& to) {
    if (const std::string* text = find(name)) {
      if (*text != "true" && *text != "false") fail(std::string(name) + " is true or false, not '" + *text + "'");
      to = *text == "true";
    }
    return *this;
  }
  template <size_t N>
  Given& take(const char* name, std::array<double, N>& to) {
    if (const std::string* text = find(name)) {
      const std::vector<std::string> parts = split(*text, ':');
      if (parts.size() != N) fail(std::string(name) + " is " + std::to_string(N) + " numbers with ':' between them, not '" + *text + "'");
      for (size_t i = 0; i < N; ++i) to[i] = number(name, parts[i]);
    }
    return *this;
  }
  void done() const {
    for (const auto& [name, value] : values_)
      if (!known_.contains(name)) fail("there is no setting '" + name + "'; there are: " + listed(known_));
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw Exception(Error::InvalidArgument, "optimizer " + optimizer_ + ": " + what); }
  const std::string* find(const char* name) {
    known_.insert(name);
    const auto it = values_.find(name);
    return it == values_.end() ? nullptr : &it->second;
  }
  double number(const char* name, const std::string& text) const {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) fail(std::string(name) + " is a number, not '" + text + "'");
    return value;
  }

  std::string optimizer_;
  std::map<std::string, std::string> values_;
  std::set<std::string> known_;
};

template <class S>
void take_adam(Given& g, S& s) {
  g.take("lr", s.lr).take("betas", s.betas).take("eps", s.eps).take("weight_decay", s.weight_decay).take("maximize", s.maximize);
}

// The settings of each optimizer.
void take_all(Given& g, SgdSettings& s) {
  g.take("lr", s.lr).take("momentum", s.momentum).take("dampening", s.dampening).take("weight_decay", s.weight_decay).take("nesterov", s.nesterov).take("maximize", s.maximize);
}
void take_all(Given& g, AdamSettings& s) {
  take_adam(g, s);
  g.take("amsgrad", s.amsgrad).take("decoupled_weight_decay", s.decoupled_weight_decay);
}
void take_all(Given& g, AdamWSettings& s) {
  take_adam(g, s);
  g.take("amsgrad", s.amsgrad);
}
void take_all(Given& g, AdamaxSettings& s) { take_adam(g, s); }
void take_all(Given& g, NAdamSettings& s) {
  take_adam(g, s);
  g.take("momentum_decay", s.momentum_decay).take("decoupled_weight_decay", s.decoupled_weight_decay);
}
void take_all(Given& g, RAdamSettings& s) {
  take_adam(g, s);
  g.take("decoupled_weight_decay", s.decoupled_weight_decay);
}
void take_all(Given& g, RMSpropSettings& s) {
  g.take("lr", s.lr).take("alpha", s.alpha).take("eps", s.eps).take("weight_decay", s.weight_decay).take("momentum", s.momentum).take("centered", s.centered).take("maximize", s.maximize);
}
void take_all(Given& g, AdagradSettings& s) {
  g.take("lr", s.lr).take("lr_decay", s.lr_decay).take("weight_decay", s.weight_decay).take("initial_accumulator_value", s.initial_accumulator_value);
  g.take("eps", s.eps).take("maximize", s.maximize);
}
void take_all(Given& g, AdadeltaSettings& s) {
  g.take("lr", s.lr).take("rho", s.rho).take("eps", s.eps).take("weight_decay", s.weight_decay).take("maximize", s.maximize);
}
void take_all(Given& g, LionSettings& s) { g.take("lr", s.lr).take("betas", s.betas).take("weight_decay", s.weight_decay).take("maximize", s.maximize); }
void take_all(Given& g, LambSettings& s) { take_adam(g, s); }
void take_all(Given& g, LarsSettings& s) {
  g.take("lr", s.lr).take("momentum", s.momentum).take("weight_decay", s.weight_decay).take("trust_coefficient", s.trust_coefficient).take("maximize", s.maximize);
}
void take_all(Given& g, AdafactorSettings& s) {
  g.take("lr", s.lr).take("beta2_decay", s.beta2_decay).take("eps1", s.eps1).take("eps2", s.eps2).take("d", s.d).take("weight_decay", s.weight_decay).take("maximize", s.maximize);
}
void take_all(Given& g, MuonSettings& s) {
  g.take("lr", s.lr).take("weight_decay", s.weight_decay).take("momentum", s.momentum).take("nesterov", s.nesterov).take("ns_coefficients", s.ns_coefficients);
  g.take("eps", s.eps).take("ns_steps", s.ns_steps);
}

template <class Rule, class Settings>
std::shared_ptr<Optimizer> make(Given& g) {
  Settings s;
  take_all(g, s);
  g.done();
  return std::make_shared<Rule>(s);
}

struct Row {
  const char* name;
  std::shared_ptr<Optimizer> (*make)(Given&);
};
constexpr Row kRows[] = {
    {"sgd", make<SGD, SgdSettings>},             {"adam", make<Adam, AdamSettings>},       {"adamw", make<AdamW, AdamWSettings>},
    {"adamax", make<Adamax, AdamaxSettings>},    {"nadam", make<NAdam, NAdamSettings>},    {"radam", make<RAdam, RAdamSettings>},
    {"rmsprop", make<RMSprop, RMSpropSettings>}, {"adagrad", make<Adagrad, AdagradSettings>}, {"adadelta", make<Adadelta, AdadeltaSettings>},
    {"lion", make<Lion, LionSettings>},          {"lamb", make<LAMB, LambSettings>},       {"lars", make<LARS, LarsSettings>},
    {"adafactor", make<Adafactor, AdafactorSettings>}, {"muon", make<Muon, MuonSettings>},
};

}  // namespace

std::vector<std::string> optimizer_names() {
  std::vector<std::string> names;
  for (const Row& row : kRows) names.emplace_back(row.name);
  return names;
}

std::shared_ptr<Optimizer> by_name(const std::string& text) {
  const std::vector<std::string> words = split(text, ',');
  for (const Row& row : kRows)
    if (words[0] == row.name) {
      Given given(row.name, words);
      return row.make(given);
    }
  throw Exception(Error::InvalidArgument, "there is no optimizer '" + words[0] + "'; there are: " + listed(optimizer_names()));
}

}  // namespace gf::optim
