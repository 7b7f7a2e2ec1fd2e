// Weights alone, for other programs and from them: .safetensors, and .npz of NumPy, by the file's ending. Names are those of state_dict(),
// which are PyTorch's where the module is. Thread rule: as what is read or written.
#pragma once

#include <string>
#include <vector>

#include "graph/ir/graph.h"
#include "runtime/include/ghostflow/session.h"
#include "trainer/checkpoint/container.h"
#include "trainer/nn/module.h"

namespace gf {

/// Crash-safely. Throws InvalidArgument (an ending of neither kind, names), Unsupported (element types that the format lacks), IoError. NumPy
/// has no bfloat16: it is widened to float32.
void export_weights(const std::string& path, const NamedTensors& weights);
void export_weights(const std::string& path, const std::vector<io::NamedArray>& weights);
/// The State of a trained program that is not the optimizer's: neither "optimizer.*", nor what is called by another State's name and a slot.
void export_weights(const std::string& path, const Program& program, const State& state);

/// What was left out when not strict.
struct Imported {
  std::vector<std::string> missing;      ///< tensors of the model that the file lacks; they keep their values
  std::vector<std::string> unexpected;   ///< tensors of the file that the model lacks
};
/// Into a module's state_dict(), or into the State that export_weights() takes. A file of checkpoint/container.h is one of weights, when not
/// strict. Throws, and changes nothing: what reading throws; NotFound (names; strict), ShapeMismatch, TypeMismatch with all that differs.
Imported import_weights(const std::string& path, nn::Module& module, bool strict = true);
Imported import_weights(const std::string& path, const Program& program, State& state, bool strict = true);


/// The weights that a file (.safetensors, .npz) holds; of a checkpoint those alone, without what belongs to the optimizer. Throws as above.
std::vector<io::NamedArray> read_weights(const std::string& path);
/// The weights in a checkpoint; with `averages` each by its average, where there is one. Throws WrongPhase: averages were not kept, or of no step yet.
std::vector<io::NamedArray> weights_of(const Snapshot& snapshot, bool averages = false);
/// Into a graph that is to be trained: first values of its State that is no optimizer's, and its named float constants. Floats of other widths
/// are converted. Names in `renewed` may be missing, or of another shape, and are left out then (a new head). `where` begins messages.
/// Throws, and changes nothing: as above.
Imported import_weights(std::vector<io::NamedArray> weights, const std::string& where, ir::Model& model, bool strict = true,
                        const std::vector<std::string>& renewed = {});

}  // namespace gf
