// Chooses the reader by the file's ending.
#include "io/load.h"

#include "io/csv.h"
#include "io/idx.h"
#include "io/npy.h"
#include "io/path.h"
#include "io/safetensors.h"
#include "io/wav.h"
#include "runtime/core/exception.h"

namespace gf::io {
namespace {

Array only_one(std::vector<NamedArray> arrays, const std::string& path) {
  if (arrays.size() != 1)
    throw Exception(Error::InvalidArgument, printable(path) + ": holds " + std::to_string(arrays.size()) +
                                                " arrays where one is wanted; name one or save it alone");
  return std::move(arrays.front().array);
}

}  // namespace

Array load_array(const std::string& path, const LoadOptions& options) {
  std::string name = text_of(path_of(path).filename());
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  // gzip is recognised by content; the ending only has to be looked through
  const std::string inner = name.ends_with(".gz") ? name.substr(0, name.size() - 3) : name;
  if (inner.ends_with(".csv") || inner.ends_with(".txt")) return read_csv(path, {}, options.limits).values;
  if (inner.ends_with(".idx") || inner.ends_with("-ubyte")) return read_idx(path, options.limits);
  if (name.ends_with(".npy")) return read_npy(path, options.limits);
  if (name.ends_with(".npz")) return only_one(read_npz(path, options.limits), path);
  if (name.ends_with(".safetensors")) return only_one(read_safetensors(path, nullptr, options.limits), path);
  if (name.ends_with(".wav")) return read_wav(path, options.mono, options.limits).samples;
  if (name.ends_with(".png") || name.ends_with(".jpg") || name.ends_with(".jpeg"))
    return image_to_array(read_image(path, options.limits), options.image);
  throw Exception(Error::InvalidArgument, printable(path) +
                                              ": unknown ending; give .npy, .npz, .csv, .txt, .png, .jpg, "
                                              ".wav, .idx or .safetensors");
}

}  // namespace gf::io
