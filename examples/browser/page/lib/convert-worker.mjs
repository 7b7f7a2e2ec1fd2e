// Runs the converter away from the page's thread. Import maps do not reach workers, so the package is named by its address.
import { convertOnnx } from '/ghostflow/convert.js';

onmessage = async ({ data }) => {
  try {
    const { bytes, notes } = await convertOnnx(data);
    postMessage({ bytes, notes }, [bytes.buffer]);
  } catch (e) {
    postMessage({ error: { code: e.code, message: e.message } });
  }
};
