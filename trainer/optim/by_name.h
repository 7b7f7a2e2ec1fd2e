// Optimizers from text, for the command line and settings files: "adamw,lr=3e-4,betas=0.9:0.98,amsgrad=true".
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "trainer/optim/optimizer.h"

namespace gf::optim {

/// NAME[,SETTING=VALUE...]: names as optimizer_names() has them, settings those of the optimizer's struct, pairs and triples of numbers with
/// colons between them, true and false for flags. Throws InvalidArgument: an unknown name or setting (the text lists those there are), what is
/// no number, and what the optimizer's own check refuses.
std::shared_ptr<Optimizer> by_name(const std::string& text);
/// "sgd", "adam", ...: in lower case.
std::vector<std::string> optimizer_names();

}  // namespace gf::optim
