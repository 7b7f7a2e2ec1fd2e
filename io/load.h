// One call that reads any tensor file by its ending. Thread rule: reentrant.
#pragma once

#include <string>

#include "io/array.h"
#include "io/image.h"

namespace gf::io {

struct LoadOptions {
  Limits limits;
  ImageOptions image;  ///< how .png and .jpg become numbers
  bool mono = true;    ///< mix the channels of a .wav
};

/// Reads `.npy`, `.csv`/`.txt` (also `.gz`; float32), `.png`/`.jpg`/`.jpeg`, `.wav` (samples only), `.idx`/`.idx.gz`
/// and names with `-ubyte` (as MNIST's), and an `.npz` or `.safetensors` that holds exactly one array. Endings in any
/// case. Throws what the reader throws, and InvalidArgument for other endings (the message lists them).
Array load_array(const std::string& path, const LoadOptions& options = {});

}  // namespace gf::io
