// The container of a .gf file (schema/format/FORMAT.md): root table, places of segments and sections, signature, seal. Shared
// by emit (a graph becomes a file) and rewrite (a file gets other sections). Internal to graph/emit.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "graph/emit/emit.h"
#include "schema/format/model_generated.h"

namespace gf {

/// A range of bytes; where segments are meant, `offset` counts from where the data of constants begins.
struct ByteRange {
  uint64_t offset = 0, bytes = 0;
};

/// What stands in the root table beside segments and sections, and the segments of constants.
struct RootParts {
  flatbuffers::Offset<flatbuffers::String> producer;
  flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<fb::Op>>> ops;
  flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<fb::Constant>>> constants;
  flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<fb::State>>> states;
  flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<fb::Entry>>> entries;
  flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<fb::KeyValue>>> metadata;
  std::vector<ByteRange> segments;
};

struct SectionView {
  std::string kind;
  std::span<const std::byte> bytes;
};

struct Container {
  /// Called twice and must do the same both times: nothing that follows may come before it in the builder, so that the
  /// header of a file is these bytes with the container's own in front (rewrite takes them apart again).
  std::function<RootParts(flatbuffers::FlatBufferBuilder&)> parts;
  /// The data of constants, piece by piece: (offset from where they begin, bytes), offsets growing; gaps become zeros.
  std::function<void(const std::function<void(uint64_t, std::span<const std::byte>)>&)> data;
  std::vector<SectionView> sections;   ///< in order; the signature comes behind them
  EmitSigner signer;
};

/// Writes the file. Throws LimitExceeded (header over 2 GB), InvalidArgument (a signer that gives no signature).
void write_container(const Container& container, const ByteSink& sink);

}  // namespace gf
