// Tensors on the command line: files, generated ones, and how they are made to fit an input.
#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <random>

#include "converter/include/ghostflow/converter.h"
#include "io/csv.h"
#include "io/load.h"
#include "io/npy.h"
#include "io/path.h"
#include "tools/common/cli.h"

namespace gf::cli {
namespace {

std::vector<int64_t> bound_shape(const PortInfo& port) { return {port.bounds, port.bounds + port.rank}; }

template <class T>
HostTensor convert_values(const std::vector<double>& values, std::vector<int64_t> shape) {
  std::vector<T> out;
  out.reserve(values.size());
  for (double v : values) out.push_back(static_cast<T>(v));
  return HostTensor::from(std::span<const T>(out), std::move(shape));
}

HostTensor from_doubles(const std::vector<double>& values, std::vector<int64_t> shape, DType dtype) {
  switch (dtype) {
    case DType::F32:
      return convert_values<float>(values, std::move(shape));
    case DType::F64:
      return convert_values<double>(values, std::move(shape));
    case DType::I64:
      return convert_values<int64_t>(values, std::move(shape));
    case DType::I32:
      return convert_values<int32_t>(values, std::move(shape));
    case DType::I16:
      return convert_values<int16_t>(values, std::move(shape));
    case DType::I8:
      return convert_values<int8_t>(values, std::move(shape));
    case DType::U8:
      return convert_values<uint8_t>(values, std::move(shape));
    case DType::U16:
      return convert_values<uint16_t>(values, std::move(shape));
    case DType::U32:
      return convert_values<uint32_t>(values, std::move(shape));
    case DType::U64:
      return convert_values<uint64_t>(values, std::move(shape));
    case DType::F16:
    case DType::BF16: {
      HostTensor t = HostTensor::zeros(dtype, std::move(shape));
      for (size_t i = 0; i < values.size(); ++i) {
        const uint16_t bits = dtype == DType::F16 ? to_f16(static_cast<float>(values[i])).bits
                                                  : to_bf16(static_cast<float>(values[i])).bits;
        std::memcpy(t.data.data() + i * 2, &bits, 2);
      }
      return t;
    }
    case DType::Bool: {
      HostTensor t = HostTensor::zeros(dtype, std::move(shape));
      for (size_t i = 0; i < values.size(); ++i) t.data[i] = static_cast<std::byte>(values[i] != 0);
      return t;
    }
    default:
      throw Exception(Error::TypeMismatch, fmt::format("cannot make a tensor of type {}", dtype_name(dtype)));
  }
}

HostTensor generated(const std::string& spec, const PortInfo& port) {
  const std::vector<int64_t> shape = bound_shape(port);
  const auto count = static_cast<size_t>(io::element_count(shape, std::string(port.name)));
  std::vector<double> values(count, spec == "ones" ? 1.0 : 0.0);
  if (spec.starts_with("random")) {
    const uint64_t seed = spec.size() > 7 ? static_cast<uint64_t>(parse_count(spec.substr(7), spec)) : 0;
    std::mt19937_64 engine(seed);
    const bool whole = dtype_is_int(port.dtype);
    for (double& v : values) {
      const double uniform = static_cast<double>(engine() >> 11) * 0x1p-53;
      v = port.dtype == DType::Bool ? (uniform < 0.5 ? 0 : 1) : whole ? std::floor(uniform * 100) : uniform * 2 - 1;
    }
  }
  return from_doubles(values, shape, port.dtype);
}

// Same number of elements in another shape: the port's, when it is fixed; otherwise leading ones may be missing.
void fit_shape(HostTensor& t, const PortInfo& port, const std::string& spec) {
  const auto fits = [&](const std::vector<int64_t>& s) {
    if (static_cast<int>(s.size()) != port.rank) return false;
    for (int d = 0; d < port.rank; ++d)
      if (port.symbols[d] == -1 ? s[static_cast<size_t>(d)] != port.bounds[d]
                                : s[static_cast<size_t>(d)] > port.bounds[d])
        return false;
    return true;
  };
  if (fits(t.shape)) return;
  if (port.is_static() && io::element_count(bound_shape(port), spec) == t.count()) {
    t.shape = bound_shape(port);
    return;
  }
  std::vector<int64_t> padded = t.shape;
  while (static_cast<int>(padded.size()) < port.rank) padded.insert(padded.begin(), 1);
  if (fits(padded)) {
    t.shape = padded;
    return;
  }
  // one varying dimension: the count decides it
  int varying = -1, varying_count = 0;
  int64_t fixed = 1;
  for (int d = 0; d < port.rank; ++d) {
    if (port.symbols[d] == -1)
      fixed *= port.bounds[d];
    else
      varying = d, ++varying_count;
  }
  if (varying_count == 1 && fixed > 0 && t.count() % fixed == 0 && t.count() / fixed <= port.bounds[varying]) {
    t.shape = bound_shape(port);
    t.shape[static_cast<size_t>(varying)] = t.count() / fixed;
    return;
  }
  throw Exception(Error::ShapeMismatch,
                  fmt::format("'{}' has shape {}, input '{}' wants {}{}", spec, shape_text(t.shape), port.name,
                              port.is_static() ? "" : "at most ", shape_text(bound_shape(port))));
}

// Files may hold another number type than the model wants, but no value may change: text and images are float32 even
// when they hold whole numbers, 3.5 for an integer input is a mistake. Floats may be rounded to a narrower float.
void check_conversion(const HostTensor& t, const PortInfo& port, const std::string& where) {
  const auto refuse = [&](const std::string& why) {
    throw Exception(Error::TypeMismatch, fmt::format("'{}' holds {}, input '{}' wants {}: {}", where,
                                                     dtype_name(t.dtype), port.name, dtype_name(port.dtype), why));
  };
  if (t.dtype == DType::C64 || t.dtype == DType::C128 || port.dtype == DType::C64 || port.dtype == DType::C128)
    refuse("complex numbers are not converted");
  if (dtype_is_float(port.dtype)) return;
  double lo = 0, hi = 1;
  if (port.dtype != DType::Bool) {
    const unsigned bits = dtype_bits(port.dtype);
    const bool is_signed = dtype_is_signed_int(port.dtype) || port.dtype == DType::I4 || port.dtype == DType::I2;
    lo = is_signed ? -std::ldexp(1.0, static_cast<int>(bits) - 1) : 0;
    hi = std::ldexp(1.0, static_cast<int>(is_signed ? bits - 1 : bits)) - 1;
  }
  const std::vector<double> values = t.as<double>();
  for (size_t i = 0; i < values.size(); ++i)
    if (!(values[i] >= lo && values[i] <= hi) || values[i] != std::floor(values[i]))
      refuse(fmt::format("element {} is {}, which does not fit", i, values[i]));
}

}  // namespace

HostTensor load_pb(const std::string& path) {
  const onnx::Tensor t = onnx::read_tensor(onnx::read_file_bytes(io::path_of(path), uint64_t{64} << 30));
  HostTensor out;
  out.dtype = onnx::to_dtype(t.data_type);
  if (out.dtype == DType::Invalid || out.dtype == DType::String)
    throw Exception(Error::Unsupported, fmt::format("'{}' holds a tensor of type {}, which is not supported", path,
                                                    onnx::tensor_type_name(t.data_type)));
  out.shape = t.dims;
  const onnx::Bytes bytes = onnx::tensor_bytes(t);
  out.data.assign(bytes.span().begin(), bytes.span().end());
  return out;
}

bool is_generated(const std::string& spec) {
  return spec == "zeros" || spec == "ones" || spec == "random" || spec.starts_with("random:");
}

HostTensor read_tensor_file(const std::string& path, const std::string& image_options, bool gray) {
  if (io::path_of(path).extension() == ".pb") return load_pb(path);
  io::LoadOptions options;
  std::string image = image_options;
  if (gray && image.find("rgb") == std::string::npos && image.find("bgr") == std::string::npos &&
      image.find("gray") == std::string::npos)
    image += image.empty() ? "gray" : ",gray";
  options.image = io::parse_image_options(image);
  return io::load_array(path, options);
}

HostTensor load_tensor(const std::string& spec, const PortInfo& port, const std::string& image_options,
                       const Program* program) {
  if (is_generated(spec)) return generated(spec, port);
  if (port.dtype == DType::String)
    throw Exception(Error::Unsupported, fmt::format("input '{}' is of strings, which is not supported", port.name));
  std::string image = image_options;
  if (image.empty() && program != nullptr) image = std::string(program->metadata("image"));
  const bool gray = port.rank == 4 && (image.find("nhwc") == std::string::npos ? port.bounds[1] : port.bounds[3]) == 1;
  return fit_tensor(read_tensor_file(spec, image, gray), port, spec);
}

HostTensor fit_tensor(HostTensor t, const PortInfo& port, const std::string& where) {
  if (t.dtype != port.dtype) {
    check_conversion(t, port, where);
    t = from_doubles(t.as<double>(), t.shape, port.dtype);
  }
  fit_shape(t, port, where);
  return t;
}

std::string save_output(const std::string& directory, const std::string& name, const HostTensor& tensor) {
  std::filesystem::create_directories(io::path_of(directory));
  const std::string path = io::text_of(io::path_of(directory) / (file_name(name) + ".npy"));
  io::write_npy(path, tensor);
  return path;
}

std::vector<std::string> read_labels(const Program& program) {
  const std::string_view text = program.metadata("labels");
  if (text.empty()) return {};
  return io::parse_labels(text, "labels in the model");
}

}  // namespace gf::cli
