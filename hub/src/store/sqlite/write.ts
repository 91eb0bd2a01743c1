// One durable change → rows. Runs inside the commit's transaction only. Statements are prepared once.
import { sameJson } from "@skerry/shared/model/canonical.ts";
import type { NodeId } from "@skerry/shared/model/ids.ts";
import { assert, assertNever } from "@skerry/shared/runtime/assert.ts";
import type { Database, Statement } from "better-sqlite3";
import type { DurableChange } from "../../core/change.ts";
import { wishKey } from "../../core/rollout-state.ts";
import type { App, Node, Placement } from "../../core/world.ts";
import { type EventSubject, hubEventSubject, nodeEventSubject } from "../history.ts";
import { parseSpec } from "./load.ts";
import { prepareValueWrites } from "./values.ts";

/** Returns how many event rows the change added. */
export type WriteChange = (change: DurableChange, wallMs: number) => number;

export function prepareWrites(db: Database): WriteChange {
  const writeApp = prepareApp(db);
  const writeNode = prepareNode(db);
  const writePlacement = preparePlacement(db);
  const writeNodeEvents = prepareNodeEvents(db);
  const insertEvent = prepareEvent(db);
  const writeValue = prepareValueWrites(db);
  const removeApp = db.prepare("DELETE FROM app WHERE name = ?");
  // Key and observations go by foreign key. Tombstones stay until a change names them: a fenced slot waits for a node that is gone.
  const removeNode = db.prepare("DELETE FROM node WHERE id = ?");
  const setNodeKey = db.prepare(
    "INSERT INTO node_key (node, public_key) VALUES (?, ?) ON CONFLICT DO UPDATE SET public_key = excluded.public_key",
  );
  const revokeKey = db.prepare(
    "INSERT INTO revoked_key (public_key, node, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
  );
  const joinTokens = documents(db, "join_token", "id");
  const apiTokens = documents(db, "api_token", "id");
  const roles = documents(db, "role", "name");
  const users = documents(db, "user", "name");
  const wishes = documents(db, "wish", "key");
  const gates = documents(db, "gate", "workload");
  const policies = documents(db, "policy", "name");
  const removePlacement = db.prepare("DELETE FROM placement WHERE workload = ?");
  const setTombstone = db.prepare(
    "INSERT INTO tombstone (node, workload, generation, reason, silent_run_ms) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET " +
      "generation = excluded.generation, reason = excluded.reason, silent_run_ms = excluded.silent_run_ms",
  );
  const removeTombstone = db.prepare("DELETE FROM tombstone WHERE node = ? AND workload = ?");
  const setFencing = db.prepare(
    "INSERT INTO fencing_token (workload, token) VALUES (?, ?) ON CONFLICT DO UPDATE SET token = excluded.token",
  );

  const setSession = db.prepare("INSERT OR REPLACE INTO session (id, user, body) VALUES (?, ?, ?)");
  const removeSession = db.prepare("DELETE FROM session WHERE id = ?");
  const setRollout = db.prepare(
    "INSERT INTO rollout (app, revision, body) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body",
  );
  const removeWishes = db.prepare("DELETE FROM wish WHERE key = ? OR instr(key, ? || '/') = 1");

  return (change, wallMs) => {
    switch (change.kind) {
      case "app-set":
        writeApp(change.app, change.source);
        return 0;
      case "app-removed":
        removeApp.run(change.app);
        removeWishes.run(change.app, change.app);
        return 0;
      case "node-set":
        writeNode(change.node);
        return 0;
      case "node-key-set":
        setNodeKey.run(change.node, change.publicKey);
        return 0;
      case "node-removed":
        removeNode.run(change.node);
        return 0;
      case "key-revoked":
        revokeKey.run(change.key.publicKey, change.key.node, JSON.stringify(change.key));
        return 0;
      case "placement-set":
        writePlacement(change.placement);
        return 0;
      case "placement-removed":
        removePlacement.run(change.workload);
        gates.remove(change.workload);
        return 0;
      case "tombstone-set": {
        const { node, workload, generation, reason, silentRunMs } = change.tombstone;
        setTombstone.run(node, workload, generation, reason, silentRunMs);
        return 0;
      }
      case "tombstone-removed":
        removeTombstone.run(change.node, change.workload);
        return 0;
      case "rollout-set": {
        const { app, revision } = change.rollout;
        setRollout.run(app, revision, JSON.stringify(change.rollout));
        return 0;
      }
      case "wish-set":
        wishes.set(wishKey(change.wish), change.wish);
        return 0;
      case "wish-removed":
        wishes.remove(change.key);
        return 0;
      case "gate-set":
        gates.set(change.gate.workload, change.gate);
        return 0;
      case "gate-removed":
        gates.remove(change.workload);
        return 0;
      case "fencing-token-set":
        setFencing.run(change.workload, change.token);
        return 0;
      case "token-set":
        joinTokens.set(change.token.id, change.token);
        return 0;
      case "token-removed":
        joinTokens.remove(change.id);
        return 0;
      case "api-token-set":
        apiTokens.set(change.token.id, change.token);
        return 0;
      case "api-token-removed":
        apiTokens.remove(change.id);
        return 0;
      case "role-set":
        roles.set(change.role.name, change.role);
        return 0;
      case "role-removed":
        roles.remove(change.name);
        return 0;
      case "policy-set":
        policies.set(change.policy.name, change.policy);
        return 0;
      case "policy-removed":
        policies.remove(change.name);
        return 0;
      case "user-set":
        users.set(change.user.name, change.user);
        return 0;
      case "user-removed":
        users.remove(change.name);
        return 0;
      case "session-set":
        setSession.run(change.session.id, change.session.user, JSON.stringify(change.session));
        return 0;
      case "session-removed":
        removeSession.run(change.id);
        return 0;
      case "value-set":
      case "value-removed":
      case "value-rewrapped":
        writeValue(change);
        return 0;
      case "hub-event":
        insertEvent(wallMs, hubEventSubject(change.event), null, JSON.stringify(change.event));
        return 1;
      case "node-events":
        return writeNodeEvents(change, wallMs, insertEvent);
      default:
        return assertNever(change, "durable change");
    }
  };
}

