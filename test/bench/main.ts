// `npm run bench -- NAME [--json]`: measures one thing on real parts on this machine, beside the raw engine in the same run.
// With --json the last line on standard output is {"bench": NAME, "figures": {…}}; what is going on is said on standard error.
import type { Bench } from "./figures.ts";

const BENCHES: Readonly<Record<string, () => Promise<Bench>>> = {
  deploy: async () => (await import("./deploy.ts")).deploy,
  heal: async () => (await import("./heal.ts")).heal,
  failover: async () => (await import("./failover.ts")).failover,
  footprint: async () => (await import("./footprint.ts")).footprint,
  probes: async () => (await import("./probes.ts")).probes,
  rollout: async () => (await import("./rollout.ts")).rollout,
  hub: async () => (await import("./hub.ts")).hub,
  storm: async () => (await import("./storm.ts")).storm,
};

const names = Object.keys(BENCHES).join(", ");
const words = process.argv.slice(2);
const json = words.includes("--json");
const name = words.find((word) => !word.startsWith("-"));
const load = name === undefined ? undefined : BENCHES[name];
if (name === undefined || load === undefined) {
  console.error(`usage: npm run bench -- NAME [--json]   NAME: ${names}`);
  process.exit(2);
}
const bench = await load();
console.error(`${bench.name}: ${bench.says}`);
const figures = await bench.run((text) => console.error(`  ${text}`));
if (json) {
  console.log(JSON.stringify({ bench: bench.name, figures }));
} else {
  for (const [key, value] of Object.entries(figures)) console.log(`${key.padEnd(26)} ${String(value)}`);
}
process.exit(0);
