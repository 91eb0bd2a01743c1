// A hub in process for tests of its HTTP API: real SQLite in a folder of its own, the real control loop, and nodes that are a few calls.
// Time can be moved forward; nothing sleeps.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { Position } from "@skerry/shared/model/assignment.ts";
import type { InstallationId, NodeId, WorkloadId } from "@skerry/shared/model/ids.ts";
import type { NodeFacts } from "@skerry/shared/model/node.ts";
import { plainStatus } from "@skerry/shared/model/plain.ts";
import type { Report, WorkloadState, WorkloadStatus } from "@skerry/shared/model/report.ts";
import type { Hello } from "@skerry/shared/protocol/to-hub.ts";
import { PROTOCOL_MINIMUM, PROTOCOL_VERSION } from "@skerry/shared/protocol/version.ts";
import { type Clock, systemClock } from "@skerry/shared/runtime/clock.ts";
import { type Log, silentLog } from "@skerry/shared/runtime/log.ts";
import { systemRandom } from "@skerry/shared/runtime/random.ts";
import { publicKeyOf } from "@skerry/shared/runtime/signature.ts";
import { type ControlLoop, createControlLoop } from "../../hub/src/control-loop.ts";
import { DEFAULT_SETTINGS } from "../../hub/src/core/decide.ts";
import { ensureAdminToken } from "../../hub/src/http/admin-token.ts";
import type { LogSource } from "../../hub/src/http/deps.ts";
import { secretBox } from "../../hub/src/http/login/user-key.ts";
import { createHttpServer, type HttpServer } from "../../hub/src/http/server.ts";
import { type Keyring, openKeyring } from "../../hub/src/keyring/keyring.ts";
import type { Frame } from "../../hub/src/link/hub.ts";
import { openSqliteStore } from "../../hub/src/store/sqlite/store.ts";
import type { Store } from "../../hub/src/store/store.ts";

// 16 hex digits: an installation id by its schema.
const first = () => ({ installation: "i0123456789abcdef" as InstallationId, epoch: 1 });

