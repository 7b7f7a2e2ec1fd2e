// ONNX to .gf inside a program, and graphs that a program made as files: component `converter` (libghostflow_converter.a, needs zlib).
// What gf-convert does, in one call.
// Thread rule: safe from several threads at once. Hosted C++: allocates and throws gf::Exception.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "runtime/core/exception.h"

namespace gf {

struct OpDef;
namespace ir {
struct Model;
}

struct OnnxToGfOptions {
  std::string entry = "main";                                     ///< name of the entry point
  std::map<std::string, std::pair<int64_t, int64_t>> dims;        ///< interval of each named dimension
  std::map<std::string, std::vector<int64_t>> shapes;             ///< full shape of an input
  int optimize = 2;                                               ///< 0 to 3, as -O0 .. -O3 of gf-convert
  bool integers = false;                                          ///< dequantised numbers times int8 weights are products of integers
  std::map<std::string, std::string> metadata;                    ///< "labels", "license", ...
  /// Ops of your own (custom_op.h): "example.mirror" is the operator `mirror` of domain "example", its attributes those of the
  /// same names. Not owned; only needed during the call.
  std::vector<const OpDef*> custom_ops;
};

/// The bytes of a .gf file made of an ONNX model (and the files with its external data, beside it). Throws: NotFound,
/// IoError, BadFile, Unsupported (the text lists everything that is missing).
std::vector<std::byte> onnx_to_gf(const std::string& path, const OnnxToGfOptions& options = {});

/// The same of a model in memory, with its weights inside (external data: Unsupported). `notes` receives remarks for people (a
/// dimension that was taken as 1 because nothing was said of it).
std::vector<std::byte> onnx_to_gf(std::span<const std::byte> onnx, const OnnxToGfOptions& options = {}, std::vector<std::string>* notes = nullptr);

/// The .gf file `gf` with the values of its states that State::save() wrote to `saved` as their initial ones: what was learnt becomes
/// a file to give away. Throws as Model::load does, and as State::restore fails.
std::vector<std::byte> with_state(std::span<const std::byte> gf, std::span<const std::byte> saved);

/// Writes a graph that a program made (trace(), inference_model() of ghostflow/train.h): as .onnx where the name ends so, as it is; else as a .gf,
/// optimised with this build's evaluator. The file of before stays until the new one is whole. Returns its bytes. Throws IoError, Unsupported
/// (what ONNX cannot say).
size_t save_model(const std::string& path, ir::Model model);

}  // namespace gf
