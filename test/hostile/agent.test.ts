// At the node: a hub that is not this node's hub, a ledger that was tampered with or moved, and somebody else on the same machine. Against the agent's
// own parts on a real disk; what needs an engine is shown by test/e2e.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Acceptance, accept, type Offered, wholeOf } from "@skerry/agent/core/accept.ts";
import { openSqliteLedger } from "@skerry/agent/ledger/sqlite.ts";
import type { Assignment } from "@skerry/shared/model/assignment.ts";
import type { InstallationId, NodeId } from "@skerry/shared/model/ids.ts";
import { assignmentHash } from "@skerry/shared/protocol/assignment-digest.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { anIdentity } from "../contract/ledger-samples.ts";
import { SKERRY } from "../lab/fleet.ts";
import { until } from "../lab/wait.ts";
import { assignment, INSTALLATION, NODE, workload } from "../unit/agent/scenario.ts";
import { connectAs, helloOf, joinAs, openLink } from "./rogue.ts";
import { startTarget } from "./target.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "skerry-node-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** With its true hash: whoever can send an assignment can work that out. */
const sealed = (content: Assignment): Assignment => ({
  ...content,
  hash: assignmentHash(content),
});
const at = (generation: number, services: readonly string[], more: Partial<Assignment> = {}): Assignment =>
  sealed(
    assignment(
      services.map((name) => workload(name)),
      { position: { epoch: 1, generation }, ...more },
    ),
  );

function offer(held: Assignment | null, offered: Offered): Acceptance {
  const whole = wholeOf(held, offered);
  const hash = whole === null ? null : assignmentHash(whole);
  return accept(held, offered, { installation: INSTALLATION, node: NODE }, hash, new Set(), "by-hub");
}
const whole = (of: Assignment): Offered => ({ kind: "whole", assignment: of });

test("(H19) an assignment for another node or another installation is refused", () => {
  const held = at(1, ["a"]);
  for (const more of [
    { node: "n00000000000000ff" as NodeId },
    { installation: "i00000000000000ff" as InstallationId },
  ]) {
    expect(offer(held, whole(at(2, ["a"], more)))).toMatchObject({ kind: "refuse", reason: "foreign" });
    expect(offer(null, whole(at(2, ["a"], more)))).toMatchObject({ kind: "refuse", reason: "foreign" });
  }
});

test("(H20) an older assignment, other content under the same position, and spliced halves are refused", () => {
  const held = at(5, ["a", "b"]);
  expect(offer(held, whole(at(4, ["a"])))).toMatchObject({ kind: "refuse", reason: "stale" });
  expect(offer(held, whole(at(5, ["a", "c"])))).toMatchObject({ kind: "refuse", reason: "fork" });
  // Content of one under the hash of another.
  expect(offer(held, whole({ ...at(6, ["a", "b", "c"]), hash: at(6, ["a", "b"]).hash }))).toMatchObject({
    kind: "refuse",
    reason: "invalid",
  });
  // A step from what this node does not hold.
  const { apps, workloads, retired, ...head } = at(6, ["a", "b", "c"]);
  const delta = {
    ...head,
    from: { epoch: 1, generation: 4 },
    fromHash: at(4, ["a"]).hash,
    setApps: apps,
    unsetApps: [],
  };
  expect(offer(held, { kind: "delta", delta: { ...delta, setWorkloads: workloads, retired } })).toEqual({
    kind: "need-whole",
  });
  // What is left out is not removed.
  expect(offer(held, whole(at(6, [])))).toMatchObject({ kind: "refuse", reason: "unexplained" });
});

test("(H26) with another node's folder a machine is that node and no more; it cannot be both", async () => {
  await using target = await startTarget();
  const [left, right] = [await joinAs(target, "left"), await joinAs(target, "right")];
  const link = await connectAs(target, left);
  const mixed = await openLink(target);
  // One's name with the other's key, as after half a copy.
  mixed.say(await helloOf(mixed, { ...right, privateKey: left.privateKey }));
  expect((await mixed.ended()).code).toBe(4401);
  expect(link.closed()).toBeNull();
});

test("(H70) the ledger and the node's key are for their owner alone", () => {
  const { ledger } = openSqliteLedger({ folder: join(folder, "agent") });
  ledger.commit([{ kind: "identity", identity: anIdentity }]);
  ledger.close();
  expect(statSync(join(folder, "agent")).mode & 0o777).toBe(0o700);
  const files = readdirSync(join(folder, "agent")).filter((name) => name.startsWith("identity."));
  expect(files).not.toEqual([]);
  for (const name of files) expect(statSync(join(folder, "agent", name)).mode & 0o777, name).toBe(0o600);
});

test("(H70) so are the hub's folder and all that is in it", async () => {
  await using target = await startTarget();
  await target.call("POST", "/v1/tokens", {});
  const { dataDir } = target.hub;
  expect(statSync(dataDir).mode & 0o077).toBe(0);
  for (const name of readdirSync(dataDir)) expect(statSync(join(dataDir, name)).mode & 0o077, name).toBe(0);
});

test("(H68) an agent listens on no port; its sockets and files are for its owner alone", async () => {
  const dataDir = join(folder, "agent");
  // No hub, and an engine that takes its questions and is silent: by then it has opened all that it listens on, and waits.
  const engine = createServer().listen(join(folder, "silent.sock"));
  const words = [
    "--hub",
    "http://127.0.0.1:9",
    "--data",
    dataDir,
    "--run-dir",
    join(folder, "run"),
    "--docker",
    join(folder, "silent.sock"),
  ];
  const agent = spawn(SKERRY, ["agent", ...words, "--name", "listener"], {
    env: { ...process.env, SKERRY_TOKEN: `skj1.plain.0123456789ab.${"0".repeat(64)}` },
    stdio: "ignore",
  });
  try {
    await until(
      "its sockets are there",
      () => {
        if (agent.exitCode !== null) throw new Error(`the agent ended with ${agent.exitCode}`);
        return existsSync(dataDir) && readdirSync(dataDir).filter((name) => name.endsWith(".sock")).length === 2;
      },
      50_000,
    );
    expect(listeningPorts(agent.pid ?? 0)).toEqual([]);
    for (const name of readdirSync(dataDir)) {
      expect(statSync(join(dataDir, name)).mode & 0o077, name).toBe(0);
    }
    expect(statSync(dataDir).mode & 0o077).toBe(0);
  } finally {
    const ended = new Promise((resolve) => agent.once("exit", resolve));
    if (agent.exitCode === null && agent.kill("SIGKILL")) await ended;
    engine.close();
  }
});

/** Of this process, TCP and UDP, as the kernel tells them. */
function listeningPorts(pid: number): readonly string[] {
  const held = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        // Closed meanwhile.
        return [];
      }
    }),
  );
  return ["tcp", "tcp6", "udp", "udp6"].flatMap((kind) =>
    readFileSync(`/proc/${pid}/net/${kind}`, "utf8")
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      // 0A: listening; 07: a UDP socket that takes anything.
      .filter(([, , , state = "", , , , , , inode = ""]) => ["0A", "07"].includes(state) && held.has(inode))
      .map(([, local = ""]) => `${kind} ${local}`),
  );
}
