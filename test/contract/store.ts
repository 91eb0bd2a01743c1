// The contract of Store, as one suite for every implementation. What an implementation does beyond it (locks, migrations, a full
// disk) is tested in its own file.

import type { AppSpec } from "@skerry/shared/model/app.ts";
import type { OutboxItem } from "@skerry/shared/model/event.ts";
import type {
  AppName,
  InstallationId,
  NodeId,
  NodeName,
  PublicKey,
  ServiceName,
  Slot,
  SpecHash,
  WorkloadId,
} from "@skerry/shared/model/ids.ts";
import { plainStatus, RUN_INTENT } from "@skerry/shared/model/plain.ts";
import type { WorkloadStatus } from "@skerry/shared/model/report.ts";
import type { ValueRef } from "@skerry/shared/model/value.ts";
import type { Policy } from "@skerry/shared/policy/policy.ts";
import { NO_GRANTS, NO_RULES } from "@skerry/shared/policy/profiles.ts";
import { resolved } from "@skerry/shared/policy/resolve.ts";
import { expect, test } from "vitest";
import type { ApiToken, DurableChange, JoinToken } from "../../hub/src/core/change.ts";
import { NO_KEY_ROLL } from "../../hub/src/core/key-roll.ts";
import { NEW_LINEAGE } from "../../hub/src/core/lineage.ts";
import type { Role } from "../../hub/src/core/permission.ts";
import type { GateResult, Rollout } from "../../hub/src/core/rollout-state.ts";
import type { Session, User } from "../../hub/src/core/user.ts";
import type { StoredValue } from "../../hub/src/core/value.ts";
import type { App, Node, Placement } from "../../hub/src/core/world.ts";
import { FIRST_STEP } from "../../hub/src/core/world.ts";
import { type AuditRecord, CHAIN_START, follow } from "../../hub/src/store/audit-chain.ts";
import type { StoreLimits } from "../../hub/src/store/limits.ts";
import type { AuditPage, AuditQuery, Commit, EventQuery, Store } from "../../hub/src/store/store.ts";

/** One installation's storage, opened again and again as a hub that restarts does. */
export interface StoreUnderTest {
  open(limits?: StoreLimits): Store;
  /** As a process that ends without closing, then starts anew. */
  crash(store: Store): Store;
  remove(): void;
}

// Brands in one place: these are valid by sight.
export const appName = (name: string): AppName => name as AppName;
export const nodeId = (number: number): NodeId => `n${number.toString(16).padStart(16, "0")}` as NodeId;
export const workload = (id: string): WorkloadId => id as WorkloadId;
export const hash = (digit: string): SpecHash => digit.repeat(64) as SpecHash;
const key = (digit: string): PublicKey => digit.repeat(64) as PublicKey;
export const INSTALLATION = "i0123456789abcdef" as InstallationId;

export const appSpec = (name: string): AppSpec => ({ name: appName(name), services: [], networks: [], volumes: [] });

export function app(name: string, revision: number, older: App["older"] = []): App {
  const spec = { ...appSpec(name), volumes: [volume(`data${revision}`)] };
  return {
    name: appName(name),
    revision,
    spec,
    older,
    appliedBy: "admin",
    appliedAtMs: 1_000 + revision,
    ...{ lastGood: null, failedSpecs: [] },
  };
}
export const rollout = (name: string, revision: number): Rollout => ({
  ...{
    app: appName(name),
    revision,
    kind: "update",
    from: null,
    by: "admin",
    reason: "applied",
    attempt: 0,
    force: false,
  },
  startedAtMs: 5,
  state: { kind: "progressing" },
  services: [{ service: "web" as ServiceName, batch: 1, canary: "none", forgiven: 0 }],
});
const volume = (key: string): AppSpec["volumes"][number] => ({
  key,
  engineName: key,
  external: false,
  driver: null,
  driverOptions: {},
  labels: {},
});
export const appSet = (value: App): DurableChange => ({
  kind: "app-set",
  app: value,
  source: `# revision ${value.revision}`,
});

export function node(number: number, fields: Partial<Node> = {}): Node {
  return {
    id: nodeId(number),
    name: `node-${number}` as NodeName,
    labels: { site: "shop" },
    availability: "active",
    joinedAtMs: 5,
    facts: null,
    assigned: { epoch: 1, generation: 0 },
    accepted: null,
    refusal: null,
    eventsAcked: 0,
    availabilitySaid: null,
    drainDeadlineMs: null,
    drainOverMs: null,
    standing: "member",
    lineage: NEW_LINEAGE,
    keyRoll: NO_KEY_ROLL,
    ...fields,
  };
}
export const nodeSet = (value: Node): DurableChange => ({ kind: "node-set", node: value });

export function placement(id: string, onNode: NodeId, revision: number, fields: Partial<Placement> = {}): Placement {
  const [ofApp = "", service = "", slot = ""] = id.split("/");
  return {
    workload: workload(id),
    app: appName(ofApp),
    service: service as ServiceName,
    slot: slot as Slot,
    node: onNode,
    revision,
    specHash: hash("a"),
    fencingToken: 0,
    sinceGeneration: 1,
    silentRunMs: null,
    intent: RUN_INTENT,
    step: FIRST_STEP,
    policy: null,
    ...fields,
  };
}

