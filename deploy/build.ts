// Bundles the program into dist/: `skerry` (launcher), `skerry.mjs` (hub and client commands), `agent.cjs` (agent).
// The agent gets a bundle of its own because its memory is counted in megabytes: unused parts of dockerode are left out.
// It must never download anything, and never leave a half-written dist/ behind: it builds beside it and then swaps.
import { chmod, copyFile, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type BuildOptions, build, type Plugin } from "esbuild";

const ROOT = join(import.meta.dirname, "..");
const DIST = join(ROOT, "dist");
const NEXT = join(ROOT, ".cache", `dist-next-${process.pid}`);
const LAST = join(ROOT, ".cache", `dist-last-${process.pid}`);

/** dockerode needs these only for engines over SSH, for BuildKit and for building images: together they weigh more than the rest of the agent. */
const UNUSED_BY_US = ["ssh2", "@grpc/grpc-js", "@grpc/proto-loader", "protobufjs", "tar-fs", "@balena/dockerignore"];

/** CommonJS packages inside an ES module still call `require` for Node's own modules. */
const REQUIRE =
  'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);';

/** What only a short-lived process needs: files of their own, since the source of what is bundled stays in memory. */
const APART: Readonly<Record<string, string>> = { systeminformation: "agent-inventory", croner: "agent-windows" };
const apart: Plugin = {
  name: "apart",
  setup({ onResolve }) {
    onResolve({ filter: new RegExp(`^(${Object.keys(APART).join("|")})$`) }, ({ kind, path }) =>
      kind === "entry-point" ? undefined : { path: `./${APART[path]}.cjs`, external: true },
    );
  },
};

const common: BuildOptions = {
  absWorkingDir: ROOT,
  outdir: NEXT,
  bundle: true,
  platform: "node",
  target: "node24",
  // Names and lines stay as they are, so that an error from far out can be read.
  minifySyntax: true,
  legalComments: "none",
  // An addon cannot be bundled. bufferutil and utf-8-validate are optional in ws, and not installed.
  external: ["better-sqlite3", "bufferutil", "utf-8-validate"],
  alias: Object.fromEntries(UNUSED_BY_US.map((name) => [name, join(ROOT, "deploy", "stub.cjs")])),
  logLevel: "warning",
};

const hub: BuildOptions = {
  ...common,
  entryPoints: [{ in: "hub/src/cli/main.ts", out: "skerry" }],
  format: "esm",
  outExtension: { ".js": ".mjs" },
  banner: { js: REQUIRE },
  // Commands and rarely used packages become files of their own, loaded when they are first needed.
  splitting: true,
  chunkNames: "skerry-parts/[name]-[hash]",
};

/**
 * CommonJS: Node's loader of ES modules costs 1.4 MB, and importing one of Node's own modules as an ES module reads all of its exports,
 * some of which load whole subsystems (node:http brings fetch, 11 MB).
 */
export const AGENT_BUNDLE: BuildOptions = {
  ...common,
  entryPoints: [
    { in: "agent/src/main.ts", out: "agent" },
    ...Object.entries(APART).map(([name, file]) => ({ in: name, out: file })),
  ],
  format: "cjs",
  outExtension: { ".js": ".cjs" },
  alias: {
    ...common.alias,
    https: join(ROOT, "deploy", "lazy-https.cjs"),
    tls: join(ROOT, "deploy", "lazy-tls.cjs"),
    ws: join(ROOT, "deploy", "ws-client.cjs"),
    zlib: join(ROOT, "deploy", "lazy-zlib.cjs"),
    debug: join(ROOT, "deploy", "no-debug.cjs"),
    // Only as our own source names it: systeminformation calls it without the prefix, and needs more of it.
    "node:child_process": join(ROOT, "deploy", "lazy-child-process.cjs"),
    // A copy of Node's own streams for Nodes of ten years ago.
    "readable-stream": "node:stream",
  },
  plugins: [apart],
  // The source stays in memory, twice as large when a single character of it is not Latin. Short lines keep positions useful.
  minifyWhitespace: true,
  lineLimit: 120,
};

async function main(): Promise<void> {
  const startedAt = performance.now();
  await mkdir(NEXT, { recursive: true });
  try {
    // First: its date says what the bundles hold, so that a file saved while they are made counts as newer.
    await copyFile(join(ROOT, "deploy", "skerry.sh"), join(NEXT, "skerry"));
    await chmod(join(NEXT, "skerry"), 0o755);
    await Promise.all([build(hub), build(AGENT_BUNDLE)]);
    await swap();
  } finally {
    await rm(NEXT, { recursive: true, force: true });
    await rm(LAST, { recursive: true, force: true });
  }
  console.log(`Built dist/ in ${((performance.now() - startedAt) / 1000).toFixed(1)} s.`);
}

async function swap(): Promise<void> {
  await rename(DIST, LAST).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  await rename(NEXT, DIST);
}

if (import.meta.main) {
  await main().catch((error: Error) => {
    // esbuild has already shown where in the source it failed.
    console.error(error.message);
    process.exitCode = 1;
  });
}
