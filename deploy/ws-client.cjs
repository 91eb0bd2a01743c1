// Stands in for ws in the agent's bundle: its client alone. An agent serves no websockets, and a server's source would stay in its memory.
// By its path, for the package does not export it by name.
module.exports = { WebSocket: require("../node_modules/ws/lib/websocket.js") };
