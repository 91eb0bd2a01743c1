// Stands in for node:https in the agent's bundle: its packages load it at their start, and with it TLS, for 2.5 MB of memory that an
// agent on a plain link never needs. The agent itself speaks TLS by node:tls alone, loaded at its first connection (see protocol/pinned-socket).
const https = () => process.getBuiltinModule("node:https");
module.exports = {
  request: (...words) => https().request(...words),
  get: (...words) => https().get(...words),
};