const policy = (name: string, revision: number): Policy => ({
  ...{ name, revision, profile: "baseline", mode: "enforce", apps: [appName("shop")], nodeLabels: ["gpio=yes"] },
  grants: { ...NO_GRANTS, devices: ["/dev/ttyUSB*"] },
  rules: { ...NO_RULES, registries: ["registry.example"] },
});

export const token = (id: string, usesLeft: number): JoinToken => ({
  id,
  secretHash: hash("c"),
  usesLeft,
  expiresAtMs: 9_000,
  labels: {},
  approval: false,
  createdAtMs: 1,
  createdBy: "admin",
});

export const user = (name: string): User => ({
  ...{ name, role: "deployer", scope: { apps: [appName("shop")], nodeLabels: ["site=farm"] }, disabled: false },
  password: { kind: "scrypt", n: 32_768, r: 8, p: 1, salt: "ab", hash: "cd" },
  secondFactor: { kind: "on", sealedSecret: "s1.0", lastStep: 7, recoveryHashes: [hash("e")] },
  ...{ createdAtMs: 1, createdBy: "admin" },
});
export const session = (id: string, of: string): Session => ({
  ...{ id, user: of, secretHash: hash("f"), createdAtMs: 3 },
});
const versionOf = (digit: string): string => digit.repeat(32);
const value = (name: string, ...digits: readonly string[]): StoredValue => ({
  ...{ kind: "secret", app: null, name, apps: [] },
  versions: digits.map((digit) => ({ version: versionOf(digit), bytes: 3, madeAtMs: 1, madeBy: "admin" })),
});
const ref = (name: string, digit: string): ValueRef => ({ kind: "secret", app: null, name, version: versionOf(digit) });
const content = (digit: string) => ({ key: "k1", wrapped: `w${digit}`, body: `b${digit}` });
const sealed = (digit: string) => ({ version: versionOf(digit), ...content(digit) });

export const apiToken = (id: string, name: string): ApiToken => ({
  ...{ id, name, secretHash: hash("d"), role: "deployer", expiresAtMs: 9_000, createdAtMs: 1, createdBy: "admin" },
  scope: { apps: [appName("shop")], nodeLabels: ["site=farm"] },
});

export const status = (id: string, restarts: number): WorkloadStatus => ({
  id: workload(id),
  revision: 1,
  specHash: hash("a"),
  state: { kind: "running", health: "none" },
  forMs: 10,
  containerId: "c1",
  imageId: null,
  restarts,
  ...plainStatus,
});

export const nodeEvents = (of: NodeId, ...seqs: number[]): DurableChange => ({
  kind: "node-events",
  node: of,
  items: seqs.map((seq): OutboxItem => ({ seq, bootId: "b", ageMs: 1, event: { kind: "gap", lost: seq } })),
});
export const brakeEvent = (nodes: number): DurableChange => ({
  kind: "hub-event",
  event: { kind: "brake-on", unreachable: 1, nodes },
});

export function commit(changes: readonly DurableChange[], key: string | null = null): Commit {
  const idempotency =
    key === null ? null : { key, requestHash: `hash of ${key}`, status: 201, body: `{"key":"${key}"}` };
  return { changes, wallMs: 42, actor: "admin", idempotency, audit: null };
}

export const audit = (fields: Partial<AuditRecord> = {}): AuditRecord => ({
  ...{ actor: "admin", credential: "admin-token/1", address: "10.0.0.7", agent: "curl", what: "applyApp" },
  ...{ target: "app/shop", targetId: null, before: "revision 1", after: "revision 2", outcome: "done", code: null },
  ...{ count: 1, ...fields },
});
const ALL_AUDIT: AuditQuery = {
  ...{ actor: null, target: null, targetId: null, sinceMs: null, outcome: null },
  ...{ from: { kind: "after", number: 0 }, limit: 100 },
};

/** Walks all pages, and checks the chain on the way. */
export function wholeAudit(store: Store): AuditPage["items"] {
  const items: AuditPage["items"][number][] = [];
  let page = store.audit(ALL_AUDIT);
  let link = page.trimmed;
  for (;;) {
    for (const entry of page.items) {
      const next = follow(link, entry);
      expect(next).toMatchObject({ ok: true });
      if (next.ok) link = next.value;
    }
    items.push(...page.items);
    if (page.next === null) break;
    page = store.audit({ ...ALL_AUDIT, from: { kind: "after", number: page.next } });
  }
  expect(page.last).toEqual(link);
  return items;
}

const ALL: EventQuery = { app: null, node: null, workload: null, afterId: null, limit: 100, within: null };
const FEW: StoreLimits = {
  events: 10,
  watchItems: 10,
  idempotentAnswers: 5,
  idempotentAnswersEach: 3,
  trimmedPerCommit: 5,
  audit: { most: 20, least: 6, ageMs: 1_000, lookedAt: 8 },
};

