// gf-convert as a WebAssembly module of its own, loaded when a page first needs it: ONNX bytes to .gf bytes, and a program with
// the values that it has learnt. Unlike the runtime's module it uses the heap and grows its memory; the loader drops it after use.
// Ownership: gfc_alloc gives memory to fill; results stay until the next call. Thread rule: one caller.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "facade/include/ghostflow/convert.h"
#include "web/module/export.h"

namespace gf::web {
namespace {

struct Output {
  std::vector<std::byte> bytes;
  std::string text;       // an error, or remarks, a line each
  int32_t status = 0;
};
Output& result() {
  static Output r;
  return r;
}

int32_t fail(Error error, std::string text) {
  result().bytes.clear();
  result().text = std::move(text);
  return result().status = static_cast<int32_t>(error);
}

template <class F>
int32_t guarded(F&& f) {
  result() = {};
  try {
    f();
    return 0;
  } catch (const Exception& e) {
    return fail(e.code(), e.what());
  } catch (const std::bad_alloc&) {
    return fail(Error::OutOfMemory, "the model and its .gf do not fit into memory together");
  } catch (const std::exception& e) {
    return fail(Error::Internal, e.what());
  }
}

std::string_view cut(std::string_view& text, char at) {
  const size_t end = text.find(at);
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return part;
}
int64_t number(std::string_view text, std::string_view where) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    throw Exception(Error::InvalidArgument, "'" + std::string(text) + "' in " + std::string(where) + " is no whole number");
  return value;
}

// A line each, fields split by tabs: "entry NAME", "optimize N", "integers 1", "shape INPUT 1,3,224,224", "dim NAME MIN MAX", "meta KEY TEXT" (a line
// break in TEXT is a vertical tab).
OnnxToGfOptions read_options(std::string_view text) {
  OnnxToGfOptions options;
  while (!text.empty()) {
    std::string_view line = cut(text, '\n');
    const std::string_view whole = line, key = cut(line, '\t');
    if (key == "entry") {
      options.entry = line;
    } else if (key == "optimize") {
      options.optimize = static_cast<int>(number(line, whole));
    } else if (key == "integers") {
      options.integers = number(line, whole) != 0;
    } else if (key == "shape") {
      std::vector<int64_t>& shape = options.shapes[std::string(cut(line, '\t'))];
      while (!line.empty()) shape.push_back(number(cut(line, ','), whole));
    } else if (key == "dim") {
      const std::string name(cut(line, '\t'));
      const int64_t lo = number(cut(line, '\t'), whole);
      options.dims[name] = {lo, number(line, whole)};
    } else if (key == "meta") {
      const std::string name(cut(line, '\t'));
      std::string& value = options.metadata[name] = line;
      std::replace(value.begin(), value.end(), '\v', '\n');
    } else {
      throw Exception(Error::InvalidArgument, "unknown option '" + std::string(key) + "'");
    }
  }
  return options;
}

}  // namespace

/// Memory of the caller's until gfc_free; nullptr: there is none left.
GF_WEB_EXPORT(void*, gfc_alloc)(uint32_t bytes) { return std::malloc(bytes); }
GF_WEB_EXPORT(void, gfc_free)(void* memory) { std::free(memory); }
/// What the last call made: bytes, and text (an error, or remarks).
GF_WEB_EXPORT(const std::byte*, gfc_bytes)() { return result().bytes.data(); }
GF_WEB_EXPORT(uint32_t, gfc_bytes_size)() { return static_cast<uint32_t>(result().bytes.size()); }
GF_WEB_EXPORT(const char*, gfc_text)() { return result().text.data(); }
GF_WEB_EXPORT(uint32_t, gfc_text_size)() { return static_cast<uint32_t>(result().text.size()); }

GF_WEB_EXPORT(const char*, gfc_error_name)(int32_t error) { return error_name(static_cast<Error>(error)); }

/// An .onnx file of one piece (weights inside) to a .gf file. `options`: see read_options. Returns a gf::Error.
GF_WEB_EXPORT(int32_t, gfc_convert)(const std::byte* onnx, uint32_t size, const char* options, uint32_t options_size) {
  return guarded([&] {
    std::vector<std::string> notes;
    result().bytes = onnx_to_gf({onnx, size}, read_options({options, options_size}), &notes);
    for (const std::string& note : notes) result().text += note + "\n";
  });
}

/// A .gf file whose states begin with the values in `saved` (what gfw_state_save wrote for this program).
GF_WEB_EXPORT(int32_t, gfc_with_state)(const std::byte* gf, uint32_t size, const std::byte* saved, uint32_t saved_size) {
  return guarded([&] { result().bytes = with_state({gf, size}, {saved, saved_size}); });
}

}  // namespace gf::web
