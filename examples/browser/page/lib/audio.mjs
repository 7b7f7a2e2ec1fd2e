// Sound as the detector wants it: one channel at 16 kHz, from any file that the browser plays or from the microphone.
export const RATE = 16000;

/** Samples of a sound file. */
export async function decode(buffer) {
  let sound;
  try {
    // this context decides the rate that decoding resamples to
    sound = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(buffer);
  } catch (e) {
    throw new Error('This is not a sound file that this browser can read. WAV, MP3, Ogg and M4A usually work.', { cause: e });
  }
  if (sound.numberOfChannels === 1) return sound.getChannelData(0);
  const mixed = new Float32Array(sound.length);
  for (let c = 0; c < sound.numberOfChannels; ++c) sound.getChannelData(c).forEach((v, i) => (mixed[i] += v / sound.numberOfChannels));
  return mixed;
}

const WHY = {
  NotAllowedError: 'The microphone may not be used: the browser or you said no. The lock beside the address changes that.',
  NotFoundError: 'There is no microphone on this machine. A sound file does as well.',
  NotReadableError: 'The microphone is in use by another program.',
};

/** Hears until `stop()`; `heard` gets pieces of samples. */
export async function listen(heard) {
  if (navigator.mediaDevices === undefined) throw new Error('The browser gives a microphone only to pages from https: or localhost.');
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: true, noiseSuppression: false } });
  } catch (e) {
    throw new Error(WHY[e.name] ?? `The microphone cannot be used: ${e.message}`, { cause: e });
  }
  const context = new AudioContext(), stop = () => {
    for (const track of stream.getTracks()) track.stop();
    if (context.state !== 'closed') context.close();
  };
  try {
    await context.resume();
    await context.audioWorklet.addModule(new URL('./microphone.mjs', import.meta.url));
    const node = new AudioWorkletNode(context, 'microphone', { numberOfOutputs: 0, processorOptions: { rate: RATE } });
    node.port.onmessage = ({ data }) => heard(data);
    context.createMediaStreamSource(stream).connect(node);
  } catch (e) {
    stop();
    throw e;
  }
  return { stop };
}
