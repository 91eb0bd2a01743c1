// `agent logs` over real sockets: all of an app's containers, and an agent that stops in the middle.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SpecHash, WorkloadId } from "@skerry/shared/model/ids.ts";
import { workloadParts } from "@skerry/shared/model/names.ts";
import { systemClock } from "@skerry/shared/runtime/clock.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Engine, LogLine } from "../engine/engine.ts";
import { containerLabels, labelKey } from "../engine/labels.ts";
import { listenLocally } from "../streams/streams.ts";
import { logsCommand } from "./logs-command.ts";
import { startControl } from "./server.ts";

// Brands: valid by sight.
const HASH = "a".repeat(64) as SpecHash;
const KEY = labelKey({
  installation: "i0123456789abcdef" as never,
  node: "n0123456789abcdef" as never,
  privateKey: "c".repeat(64),
  labelSecret: null,
});

let folder: string;
let stops: (() => Promise<void>)[];
let said: { out: string; error: string };
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "skerry-logs-"));
  stops = [];
  said = { out: "", error: "" };
});
afterEach(async () => {
  for (const stop of stops) await stop();
  rmSync(folder, { recursive: true, force: true });
});

const terminal = {
  out: (text: string) => {
    said.out += text;
  },
  error: (text: string) => {
    said.error += text;
  },
  wallMs: () => 0,
};

/** An agent on which these run. `log`: what one of them wrote. */
async function agentWith(ids: readonly string[], log: (id: string) => AsyncIterable<LogLine>): Promise<void> {
  const summaries = ids.map((text) => {
    const id = text as WorkloadId;
    const workload = { id, ...workloadParts(id), revision: 1, specHash: HASH, fencingToken: 0 };
    return { id: text, name: text, status: "running", labels: containerLabels(KEY, workload, text, "") };
  });
  const engine: Partial<Engine> = {
    listContainers: async () => summaries as never,
    inspectContainer: async (id) => ({ id, startedAt: "a", status: "running" }) as never,
    logs: (id) => log(id) as never,
  };
  const parts = { clock: systemClock, engine: engine as Engine, key: KEY };
  const local = await listenLocally(folder, () => parts);
  const control = await startControl(folder, () => ({ state: "joined", workloads: ids.map((id) => ({ id })) }));
  stops = [local.stop, control.stop];
}

async function* hello(id: string): AsyncGenerator<LogLine> {
  yield { stream: "stdout", at: "2026-11-21T12:00:00.000000000Z", text: `hello from ${id}`, more: false };
}

const read = (target: string, follow = false): Promise<number> =>
  logsCommand(folder, { target, follow, tail: null }, terminal);

test("[K42] all containers of an app are read, also when there are more than may look at once", async () => {
  const ids = Array.from({ length: 40 }, (_, index) => `shop/web/${index + 1}`);
  await agentWith([...ids, "other/web/1"], hello);
  expect(await read("shop")).toBe(0);
  expect(said.out.trim().split("\n").sort()).toEqual(
    ids.map((id, index) => `web/${index + 1} | hello from ${id}`).sort(),
  );
  expect(said.error).toBe("");
});

test("[K42] more than can be followed at once are refused with what to do", async () => {
  await agentWith(
    Array.from({ length: 40 }, (_, index) => `shop/web/${index + 1}`),
    hello,
  );
  expect(await read("shop", true)).toBe(1);
  expect(said.error).toContain("40 containers are called that, and 32 can be followed at once");
});

test("[K42] an agent that stops in the middle is told, and is no end of the log", async () => {
  await agentWith(["shop/web/1"], async function* (id) {
    yield* hello(id);
    // Once the line is out, the agent goes.
    setTimeout(() => void stops.shift()?.(), 100);
    await new Promise(() => undefined);
  });
  expect(await read("shop")).toBe(1);
  expect(said).toEqual({
    out: "hello from shop/web/1\n",
    error: "skerry agent logs: the agent stopped in the middle of it; containers run on, and it should be started\n",
  });
});

test("[K42] what is not there is told with where to look", async () => {
  await agentWith(["shop/web/1"], hello);
  expect(await read("shop/db")).toBe(1);
  expect(said.error).toBe(
    'skerry agent logs: nothing on this node is called "shop/db"; skerry agent status lists what is\n',
  );
});
