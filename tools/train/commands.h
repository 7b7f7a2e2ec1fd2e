// The commands of gf-train: each adds its arguments and says what it does with them.
#pragma once

#include <functional>

#include "tools/common/cli.h"

namespace gf::cli {

struct Command {
  CLI::App* app = nullptr;     ///< parsed(): it was asked for
  std::function<int()> run;    ///< the exit code
};

/// In the folder of a training's checkpoints: the model that they belong to.
inline constexpr const char* kCheckpointModel = "model.gf";

Command add_check(CLI::App& app, Common& common);
Command add_export(CLI::App& app, Common& common);
Command add_fit(CLI::App& app, Common& common);
Command add_prepare(CLI::App& app, Common& common);

}  // namespace gf::cli
