// Stands in for node:tls in the agent's bundle, for the same reason as lazy-https.cjs. It must hold exactly what ws uses.
module.exports = { connect: (...words) => process.getBuiltinModule("node:tls").connect(...words) };
