// The Store in memory, for the simulator and for tests of what uses a store. The same contract suite as SQLite's runs against it.
// What it holds belongs to a MemoryDisk, so that a hub can crash and open it again; entities are immutable values and kept as they are.
import type { AppName, InstallationId, NodeId, PublicKey, Revision, WorkloadId } from "@skerry/shared/model/ids.ts";
import type { WorkloadStatus } from "@skerry/shared/model/report.ts";
import type { ValueRef } from "@skerry/shared/model/value.ts";
import { valueKey } from "@skerry/shared/model/value-names.ts";
import type { Policy } from "@skerry/shared/policy/policy.ts";
import { assert, assertNever } from "@skerry/shared/runtime/assert.ts";
import type { ApiToken, DurableChange, JoinToken, RevokedKey } from "../core/change.ts";
import type { Role } from "../core/permission.ts";
import { type GateResult, isWishOf, type Rollout, type Wish, wishKey } from "../core/rollout-state.ts";
import type { Session, User } from "../core/user.ts";
import { type SealedContent, type StoredValue, type ValueId, valueIdKey } from "../core/value.ts";
import type { App, Node, Placement, Tombstone } from "../core/world.ts";
import { type AuditEntry, type AuditLink, type AuditRecord, CHAIN_START, chained } from "./audit-chain.ts";
import {
  auditRange,
  type EventSubject,
  hubEventSubject,
  isWatched,
  keysOfHolder,
  nextAudit,
  nodeEventSubject,
  wholeCommits,
} from "./history.ts";
import { STORE_LIMITS, type StoreLimits } from "./limits.ts";
import {
  type AuditPage,
  type AuditQuery,
  type Commit,
  type EventRow,
  type EventScope,
  type Store,
  StoreError,
  type WatchItem,
} from "./store.ts";

interface StoredRevision {
  readonly app: App;
  readonly source: string;
}

/** Everything that survives the hub's process. */
export interface MemoryDisk {
  /** Asked before each write: throws StoreError("full" | "broken") when the simulated disk refuses. */
  refuse: (() => void) | null;
  /** A power cut: what was written behind is lost; every commit stays. */
  powerCut(): void;
  readonly content: MemoryContent;
}

interface MemoryContent {
  installation: InstallationId;
  epoch: number;
  seq: number;
  watchFloor: number;
  nextEventId: number;
  readonly revisions: Map<AppName, Map<Revision, StoredRevision>>;
  readonly apps: Map<AppName, App>;
  readonly nodes: Map<NodeId, Node>;
  readonly eventsStored: Map<NodeId, number>;
  readonly keys: Map<NodeId, PublicKey>;
  readonly revokedKeys: Map<PublicKey, RevokedKey>;
  readonly placements: Map<WorkloadId, Placement>;
  readonly tombstones: Map<string, Tombstone>;
  readonly fencingTokens: Map<WorkloadId, number>;
  readonly rollouts: Map<AppName, Map<Revision, Rollout>>;
  readonly wishes: Map<string, Wish>;
  readonly policies: Map<string, Policy>;
  readonly gates: Map<WorkloadId, GateResult>;
  readonly tokens: Map<string, JoinToken>;
  readonly apiTokens: Map<string, ApiToken>;
  readonly apiTokenUses: Map<string, number>;
  readonly roles: Map<string, Role>;
  readonly users: Map<string, User>;
  readonly sessions: Map<string, Session>;
  readonly sessionUses: Map<string, number>;
  readonly values: Map<string, StoredValue>;
  readonly sealed: Map<string, { readonly ref: ValueRef; readonly sealed: SealedContent }>;
  /** By node, and by `valueIdKey`. */
  readonly given: Map<NodeId, Map<string, ValueId>>;
  readonly observed: Map<NodeId, readonly WorkloadStatus[]>;
  /** What a power cut goes back to. */
  readonly observedDurable: Map<NodeId, readonly WorkloadStatus[]>;
  readonly settings: Map<string, string>;
  readonly idempotent: Map<string, { requestHash: string; status: number; body: string }>;
  events: EventRow[];
  log: WatchItem[];
  audit: AuditEntry[];
  auditTrimmed: AuditLink;
}

