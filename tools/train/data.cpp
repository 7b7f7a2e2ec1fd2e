#include "tools/train/data.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "io/path.h"
#include "tools/common/cli.h"
#include "trainer/data/tables.h"
#include "trainer/data/text.h"
#include "trainer/data/transforms.h"
#include "trainer/data/vision.h"

namespace gf::cli {
namespace {

using namespace data;
namespace fs = std::filesystem;

struct Spec {
  std::string kind, path;
  std::map<std::string, std::string> settings;
};
Spec parse(const std::string& text) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos || colon + 1 == text.size())
    throw UsageError(fmt::format("--data {}: KIND:PATH, where KIND is mnist, cifar, images, csv, npz or text", text));
  Spec s{text.substr(0, colon), {}, {}};
  const auto words = CLI::detail::split(text.substr(colon + 1), ',');
  s.path = words[0];
  for (size_t i = 1; i < words.size(); ++i) {
    const auto [name, value] = split_pair(words[i], "--data");
    s.settings[name] = value;
  }
  return s;
}
std::string setting(Spec& s, const std::string& name, const std::string& otherwise) {
  const auto it = s.settings.find(name);
  if (it == s.settings.end()) return otherwise;
  const std::string value = it->second;
  s.settings.erase(it);
  return value;
}

// The first file of these names, gzip or not.
std::string find(const std::string& folder, const std::vector<std::string>& names) {
  std::string tried;
  for (const std::string& name : names) {
    for (const char* ending : {"", ".gz"})
      if (fs::exists(io::path_of(folder + "/" + name + ending))) return folder + "/" + name + ending;
    tried += (tried.empty() ? "" : ", ") + name;
  }
  throw Exception(Error::NotFound, fmt::format("{} holds none of {} (nor with .gz)", folder, tried));
}

TransformPtr pictures(bool augment, int64_t size, bool flip, std::vector<float> mean, std::vector<float> deviation) {
  const Normalize normalise(std::move(mean), std::move(deviation));
  if (!augment) return transforms(ToFloat(), normalise);
  if (flip) return transforms(RandomCrop(size, 4), RandomHorizontalFlip(), ToFloat(), normalise);
  return transforms(RandomRotation(10, Interpolation::Bilinear), RandomCrop(size, 2), ToFloat(), normalise);
}

void split(Data& d, const DatasetPtr& all, const DataOptions& o) {
  if (!(o.validation_share > 0 && o.validation_share < 1)) throw UsageError("--validate: a share between 0 and 1");
  const auto parts = random_split(all, std::vector<double>{1 - o.validation_share, o.validation_share}, o.seed);
  d.train = parts[0];
  d.validation = parts[1];
}

// Of other sizes and with three channels for nets that were trained on photographs.
void open_mnist(Data& d, Spec& s, const DataOptions& o) {
  const int64_t size = parse_count(setting(s, "size", "28"), "--data " + o.what), channels = parse_count(setting(s, "channels", "1"), "--data " + o.what);
  if (channels != 1 && channels != 3) throw UsageError(fmt::format("--data {}: channels is 1 or 3", o.what));
  const auto open = [&](bool train, bool augment) {
    std::vector<TransformPtr> steps;
    if (size != 28) steps.push_back(std::make_shared<Resize>(size, size));
    if (channels == 3) steps.push_back(std::make_shared<GrayToRgb>());
    steps.push_back(channels == 3 ? pictures(augment, size, false, {0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}) : pictures(augment, size, false, {0.1307F}, {0.3081F}));
    return MNIST::in_folder(s.path, train, {.transform = std::make_shared<Compose>(std::move(steps))});
  };
  d.train = open(true, o.augment);
  d.validation = open(false, false);
  d.classes = 10;
}

void open_cifar(Data& d, const Spec& s, const DataOptions& o) {
  const bool hundred = fs::exists(io::path_of(s.path + "/train.bin"));
  std::vector<std::string> files;
  if (hundred) files = {s.path + "/train.bin"};
  else
    for (int i = 1; i <= 5; ++i) files.push_back(find(s.path, {"data_batch_" + std::to_string(i) + ".bin"}));
  const auto kind = hundred ? CIFAR::Kind::Cifar100 : CIFAR::Kind::Cifar10;
  const auto settings = [&](bool augment) { return VisionSettings{.transform = pictures(augment, 32, true, {0.4914F, 0.4822F, 0.4465F}, {0.247F, 0.2435F, 0.2616F})}; };
  d.train = std::make_shared<CIFAR>(kind, files, settings(o.augment));
  d.validation = std::make_shared<CIFAR>(kind, std::vector<std::string>{find(s.path, {"test_batch.bin", "test.bin"})}, settings(false));
  d.classes = hundred ? 100 : 10;
}