let made: Buffer | null = null;
/** Made once for all hubs of a thread: a quarter of what a test's hub costs is its migrations, which have tests of their own. */
function newDatabase(): Buffer {
  if (made !== null) return made;
  const folder = mkdtempSync(join(tmpdir(), "skerry-new-"));
  try {
    openSqliteStore({ path: join(folder, "hub.db"), startedAtMs: 0, first }).close();
    made = readFileSync(join(folder, "hub.db"));
    return made;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | number | undefined>>;
  readonly text: string;
  // The test knows the shape of what it asks for, and checks what it reads.
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly body: any;
}
export interface CallOptions {
  /** undefined: the admin's; null: none. */
  readonly token?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is. */
  readonly raw?: string;
}

export interface TestHub {
  readonly store: Store;
  readonly loop: ControlLoop;
  readonly http: HttpServer;
  readonly keyring: Keyring;
  /** Where its database and keys are. */
  readonly folder: string;
  readonly admin: string;
  readonly state: { stopping: boolean; nextPin: string | null };
  call(
    method: "GET" | "PUT" | "POST" | "PATCH" | "DELETE",
    url: string,
    body?: unknown,
    options?: CallOptions,
  ): Promise<Answer>;
  apply(app: string, compose: string, more?: object, options?: CallOptions): Promise<Answer>;
  /** A node that joined, said hello and its facts. */
  join(name: string, more?: { labels?: Record<string, string>; memoryBytes?: number }): Promise<NodeId>;
  /** It connects anew. */
  greet(node: NodeId): Promise<void>;
  frame(node: NodeId, frame: Frame): Promise<void>;
  /** Everything that is placed on the node is in this state there. */
  reportAll(node: NodeId, state: WorkloadState): Promise<void>;
  /** What it was given last has failed there, and it went back by itself. */
  failGates(node: NodeId, reason: string): Promise<void>;
  report(node: NodeId, report: Partial<Report>): Promise<void>;
  /** Both clocks. */
  advance(ms: number): void;
  /** To a moment of the hub's monotonic clock; never back. */
  advanceTo(monotonicMs: number): void;
  /** A real port. */
  listen(): Promise<number>;
  close(): Promise<void>;
}

/** Of a key that nobody has: requests come in process. */
export const PIN = "b".repeat(64);
const NEXT_PIN = "9".repeat(64);

export interface TestHubOptions {
  /** Wraps the store, to make it fail. */
  readonly store?: (store: Store) => Store;
  readonly log?: Log;
  /** Where logs come from; without it no node is heard. */
  readonly logs?: LogSource;
}

/** A hundredth of what a real one costs. */
export const CHEAP = { n: 256, r: 8, p: 1 } as const;

export async function startTestHub(options: TestHubOptions = {}): Promise<TestHub> {
  const folder = mkdtempSync(join(tmpdir(), "skerry-http-"));
  const moved = { ms: 0 };
  const clock: Clock = {
    ...systemClock,
    monotonicMs: () => systemClock.monotonicMs() + moved.ms,
    wallMs: () => systemClock.wallMs() + moved.ms,
  };
  writeFileSync(join(folder, "hub.db"), newDatabase());
  const opened = openSqliteStore({ path: join(folder, "hub.db"), startedAtMs: clock.wallMs(), first });
  const store = options.store?.(opened) ?? opened;
  const log = options.log ?? silentLog;
  const { hash } = ensureAdminToken(folder, store, { ...systemRandom, hex: () => "a".repeat(64) }, false);
  const loop = createControlLoop({ clock, random: systemRandom, log, store, settings: DEFAULT_SETTINGS });
  const keyring = openKeyring(join(folder, "secret-keys"), systemRandom);
  const state: TestHub["state"] = { stopping: false, nextPin: null };
  const http = await createHttpServer({
    logs: options.logs ?? { isHeard: () => false, read: () => Readable.from([]) },
    loop,
    store,
    clock,
    random: systemRandom,
    log,
    keyring,
    pins: () => [PIN, ...(state.nextPin === null ? [] : [state.nextPin])],
    hubKey: {
      kind: "own",
      own: {
        prepareNext: (announce) => {
          if (state.nextPin === null) announce(NEXT_PIN);
          state.nextPin = NEXT_PIN;
          return NEXT_PIN;
        },
        switchToNext: async () => {
          state.nextPin = null;
        },
        tell: () => undefined,
      },
      isKnownTo: () => false,
    },
    secure: null,
    adminTokenHash: hash,
    signingKey: publicKeyOf("5a".repeat(32)),
    passwordCost: CHEAP,
    userSecrets: secretBox("c".repeat(64), systemRandom),
    version: "0.0.0-test",
    stopping: () => state.stopping,
  });
  loop.start();
  const admin = `ska1.${"a".repeat(64)}`;
  const nodes = new Set<NodeId>();

  const call: TestHub["call"] = async (method, url, body, { token, headers = {}, raw } = {}) => {
    const bearer = token === undefined ? admin : token;
    const response = await http.app.inject({
      method,
      url,
      headers: {
        ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
        ...(body === undefined && raw === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(raw === undefined ? (body === undefined ? {} : { payload: JSON.stringify(body) }) : { payload: raw }),
    });
    const isJson = String(response.headers["content-type"]).includes("json");
    return {
      status: response.statusCode,
      headers: response.headers,
      text: response.payload,
      body: isJson ? JSON.parse(response.payload) : null,
    };
  };
  const frame: TestHub["frame"] = (node, sent) =>
    new Promise((resolve, reject) => {
      loop.receive(node, sent, (result) =>
        result.kind === "done" ? resolve() : reject(new Error(JSON.stringify(result))),
      );
    });
  const report: TestHub["report"] = (node, given) =>
    frame(node, {
      type: "report",
      report: {
        whole: false,
        observed: position(loop, node),
        workloads: [],
        gone: [],
        facts: null,
        figures: null,
        ports: null,
        conditions: null,
        ...given,
      },
    });

  const hub: TestHub = {
    store,
    loop,
    http,
    keyring,
    folder,
    admin,
    state,
    call,
    apply: (app, compose, more = {}, given = {}) => call("PUT", `/v1/apps/${app}`, { compose, ...more }, given),
    join: async (name, { labels = {}, memoryBytes = 4_294_967_296 } = {}) => {
      const token = (await call("POST", "/v1/tokens", {})).body.token;
      const publicKey = publicKeyOf(systemRandom.hex(32));
      const joined = await call("POST", "/v1/nodes/join", { publicKey, name, labels }, { token });
      const node: NodeId = joined.body.node;
      nodes.add(node);
      await hub.greet(node);
      await report(node, { whole: true, facts: facts(name, memoryBytes) });
      return node;
    },
    greet: (node) =>
      new Promise<void>((resolve) => {
        loop.greet(
          hello(node),
          store.publicKey(node) ?? publicKeyOf("00".repeat(32)),
          () => null,
          () => resolve(),
        );
      }),
    frame,
    report,
    failGates: async (node, reason) => {
      const gate = { kind: "failed", reason, reverted: true } as const;
      const failed = statuses(loop, node, { kind: "running", health: "none" }).map(
        (status): WorkloadStatus => ({
          ...status,
          gate,
          gateFor: status.specHash === null ? null : { specHash: status.specHash, attempt: 0 },
        }),
      );
      await report(node, { whole: true, workloads: failed });
    },
    reportAll: async (node, workloadState) => {
      await frame(node, {
        type: "accepted",
        position: position(loop, node),
        hash: "0".repeat(64) as WorkloadStatus["specHash"] & string,
      });
      await report(node, { whole: true, workloads: statuses(loop, node, workloadState) });
    },
    advance: (ms) => {
      moved.ms += ms;
    },
    advanceTo: (monotonicMs) => {
      // Whole milliseconds, as a wall clock has.
      moved.ms += Math.max(0, Math.ceil(monotonicMs - clock.monotonicMs()));
    },
    listen: async () => {
      await http.app.listen({ host: "127.0.0.1", port: 0 });
      return (http.app.server.address() as AddressInfo).port;
    },
    close: async () => {
      await http.stop();
      loop.stop();
      store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return hub;
}

function position(loop: ControlLoop, node: NodeId): Position {
  return loop.world.nodes.get(node)?.assigned ?? { epoch: 1, generation: 0 };
}

function statuses(loop: ControlLoop, node: NodeId, state: WorkloadState): WorkloadStatus[] {
  const ids: WorkloadId[] = [...(loop.world.placementsByNode.get(node) ?? [])];
  return ids.flatMap((id) => {
    const placement = loop.world.placements.get(id);
    if (placement === undefined) return [];
    const { revision, specHash } = placement;
    return [{ id, revision, specHash, state, forMs: 0, containerId: "c1", imageId: null, restarts: 0, ...plainStatus }];
  });
}

function hello(node: NodeId): Hello {
  return {
    type: "hello",
    protocol: PROTOCOL_VERSION,
    protocolMinimum: PROTOCOL_MINIMUM,
    node,
    bootId: "b1",
    runId: "r1",
    agentVersion: "0.0.0-test",
    have: null,
    mark: null,
  };
}

export function facts(hostname: string, memoryBytes: number): NodeFacts {
  return {
    hostname,
    arch: "arm64",
    os: "linux",
    kernel: "6.1",
    model: null,
    cores: 4,
    memoryBytes,
    diskBytes: 32_000_000_000,
    engineVersion: "27.0",
    engineApiVersion: "1.46",
    agentVersion: "0.0.0-test",
    metered: false,
  };
}