export function createMemoryDisk(first: { readonly installation: InstallationId; readonly epoch: number }): MemoryDisk {
  const content: MemoryContent = {
    ...first,
    seq: 0,
    watchFloor: 0,
    nextEventId: 1,
    revisions: new Map(),
    apps: new Map(),
    nodes: new Map(),
    eventsStored: new Map(),
    keys: new Map(),
    revokedKeys: new Map(),
    placements: new Map(),
    tombstones: new Map(),
    fencingTokens: new Map(),
    rollouts: new Map(),
    wishes: new Map(),
    policies: new Map(),
    gates: new Map(),
    tokens: new Map(),
    apiTokens: new Map(),
    apiTokenUses: new Map(),
    roles: new Map(),
    users: new Map(),
    sessions: new Map(),
    sessionUses: new Map(),
    values: new Map(),
    sealed: new Map(),
    given: new Map(),
    observed: new Map(),
    observedDurable: new Map(),
    settings: new Map(),
    idempotent: new Map(),
    events: [],
    log: [],
    audit: [],
    auditTrimmed: CHAIN_START,
  };
  return {
    refuse: null,
    content,
    powerCut() {
      replaceAll(content.observed, content.observedDurable);
    },
  };
}

export function openMemoryStore(disk: MemoryDisk, limits: StoreLimits = STORE_LIMITS): Store {
  const { content } = disk;
  return {
    load: () => ({
      installation: content.installation,
      epoch: content.epoch,
      seq: content.seq,
      apps: sortedValues(content.apps),
      nodes: sortedValues(content.nodes),
      placements: sortedValues(content.placements),
      tombstones: sortedValues(content.tombstones),
      fencingTokens: sortedMap(content.fencingTokens),
      rollouts: newestRollouts(content),
      wishes: sortedValues(content.wishes),
      policies: sortedValues(content.policies),
      registries: sortedValues(content.values).filter(({ kind }) => kind === "registry"),
      gates: sortedValues(content.gates),
      observed: sortedMap(content.observed),
    }),
    commit(commit) {
      disk.refuse?.();
      return commitAll(content, commit, limits);
    },
    appendAudit(record, wallMs) {
      disk.refuse?.();
      appendAudit(content, record, wallMs, limits);
    },
    saveObserved(node, workloads) {
      disk.refuse?.();
      if (content.nodes.has(node)) content.observed.set(node, workloads);
    },
    saveApiTokenUse(id, atMs) {
      disk.refuse?.();
      if (content.apiTokens.has(id)) content.apiTokenUses.set(id, atMs);
    },
    saveSessionUse(id, atMs) {
      disk.refuse?.();
      if (content.sessions.has(id)) content.sessionUses.set(id, atMs);
    },
    saveGiven(node, value) {
      disk.refuse?.();
      if (!content.nodes.has(node)) return;
      const given = content.given.get(node) ?? new Map<string, ValueId>();
      const { kind, app, name } = value;
      content.given.set(node, given.set(valueIdKey(value), { kind, app, name }));
    },
    ...historyOf(content),
    audit: (query) => auditPage(content, query, limits),
    setting: (name) => content.settings.get(name) ?? null,
    setSetting(name, value) {
      disk.refuse?.();
      content.settings.set(name, value);
    },
    close() {},
  };
}

function commitAll(content: MemoryContent, commit: Commit, limits: StoreLimits): number {
  const { idempotency } = commit;
  if (idempotency !== null && content.idempotent.has(idempotency.key)) {
    throw new StoreError("duplicate", `the idempotency key ${idempotency.key} was used before`);
  }
  // Checked before anything is written: nothing may be half done.
  for (const change of commit.changes) if (change.kind === "app-set") assertSameRevision(content, change);
  content.seq += 1;
  const { seq } = content;
  for (const [index, change] of commit.changes.entries()) {
    write(content, change, commit.wallMs);
    if (isWatched(change)) content.log.push({ seq, index, wallMs: commit.wallMs, change });
  }
  if (idempotency !== null) {
    const { key, requestHash, status, body } = idempotency;
    content.idempotent.set(key, { requestHash, status, body });
    trimAnswers(content, key, limits);
  }
  if (commit.audit !== null) appendAudit(content, commit.audit, commit.wallMs, limits);
  replaceAll(content.observedDurable, content.observed);
  trim(content, limits);
  return seq;
}

function assertSameRevision(content: MemoryContent, change: DurableChange & { kind: "app-set" }): void {
  const { name, revision, spec } = change.app;
  const stored = content.revisions.get(name)?.get(revision);
  const same = stored === undefined || JSON.stringify(stored.app.spec) === JSON.stringify(spec);
  assert(same, `revision ${revision} of app ${name} exists with other content`);
}

