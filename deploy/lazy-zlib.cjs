// Stands in for node:zlib in the agent's bundle, for the same reason as lazy-https.cjs: its websocket is never compressed.
// It must hold exactly what ws uses.
const zlib = () => process.getBuiltinModule("node:zlib");
module.exports = {
  createInflateRaw: (...words) => zlib().createInflateRaw(...words),
  createDeflateRaw: (...words) => zlib().createDeflateRaw(...words),
  get Z_DEFAULT_WINDOWBITS() {
    return zlib().constants.Z_DEFAULT_WINDOWBITS;
  },
  get Z_SYNC_FLUSH() {
    return zlib().constants.Z_SYNC_FLUSH;
  },
};