void open_images(Data& d, Spec& s, const DataOptions& o) {
  const int64_t size = parse_count(setting(s, "size", "64"), "--data " + o.what);
  const auto settings = [&](bool augment) {
    const TransformPtr t = augment ? transforms(Resize(size, size), RandomCrop(size, size / 8), RandomHorizontalFlip(), ToFloat()) : transforms(Resize(size, size), ToFloat());
    return VisionSettings{.transform = t};
  };
  const auto open = [&](const std::string& folder, bool augment) { return std::make_shared<ImageFolder>(folder, settings(augment)); };
  const bool parts = fs::is_directory(io::path_of(s.path + "/train"));
  const auto train = open(parts ? s.path + "/train" : s.path, o.augment);
  d.classes = static_cast<int64_t>(train->classes().size());
  if (!parts) return split(d, train, o);
  const char* const name = fs::is_directory(io::path_of(s.path + "/val")) ? "/val" : "/test";
  const auto validation = open(s.path + name, false);
  if (validation->classes() != train->classes()) throw Exception(Error::BadData, fmt::format("{0}/train and {0}{1} have different classes", s.path, name));
  d.train = train;
  d.validation = validation;
}

void open_csv(Data& d, Spec& s, const DataOptions& o) {
  CsvSettings settings;
  settings.target = setting(s, "target", "-1");
  if (const std::string classes = setting(s, "classes", ""); !classes.empty()) d.classes = parse_count(classes, "--data " + o.what), settings.classes = d.classes;
  split(d, std::make_shared<CsvDataset>(s.path, settings), o);
}

void open_npz(Data& d, Spec& s, const DataOptions& o) {
  const auto all = std::make_shared<NpzDataset>(s.path);
  if (const std::string classes = setting(s, "classes", ""); !classes.empty()) d.classes = parse_count(classes, "--data " + o.what);
  split(d, all, o);
}

// The first part trains, the last is for validation: windows that overlap in neither.
void open_text(Data& d, const Spec& s, const DataOptions& o) {
  const std::string text = read_text(s.path);
  const auto tokenizer = std::make_shared<CharTokenizer>(CharTokenizer::from_text(text));
  std::vector<int32_t> tokens = tokenizer->encode(text);
  const auto cut = static_cast<std::ptrdiff_t>(std::llround(static_cast<double>(tokens.size()) * (1 - o.validation_share)));
  std::vector<int32_t> rest(tokens.begin() + cut, tokens.end());
  tokens.resize(static_cast<size_t>(cut));
  d.train = std::make_shared<TextDataset>(std::move(tokens), TextSettings{.length = o.length, .stride = 1});
  d.validation = std::make_shared<TextDataset>(std::move(rest), TextSettings{.length = o.length});
  d.classes = tokenizer->vocabulary_size();
  d.tokenizer = tokenizer;
}

bool is_target(const Field& f) { return f.name == "label" || f.name == "target" || f.name == "targets"; }

}  // namespace

const Field& Data::input() const {
  for (const Field& f : train->fields())
    if (!is_target(f)) return f;
  throw Exception(Error::InvalidArgument, "the data has nothing but targets: " + fields_text(train->fields()));
}

Data open_data(const DataOptions& o) {
  Spec s = parse(o.what);
  Data d;
  if (s.kind == "mnist") open_mnist(d, s, o);
  else if (s.kind == "cifar") open_cifar(d, s, o);
  else if (s.kind == "images") open_images(d, s, o);
  else if (s.kind == "csv") open_csv(d, s, o);
  else if (s.kind == "npz") open_npz(d, s, o);
  else if (s.kind == "text") open_text(d, s, o);
  else throw UsageError(fmt::format("--data {}: there is no kind '{}'; there are: mnist, cifar, images, csv, npz, text", o.what, s.kind));
  for (const auto& [name, value] : s.settings) throw UsageError(fmt::format("--data {}: {} has no setting '{}'", o.what, s.kind, name));
  d.description = fmt::format("{} examples of {}; {} for validation", d.train->size(), fields_text(d.train->fields()), d.validation->size());
  return d;
}

}  // namespace gf::cli
