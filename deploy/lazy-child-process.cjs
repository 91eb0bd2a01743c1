// Stands in for node:child_process in the agent's own source, for the same reason as lazy-https.cjs: it brings datagrams with it, 1 MB
// together, and most nodes never ask another program. It must hold exactly what the agent uses; its packages get Node's own.
module.exports = { execFile: (...words) => process.getBuiltinModule("node:child_process").execFile(...words) };