/** A table of whole objects as JSON, each under one key. */
function documents(db: Database, table: string, key: string) {
  const set = db.prepare(
    `INSERT INTO ${table} (${key}, body) VALUES (?, ?) ON CONFLICT DO UPDATE SET body = excluded.body`,
  );
  const remove = db.prepare(`DELETE FROM ${table} WHERE ${key} = ?`);
  return {
    set: (under: string, value: object): void => void set.run(under, JSON.stringify(value)),
    remove: (under: string): void => void remove.run(under),
  };
}

type AppSource = Extract<DurableChange, { readonly kind: "app-set" }>["source"];

/** A revision is written once. The same one again (a repeated change) must say the same. */
function prepareApp(db: Database): (app: App, source: AppSource) => void {
  const insert = db.prepare(
    "INSERT INTO revision (app, revision, spec, source, applied_by, applied_at_ms) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
  );
  const stored: Statement<[string, number], { spec: string }> = db.prepare(
    "SELECT spec FROM revision WHERE app = ? AND revision = ?",
  );
  const setCurrent = db.prepare(
    "INSERT INTO app (name, revision, older, last_good, failed_specs) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET " +
      "revision = excluded.revision, older = excluded.older, last_good = excluded.last_good, failed_specs = excluded.failed_specs",
  );
  const sourceAt: Statement<[string, number], { source: string }> = db.prepare(
    "SELECT source FROM revision WHERE app = ? AND revision = ?",
  );
  const sourceText = (app: App, source: AppSource): string =>
    typeof source === "string" ? source : (sourceAt.get(app.name, source.sameAs)?.source ?? "");
  return (app, source) => {
    const spec = JSON.stringify(app.spec);
    const added = insert.run(
      app.name,
      app.revision,
      spec,
      sourceText(app, source),
      app.appliedBy,
      app.appliedAtMs,
    ).changes;
    if (added === 0) {
      const text = stored.get(app.name, app.revision)?.spec ?? "";
      // An older version may have written it, with fewer fields: as it reads today is what counts.
      const isSame = text === spec || sameJson(parseSpec(app.name, app.revision, text), app.spec);
      assert(isSame, `revision ${app.revision} of app ${app.name} exists with other content`);
    }
    // Older revisions were current once, so their specs are stored already.
    const older = JSON.stringify(app.older.map(({ revision }) => revision));
    setCurrent.run(app.name, app.revision, older, app.lastGood, JSON.stringify(app.failedSpecs));
  };
}