function write(content: MemoryContent, change: DurableChange, wallMs: number): void {
  switch (change.kind) {
    case "app-set":
      writeApp(content, change.app, change.source);
      return;
    case "app-removed":
      content.apps.delete(change.app);
      for (const key of [...content.wishes.keys()]) if (isWishOf(change.app, key)) content.wishes.delete(key);
      return;
    case "node-set":
      content.nodes.set(change.node.id, change.node);
      return;
    case "node-key-set":
      content.keys.set(change.node, change.publicKey);
      return;
    case "node-removed":
      removeNode(content, change.node);
      return;
    case "key-revoked":
      content.revokedKeys.set(change.key.publicKey, change.key);
      return;
    case "placement-set":
      content.placements.set(change.placement.workload, change.placement);
      return;
    case "placement-removed":
      content.placements.delete(change.workload);
      content.gates.delete(change.workload);
      return;
    case "tombstone-set":
      content.tombstones.set(tombstoneKey(change.tombstone), change.tombstone);
      return;
    case "tombstone-removed":
      content.tombstones.delete(tombstoneKey(change));
      return;
    case "rollout-set": {
      const rollouts = content.rollouts.get(change.rollout.app) ?? new Map<Revision, Rollout>();
      content.rollouts.set(change.rollout.app, rollouts.set(change.rollout.revision, change.rollout));
      return;
    }
    case "wish-set":
      content.wishes.set(wishKey(change.wish), change.wish);
      return;
    case "wish-removed":
      content.wishes.delete(change.key);
      return;
    case "gate-set":
      content.gates.set(change.gate.workload, change.gate);
      return;
    case "gate-removed":
      content.gates.delete(change.workload);
      return;
    case "fencing-token-set":
      content.fencingTokens.set(change.workload, change.token);
      return;
    case "token-set":
      content.tokens.set(change.token.id, change.token);
      return;
    case "token-removed":
      content.tokens.delete(change.id);
      return;
    case "api-token-set":
      content.apiTokens.set(change.token.id, change.token);
      return;
    case "api-token-removed":
      content.apiTokens.delete(change.id);
      content.apiTokenUses.delete(change.id);
      return;
    case "role-set":
      content.roles.set(change.role.name, change.role);
      return;
    case "policy-set":
      content.policies.set(change.policy.name, change.policy);
      return;
    case "policy-removed":
      content.policies.delete(change.name);
      return;
    case "role-removed":
      content.roles.delete(change.name);
      return;
    case "user-set":
      content.users.set(change.user.name, change.user);
      return;
    case "user-removed":
      content.users.delete(change.name);
      return;
    case "session-set":
      content.sessions.set(change.session.id, change.session);
      return;
    case "session-removed":
      content.sessions.delete(change.id);
      content.sessionUses.delete(change.id);
      return;
    case "value-set":
      writeValue(content, change);
      return;
    case "value-removed":
      content.values.delete(idOf(change.value));
      for (const [key, { ref }] of [...content.sealed])
        if (idOf(ref) === idOf(change.value)) content.sealed.delete(key);
      return;
    case "value-rewrapped": {
      const { ref, key, wrapped } = change;
      const held = content.sealed.get(valueKey(ref));
      if (held !== undefined) content.sealed.set(valueKey(ref), { ref, sealed: { ...held.sealed, key, wrapped } });
      return;
    }
    case "hub-event":
      addEvent(content, wallMs, hubEventSubject(change.event), { source: "hub", event: change.event });
      return;
    case "node-events":
      writeNodeEvents(content, change, wallMs);
      return;
    default:
      assertNever(change, "durable change");
  }
}

const idOf = ({ kind, app, name }: ValueId): string => `${kind}/${app ?? ""}/${name}`;

function writeValue(
  { values, sealed: contents }: MemoryContent,
  { value, sealed }: DurableChange & { kind: "value-set" },
): void {
  const { kind, app, name, versions } = value;
  values.set(idOf(value), value);
  if (sealed !== null) {
    const { version, ...content } = sealed;
    const ref = { kind, app, name, version };
    contents.set(valueKey(ref), { ref, sealed: content });
  }
  const kept = new Set(versions.map(({ version }) => version));
  for (const [key, { ref }] of [...contents])
    if (idOf(ref) === idOf(value) && !kept.has(ref.version)) contents.delete(key);
}

const tombstoneKey = (of: { readonly node: NodeId; readonly workload: WorkloadId }): string =>
  `${of.node} ${of.workload}`;

function newestRollouts(content: MemoryContent): readonly Rollout[] {
  return sortedValues(content.apps).flatMap(({ name, revision }) => content.rollouts.get(name)?.get(revision) ?? []);
}

