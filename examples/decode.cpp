// Continues a text token by token: entry `prefill` reads the whole prompt, entry `decode` then takes one token per run. Both
// share weights and the key/value cache, which is State of the file. With --check every token is also made the slow way,
// by a prefill of the whole text from an empty cache, and must be the same.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "runtime/include/ghostflow/model.h"

namespace {

/// Index of the largest of the logits that the last run of `session` left.
int64_t best(const gf::Session& session) {
  const gf::TensorView logits = session.output(0);
  const auto* values = logits.as<const float>();
  return std::max_element(values, values + logits.count()) - values;
}

/// Runs `session` on tokens that stand from `position` on and returns the most probable next one.
int64_t next(gf::Session& session, const int64_t* tokens, int64_t count, int64_t position) {
  gf::ErrorDetail detail;
  const auto check = [&](gf::Error e) {
    if (e != gf::Error::Ok) throw gf::Exception(e, detail.text);
  };
  const int ids = session.find_input("tokens"), places = session.find_input("position");
  const int64_t ids_shape[] = {1, count}, places_shape[] = {count};
  if (session.input(ids).shape[1] != count) {
    check(session.set_input_shape(ids, ids_shape, &detail));
    check(session.set_input_shape(places, places_shape, &detail));
  }
  std::copy_n(tokens, count, session.input(ids).as<int64_t>());
  for (int64_t i = 0; i < count; ++i) session.input(places).as<int64_t>()[i] = position + i;
  check(session.run(&detail));
  return best(session);
}

int generate(const char* path, std::vector<int64_t> tokens, int steps, bool check) {
  gf::Model model = gf::Model::load(path);
  gf::Session& prefill = model.session("prefill");
  gf::Session& decode = model.session("decode");
  gf::Model other = gf::Model::load(path);  // for the slow way: a cache of its own

  const auto prompt = static_cast<int64_t>(tokens.size());
  tokens.push_back(next(prefill, tokens.data(), prompt, 0));
  for (int step = 1; step < steps; ++step) {
    const auto position = static_cast<int64_t>(tokens.size()) - 1;
    tokens.push_back(next(decode, &tokens.back(), 1, position));
    if (!check) continue;
    other.state()->reset();
    const int64_t slow = next(other.session("prefill"), tokens.data(), position + 1, 0);
    if (slow != tokens.back()) {
      std::fprintf(stderr, "token %d: decode says %d, prefill %d\n", step, static_cast<int>(tokens.back()), static_cast<int>(slow));
      return 1;
    }
  }
  for (size_t i = 0; i < tokens.size(); ++i) std::printf("%s%d", i == 0 ? "" : " ", static_cast<int>(tokens[i]));
  std::printf("\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const bool check = argc > 1 && std::strcmp(argv[1], "--check") == 0;
  const int first = check ? 2 : 1;
  if (argc < first + 3) {
    std::fputs("usage: decode [--check] MODEL.gf STEPS TOKEN...\n", stderr);
    return 2;
  }
  std::vector<int64_t> tokens;
  for (int i = first + 2; i < argc; ++i) tokens.push_back(std::atoll(argv[i]));
  try {
    return generate(argv[first], tokens, std::atoi(argv[first + 1]), check);
  } catch (const gf::Exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
