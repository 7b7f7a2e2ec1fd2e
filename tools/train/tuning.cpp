#include "tools/train/tuning.h"

#include <fmt/format.h>

#include <filesystem>

#include "converter/include/ghostflow/converter.h"
#include "io/path.h"
#include "tools/train/import.h"
#include "trainer/checkpoint/state.h"
#include "trainer/checkpoint/weights.h"

namespace gf::cli {
namespace {

// a word alone is a part of a name, as in q_proj
std::string as_glob(const std::string& word) { return word.find_first_of("*?") == std::string::npos ? "*" + word + "*" : word; }

// "GLOB,GLOB:RANK", several times: all of one rank.
void set_lora(const std::vector<std::string>& texts, LoraOptions& lora) {
  std::optional<int64_t> rank;
  for (const std::string& text : texts) {
    const size_t colon = text.rfind(':');
    const std::string globs = text.substr(0, colon);
    const int64_t here = colon == std::string::npos ? lora.rank : parse_count(text.substr(colon + 1), "--lora " + text);
    if (globs.empty() || (rank && *rank != here)) throw UsageError(fmt::format("--lora {}: GLOB[,GLOB]:RANK, one rank for all", text));
    rank = here;
    for (const std::string& glob : CLI::detail::split(globs, ',')) lora.weights.push_back(as_glob(glob));
  }
  if (rank) lora.rank = *rank;
}

// "N" or "WEIGHT:N"
void set_head(const std::string& text, HeadOptions& head) {
  const size_t colon = text.rfind(':');
  if (colon != std::string::npos) head.weight = text.substr(0, colon);
  head.outputs = parse_count(colon == std::string::npos ? text : text.substr(colon + 1), "--head " + text);
  if (head.outputs < 1) throw UsageError(fmt::format("--head {}: N or WEIGHT:N, N being 1 or more", text));
}

std::vector<io::NamedArray> initializers(const std::string& path) {
  const onnx::Model model = onnx::read_model_file(io::path_of(path));
  onnx::ExternalData external(io::path_of(path).parent_path());
  std::vector<io::NamedArray> arrays;
  for (const onnx::Tensor& t : model.graph.initializer) {
    const DType type = onnx::to_dtype(t.data_type);
    if (t.name.empty() || !dtype_is_float(type)) continue;
    const onnx::Bytes bytes = onnx::tensor_bytes(t, &external, path + ": " + t.name);
    arrays.push_back({t.name, io::Array::from_bytes(type, t.dims, bytes.span())});
  }
  return arrays;
}

std::vector<io::NamedArray> states(const std::string& path) {
  ModelOptions options;
  options.threads = 1;
  Model model = Model::load(path, options);
  if (model.state() == nullptr) return {};
  return weights_of(snapshot_of(model.program(), *model.state(), 0));
}

ir::Model read_teacher(const std::string& path, const std::string& batch, const std::vector<int64_t>& example) {
  check_model_path(path);
  if (!is_onnx_path(path)) return read_gf(path);
  return import_for_training({.path = path, .entry = "main", .batch = batch, .shapes = {}, .dims = {}, .example = example});
}

}  // namespace

std::vector<io::NamedArray> read_tensors(const std::string& path) {
  if (!std::filesystem::exists(io::path_of(path))) throw Exception(Error::NotFound, fmt::format("{}: no such file", path));
  if (is_onnx_path(path)) return initializers(path);
  if (path.ends_with(".gf")) return states(path);
  if (!path.ends_with(".safetensors") && !path.ends_with(".npz")) throw UsageError(fmt::format("{}: weights come from .safetensors, .npz, .onnx or .gf", path));
  return read_weights(path);
}

const char* Tuning::changes_weights() const {
  if (!head.empty()) return "--head";
  if (!lora.empty()) return "--lora";
  if (!options.trainable.empty()) return "--trainable";
  if (options.last > 0) return "--last";
  return options.biases_only ? "--biases-only" : nullptr;
}

void add_tuning(CLI::App& c, Tuning& t) {
  CLI::Option* init = c.add_option("--init", t.init, "First values of the weights, by name: .safetensors, .npz, a checkpoint, an .onnx, a trained .gf");
  c.add_flag("--init-partial", t.init_partial, "Weights that the file or the model lacks are left out")->needs(init);
  c.add_option("--head", t.head, "N or WEIGHT:N: a new last layer (or the one of that weight) for N classes");
  c.add_option("--trainable", t.options.trainable, "Only weights whose names match: GLOB[,GLOB]")->delimiter(',');
  c.add_option("--last", t.options.last, "Only the last K layers with weights")->check(CLI::PositiveNumber);
  c.add_flag("--biases-only", t.options.biases_only, "Only biases");
  c.add_option("--lora", t.lora, "GLOB[,GLOB]:RANK: small matrices beside these weights are trained, the weights stay (a word without * is a part of a name)");
  c.add_option("--lora-alpha", t.options.lora.alpha, "Their product is scaled by ALPHA / RANK (default: 2 * RANK)")->check(CLI::PositiveNumber);
  CLI::Option* qat = c.add_flag("--qat", t.qat, "Quantisation-aware training: layers compute as int8 would");
  c.add_option("--qat-layers", t.quantized, "Only layers whose weights match: GLOB[,GLOB]")->delimiter(',')->needs(qat);
  CLI::Option* teacher = c.add_option("--teacher", t.teacher, "A trained model (.onnx or .gf) whose scores are learnt from too (knowledge distillation)");
  c.add_option("--temperature", t.temperature, "Both softmaxes of distillation are of scores / T")->check(CLI::PositiveNumber)->needs(teacher)->capture_default_str();
  c.add_option("--alpha", t.alpha, "Share of the loss by the targets; the teacher has the rest")->check(CLI::Range(0.0, 1.0))->needs(teacher)->capture_default_str();
}

void set_tuning(Tuning& t, const Common& common, const std::string& batch, const std::vector<int64_t>& example) {
  set_lora(t.lora, t.options.lora);
  t.options.lora.seed = common.seed;
  if (!t.head.empty()) set_head(t.head, t.options.head);
  t.options.head.seed = common.seed;
  if (!t.init.empty()) t.options.weights = StartWeights{read_tensors(t.init), t.init, t.init_partial};
  if (t.qat) {
    t.options.quantize.emplace();
    for (const std::string& glob : t.quantized) t.options.quantize->weights.push_back(as_glob(glob));
  }
  if (t.teacher.empty()) return;
  t.teacher_model = read_teacher(t.teacher, batch, example);
  t.options.teacher = Teacher{.model = &t.teacher_model, .entry = "main", .output = {}, .temperature = t.temperature, .alpha = t.alpha};
}

}  // namespace gf::cli
