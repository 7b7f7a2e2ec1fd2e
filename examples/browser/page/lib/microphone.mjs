// Runs on the audio thread: gathers samples into pieces and brings them to the wanted rate. Averages over the samples that one new
// sample stands for, which also takes away most of what the lower rate cannot carry.
class Microphone extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.ratio = sampleRate / processorOptions.rate;
    this.piece = new Float32Array(512);
    this.filled = 0;
    this.sum = 0;
    this.weight = 0;
  }
  put(value) {
    this.piece[this.filled++] = value;
    if (this.filled < this.piece.length) return;
    this.port.postMessage(this.piece, [this.piece.buffer]);
    this.piece = new Float32Array(512);
    this.filled = 0;
  }
  process([[channel]]) {
    for (const value of channel ?? []) {
      let left = 1;
      while (this.weight + left >= this.ratio) {
        const part = this.ratio - this.weight;
        this.put((this.sum + part * value) / this.ratio);
        this.sum = this.weight = 0;
        left -= part;
      }
      this.sum += left * value;
      this.weight += left;
    }
    return true;
  }
}
registerProcessor('microphone', Microphone);