export function storeContract(name: string, make: () => StoreUnderTest): void {
  const contract = (rule: string, body: (store: Store, under: StoreUnderTest) => void, limits?: StoreLimits): void => {
    test(`${rule} (${name})`, () => {
      const under = make();
      try {
        body(under.open(limits), under);
      } finally {
        under.remove();
      }
    });
  };

  contract("[S1] a new store has an installation and an epoch, which stay", (store, under) => {
    const first = store.load();
    expect(first).toMatchObject({ installation: INSTALLATION, epoch: 1, seq: 0, apps: [], nodes: [], placements: [] });
    expect(under.crash(store).load()).toEqual(first);
  });

  contract(
    "[S2][P311] every kind of change is there after a crash, and removals are gone; a tombstone outlives its node",
    (store, under) => {
      const kept = placement("shop/web/1", nodeId(1), 1, {
        ...{ fencingToken: 3, silentRunMs: 30_000 },
        policy: resolved([policy("serial", 2)]),
      });
      const tombstone = {
        workload: workload("shop/web/2"),
        node: nodeId(1),
        generation: 4,
        reason: "scaled down",
        silentRunMs: 5,
      };
      const said = { by: "admin", atMs: 7, reason: "moving house" };
      const wish = { app: appName("shop"), service: null, slot: null, stopped: said, restarts: 2, paused: null };
      const gate = (id: string): GateResult => ({
        ...{ workload: workload(id), revision: 1, specHash: hash("a"), attempt: 0, result: { kind: "passed" } },
      });
      const full = node(1, {
        availability: "draining",
        availabilitySaid: said,
        drainDeadlineMs: 99,
        drainOverMs: 100,
        assigned: { epoch: 1, generation: 4 },
        accepted: { epoch: 1, generation: 3 },
        refusal: { reason: "fork", message: "other content" },
      });
      store.commit(
        commit([
          appSet(app("shop", 1)),
          appSet(app("gone", 1)),
          nodeSet(full),
          nodeSet(node(2)),
          { kind: "node-key-set", node: nodeId(1), publicKey: key("1") },
          { kind: "node-key-set", node: nodeId(2), publicKey: key("2") },
          { kind: "placement-set", placement: kept },
          { kind: "placement-set", placement: placement("shop/web/3", nodeId(2), 1) },
          { kind: "tombstone-set", tombstone },
          { kind: "tombstone-set", tombstone: { ...tombstone, workload: workload("shop/web/9") } },
          { kind: "tombstone-set", tombstone: { ...tombstone, node: nodeId(2) } },
          { kind: "fencing-token-set", workload: kept.workload, token: 3 },
          { kind: "rollout-set", rollout: rollout("shop", 1) },
          { kind: "rollout-set", rollout: { ...rollout("shop", 1), state: { kind: "done", atMs: 8 } } },
          { kind: "rollout-set", rollout: rollout("gone", 1) },
          { kind: "wish-set", wish },
          { kind: "wish-set", wish: { ...wish, app: appName("gone"), service: "web" as ServiceName } },
          { kind: "wish-set", wish: { ...wish, slot: "1" as Slot, service: "web" as ServiceName } },
          { kind: "policy-set", policy: policy("serial", 1) },
          { kind: "policy-set", policy: policy("serial", 2) },
          { kind: "policy-set", policy: policy("gone", 1) },
          { kind: "gate-set", gate: gate("shop/web/1") },
          { kind: "gate-set", gate: gate("shop/web/2") },
          { kind: "gate-set", gate: gate("shop/web/3") },
          { kind: "token-set", token: token("t1", 2) },
          { kind: "token-set", token: token("t2", 1) },
        ]),
      );
      store.commit(
        commit([
          { kind: "app-removed", app: appName("gone") },
          { kind: "placement-removed", workload: workload("shop/web/3") },
          { kind: "tombstone-removed", node: nodeId(1), workload: workload("shop/web/9") },
          { kind: "wish-removed", key: "shop/web/1" },
          { kind: "policy-removed", name: "gone" },
          { kind: "gate-removed", workload: workload("shop/web/2") },
          { kind: "token-removed", id: "t2" },
          { kind: "node-removed", node: nodeId(2) },
        ]),
      );
      const after = under.crash(store);
      expect(after.load()).toEqual({
        installation: INSTALLATION,
        epoch: 1,
        seq: 2,
        apps: [app("shop", 1)],
        nodes: [full],
        placements: [kept],
        tombstones: [tombstone, { ...tombstone, node: nodeId(2) }],
        fencingTokens: new Map([[kept.workload, 3]]),
        rollouts: [{ ...rollout("shop", 1), state: { kind: "done", atMs: 8 } }],
        wishes: [wish],
        policies: [policy("serial", 2)],
        registries: [],
        gates: [gate("shop/web/1")],
        observed: new Map(),
      });
      expect(after.rollouts(appName("shop"), 10)).toHaveLength(1);
      expect(after.tokens()).toEqual([token("t1", 2)]);
      expect(after.publicKey(nodeId(1))).toBe(key("1"));
      expect(after.publicKey(nodeId(2))).toBeNull();
      expect(after.keyHolder(key("1"))).toBe(nodeId(1));
      expect(after.keyHolder(key("2"))).toBeNull();
    },
  );

  contract("[S3] a revision never gets other content", (store) => {
    store.commit(commit([appSet(app("shop", 1))]));
    store.commit(commit([appSet(app("shop", 1))]));
    const other = { ...app("shop", 1), spec: app("shop", 2).spec };
    expect(() => store.commit(commit([brakeEvent(9), appSet(other)]))).toThrow("exists with other content");
    expect(store.load()).toMatchObject({ seq: 2, apps: [app("shop", 1)] });
    expect(store.events(ALL)).toEqual([]);
  });

  contract(
    "[S4] revisions stay readable after the app is removed, and their numbers are not used again",
    (store, under) => {
      store.commit(commit([appSet(app("shop", 1))]));
      store.commit(commit([appSet(app("shop", 2, [{ revision: 1, spec: app("shop", 1).spec }]))]));
      expect(store.load().apps).toEqual([app("shop", 2, [{ revision: 1, spec: app("shop", 1).spec }])]);
      store.commit(commit([{ kind: "app-removed", app: appName("shop") }]));
      const after = under.crash(store);
      expect(after.lastRevision(appName("shop"))).toBe(2);
      expect(after.lastRevision(appName("never"))).toBe(0);
      expect(after.revisions(appName("shop")).map(({ revision }) => revision)).toEqual([1, 2]);
      expect(after.revision(appName("shop"), 1)).toEqual({ spec: app("shop", 1).spec, source: "# revision 1" });
      expect(after.revision(appName("shop"), 3)).toBeNull();
    },
  );

  contract("[S5] a node's event is stored once, however often it arrives", (store, under) => {
    store.commit(commit([nodeSet(node(1)), nodeSet(node(2))]));
    store.commit(commit([nodeEvents(nodeId(1), 1, 2)]));
    store.commit(commit([nodeEvents(nodeId(1), 1, 2, 3), nodeEvents(nodeId(2), 1)]));
    const after = under.crash(store);
    after.commit(commit([nodeEvents(nodeId(1), 3, 2, 5)]));
    const seqs = after.events({ ...ALL, node: nodeId(1) }).map((row) => row.event.source === "node" && row.event.seq);
    expect(seqs).toEqual([1, 2, 3, 5]);
    expect(after.events({ ...ALL, node: nodeId(2) })).toHaveLength(1);
  });

  contract("[S5] the order of changes within a commit does not lose events", (store) => {
    store.commit(commit([nodeSet(node(1))]));
    store.commit(commit([nodeSet(node(1, { eventsAcked: 2 })), nodeEvents(nodeId(1), 1, 2)]));
    expect(store.events(ALL)).toHaveLength(2);
  });

  contract("[S5] events of a node that is gone are let go", (store) => {
    store.commit(commit([nodeEvents(nodeId(1), 1)]));
    expect(store.events(ALL)).toEqual([]);
  });

  contract("[S6] events are found by app, node and workload, in order, page by page", (store) => {
    const placed = (id: string, on: number): DurableChange => ({
      kind: "hub-event",
      event: { kind: "placed", workload: workload(id), node: nodeId(on), reason: "spread" },
    });
    store.commit(commit([placed("a/web/1", 1), placed("a/db/1", 2), placed("b/web/1", 1), brakeEvent(3)]));
    const found = (query: Partial<EventQuery>): string[] =>
      store.events({ ...ALL, ...query }).map((row) => row.workload ?? row.event.event.kind);
    expect(found({ app: appName("a") })).toEqual(["a/web/1", "a/db/1"]);
    expect(found({ node: nodeId(1) })).toEqual(["a/web/1", "b/web/1"]);
    expect(found({ app: appName("a"), node: nodeId(1) })).toEqual(["a/web/1"]);
    expect(found({ workload: workload("b/web/1") })).toEqual(["b/web/1"]);
    expect(found({ limit: 2 })).toEqual(["b/web/1", "brake-on"]);
    const first = store.events(ALL)[0];
    expect(first).toMatchObject({ wallMs: 42, app: "a", node: nodeId(1) });
    expect(found({ afterId: first?.id ?? 0, limit: 2 })).toEqual(["a/db/1", "b/web/1"]);
  });

  contract(
    "[S7] events, the watch and idempotent answers are bounded, and the oldest go first",
    (store) => {
      for (let round = 1; round <= 40; round += 1) store.commit(commit([brakeEvent(round)], `key ${round}`));
      expect(store.events(ALL).map((row) => "nodes" in row.event.event && row.event.event.nodes)).toEqual([
        31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
      ]);
      expect(store.watch(30, 100)?.map(({ seq }) => seq)).toEqual([31, 32, 33, 34, 35, 36, 37, 38, 39, 40]);
      expect(store.watch(29, 100)).toBeNull();
      expect(store.idempotent("key 37")).toBeNull();
      expect(store.idempotent("key 38")).not.toBeNull();
    },
    FEW,
  );

  contract(
    "[S35] who asks under ever new keys pushes out nobody's stored answers but his own",
    (store) => {
      store.commit(commit([], "admin-token/1 k"));
      for (let round = 1; round <= 40; round += 1) store.commit(commit([], `api-token/1 k${round}`));
      store.commit(commit([], "api-token/12 k"));
      const kept = (...keys: string[]) => keys.filter((key) => store.idempotent(key) !== null);
      const own = ["api-token/1 k37", "api-token/1 k38", "api-token/1 k39", "api-token/1 k40"];
      expect(kept("admin-token/1 k", ...own, "api-token/12 k")).toEqual([
        "admin-token/1 k",
        ...own.slice(1),
        "api-token/12 k",
      ]);
      // All together are bounded as well.
      store.commit(commit([], "api-token/2 k"));
      expect(kept("admin-token/1 k", ...own, "api-token/2 k")).toEqual([...own.slice(1), "api-token/2 k"]);
    },
    FEW,
  );

  contract(
    "[S7] a commit larger than what is kept leaves nothing that a watcher could take for whole",
    (store) => {
      store.commit(commit([brakeEvent(1)]));
      store.commit(commit(Array.from({ length: 250 }, (_, index) => brakeEvent(index))));
      expect(store.watch(1, 100)).toBeNull();
      expect(store.watch(2, 100)).toEqual([]);
    },
    FEW,
  );

  contract("[S8] the watch resumes without loss or says that it cannot", (store, under) => {
    store.commit(commit([nodeSet(node(1)), appSet(app("shop", 1)), brakeEvent(1)]));
    store.commit(commit([brakeEvent(2), brakeEvent(3)]));
    store.commit(commit([]));
    const after = under.crash(store);
    const items = (since: number, limit: number) => after.watch(since, limit)?.map(({ seq, index }) => [seq, index]);
    expect(items(0, 100)).toEqual([
      [1, 0],
      [1, 1],
      [1, 2],
      [2, 0],
      [2, 1],
    ]);
    expect(items(0, 4)).toEqual([
      [1, 0],
      [1, 1],
      [1, 2],
    ]);
    expect(items(0, 1)).toEqual([
      [1, 0],
      [1, 1],
      [1, 2],
    ]);
    expect(items(1, 100)).toEqual([
      [2, 0],
      [2, 1],
    ]);
    expect(items(3, 100)).toEqual([]);
    expect(after.watch(4, 100)).toBeNull();
    expect(after.watch(0, 3)?.[1]).toEqual({ seq: 1, index: 1, wallMs: 42, change: appSet(app("shop", 1)) });
  });

  contract("[S8] commits of any size come whole, page by page", (store) => {
    const sizes = [3, 250, 1, 120, 99];
    for (const size of sizes) store.commit(commit(Array.from({ length: size }, (_, index) => brakeEvent(index))));
    const pages: number[] = [];
    for (let since = 0; since < sizes.length; ) {
      const page = store.watch(since, 100) ?? [];
      expect(
        page.map(({ index }) => index).every((index, at) => index === 0 || index === (page[at - 1]?.index ?? 0) + 1),
      ).toBe(true);
      pages.push(page.length);
      since = page.at(-1)?.seq ?? sizes.length;
    }
    expect(pages).toEqual([3, 250, 1, 120, 99]);
    expect(store.watch(0, 253)).toHaveLength(253);
    expect(store.watch(2, 1_000)).toHaveLength(220);
  });

  contract("[S9] hashes of secrets are not in the watch", (store) => {
    store.commit(
      commit([
        nodeSet(node(1)),
        { kind: "node-key-set", node: nodeId(1), publicKey: key("1") },
        { kind: "token-set", token: token("t1", 1) },
        { kind: "api-token-set", token: apiToken("a1", "ci") },
        { kind: "user-set", user: user("anna") },
        { kind: "session-set", session: session("s1", "anna") },
        { kind: "value-set", value: value("db", "a"), sealed: sealed("a") },
        { kind: "value-removed", value: value("db", "a") },
      ]),
    );
    expect(store.watch(0, 100)?.map(({ change }) => change.kind)).toEqual(["node-set"]);
  });

  contract("[S10] an idempotency key is taken once, with its answer, in the same transaction", (store, under) => {
    store.commit(commit([nodeSet(node(1))], "k"));
    const after = under.crash(store);
    expect(after.idempotent("k")).toEqual({ requestHash: "hash of k", status: 201, body: '{"key":"k"}' });
    expect(after.idempotent("other")).toBeNull();
    expect(() => after.commit(commit([nodeSet(node(2))], "k"))).toThrow(expect.objectContaining({ kind: "duplicate" }));
    expect(after.load()).toMatchObject({ seq: 1, nodes: [node(1)] });
  });

  contract("[S11] what nodes were seen to run is kept for the next start, and goes with its node", (store, under) => {
    store.commit(commit([nodeSet(node(1)), nodeSet(node(2))]));
    store.saveObserved(nodeId(1), [status("shop/web/1", 1)]);
    store.saveObserved(nodeId(1), [status("shop/web/1", 2)]);
    store.saveObserved(nodeId(2), []);
    store.saveObserved(nodeId(3), []);
    store.commit(commit([{ kind: "node-removed", node: nodeId(2) }]));
    expect(under.crash(store).load().observed).toEqual(new Map([[nodeId(1), [status("shop/web/1", 2)]]]));
  });

  contract(
    "[S6] of apps and nodes out of what is asked for nothing is found, and pages are full all the same",
    (store) => {
      const placed = (id: string, on: number): DurableChange => ({
        kind: "hub-event",
        event: { kind: "placed", workload: workload(id), node: nodeId(on), reason: "spread" },
      });
      const ready = (on: number): DurableChange => ({
        kind: "hub-event",
        event: { kind: "node-ready", node: nodeId(on), silentForMs: null },
      });
      store.commit(commit([placed("a/web/1", 1), ready(1), placed("b/web/1", 1), ready(2), brakeEvent(3)]));
      store.commit(commit([placed("a/web/2", 2), placed("b/web/2", 2)]));
      const found = (within: EventQuery["within"], query: Partial<EventQuery> = {}): string[] =>
        store.events({ ...ALL, within, ...query }).map((row) => row.workload ?? row.node ?? "hub");
      const [a, one] = [[appName("a")], [nodeId(1)]];
      expect(found({ apps: a, nodes: one })).toEqual(["a/web/1", nodeId(1), "a/web/2"]);
      expect(found({ apps: a, nodes: [] })).toEqual(["a/web/1", "a/web/2"]);
      expect(found({ apps: [], nodes: one })).toEqual([nodeId(1)]);
      expect(found({ apps: a, nodes: null })).toEqual(["a/web/1", nodeId(1), nodeId(2), "a/web/2"]);
      expect(found({ apps: null, nodes: [] })).toEqual(["a/web/1", "b/web/1", "a/web/2", "b/web/2"]);
      expect(found({ apps: null, nodes: null })).toHaveLength(6);
      expect(found({ apps: a, nodes: one }, { limit: 2 })).toEqual([nodeId(1), "a/web/2"]);
      expect(found({ apps: a, nodes: one }, { limit: 1, afterId: 1 })).toEqual([nodeId(1)]);
      expect(found({ apps: a, nodes: one }, { app: appName("b") })).toEqual([]);
    },
  );

  contract("[S25] API tokens and roles are there after a crash, found by id, and gone when removed", (store, under) => {
    const role = (name: string): Role => ({ name, permissions: ["app:read", "logs:read"] });
    store.commit(
      commit([
        { kind: "api-token-set", token: apiToken("a2", "ci") },
        { kind: "api-token-set", token: apiToken("a1", "anna") },
        { kind: "api-token-set", token: apiToken("a3", "gone") },
        { kind: "role-set", role: role("till") },
        { kind: "role-set", role: { ...role("till"), permissions: ["app:read"] } },
        { kind: "role-set", role: role("gone") },
        { kind: "api-token-removed", id: "a3" },
        { kind: "role-removed", name: "gone" },
      ]),
    );
    const after = under.crash(store);
    expect(after.apiTokens()).toEqual([apiToken("a1", "anna"), apiToken("a2", "ci")]);
    expect([after.apiToken("a2"), after.apiToken("a3")]).toEqual([apiToken("a2", "ci"), null]);
    expect(after.roles()).toEqual([{ name: "till", permissions: ["app:read"] }]);
  });

  contract("[S26] when an API token was last used is written behind, and goes with the token", (store, under) => {
    store.commit(
      commit([
        { kind: "api-token-set", token: apiToken("a1", "anna") },
        { kind: "api-token-set", token: apiToken("a2", "ci") },
      ]),
    );
    for (const [id, atMs] of [["a1", 5] as const, ["a1", 7] as const, ["a2", 9] as const, ["a9", 9] as const])
      store.saveApiTokenUse(id, atMs);
    store.commit(commit([{ kind: "api-token-removed", id: "a2" }]));
    const after = under.crash(store);
    expect([...after.apiTokenUses()]).toEqual([["a1", 7]]);
    // The token itself is written again: its use stays.
    after.commit(commit([{ kind: "api-token-set", token: apiToken("a1", "anna") }]));
    expect([...after.apiTokenUses()]).toEqual([["a1", 7]]);
  });

  contract(
    "[S220] users and sessions are there after a crash, found by name and id, and gone when removed",
    (store, under) => {
      store.commit(
        commit([
          { kind: "user-set", user: user("bert") },
          { kind: "user-set", user: { ...user("anna"), disabled: true } },
          { kind: "user-set", user: user("anna") },
          { kind: "user-set", user: user("gone") },
          { kind: "user-removed", name: "gone" },
          { kind: "session-set", session: session("s2", "anna") },
          { kind: "session-set", session: session("s1", "anna") },
          { kind: "session-set", session: session("s3", "bert") },
          { kind: "session-removed", id: "s3" },
        ]),
      );
      store.saveSessionUse("s1", 5);
      store.saveSessionUse("s9", 5);
      const after = under.crash(store);
      expect(after.users()).toEqual([user("anna"), user("bert")]);
      expect([after.user("bert"), after.user("gone")]).toEqual([user("bert"), null]);
      expect(after.sessionsOf("anna")).toEqual([session("s1", "anna"), session("s2", "anna")]);
      expect([after.session("s2"), after.session("s3")]).toEqual([session("s2", "anna"), null]);
      expect([...after.sessionUses("anna")]).toEqual([["s1", 5]]);
      after.commit(commit([{ kind: "session-removed", id: "s1" }]));
      expect([...after.sessionUses("anna")]).toEqual([]);
    },
  );

  contract(
    "[S260] secrets and configs are there after a crash with the versions that are listed, and no others",
    (store, under) => {
      store.commit(
        commit([
          { kind: "value-set", value: value("db", "a"), sealed: sealed("a") },
          { kind: "value-set", value: value("db", "a", "b"), sealed: sealed("b") },
          { kind: "value-set", value: value("key", "c"), sealed: sealed("c") },
          { kind: "value-set", value: { ...value("db", "d"), app: appName("shop") }, sealed: sealed("d") },
          { kind: "value-set", value: value("gone", "e"), sealed: sealed("e") },
          { kind: "value-removed", value: value("gone") },
        ]),
      );
      const after = under.crash(store);
      expect(after.values()).toEqual([
        value("db", "a", "b"),
        value("key", "c"),
        { ...value("db", "d"), app: appName("shop") },
      ]);
      expect(after.sealedValue(ref("db", "a"))).toEqual(content("a"));
      expect(after.sealedValue({ ...ref("db", "d"), app: appName("shop") })).toEqual(content("d"));
      expect([after.sealedValue(ref("db", "d")), after.sealedValue(ref("gone", "e"))]).toEqual([null, null]);
      after.commit(commit([{ kind: "value-set", value: value("db", "b"), sealed: null }]));
      expect([after.sealedValue(ref("db", "a")), after.sealedValue(ref("db", "b"))]).toEqual([null, content("b")]);
    },
  );

  contract(
    "[C275] registry credentials are loaded with the World, by registry, and no other value is",
    (store, under) => {
      const credential = (name: string) => ({ ...value(name, "a"), kind: "registry" as const });
      store.commit(
        commit([
          { kind: "value-set", value: value("db", "a"), sealed: sealed("a") },
          { kind: "value-set", value: credential("r.test:5000"), sealed: sealed("a") },
          { kind: "value-set", value: credential("[::1]:5000"), sealed: sealed("a") },
          { kind: "value-set", value: credential("gone.test"), sealed: sealed("a") },
          { kind: "value-removed", value: credential("gone.test") },
        ]),
      );
      const after = under.crash(store);
      expect(after.load().registries).toEqual([credential("[::1]:5000"), credential("r.test:5000")]);
      expect(after.sealedValue({ ...ref("r.test:5000", "a"), kind: "registry" })).toEqual(content("a"));
    },
  );

  contract("[A342] what a node was given is kept by name, once each, as long as the node is there", (store, under) => {
    store.commit(
      commit([
        { kind: "node-set", node: node(1) },
        { kind: "node-set", node: node(2) },
      ]),
    );
    const [db, own] = [
      { kind: "secret", app: null, name: "db" },
      { kind: "config", app: appName("shop"), name: "ui" },
    ] as const;
    for (const value of [db, own, db]) store.saveGiven(node(1).id, value);
    store.saveGiven(node(2).id, db);
    store.saveGiven("n00000000000000ff" as NodeId, db);
    const after = under.crash(store);
    expect(after.givenTo(node(1).id)).toEqual([own, db]);
    after.commit(commit([{ kind: "node-removed", node: node(1).id }]));
    expect([after.givenTo(node(1).id), after.givenTo(node(2).id)]).toEqual([[], [db]]);
    expect(after.givenTo("n00000000000000ff" as NodeId)).toEqual([]);
  });

  contract("[S261] a content is wrapped anew without being touched", (store, under) => {
    store.commit(commit([{ kind: "value-set", value: value("db", "a"), sealed: sealed("a") }]));
    store.commit(commit([{ kind: "value-rewrapped", ref: ref("db", "a"), key: "new", wrapped: "other" }]));
    const after = under.crash(store);
    expect(after.sealedValue(ref("db", "a"))).toEqual({ ...content("a"), key: "new", wrapped: "other" });
    expect(after.valueKeys()).toEqual([{ ref: ref("db", "a"), key: "new", wrapped: "other" }]);
  });

  contract("[S12] settings are small named values", (store, under) => {
    expect(store.setting("admin")).toBeNull();
    store.setSetting("admin", "one");
    store.setSetting("admin", "two");
    expect(under.crash(store).setting("admin")).toBe("two");
  });

  contract("[S30] an audit entry is in the transaction of its change, numbered and chained", (store, under) => {
    expect(store.audit(ALL_AUDIT)).toEqual({ items: [], next: null, trimmed: CHAIN_START, last: CHAIN_START });
    store.commit({ ...commit([nodeSet(node(1))]), audit: audit() });
    store.commit(commit([nodeSet(node(2))]));
    store.commit(commit([appSet(app("shop", 1))], "k"));
    const other = { ...app("shop", 1), spec: app("shop", 2).spec };
    const refused = [
      { ...commit([appSet(other)]), audit: audit() },
      { ...commit([], "k"), audit: audit() },
    ];
    for (const each of refused) expect(() => store.commit(each)).toThrow();
    expect(wholeAudit(store)).toHaveLength(1);
    const after = under.crash(store);
    after.commit({ ...commit([nodeSet(node(3))]), audit: audit({ target: "node/node-3", targetId: nodeId(3) }) });
    expect(wholeAudit(after)).toMatchObject([
      { ...audit(), number: 1, atMs: 42, previous: CHAIN_START.hash },
      { number: 2, target: "node/node-3", targetId: nodeId(3) },
    ]);
  });

  contract("[S30] an entry of its own is durable, and no commit for watchers", (store, under) => {
    store.appendAudit(audit({ outcome: "refused", code: "not-permitted" }), 43);
    const after = under.crash(store);
    expect(wholeAudit(after)).toMatchObject([{ number: 1, atMs: 43, outcome: "refused", code: "not-permitted" }]);
    expect(after.load().seq).toBe(0);
  });

  contract(
    "[S31] the audit log is bounded by number, and by age but for the newest, and its chain goes on behind what was let go",
    (store) => {
      const kept = () => wholeAudit(store).map(({ number }) => number);
      for (let round = 1; round <= 33; round += 1) store.commit({ ...commit([]), audit: audit({ after: `${round}` }) });
      expect(kept()).toEqual(Array.from({ length: 20 }, (_, index) => 14 + index));
      expect(store.audit(ALL_AUDIT).trimmed.number).toBe(13);
      // A clock set years ahead: at most five go with each commit, and six stay whatever it says.
      store.appendAudit(audit(), 999_999);
      expect(kept().length).toBe(16);
      for (let round = 1; round <= 4; round += 1) store.appendAudit(audit(), 999_999);
      expect(kept()).toEqual([33, 34, 35, 36, 37, 38]);
      for (let round = 1; round <= 4; round += 1) store.appendAudit(audit(), 999_999);
      expect(kept()).toEqual(Array.from({ length: 9 }, (_, index) => 34 + index));
    },
    FEW,
  );

  contract(
    "[S32] audit entries are found by actor, target, age and outcome, page by page from either end",
    (store) => {
      const records = [
        audit(),
        audit({ actor: "mia", target: "node/pi", targetId: nodeId(1) }),
        audit({ actor: null, outcome: "refused", code: "not-authenticated" }),
        ...Array.from({ length: 12 }, () => audit({ target: "token/1a" })),
        audit({ target: "node/renamed", targetId: nodeId(1) }),
      ];
      for (const [index, record] of records.entries()) store.appendAudit(record, 100 + index);
      const found = (query: Partial<AuditQuery>, start: AuditQuery["from"]): number[] => {
        const numbers: number[] = [];
        for (let at = start.number, first = true; first || at !== null; first = false) {
          const page: AuditPage = store.audit({
            ...ALL_AUDIT,
            limit: 5,
            ...query,
            from: { ...start, number: at } as AuditQuery["from"],
          });
          expect(page.items.length).toBeLessThanOrEqual(5);
          numbers.push(...page.items.map(({ number }) => number));
          at = page.next;
        }
        return numbers;
      };
      const all = Array.from({ length: 16 }, (_, index) => index + 1);
      for (const [query, numbers] of [
        [{}, all],
        [{ actor: "mia" }, [2]],
        [{ target: "app/shop" }, [1, 3]],
        [{ target: "node/pi", targetId: nodeId(1) }, [2, 16]],
        [{ outcome: "refused" }, [3]],
        [{ sinceMs: 102 }, all.slice(2)],
        [{ actor: "nobody" }, []],
      ] as const) {
        expect(found(query, { kind: "after", number: 0 })).toEqual(numbers);
        expect(found(query, { kind: "before", number: null })).toEqual(numbers.toReversed());
      }
      expect(found({}, { kind: "after", number: 14 })).toEqual([15, 16]);
      expect(found({}, { kind: "before", number: 3 })).toEqual([2, 1]);
      // Looked at: eight entries for one page, whatever is found.
      expect(store.audit({ ...ALL_AUDIT, actor: "nobody" })).toMatchObject({ items: [], next: 8 });
    },
    FEW,
  );
}
