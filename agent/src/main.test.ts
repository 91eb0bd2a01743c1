// The program as a process of its own: what others on the machine can see of it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const MAIN = [join(import.meta.dirname, "main.ts")];
/** As on a machine where it does not come through the launcher: it starts the other one. */
const CLI = [join(import.meta.dirname, "..", "..", "hub", "src", "cli", "main.ts"), "agent"];
const TOKEN = `skj1.plain.abcdef0123456789.${"0".repeat(64)}`;
let folder: string;
/** An engine that takes connections and never answers: the agent waits for it with its token in hand. */
const engine = createServer((socket) => socket.on("error", () => undefined));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "skerry-main-"));
  engine.listen(join(folder, "docker.sock"));
  await once(engine, "listening");
});
afterAll(async () => {
  engine.close();
  await rm(folder, { recursive: true, force: true });
});

const start = (program: readonly string[], ...words: readonly string[]) => {
  const where = ["--hub", "http://127.0.0.1:9", "--data", join(folder, "agent"), "--run-dir", folder];
  return spawn(process.execPath, [...program, ...where, "--docker", join(folder, "docker.sock"), ...words], {
    stdio: ["ignore", "ignore", "pipe"],
  });
};

test.skipIf(process.platform !== "linux").each([
  ["the agent", MAIN],
  ["the command line program that starts it", CLI],
])("[K47] a token given as a word is not in the command line of %s", async (_, program) => {
  const asked = once(engine, "connection");
  const started = start(program, "--token", TOKEN);
  await asked;
  const shown = await readFile(`/proc/${started.pid}/cmdline`, "utf8");
  const ended = once(started, "close");
  started.kill("SIGTERM");
  await ended;
  expect(shown.replaceAll("\0", "")).toBe("skerry agent");
});

test("[K47] a token file that cannot be read is named when the agent has to join", async () => {
  const agent = start(MAIN, "--token-file", join(folder, "nothing"));
  let said = "";
  agent.stderr.on("data", (part) => (said += String(part)));
  const [code] = await once(agent, "close");
  expect(code).toBe(2);
  expect(said).toContain(join(folder, "nothing"));
});
