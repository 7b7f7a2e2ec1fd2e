// Where does somebody speak? Streams a 16 kHz WAV through Silero's voice detector in windows of 32 ms. The network's memory is
// State: it stays between runs without any copying here. Prints the stretches of speech in seconds.
#include <algorithm>
#include <cstdio>
#include <vector>

#include "runtime/include/ghostflow/model.h"
#include "io/wav.h"

namespace {

constexpr size_t kWindow = 512;   // new samples of a run
constexpr size_t kContext = 64;   // samples of the run before, which the model wants in front of them
constexpr double kRate = 16000;

int detect(const char* model_path, const char* wav_path) {
  gf::Model model = gf::Model::load(model_path);
  gf::Session& session = model.session();
  const gf::TensorView input = session.input(session.find_input("input"));
  if (model.state() == nullptr || input.count() != kContext + kWindow) {
    std::fputs("this is not the detector converted with --state stateN=state\n", stderr);
    return 1;
  }
  const gf::io::Wav wav = gf::io::read_wav(wav_path, true);
  if (wav.sample_rate != static_cast<int64_t>(kRate)) {
    std::fputs("the detector hears 16 kHz only\n", stderr);
    return 1;
  }
  const auto* samples = reinterpret_cast<const float*>(wav.samples.data.data());
  const auto count = static_cast<size_t>(wav.samples.count());

  auto* window = input.as<float>();
  std::fill_n(window, kContext, 0.0F);
  gf::ErrorDetail detail;
  bool speaking = false;
  double since = 0;
  for (size_t at = 0; at + kWindow <= count; at += kWindow) {
    std::copy_n(samples + at, kWindow, window + kContext);
    if (session.run(&detail) != gf::Error::Ok) {
      std::fprintf(stderr, "%s\n", detail.text);
      return 1;
    }
    std::copy_n(window + kWindow, kContext, window);  // the end of this window is the context of the next
    const float probability = *session.output(0).as<const float>();
    const double now = static_cast<double>(at) / kRate;
    if (!speaking && probability >= 0.5F) since = now;
    if (speaking && probability < 0.35F) std::printf("%.2f to %.2f s\n", since, now);
    speaking = speaking ? probability >= 0.35F : probability >= 0.5F;
  }
  if (speaking) std::printf("%.2f to the end\n", since);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: voice_activity MODEL.gf SOUND.wav\n", stderr);
    return 2;
  }
  try {
    return detect(argv[1], argv[2]);
  } catch (const gf::Exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
