// Data for gf-train from the command line: mnist:DIR, cifar:DIR, images:DIR, csv:FILE[,target=COL], npz:FILE, text:FILE.
#pragma once

#include <memory>
#include <string>

#include "trainer/data/dataset.h"
#include "trainer/data/tokenizer.h"

namespace gf::cli {

struct DataOptions {
  std::string what;                 ///< KIND:PATH[,SETTING=VALUE...]
  double validation_share = 0.1;    ///< of the examples, where the data has no part of its own for validation
  bool augment = false;             ///< pictures: shifted, and turned over where that leaves them what they are
  int64_t length = 64;              ///< text: tokens per example
  uint64_t seed = 0;
};
struct Data {
  data::DatasetPtr train, validation;
  int64_t classes = 0;              ///< 0: targets are numbers. Text: the vocabulary
  std::shared_ptr<const data::Tokenizer> tokenizer;  ///< text
  std::string description;          ///< "60000 examples of image float32 [1, 28, 28], label int64 []; 3000 for validation"

  /// The field that is not the target.
  const data::Field& input() const;
};
/// Throws UsageError (an unknown kind), and what reading throws.
Data open_data(const DataOptions& options);

}  // namespace gf::cli
