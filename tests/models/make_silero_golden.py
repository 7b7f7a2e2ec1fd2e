"""Writes silero_speech.csv: ONNX Runtime's speech probability of each 512-sample window of test.wav.

Usage: python make_silero_golden.py FOLDER_OF_SILERO_VAD      (onnxruntime 1.32.0, numpy 2.4.6, CPU)

The model takes the last 64 samples of the window before, then the 512 new ones, and a state of 2 x 1 x 128 that starts
at zero and is handed on from window to window. Both published graphs are run; they must agree to 1e-4.
"""
import pathlib
import sys
import wave

import numpy
import onnxruntime

WINDOW, CONTEXT = 512, 64


def speech(path, samples, extra):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    state = numpy.zeros((2, 1, 128), numpy.float32)
    padded = numpy.concatenate([numpy.zeros(CONTEXT, numpy.float32), samples])
    result = []
    for start in range(0, len(samples) - WINDOW + 1, WINDOW):
        window = padded[start : start + CONTEXT + WINDOW][None]
        probability, state = session.run(None, {"input": window, "state": state, **extra})
        result.append(float(probability[0, 0]))
    return numpy.array(result)


def main():
    folder = pathlib.Path(sys.argv[1])
    with wave.open(str(folder / "test.wav")) as file:
        samples = numpy.frombuffer(file.readframes(file.getnframes()), "<i2").astype(numpy.float32) / 32768
    static = speech(str(folder / "silero_vad_16k_static.onnx"), samples, {})
    opset15 = speech(str(folder / "silero_vad_16k_op15.onnx"), samples, {"sr": numpy.array(16000, numpy.int64)})
    print(len(static), "windows, largest difference between the graphs", abs(static - opset15).max(),
          "speech in", (static > 0.5).sum())
    assert abs(static - opset15).max() < 1e-4
    lines = "".join(f"{p:.7g}\n" for p in static)
    pathlib.Path(__file__).with_name("silero_speech.csv").write_text(lines)


main()
