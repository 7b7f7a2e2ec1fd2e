#include "trainer/nn/cache.h"

#include "runtime/core/exception.h"
#include "schema/ops/attention.h"
#include "schema/ops/tensor_scatter.h"
#include "trainer/tensor/functions.h"
#include "trainer/tensor/functions_creation.h"
#include "trainer/tensor/recording.h"

namespace gf::nn {

KeyValueCache::KeyValueCache(const CacheOptions& o) : options_(o) {
  for (const auto& [name, value] : {std::pair("layers", o.layers), {"batch", o.batch}, {"capacity", o.capacity}, {"heads", o.heads}, {"dim", o.dim}})
    if (value < 1) throw Exception(Error::InvalidArgument, std::string("KeyValueCache: ") + name + " is " + std::to_string(value) + "; it must be 1 or more");
  position = register_buffer("position", Tensor::zeros({1}, DType::I64));
  for (int64_t i = 0; i < o.layers; ++i) {
    const auto part = [&](const std::string& name) { return register_buffer(name + std::to_string(i), Tensor::zeros({o.batch, o.heads, o.capacity, o.dim})); };
    layers_.push_back({part("keys"), part("values")});
  }
}

Tensor KeyValueCache::positions(int64_t length) const {
  const no_grad off;
  return position + arange(length);
}

Tensor KeyValueCache::attend(int64_t layer, const Tensor& q, const Tensor& k, const Tensor& v, double scale) {
  const lazy::Call call("KeyValueCache");
  if (layer < 0 || layer >= options_.layers)
    throw Exception(Error::InvalidArgument, "KeyValueCache: layer " + std::to_string(layer) + " of " + std::to_string(options_.layers));
  for (const Tensor& x : {k, v})
    if (x.rank() != 4 || x.size(0) != options_.batch || x.size(1) != options_.heads || x.size(3) != options_.dim)
      throw Exception(Error::ShapeMismatch, "KeyValueCache: keys or values of shape " + io::shape_text(x.shape()) + "; the cache is made for [" + std::to_string(options_.batch) +
                                                ", " + std::to_string(options_.heads) + ", length, " + std::to_string(options_.dim) + "]");
  const no_grad off;
  Layer& kept = layers_[static_cast<size_t>(layer)];
  const Tensor at = expand(position, {options_.batch});
  const auto keep = [&](Tensor& all, const Tensor& x) {
    const Tensor next = apply<op::TensorScatter>({all, cast(x, all.dtype()), at}, {.axis = 2});
    all.follow(next);
    return cast(next, q.dtype());
  };
  const Tensor keys = keep(kept.keys, k), values = keep(kept.values, v);
  // query i reads keys up to i + position, so nothing that is not there yet
  return apply<op::Attention>({q, keys, values, Tensor(), Tensor(), position}, {.scale = static_cast<float>(scale), .is_causal = true});
}

void KeyValueCache::advance(int64_t length) {
  const no_grad off;
  position.follow(position + static_cast<double>(length));
}

void KeyValueCache::rewind(int64_t positions) {
  if (positions < 0 || positions > options_.capacity)
    throw Exception(Error::InvalidArgument, "KeyValueCache: rewind to " + std::to_string(positions) + " of " + std::to_string(options_.capacity) + " positions");
  position.assign(io::Array::from<int64_t>({positions}, {1}));
}

void check_cached(const char* module, bool is_training) {
  if (is_training) throw Exception(Error::InvalidArgument, std::string(module) + ": a cache is for evaluation; call eval() first");
}

}  // namespace gf::nn
