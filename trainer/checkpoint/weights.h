// Weights alone, for other programs and from them: .safetensors, and .npz of NumPy, by the file's ending. Names are those of state_dict(),
// which are PyTorch's where the module is. Thread rule: as what is read or written.
#pragma once

#include <string>
#include <vector>

#include "runtime/include/ghostflow/session.h"
#include "trainer/nn/module.h"

namespace gf {

/// Crash-safely. Throws InvalidArgument (an ending of neither kind, names), Unsupported (element types that the format lacks), IoError. NumPy
/// has no bfloat16: it is widened to float32.
void export_weights(const std::string& path, const NamedTensors& weights);
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

}  // namespace gf