type AppSource = Extract<DurableChange, { readonly kind: "app-set" }>["source"];

function writeApp(content: MemoryContent, app: App, source: AppSource): void {
  const revisions = content.revisions.get(app.name) ?? new Map<Revision, StoredRevision>();
  content.revisions.set(app.name, revisions);
  const text = typeof source === "string" ? source : (revisions.get(source.sameAs)?.source ?? "");
  if (!revisions.has(app.revision)) revisions.set(app.revision, { app, source: text });
  content.apps.set(app.name, app);
}

/** Its tombstones stay until a change names them: a fenced slot waits for a node that is no longer there. */
function removeNode(content: MemoryContent, node: NodeId): void {
  content.nodes.delete(node);
  content.keys.delete(node);
  content.eventsStored.delete(node);
  content.observed.delete(node);
  content.given.delete(node);
}

function addEvent(content: MemoryContent, wallMs: number, subject: EventSubject, event: EventRow["event"]): void {
  content.events.push({ id: content.nextEventId, wallMs, ...subject, event });
  content.nextEventId += 1;
}

function writeNodeEvents(
  content: MemoryContent,
  change: DurableChange & { kind: "node-events" },
  wallMs: number,
): void {
  if (!content.nodes.has(change.node)) return;
  let last = content.eventsStored.get(change.node) ?? 0;
  for (const item of change.items.toSorted((a, b) => a.seq - b.seq)) {
    if (item.seq <= last) continue;
    last = item.seq;
    addEvent(content, wallMs, nodeEventSubject(change.node, item.event), {
      source: "node",
      seq: item.seq,
      event: item.event,
    });
  }
  content.eventsStored.set(change.node, last);
}

function trim(content: MemoryContent, limits: StoreLimits): void {
  if (content.events.length > limits.events) content.events = content.events.slice(-limits.events);
  const going = content.log.length - limits.watchItems;
  if (going > 0) {
    content.watchFloor = content.log[going - 1]?.seq ?? content.watchFloor;
    content.log = content.log.slice(going);
  }
}

function trimAnswers({ idempotent }: MemoryContent, key: string, limits: StoreLimits): void {
  const { least, end } = keysOfHolder(key);
  const own = [...idempotent.keys()].filter((other) => other >= least && other < end);
  for (const old of oldest(own, limits.idempotentAnswersEach, limits)) idempotent.delete(old);
  for (const old of oldest([...idempotent.keys()], limits.idempotentAnswers, limits)) idempotent.delete(old);
}

const oldest = (keys: readonly string[], most: number, { trimmedPerCommit }: StoreLimits): readonly string[] =>
  keys.slice(0, Math.max(0, Math.min(keys.length - most, trimmedPerCommit)));

const lastAudit = (content: MemoryContent): AuditLink => content.audit.at(-1) ?? content.auditTrimmed;

function appendAudit(content: MemoryContent, record: AuditRecord, wallMs: number, limits: StoreLimits): void {
  content.audit.push(chained(record, wallMs, lastAudit(content)));
  trimAudit(content, wallMs, limits);
}

function trimAudit(content: MemoryContent, wallMs: number, { audit, trimmedPerCommit }: StoreLimits): void {
  const tooMany = content.audit.length - audit.most;
  const mayGo = content.audit.slice(0, Math.max(0, Math.min(content.audit.length - audit.least, trimmedPerCommit)));
  const young = mayGo.findIndex(({ atMs }) => atMs >= wallMs - audit.ageMs);
  const tooOld = young < 0 ? mayGo.length : young;
  const going = Math.min(Math.max(tooMany, tooOld), trimmedPerCommit);
  const last = content.audit[going - 1];
  if (last === undefined) return;
  content.auditTrimmed = { number: last.number, hash: last.hash };
  content.audit = content.audit.slice(going);
}

function auditPage(content: MemoryContent, query: AuditQuery, limits: StoreLimits): AuditPage {
  const [trimmed, { number, hash }] = [content.auditTrimmed, lastAudit(content)];
  const range = auditRange(query, { trimmed, last: { number, hash } }, limits);
  const found = content.audit.filter(
    (entry) => entry.number >= range.least && entry.number <= range.most && isAsked(entry, query),
  );
  if (query.from.kind === "before") found.reverse();
  const items = found.slice(0, query.limit);
  return { items, next: nextAudit(query, range, items), trimmed, last: { number, hash } };
}

