// `agent status` over a real socket, and its words.

import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import { plainStatus } from "@skerry/shared/model/plain.ts";
import type { WorkloadState, WorkloadStatus } from "@skerry/shared/model/report.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ControlAnswer } from "./answer.ts";
import { startControl } from "./server.ts";
import { duration, statusCommand, statusText } from "./status-command.ts";

const workload = (id: string, state: WorkloadState): WorkloadStatus => ({
  // Three parts, as an id has.
  ...{ id: id as WorkloadId, revision: 1, specHash: null, state, forMs: 65_000, containerId: null, imageId: null },
  restarts: 0,
  ...plainStatus,
});
const joined: Extract<ControlAnswer, { state: "joined" }> = {
  ...{
    state: "joined",
    version: "1.0.0",
    node: "n0123456789abcdef",
    name: "till",
    installation: "i1",
    hubUrl: "http://hub:1",
  },
  ...{
    startedForMs: 90_000,
    bootId: "b",
    hubSilentForMs: null,
    lastHubContactWallMs: null,
    conditions: [],
    workloads: [],
    ended: [],
  },
  link: { kind: "connected", forMs: 5_000, heartbeatMs: 15_000, hubVersion: "1.0.0" },
  engine: { reachable: true, message: "answers" },
  ledger: { position: { epoch: 1, generation: 4 }, hash: "h", outbox: 0, lost: null },
};

