// Sound from RIFF/WAVE files (IBM and Microsoft 1991; WAVEFORMATEXTENSIBLE). Thread rule: reentrant.
#pragma once

#include <cstdint>
#include <string>

#include "io/array.h"
#include "io/file.h"

namespace gf::io {

struct Wav {
  int64_t sample_rate = 0;  ///< frames per second
  int64_t channels = 0;     ///< of the file, also after mixing
  Array samples;            ///< float32; [frames, channels] interleaved, or [frames] when mixed or the file is mono
};

/// Parses PCM of 8 (unsigned), 16, 24, 32 bits and IEEE float of 32 and 64 bits. Integers are divided by 2^(bits-1), so
/// that samples lie in [-1, 1); floats are taken as they are. `mono` averages the channels of each frame.
/// Throws BadFile (damaged, truncated), Unsupported (other codecs; RF64), LimitExceeded.
Wav parse_wav(ByteSpan bytes, const std::string& where, bool mono = false, const Limits& limits = {});
Wav read_wav(const std::string& path, bool mono = false, const Limits& limits = {});

}  // namespace gf::io
