// A real hub with a crowd of simulated nodes from another process, for the benches that need many nodes.
import { fork } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { Fleet, FleetHub, joinToken } from "../lab/fleet.ts";
import { Process } from "../lab/process.ts";
import { freePort } from "../lab/registry.ts";
import { until } from "../lab/wait.ts";
import type { FromCrowd, Storm, ToCrowd } from "./crowd.ts";
import { round } from "./figures.ts";

const ARRIVE_WITHIN_MS = 600_000;
const ANSWER_WITHIN_MS = 10_000;
const RETURN_WITHIN_MS = 600_000;

export interface CrowdedHub extends AsyncDisposable {
  readonly fleet: Fleet;
  readonly server: FleetHub;
  readonly hubPid: number;
  readonly nodes: number;
  /** How many nodes have accepted this revision and hold so many workloads. Throws when a node was cut off. */
  withRevision(revision: number, workloads: number): number;
  /** Payload bytes over all websockets so far, both directions. */
  bytes(): Promise<number>;
  /** Cuts all nodes at once, and waits until they are back. */
  storm(): Promise<Storm>;
}

export async function startCrowdedHub(nodes: number, say: (text: string) => void): Promise<CrowdedHub> {
  const folder = await mkdtemp(join(import.meta.dirname, "..", "..", ".cache", "bench-"));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const server = new FleetHub(
    {
      folder,
      hubAddress: "127.0.0.1",
      spawn: (options: ConstructorParameters<typeof Process>[0]) =>
        stack.use(new Process({ ...options, logFile: join(folder, "hub.log") })),
    },
    await freePort("127.0.0.1"),
  );
  await server.start();
  const fleet = new Fleet(null, server, []);
  const crowd = fork(join(import.meta.dirname, "crowd.ts"), { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  stack.defer(() => void crowd.kill());
  const heard = listen(crowd);
  const arrivedAt = performance.now();
  const order: ToCrowd = { kind: "start", url: server.url, token: await joinToken(fleet, nodes), nodes };
  crowd.send(order);
  await until("the crowd has arrived", () => heard.ready(), ARRIVE_WITHIN_MS);
  say(`${nodes} nodes arrived in ${round((performance.now() - arrivedAt) / 1000, 1)} s`);
  const held = stack.move();
  return {
    fleet,
    server,
    hubPid: server.process?.pid ?? 0,
    nodes,
    withRevision: heard.withRevision,
    bytes: () => heard.bytes(crowd),
    storm: () => heard.storm(crowd),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

function listen(crowd: ReturnType<typeof fork>) {
  let ready = false;
  let failure: string | null = null;
  let counted: number | null = null;
  let returned: Storm | null = null;
  const latest = new Map<number, { revision: number; workloads: number }>();
  crowd.on("message", (message: FromCrowd) => {
    if (message.kind === "ready") ready = true;
    else if (message.kind === "failed") failure ??= message.reason;
    else if (message.kind === "bytes") counted = message.bytes;
    else if (message.kind === "returned") returned = message;
    else latest.set(message.node, message);
  });
  const check = (): void => {
    if (failure !== null) throw new Error(failure);
  };
  return {
    ready(): boolean {
      check();
      return ready;
    },
    withRevision(revision: number, workloads: number): number {
      check();
      return [...latest.values()].filter((each) => each.revision === revision && each.workloads === workloads).length;
    },
    async bytes(from: ReturnType<typeof fork>): Promise<number> {
      counted = null;
      from.send({ kind: "bytes" } satisfies ToCrowd);
      await until("the crowd says its bytes", () => counted !== null, ANSWER_WITHIN_MS, 5);
      return counted ?? 0;
    },
    async storm(from: ReturnType<typeof fork>): Promise<Storm> {
      returned = null;
      from.send({ kind: "storm" } satisfies ToCrowd);
      const back = (): Storm | null => {
        check();
        return returned;
      };
      await until("all nodes are back", () => back() !== null, RETURN_WITHIN_MS, 50);
      return back() ?? { seconds: Number.NaN, tries: 0, actions: 0 };
    },
  };
}