const isAsked = (entry: AuditEntry, { actor, target, targetId, sinceMs, outcome }: AuditQuery): boolean =>
  (actor === null || entry.actor === actor) &&
  ((target === null && targetId === null) ||
    (target !== null && entry.target === target) ||
    (targetId !== null && entry.targetId === targetId)) &&
  (sinceMs === null || entry.atMs >= sinceMs) &&
  (outcome === null || entry.outcome === outcome);

type History = Pick<
  Store,
  | "revisions"
  | "revision"
  | "rollouts"
  | "lastRevision"
  | "events"
  | "watch"
  | "publicKey"
  | "keyHolder"
  | "revokedKey"
  | "revokedKeysOf"
  | "tokens"
  | "apiToken"
  | "apiTokens"
  | "apiTokenUses"
  | "roles"
  | "user"
  | "users"
  | "session"
  | "sessionsOf"
  | "sessionUses"
  | "values"
  | "sealedValue"
  | "valueKeys"
  | "givenTo"
  | "idempotent"
>;

function historyOf(content: MemoryContent): History {
  const revisionsOf = (app: AppName): StoredRevision[] =>
    [...(content.revisions.get(app)?.values() ?? [])].sort((a, b) => a.app.revision - b.app.revision);
  return {
    revisions: (app) =>
      revisionsOf(app).map(({ app: { revision, appliedAtMs, appliedBy } }) => ({ revision, appliedAtMs, appliedBy })),
    revision(app, revision) {
      const stored = content.revisions.get(app)?.get(revision);
      return stored === undefined ? null : { spec: stored.app.spec, source: stored.source };
    },
    rollouts: (app, limit) =>
      [...(content.rollouts.get(app)?.values() ?? [])].sort((a, b) => b.revision - a.revision).slice(0, limit),
    lastRevision: (app) => revisionsOf(app).at(-1)?.app.revision ?? 0,
    events({ app, node, workload, afterId, limit, within }) {
      const found = content.events.filter(
        (row) =>
          (app === null || row.app === app) &&
          (node === null || row.node === node) &&
          (workload === null || row.workload === workload) &&
          (within === null || isWithin(row, within)) &&
          (afterId === null || row.id > afterId),
      );
      return afterId === null ? found.slice(Math.max(0, found.length - limit)) : found.slice(0, limit);
    },
    watch(since, limit) {
      if (since < content.watchFloor || since > content.seq) return null;
      return wholeCommits(
        content.log.filter((item) => item.seq > since),
        limit,
      );
    },
    publicKey: (node) => content.keys.get(node) ?? null,
    keyHolder: (key) => [...content.keys].find(([, stored]) => stored === key)?.[0] ?? null,
    revokedKey: (key) => content.revokedKeys.get(key) ?? null,
    revokedKeysOf: (node) => sortedValues(content.revokedKeys).filter((key) => key.node === node),
    tokens: () => sortedValues(content.tokens),
    apiToken: (id) => content.apiTokens.get(id) ?? null,
    apiTokens: () => sortedValues(content.apiTokens),
    apiTokenUses: () => content.apiTokenUses,
    roles: () => sortedValues(content.roles),
    user: (name) => content.users.get(name) ?? null,
    users: () => sortedValues(content.users),
    session: (id) => content.sessions.get(id) ?? null,
    sessionsOf: (user) => sortedValues(content.sessions).filter((session) => session.user === user),
    sessionUses: (user) => new Map([...content.sessionUses].filter(([id]) => content.sessions.get(id)?.user === user)),
    values: () => sortedValues(content.values),
    sealedValue: (ref) => content.sealed.get(valueKey(ref))?.sealed ?? null,
    valueKeys: () => sortedValues(content.sealed).map(({ ref, sealed: { key, wrapped } }) => ({ ref, key, wrapped })),
    givenTo: (node) => sortedValues(content.given.get(node) ?? new Map<string, ValueId>()),
    idempotent: (key) => content.idempotent.get(key) ?? null,
  };
}

function isWithin({ app, node }: EventRow, { apps, nodes }: EventScope): boolean {
  if (app !== null) return apps === null || apps.includes(app);
  return node !== null && (nodes === null || nodes.includes(node));
}

function sortedMap<K extends string, V>(map: ReadonlyMap<K, V>): Map<K, V> {
  return new Map([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function sortedValues<K extends string, V>(map: ReadonlyMap<K, V>): V[] {
  return [...sortedMap(map).values()];
}

function replaceAll<K, V>(target: Map<K, V>, source: ReadonlyMap<K, V>): void {
  target.clear();
  for (const [key, value] of source) target.set(key, value);
}
