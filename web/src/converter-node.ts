// Where Node finds the converter's module.
export const converterUrl = () => new URL('../gf-convert.wasm', import.meta.url);
