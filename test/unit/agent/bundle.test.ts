// What every node pays for: the agent's bundle as it is built, its size, and which of Node's own modules its start loads. A package that
// imports one more at its start costs megabytes on each node, and shows nowhere else but in `npm run bench -- footprint`.
import { execFile } from "node:child_process";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AGENT_BUNDLE } from "../../../deploy/build.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");
/** Its source stays in memory, one byte a character. */
const MOST_BYTES = 600_000;
/** Each with what it would bring: see docs/adr/0011 and 0014. */
const NOT_AT_START = [
  "child_process",
  "dgram",
  "dns/promises",
  "fs/promises",
  "http2",
  "https",
  "inspector",
  "internal/deps/undici/undici",
  "perf_hooks",
  "readline",
  "sqlite",
  "tls",
  "tty",
  "v8",
  "vm",
  "worker_threads",
  "zlib",
];
let folder: string;

beforeAll(async () => {
  // Within the checkout: what is not bundled is found in its node_modules.
  folder = await mkdtemp(join(ROOT, "node_modules", ".skerry-bundle-"));
  await build({ ...AGENT_BUNDLE, outdir: folder, absWorkingDir: ROOT });
});
afterAll(async () => await rm(folder, { recursive: true, force: true }));

test("the agent's bundle is of a bounded size", async () => {
  const { size } = await stat(join(folder, "agent.cjs"));
  expect(size).toBeGreaterThan(100_000);
  expect(size).toBeLessThan(MOST_BYTES);
});

test("its start loads none of the parts of Node that weigh and are seldom needed", async () => {
  const show = join(folder, "show.cjs");
  await writeFile(
    show,
    "process.on('exit', () => process.stdout.write('\\n@' + process.moduleLoadList.join('\\n@')));",
  );
  // All that stands at the top of a module is run by this, and nothing else.
  const words = ["--no-node-snapshot", "--require", show, join(folder, "agent.cjs"), "--help"];
  const { stdout } = await promisify(execFile)(process.execPath, words);
  const loaded = stdout.split("\n").flatMap((line) => (line.startsWith("@NativeModule ") ? [line.slice(14)] : []));
  expect(loaded).toContain("http");
  expect(loaded.filter((name) => NOT_AT_START.includes(name))).toEqual([]);
});
