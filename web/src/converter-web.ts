// Where a browser finds the converter's module; apart from the others, so that only who converts ships it.
export const converterUrl = () => new URL('./gf-convert.wasm', import.meta.url);
