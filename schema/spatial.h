// Geometry of ops that slide a window over an image: convolutions and pools. Images are channels last, [N, spatial..,
// C]; pads are the befores, then the afters. Inference and kernels resolve the same attributes with the functions here.
#pragma once

#include "schema/op.h"

namespace gf {

inline constexpr int kMaxSpatial = kMaxRank - 2;

/// Padding computed from the actual sizes so that out = ceil(in / stride); the odd element goes at the end (SameUpper)
/// or in front (SameLower). Values stand in files.
enum class AutoPad : uint8_t { NotSet = 0, SameUpper = 1, SameLower = 2 };

/// The attributes of a window as plain views, whatever op they come from.
struct WindowAttrs {
  IntList strides = {};    ///< empty: 1
  IntList dilations = {};  ///< empty: 1
  IntList pads = {};       ///< empty: 0; ignored with auto_pad
  AutoPad auto_pad = AutoPad::NotSet;
  bool ceil_mode = false;

  int64_t stride(int d) const { return strides.empty() ? 1 : strides[static_cast<size_t>(d)]; }
  int64_t dilation(int d) const { return dilations.empty() ? 1 : dilations[static_cast<size_t>(d)]; }
  int64_t pad_begin(int d) const { return pads.empty() ? 0 : pads[static_cast<size_t>(d)]; }
  int64_t pad_end(int d) const { return pads.empty() ? 0 : pads[static_cast<size_t>(d) + pads.size() / 2]; }
};

/// Fields strides, dilations and pads, numbered from `number`, of a struct that has them.
template <class Attrs>
consteval std::array<AttrField, 3> window_fields(uint16_t number) {
  return {field<&Attrs::strides, Attrs>(number, "strides"),
          field<&Attrs::dilations, Attrs>(static_cast<uint16_t>(number + 1), "dilations"),
          field<&Attrs::pads, Attrs>(static_cast<uint16_t>(number + 2), "pads")};
}

/// One spatial axis with everything known.
struct Window {
  int64_t in = 1, out = 1, kernel = 1, stride = 1, dilation = 1, pad_begin = 0, pad_end = 0;
  int64_t reach() const { return dilation * (kernel - 1) + 1; }
};

/// Fails unless `list` is empty or has `count` entries in [least, 2^30].
inline Error check_window_list(InferContext& c, IntList list, int count, int64_t least, const char* what) {
  if (!list.empty() && list.size() != static_cast<size_t>(count))
    return c.fail(Error::BadAttribute, "%s has %zu entries, expected %d", what, list.size(), count);
  for (const int64_t v : list)
    if (v < least || v > (int64_t{1} << 30))
      return c.fail(Error::BadAttribute, "%s has an entry of %lld, allowed are %lld to 2^30", what,
                    static_cast<long long>(v), static_cast<long long>(least));
  return Error::Ok;
}

inline Error check_window(InferContext& c, const WindowAttrs& a, int spatial) {
  if (spatial < 1)
    return c.fail(Error::ShapeMismatch, "an image needs at least rank 3: batch, one spatial axis, channels");
  GF_TRY(check_window_list(c, a.strides, spatial, 1, "strides"));
  GF_TRY(check_window_list(c, a.dilations, spatial, 1, "dilations"));
  return check_window_list(c, a.pads, 2 * spatial, 0, "pads");
}

/// Output length of spatial axis d. ceil_mode drops a last window that would start in the padding at the end.
inline Error window_out(InferContext& c, const WindowAttrs& a, int d, const Dim& in, const Dim& kernel, Dim& out) {
  if (kernel.hi < 1) return c.fail(Error::ShapeMismatch, "the kernel is empty on spatial axis %d", d);
  const int64_t stride = a.stride(d);
  if (a.auto_pad != AutoPad::NotSet) {
    out = c.ceil_div(in, stride);
    return Error::Ok;
  }
  const Dim reach = c.add(c.mul(c.sub(kernel, 1), a.dilation(d)), 1);
  const Dim span = c.sub(c.add(in, a.pad_begin(d) + a.pad_end(d)), reach);
  if (span.hi < 0)
    return c.fail(Error::ShapeMismatch,
                  "the kernel (%lld with dilation) is larger than the padded input (%lld) on spatial axis %d",
                  static_cast<long long>(reach.lo), static_cast<long long>(in.hi + a.pad_begin(d) + a.pad_end(d)), d);
  out = c.add(a.ceil_mode ? c.ceil_div(span, stride) : c.floor_div(span, stride), 1);
  if (a.ceil_mode) out = c.min(out, c.ceil_div(c.add(in, a.pad_begin(d)), stride));
  return Error::Ok;
}

/// The axis of a running kernel: `in`, `out` and `kernel` are actual sizes, padding follows.
inline Window window_of(const WindowAttrs& a, int d, int64_t in, int64_t out, int64_t kernel) {
  Window w{in, out, kernel, a.stride(d), a.dilation(d), a.pad_begin(d), a.pad_end(d)};
  if (a.auto_pad != AutoPad::NotSet) {
    const int64_t total = (out - 1) * w.stride + w.reach() - in;
    const int64_t small = total > 0 ? total / 2 : 0, large = total > 0 ? total - small : 0;
    w.pad_begin = a.auto_pad == AutoPad::SameUpper ? small : large;
    w.pad_end = a.auto_pad == AutoPad::SameUpper ? large : small;
  }
  return w;
}

}  // namespace gf
