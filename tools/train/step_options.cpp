#include "tools/train/step_options.h"

#include <fmt/format.h>

#include "runtime/include/ghostflow/tables.h"

namespace gf::cli {

TrainStepOptions StepArgs::options() const {
  TrainStepOptions o = step;
  if (ema > 0) o.averages = optim::AverageSettings{.kind = optim::AverageSettings::Kind::Ema, .decay = ema};
  if (loss_scale) o.loss_scale = LossScale{};
  return o;
}

void StepArgs::set(PassOptions& passes) const {
  passes.kept = activations == "bf16" ? DType::BF16 : DType::F32;
  passes.products = precision == "bf16" ? DType::BF16 : DType::F32;
}

std::string StepArgs::precision_note(const Common& common) const {
  if (precision != "bf16") return {};
  const Isa most = model_options(common).isa.value_or(machine_isa()), isa = isa_allows(machine_isa(), most) ? most : machine_isa();
  if (isa_multiplies_bf16(isa)) return fmt::format("products are computed from bfloat16 operands, by this processor's instructions ({})", isa_name(isa));
  return fmt::format("warning: this processor ({}) has no products of bfloat16: they are computed from rounded operands as float32, no faster than with --precision f32",
                     isa_name(isa));
}

void add_step_options(CLI::App& c, StepArgs& a) {
  c.add_option("--activations", a.activations, "What waits for the backward part is kept in f32 or bf16")->check(CLI::IsMember({"f32", "bf16"}))->capture_default_str();
  c.add_option("--precision", a.precision, "Products and convolutions of the step are computed from f32, or from operands rounded to bf16 (sums, weights and all else in f32)")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  c.add_option("--clip-norm", a.step.clip_norm, "Gradients are scaled to this norm at most")->check(CLI::PositiveNumber);
  c.add_option("--clip-value", a.step.clip_value, "Every element of a gradient is kept within [-V, V]")->check(CLI::PositiveNumber);
  c.add_option("--ema", a.ema, "Averages of the weights with this decay, such as 0.999: evaluation and the entry main read them")->check(CLI::Range(0.0, 1.0));
  c.add_flag("--loss-scale", a.loss_scale, "The loss is scaled for gradients in 16 bits, by a number that adapts itself; steps that overflow are skipped");
  CLI::Option* stop = c.add_flag("--stop-if-not-finite", a.step.stop_if_not_finite, "A NaN or infinity ends the step with an error, weights stay");
  c.add_flag("--skip-if-not-finite", a.step.skip_if_not_finite, "A NaN or infinity skips the step and is counted")->excludes(stop);
}

}  // namespace gf::cli
