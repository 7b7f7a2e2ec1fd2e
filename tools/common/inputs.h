// What a model is fed: --input flags matched with the model's inputs, and models opened with the shapes that the given
// files have.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "converter/include/ghostflow/converter.h"
#include "tools/common/cli.h"

namespace gf::cli {

/// --stream name=SAMPLES[:HOP].
struct StreamSpec {
  std::string name;
  int64_t samples = 0;
  int64_t hop = 0;
};
StreamSpec parse_stream(const std::string& text);

/// Flags of the tools that run a model.
struct RunArgs {
  std::string model;
  std::string entry;
  std::vector<std::string> inputs;  ///< "name=FILE" or, with one input, "FILE"
  std::string image;                ///< --image; empty: the model's metadata
  std::optional<StreamSpec> stream;
  std::string pool;  ///< --pool, bytes for values without a bound; empty: the default
  bool strict = false;
  int optimize = 2;  ///< of the conversion of an .onnx
};
void add_run_args(CLI::App& app, RunArgs& args);

/// An input of the model and where its contents come from ("" when no flag names it).
struct InputSpec {
  std::string name;
  std::string spec;
};

/// Opens args.model. An .onnx is converted with the shapes that the given files have, so that dimensions it leaves open
/// fit them. Sets args.entry when it is empty ("main", or the only one).
Model open_for_run(RunArgs& args, ModelOptions options);

/// One row per input of the entry, in the model's order. UsageError for names that the model does not have.
std::vector<InputSpec> match_inputs(const RunArgs& args, const Program& program, int entry);
/// Index of args.entry; UsageError that lists the entries when there is none.
int find_entry(const Program& program, const std::string& name);

/// Graph inputs that are not initialisers (files before IR version 4 list those too).
std::vector<const onnx::ValueInfo*> graph_inputs(const onnx::Model& model);
/// Shape for onnx::ImportOptions::shapes: the shape (or else the number of elements) that a tensor has, arranged as the
/// input declares it. Nothing when the model leaves nothing open or the tensor does not fit.
std::optional<std::vector<int64_t>> declared_shape(const onnx::ValueInfo& input, const std::vector<int64_t>& shape,
                                                   int64_t count);

/// "image (float32 1x1x28x28), ..." for messages.
std::string ports_text(const Program& program, int entry);
/// The shape of a port for people: varying dimensions by name and interval.
std::string port_shape_text(const Program& program, int entry, const PortInfo& port);

}  // namespace gf::cli