describe("agent status", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "skerry-status-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const run = async (json: boolean): Promise<{ code: number; out: string; error: string }> => {
    const said = { out: "", error: "" };
    const code = await statusCommand(folder, json, {
      out: (text) => {
        said.out += text;
      },
      error: (text) => {
        said.error += text;
      },
      wallMs: () => 1_000_000_000_000,
    });
    return { code, ...said };
  };

  test("[K35] a running agent answers on its own socket, for its owner only, as text and as JSON", async () => {
    const control = await startControl(folder, () => joined);
    expect(statSync(join(folder, "agent.sock")).mode & 0o777).toBe(0o600);
    expect(await run(false)).toMatchObject({ code: 0, out: statusText(joined, 1_000_000_000_000) });
    expect(JSON.parse((await run(true)).out)).toEqual(joined);
    await control.stop();
    expect(await run(false)).toMatchObject({ code: 1, error: expect.stringContaining("no agent runs") });
  });

  test("[K35] a socket that a killed agent left is said to be one, and does not keep the next agent from starting", async () => {
    writeFileSync(join(folder, "agent.sock"), "");
    expect(await run(false)).toMatchObject({ code: 1, error: expect.stringContaining("is not running") });
    const control = await startControl(folder, () => joined);
    expect((await run(true)).code).toBe(0);
    await control.stop();
  });

  test("[K36] it says since when the hub is silent and when the next try is, by whichever clock can tell", () => {
    const failure = { kind: "refused", message: "nothing listens" } as const;
    const away = { ...joined, link: { kind: "waiting", failure, attempt: 3, nextTryInMs: 4_200 } as const };
    expect(statusText({ ...away, hubSilentForMs: 7_200_000 }, 0)).toContain(
      "hub       http://hub:1: nothing listens; try 4 in 4.2 s\n          not heard from for 2 h\n",
    );
    expect(statusText({ ...away, lastHubContactWallMs: 86_400_000 }, 2 * 86_400_000)).toContain(
      "last heard from 1970-01-02 00:00:00 UTC (1 d ago by this clock), before this start",
    );
    expect(statusText({ ...away, lastHubContactWallMs: 86_400_000 }, 0)).toContain("00:00:00 UTC, before this start");
    expect(statusText(away, 0)).toContain("never heard from");
  });

  test("[K37] each workload has its state in words, with the reason and the next try", () => {
    const exit = { code: 3, oom: false, error: "", ranMs: 5 };
    const workloads = [
      workload("shop/a/1", { kind: "waiting", reason: "db is not healthy" }),
      workload("shop/b/n0123456789abcdef", { kind: "running", health: "healthy" }),
      workload("shop/c/1", {
        kind: "backing-off",
        during: "run",
        reason: "ended with an error (exit 3)",
        exit,
        attempt: 2,
        nextTryInMs: 9_000,
      }),
      workload("shop/d/1", {
        kind: "pulling",
        doneBytes: 10 * 1_048_576,
        totalBytes: 40 * 1_048_576,
        doneLayers: 1,
        totalLayers: 3,
      }),
      workload("shop/e/1", { kind: "completed", exit: { ...exit, code: 0 } }),
      workload("shop/f/1", { kind: "failed", reason: "no such key", exit: null }),
      workload("shop/g/1", { kind: "fenced" }),
    ];
    const lines = statusText({ ...joined, workloads }, 0)
      .split("\n\n")[1]
      ?.trim()
      .split("\n");
    expect(lines).toEqual([
      "shop/a/1                      waiting: db is not healthy",
      "shop/b                        running for 1 min 5 s, healthy",
      "shop/c/1                      ended with an error (exit 3); try 2 in 9 s",
      "shop/d/1                      pulling its image, 10 of 40 MB (25 %), 1 of 3 layers unpacked",
      "shop/e/1                      completed: ended by itself without an error (exit 0)",
      "shop/f/1                      given up: no such key",
      "shop/g/1                      stopped by its fence until the hub is heard again",
    ]);
  });

  test("[N196] it shows readiness, and how the last runs ended with what the newest wrote", () => {
    const exit = { code: 137, oom: true, error: "", ranMs: 4_000 };
    const words = "killed by the kernel at its memory limit of 32 MB (exit 137)";
    const at = { bootId: "b", atMs: 0, failures: 1 };
    const runs = [
      { exit, words, tail: ["loading", "loaded"], ...at },
      { exit: { ...exit, code: 1, oom: false }, words: "ended with an error (exit 1)", tail: [], ...at },
    ];
    const unready: WorkloadStatus = {
      ...workload("shop/a/1", { kind: "running", health: "none" }),
      ready: false,
      probes: [{ probe: "readiness", ok: false, answer: "HTTP 503", failures: 3 }],
      lastEnd: { exit, words, agoMs: 65_000 },
    };
    const status = { ...joined, workloads: [unready], ended: [{ id: unready.id, runs }] };
    expect(statusText(status, 0).split("\n\n")[1]?.trimEnd().split("\n")).toEqual([
      "shop/a/1                      running for 1 min 5 s, not ready: readiness probe: HTTP 503",
      `    last run: ${words} after 4 s, 1 min 5 s ago`,
      "    before that: ended with an error (exit 1) after 4 s",
      "    | loading",
      "    | loaded",
    ]);
  });

  test("[N197] it shows for what a change waits, who holds it, and why one failed", () => {
    const running = workload("shop/web/1", { kind: "running", health: "none" });
    const gate = { kind: "open", waits: "hold", reason: "its update is held" } as const;
    const hold = { owner: "till", reason: "a sale is under way", leftMs: 120_000 };
    const failed = { kind: "failed", reason: "it ended with code 1", reverted: true } as const;
    const workloads = [
      { ...running, gate, hold },
      { ...running, gate: failed },
    ];
    const text = statusText({ ...joined, workloads }, 1_000_000_000_000);
    expect(text).toContain("its newest revision: its update is held\n");
    expect(text).toContain("held by till for 2 min more: a sale is under way\n");
    expect(text).toContain("its newest revision failed here: it ended with code 1; the one before runs again\n");
  });

  test("[K38] a machine that waits to join says for what", () => {
    const waiting = {
      state: "joining",
      version: "1.0.0",
      hubUrl: "http://hub:1",
      waitingFor: "nothing listens",
      nextTryInMs: 800,
    } as const;
    expect(statusText(waiting, 0)).toContain("has not joined http://hub:1 yet");
    expect(statusText(waiting, 0)).toContain("nothing listens\nnext try  in 0.8 s");
  });

  test.each([
    [0, "0 s"],
    [1_540, "1.5 s"],
    [61_000, "1 min 1 s"],
    [3_600_000, "1 h"],
    [90_061_000, "1 d 1 h"],
  ])("[K37] %i ms are %s", (ms, words) => {
    expect(duration(ms)).toBe(words);
  });
});