function prepareNode(db: Database): (node: Node) => void {
  const set = db.prepare(
    `INSERT INTO node (id, name, labels, availability, joined_at_ms, facts, assigned_epoch, assigned_generation,
       accepted_epoch, accepted_generation, refusal, events_acked, availability_said, drain_deadline_ms,
       drain_over_ms, standing, lineage, key_roll)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET name = excluded.name, labels = excluded.labels, availability = excluded.availability,
       joined_at_ms = excluded.joined_at_ms, facts = excluded.facts, assigned_epoch = excluded.assigned_epoch,
       assigned_generation = excluded.assigned_generation, accepted_epoch = excluded.accepted_epoch,
       accepted_generation = excluded.accepted_generation, refusal = excluded.refusal, events_acked = excluded.events_acked,
       availability_said = excluded.availability_said, drain_deadline_ms = excluded.drain_deadline_ms,
       drain_over_ms = excluded.drain_over_ms, standing = excluded.standing, lineage = excluded.lineage,
       key_roll = excluded.key_roll`,
  );
  return (node) => {
    set.run(
      node.id,
      node.name,
      JSON.stringify(node.labels),
      node.availability,
      node.joinedAtMs,
      node.facts === null ? null : JSON.stringify(node.facts),
      node.assigned.epoch,
      node.assigned.generation,
      node.accepted?.epoch ?? null,
      node.accepted?.generation ?? null,
      node.refusal === null ? null : JSON.stringify(node.refusal),
      node.eventsAcked,
      node.availabilitySaid === null ? null : JSON.stringify(node.availabilitySaid),
      node.drainDeadlineMs,
      node.drainOverMs,
      node.standing,
      JSON.stringify(node.lineage),
      JSON.stringify(node.keyRoll),
    );
  };
}

function preparePlacement(db: Database): (placement: Placement) => void {
  const set = db.prepare(
    `INSERT INTO placement (workload, app, service, slot, node, revision, spec_hash, fencing_token, since_generation,
       silent_run_ms, intent, step, policy)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET app = excluded.app, service = excluded.service, slot = excluded.slot, node = excluded.node,
       revision = excluded.revision, spec_hash = excluded.spec_hash, fencing_token = excluded.fencing_token,
       since_generation = excluded.since_generation, silent_run_ms = excluded.silent_run_ms,
       intent = excluded.intent, step = excluded.step, policy = excluded.policy`,
  );
  return (placement) => {
    set.run(
      placement.workload,
      placement.app,
      placement.service,
      placement.slot,
      placement.node,
      placement.revision,
      placement.specHash,
      placement.fencingToken,
      placement.sinceGeneration,
      placement.silentRunMs,
      JSON.stringify(placement.intent),
      JSON.stringify(placement.step),
      JSON.stringify(placement.policy),
    );
  };
}

type InsertEvent = (wallMs: number, subject: EventSubject, nodeSeq: number | null, body: string) => void;

function prepareEvent(db: Database): InsertEvent {
  const insert = db.prepare(
    "INSERT INTO event (wall_ms, node, app, workload, node_seq, body) VALUES (?, ?, ?, ?, ?, ?)",
  );
  return (wallMs, subject, nodeSeq, body) => {
    insert.run(wallMs, subject.node, subject.app, subject.workload, nodeSeq, body);
  };
}

/**
 * A node's events arrive in order of `seq`, at least once: everything up to `events_stored` is here or was, and is skipped. Events of a
 * node that is gone are let go.
 */
function prepareNodeEvents(db: Database) {
  const stored: Statement<[NodeId], { events_stored: number }> = db.prepare(
    "SELECT events_stored FROM node WHERE id = ?",
  );
  const advance = db.prepare("UPDATE node SET events_stored = ? WHERE id = ?");
  return (change: DurableChange & { kind: "node-events" }, wallMs: number, insert: InsertEvent): number => {
    let last = stored.get(change.node)?.events_stored;
    if (last === undefined) return 0;
    let added = 0;
    for (const item of change.items.toSorted((a, b) => a.seq - b.seq)) {
      if (item.seq <= last) continue;
      insert(wallMs, nodeEventSubject(change.node, item.event), item.seq, JSON.stringify(item.event));
      last = item.seq;
      added += 1;
    }
    if (added > 0) advance.run(last, change.node);
    return added;
  };
}
