// Where the reports of a loop go: a line or bar for people, JSON lines for programs, event files for TensorBoard, a picture of the curves.
// Thread rule: as FitListener.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "trainer/loop/callbacks.h"

namespace gf {

struct ProgressSettings {
  std::FILE* to = stderr;
  /// One line that is written over, for terminals; else a plain line about every ten seconds.
  bool bar = false;
};
/// "epoch 2/5  [====>     ] 430/937  loss 0.1234  12345/s  0:23 left", and a line for each validation and note.
class Progress final : public FitListener {
 public:
  explicit Progress(const ProgressSettings& settings = {}) : settings_(settings) {}
  void begin(const FitPlan& plan) override;
  void step(const StepReport& r) override;
  void validated(const ValidationReport& r) override;
  void note(const std::string& line) override;
  void end(const FitResult& r) override;

 private:
  void clear();
  std::string line(const StepReport& r) const;

  ProgressSettings settings_;
  FitPlan plan_;
  size_t shown_ = 0;                              ///< characters of the bar
  std::chrono::steady_clock::time_point last_{};
};

/// An object per line: steps {"step","epoch","loss","lr","step_ms","examples_per_s"}, validations {"step","epoch","validation":{...}}, the
/// beginning {"resumed_from"} and the end {"done","step","loss","validation","seconds"}.
class JsonLines final : public FitListener {
 public:
  /// Does not own `to`.
  explicit JsonLines(std::FILE* to) : to_(to) {}
  /// Goes on behind what the file holds. Throws IoError.
  explicit JsonLines(const std::string& file);
  void begin(const FitPlan& plan) override;
  void step(const StepReport& r) override;
  void validated(const ValidationReport& r) override;
  void note(const std::string& line) override;
  void end(const FitResult& r) override;

 private:
  struct Close {
    void operator()(std::FILE* f) const { std::fclose(f); }
  };
  std::unique_ptr<std::FILE, Close> own_;
  std::FILE* to_;
};

/// Scalars "train/loss", "train/lr", "validation/..." as an event file (records with masked CRC-32C around protocol buffers tensorflow.Event).
class TensorBoard final : public FitListener {
 public:
  /// Seconds since 1970.
  using WallClock = std::function<double()>;
  /// A new file in the folder, which is made when it is missing. `clock`: what events are dated by; empty: the system's. Throws IoError.
  explicit TensorBoard(const std::string& folder, WallClock clock = {});
  ~TensorBoard() override;
  void step(const StepReport& r) override;
  void validated(const ValidationReport& r) override;
  void end(const FitResult& r) override;
  const std::string& file() const { return path_; }

 private:
  void write(const std::string& event);
  void scalar(int64_t step, const std::string& tag, double value);

  WallClock clock_;
  std::string path_;
  std::FILE* file_ = nullptr;
};

/// The axis of losses; other metrics have a linear one.
enum class PlotScale : uint8_t {
  Automatic,     ///< logarithmic where the largest loss is 100 times the smallest or more and none is 0 or less; else linear
  Linear,
  Logarithmic,   ///< what is 0 or less is left out, and the title says how many that are
};
/// Of "auto", "linear", "log". Throws InvalidArgument.
PlotScale plot_scale(const std::string& name);

/// Loss, and a second panel for the other metrics of validation, as an SVG that is written at the end.
class Plot final : public FitListener {
 public:
  explicit Plot(std::string file, std::string title = {}, PlotScale scale = PlotScale::Automatic) : file_(std::move(file)), title_(std::move(title)), scale_(scale) {}
  void step(const StepReport& r) override { losses_.emplace_back(static_cast<double>(r.step), r.loss); }
  void validated(const ValidationReport& r) override;
  /// Throws IoError.
  void end(const FitResult& r) override;
  /// The picture as it would be written now.
  std::string svg() const;

 private:
  using Points = std::vector<std::pair<double, double>>;
  std::string file_, title_;
  PlotScale scale_;
  Points losses_;
  std::vector<std::pair<std::string, Points>> validation_;
};

}  // namespace gf
