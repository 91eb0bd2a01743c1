// handle: what becomes of a command. Pure: looks at the World, returns changes, or refuses with what to do instead.
// Everything that is random, stored elsewhere or read from a clock comes in through the context.

import type { AppSpec } from "@skerry/shared/model/app.ts";
import { canonicalJson } from "@skerry/shared/model/canonical.ts";
import type { AppName, NodeId, NodeName, Revision } from "@skerry/shared/model/ids.ts";
import { workloadParts } from "@skerry/shared/model/names.ts";
import { valueWords } from "@skerry/shared/model/value-names.ts";
import { assert, assertNever } from "@skerry/shared/runtime/assert.ts";
import type { WallMillis } from "@skerry/shared/runtime/clock.ts";
import { ok } from "@skerry/shared/runtime/result.ts";
import type { Change, JoinToken } from "./change.ts";
import type { Command, CommandContext, HandleResult } from "./command.ts";
import { availabilityChanged, drainProblem } from "./drain-command.ts";
import { handleKeyRoll, NO_KEY_ROLL } from "./key-roll.ts";
import { NEW_LINEAGE } from "./lineage.ts";
import { placedOf } from "./lookup.ts";
import { handlePeople } from "./people-command.ts";
import { isRenewal } from "./policy/bound.ts";
import { appRefusal, auditEvents, handlePolicy } from "./policy/commands.ts";
import { refuse } from "./refuse.ts";
import { beginRollout, keptRevisions } from "./rollout/begin.ts";
import { failedBefore, failedBeforeRefusal, handleRollout, hasFailedCopies } from "./rollout/commands.ts";
import { activeRollout } from "./rollout/policy.ts";
import { gateOf } from "./rollout/slots.ts";
import type { FailedSpec } from "./rollout-state.ts";
import { handleStanding, keyRevoked, revokedRefusal } from "./standing-command.ts";
import { handleUsers, isAboutUsers } from "./user-command.ts";
import { handleValue, missingValue, ownValueChanges, ownValuesRemoved } from "./value-command.ts";
import { handleWish, reasonProblem, scaled } from "./wish-command.ts";
import type { App, Node, World } from "./world.ts";

/** Nothing changes in the World until the caller has committed and applied the changes. */
export function handle(world: World, command: Command, context: CommandContext): HandleResult {
  if (isAboutUsers(command)) return handleUsers(command, context);
  switch (command.kind) {
    case "apply-app":
      return applyApp(world, command, context);
    case "remove-app":
      return removeApp(world, command, context);
    case "set-node-labels":
      return setNodeLabels(world, command, context);
    case "set-availability":
      return setAvailability(world, command, context);
    case "remove-node":
      return removeNode(world, command, context);
    case "revoke-node":
      return revokeNode(world, command, context);
    case "approve-node":
    case "unfreeze-node":
      return handleStanding(world, command, context);
    case "roll-node-key":
      return handleKeyRoll(world, command.node, context);
    case "join-node":
      return joinNode(world, command, context);
    case "create-token":
      return createToken(command, context);
    case "remove-token":
      return removeToken(command, context);
    case "scale":
      return scale(world, command, context);
    case "pause-rollout":
    case "resume-rollout":
    case "undo-rollout":
      return (command.kind === "undo-rollout" ? lostValue(context) : null) ?? handleRollout(world, command, context);
    case "set-stopped":
    case "restart":
    case "set-paused":
      return handleWish(world, command, context);
    case "create-api-token":
    case "remove-api-token":
    case "set-role":
    case "remove-role":
      return handlePeople(command, context);
    case "set-policy":
    case "remove-policy":
      return handlePolicy(world, command, context);
    case "set-value":
    case "remove-value":
    case "rewrap-values":
      return handleValue(world, command, context, (spec, reason) => {
        const current = world.apps.get(spec.name);
        assert(current !== undefined, `app ${spec.name} uses a value and is not there`);
        return revise(world, spec, { sameAs: current.revision }, context, { ...PLAINLY, reason });
      });
    default:
      return assertNever(command);
  }
}

/** Labels are typed by people and sent with every node list; a hostile join must not grow them without end. */
const MAX_LABELS = 64;
const MAX_LABEL_CHARACTERS = 255;
/** Swarm's and Kubernetes' habit in one: letters, digits, and `. _ - /` between them. */
const LABEL_KEY = /^[a-zA-Z0-9](?:[a-zA-Z0-9._/-]*[a-zA-Z0-9])?$/;
/** A token for more machines than one hub is made for is a mistake. */
const MAX_TOKEN_USES = 10_000;
/** A year: whoever needs longer has forgotten the token by then. */
const MAX_TOKEN_LIFE_MS = 366 * 24 * 3_600_000;

type CommandOf<K extends Command["kind"]> = Extract<Command, { readonly kind: K }>;

function applyApp(world: World, command: CommandOf<"apply-app">, context: CommandContext): HandleResult {
  const name = command.spec.name;
  const current = world.apps.get(name) ?? null;
  const conflict = revisionConflict(name, current, command.ifRevision);
  if (conflict !== null) return conflict;
  const failed = failedBefore(current, command.spec);
  if (failed !== null && !command.retry) return failedBeforeRefusal(name, failed);
  const isNews =
    failed !== null ||
    (command.force && isHeldBack(world, current)) ||
    (command.retry && hasFailedCopies(world, current));
  if (!isNews && current !== null && canonicalJson(current.spec) === canonicalJson(command.spec)) {
    const { revision } = current;
    return ok({
      changes: [],
      outcome: { kind: "app-applied", app: name, revision, created: false, unchanged: true },
    });
  }
  const brought = ownValueChanges(world, command.spec, command.values ?? [], context);
  if (!isChanges(brought)) return brought;
  const revised = revise(world, command.spec, command.source, context, { ...command, reason: "applied" });
  return revised.ok ? ok({ ...revised.value, changes: [...brought, ...revised.value.changes] }) : revised;
}

const isChanges = (result: readonly Change[] | HandleResult): result is readonly Change[] => Array.isArray(result);

/** An undo goes back to the contents of then as well: what is no longer kept of them is in its way. */
function lostValue(context: CommandContext): HandleResult | null {
  const ref = context.undoTo === null ? null : missingValue(context.undoTo.spec, context);
  if (ref === null || context.undoTo === null) return null;
  return refuse(
    "invalid",
    `revision ${context.undoTo.revision} used a version of ${valueWords(ref)} that is no longer kept, or no longer for this app`,
    "apply the older file again: it gets the present value",
    "to",
  );
}

/** Something of it is still to be changed, so that --force has something to do: also a copy that came too late for its rollout. */
function isHeldBack(world: World, app: App | null): boolean {
  if (app === null) return false;
  if (activeRollout(world.rollouts, app) !== null) return true;
  return placedOf(world, app.name).some((id) => {
    const placement = world.placements.get(id);
    return placement !== undefined && !placement.step.force && gateOf(world, placement) === null;
  });
}

interface Manner {
  readonly retry: boolean;
  readonly force: boolean;
  /** Of its rollout. */
  readonly reason: string;
}
const PLAINLY: Manner = { retry: false, force: false, reason: "applied" };

/** A new revision of an app, which may be its first. */
function revise(
  world: World,
  spec: AppSpec,
  source: string | { readonly sameAs: Revision },
  context: CommandContext,
  { retry, force, reason }: Manner = PLAINLY,
): HandleResult {
  const { name } = spec;
  const current = world.apps.get(name) ?? null;
  const refused = current !== null && isRenewal(current.spec, spec) ? null : appRefusal(world, spec);
  if (refused !== null) return refused;
  // A name that was used before goes on counting: a revision number never means two things.
  const revision = Math.max(context.lastRevision, current?.revision ?? 0) + 1;
  const app: App = {
    name,
    revision,
    spec,
    older: current === null ? [] : keptRevisions(world, current),
    appliedBy: context.actor,
    appliedAtMs: context.wallMs,
    lastGood: current?.lastGood ?? null,
    failedSpecs: (current?.failedSpecs ?? []).filter((one) => !retry || !isIn(spec, one)),
  };
  return ok({
    changes: [
      { kind: "app-set", app, source },
      { kind: "hub-event", event: { kind: "app-applied", app: name, revision, by: context.actor } },
      ...auditEvents(world, spec, context.actor),
      ...beginRollout(world, current, app, {
        ...{ kind: "update", by: context.actor, reason, wallMs: context.wallMs },
        ...{ retry, force },
      }),
      { kind: "dirty", apps: [name], nodes: [] },
    ],
    outcome: { kind: "app-applied", app: name, revision, created: current === null, unchanged: false },
  });
}

/** Nothing is restarted by it: no spec hash changes. The file as it was applied stays as it is, and says so when it is applied again. */
function scale(world: World, command: CommandOf<"scale">, context: CommandContext): HandleResult {
  const current = world.apps.get(command.app) ?? null;
  if (current === null)
    return refuse("not-found", `there is no app ${command.app}`, "skerry apps lists those that exist", "app");
  const conflict = revisionConflict(command.app, current, command.ifRevision);
  if (conflict !== null) return conflict;
  const result = scaled(current.spec.services, command.app, command.service, command.replicas);
  if ("refused" in result) return result.refused;
  const spec = { ...current.spec, services: result.services };
  if (canonicalJson(spec) === canonicalJson(current.spec)) {
    const { revision } = current;
    return ok({
      changes: [],
      outcome: { kind: "app-applied", app: command.app, revision, created: false, unchanged: true },
    });
  }
  return revise(world, spec, { sameAs: current.revision }, context);
}

const isIn = (spec: AppSpec, { service, specHash }: FailedSpec): boolean =>
  spec.services.some((one) => one.name === service && one.specHash === specHash);

function revisionConflict(name: AppName, current: App | null, ifRevision: number | null): HandleResult | null {
  const revision = current?.revision ?? 0;
  if (ifRevision === null || ifRevision === revision) return null;
  const now = current === null ? `app ${name} does not exist` : `app ${name} is at revision ${revision}`;
  return refuse(
    "conflict",
    `${now}, not at ${ifRevision}: someone changed it in the meantime`,
    `look at it (skerry app show ${name}) and apply again`,
    "ifRevision",
  );
}

function removeApp(world: World, command: CommandOf<"remove-app">, context: CommandContext): HandleResult {
  const current = world.apps.get(command.app) ?? null;
  if (current === null)
    return refuse("not-found", `there is no app ${command.app}`, "skerry apps lists those that exist", "app");
  const conflict = revisionConflict(command.app, current, command.ifRevision);
  if (conflict !== null) return conflict;
  return ok({
    changes: [
      { kind: "app-removed", app: command.app },
      ...ownValuesRemoved(command.app, context),
      { kind: "hub-event", event: { kind: "app-removed", app: command.app, by: context.actor } },
      { kind: "dirty", apps: [command.app], nodes: [] },
    ],
    outcome: { kind: "app-removed", app: command.app },
  });
}

const noNode = (node: NodeId): HandleResult =>
  refuse("not-found", `there is no node ${node}`, "skerry nodes lists those that exist", "node");

function nodeChanged(node: Node, what: string, context: CommandContext): HandleResult {
  return ok({
    changes: [
      { kind: "node-set", node },
      { kind: "hub-event", event: { kind: "node-changed", node: node.id, what, by: context.actor } },
      { kind: "dirty", apps: [], nodes: [node.id] },
    ],
    outcome: { kind: "node-changed", node: node.id },
  });
}

function setNodeLabels(world: World, command: CommandOf<"set-node-labels">, context: CommandContext): HandleResult {
  const node = world.nodes.get(command.node);
  if (node === undefined) return noNode(command.node);
  const problem = labelProblem(command.set, "set");
  if (problem !== null) return problem;
  const labels = sortedLabels(node.labels, command.set, command.unset);
  if (Object.keys(labels).length > MAX_LABELS)
    return refuse("limit", `node ${node.name} would have more than ${MAX_LABELS} labels`, "remove some first", "set");
  if (canonicalJson(labels) === canonicalJson(node.labels))
    return ok({ changes: [], outcome: { kind: "node-changed", node: node.id } });
  const said = [
    ...Object.entries(command.set).map(([key, value]) => `${key}=${value}`),
    ...command.unset.map((key) => `${key}-`),
  ];
  return nodeChanged({ ...node, labels }, `labels ${said.join(" ")}`, context);
}

function labelProblem(labels: Readonly<Record<string, string>>, path: string): HandleResult | null {
  for (const [key, value] of Object.entries(labels)) {
    if (!LABEL_KEY.test(key) || key.length > MAX_LABEL_CHARACTERS)
      return refuse(
        "invalid",
        `${JSON.stringify(key.slice(0, MAX_LABEL_CHARACTERS))} cannot be a label's key`,
        `use letters, digits and . _ - / between them, at most ${MAX_LABEL_CHARACTERS} characters`,
        path,
      );
    if (value.length > MAX_LABEL_CHARACTERS || /[\p{Cc}]/u.test(value))
      return refuse(
        "invalid",
        `the value of label ${key} is too long or has control characters`,
        `use at most ${MAX_LABEL_CHARACTERS} printable characters`,
        `${path}.${key}`,
      );
  }
  return null;
}

function sortedLabels(
  before: Readonly<Record<string, string>>,
  set: Readonly<Record<string, string>>,
  unset: readonly string[],
): Readonly<Record<string, string>> {
  const gone = new Set(unset);
  const merged = new Map([...Object.entries(before).filter(([key]) => !gone.has(key)), ...Object.entries(set)]);
  return Object.fromEntries([...merged].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Saying the same again changes nothing, save that a drain may get another deadline. */
function setAvailability(world: World, command: CommandOf<"set-availability">, context: CommandContext): HandleResult {
  const node = world.nodes.get(command.node);
  if (node === undefined) return noNode(command.node);
  const problem = reasonProblem(command.reason) ?? drainProblem(command);
  if (problem !== null) return problem;
  return availabilityChanged(world, node, command, context, (changed, what) => nodeChanged(changed, what, context));
}

/**
 * Its placements are given up. Fenced ones leave a tombstone on the node that is no longer there: their slots wait until the machine
 * must have stopped them by itself. The machine keeps what else it runs, and is refused when it calls.
 */
function removeNode(world: World, command: CommandOf<"remove-node">, context: CommandContext): HandleResult {
  const node = world.nodes.get(command.node);
  if (node === undefined) return noNode(command.node);
  const event = { kind: "node-removed", node: node.id, by: context.actor } as const;
  const changes = [...forgetting(world, node, "removed"), { kind: "hub-event", event } as const];
  return ok({ changes, outcome: { kind: "node-removed", node: node.id } });
}

/** As a removal, and its key opens nothing any more. */
function revokeNode(world: World, command: CommandOf<"revoke-node">, context: CommandContext): HandleResult {
  const node = world.nodes.get(command.node);
  if (node === undefined) return noNode(command.node);
  const changes = [...keyRevoked(node, context), ...forgetting(world, node, "revoked")];
  return ok({ changes, outcome: { kind: "node-revoked", node: node.id } });
}

function forgetting(world: World, node: Node, how: "removed" | "revoked"): readonly Change[] {
  const changes: Change[] = [];
  // Slots that found no node are looked at again, as their reasons may name this one.
  const apps = new Set<AppName>(world.unplacedByApp.keys());
  for (const workload of [...(world.placementsByNode.get(node.id) ?? [])].sort()) {
    const placement = world.placements.get(workload);
    assert(placement !== undefined, `index names placement ${workload} that is not there`);
    apps.add(placement.app);
    changes.push({ kind: "placement-removed", workload });
    const { silentRunMs } = placement;
    if (silentRunMs === null) continue;
    const generation = node.assigned.generation + 1;
    const tombstone = { workload, node: node.id, generation, reason: `node ${node.name} was ${how}`, silentRunMs };
    changes.push({ kind: "tombstone-set", tombstone });
  }
  for (const { workload, silentRunMs } of world.tombstonesByNode.get(node.id) ?? []) {
    apps.add(workloadParts(workload).app);
    if (silentRunMs === null) changes.push({ kind: "tombstone-removed", node: node.id, workload });
  }
  changes.push({ kind: "node-removed", node: node.id }, { kind: "dirty", apps: [...apps].sort(), nodes: [] });
  return changes;
}

function joinNode(world: World, command: CommandOf<"join-node">, context: CommandContext): HandleResult {
  if (context.revoked !== null) return revokedRefusal(context.revoked, context.wallMs);
  const before = context.keyHolder === null ? undefined : world.nodes.get(context.keyHolder);
  if (before !== undefined) return joined(world, before, true, []);
  const refused = tokenRefusal(context.token, context.wallMs) ?? labelProblem(command.labels, "labels");
  if (refused !== null) return refused;
  const { token, freshNodeId } = context;
  assert(token !== null && freshNodeId !== null, "join-node without a token or a fresh id");
  // What the operator wrote into the token wins over what the machine says of itself.
  const labels = sortedLabels(command.labels, token.labels, []);
  if (Object.keys(labels).length > MAX_LABELS)
    return refuse("limit", `a node has at most ${MAX_LABELS} labels`, "join with fewer labels", "labels");
  const node: Node = {
    id: freshNodeId,
    name: freeName(world, command.name),
    labels,
    availability: "active",
    joinedAtMs: context.wallMs,
    facts: command.facts,
    assigned: { epoch: world.epoch, generation: 0 },
    accepted: null,
    refusal: null,
    eventsAcked: 0,
    availabilitySaid: null,
    drainDeadlineMs: null,
    drainOverMs: null,
    standing: token.approval ? "pending" : "member",
    lineage: NEW_LINEAGE,
    keyRoll: NO_KEY_ROLL,
  };
  return joined(world, node, false, [
    { kind: "node-set", node },
    { kind: "node-key-set", node: node.id, publicKey: command.publicKey },
    { kind: "token-set", token: { ...token, usesLeft: token.usesLeft - 1 } },
    { kind: "hub-event", event: { kind: "node-joined", node: node.id, by: context.actor } },
    ...(token.approval
      ? [{ kind: "hub-event", event: { kind: "node-pending", node: node.id, by: context.actor } } as const]
      : []),
    { kind: "dirty", apps: [], nodes: [node.id] },
  ]);
}

const joined = (world: World, { id, name }: Node, repeated: boolean, changes: readonly Change[]): HandleResult =>
  ok({ changes, outcome: { kind: "node-joined", node: id, name, installation: world.installation, repeated } });

function tokenRefusal(token: JoinToken | null, wallMs: WallMillis): HandleResult | null {
  const hint = "make a new one on the hub: skerry token create";
  if (token === null) return refuse("token-refused", "this join token is not known here or was removed", hint);
  if (token.expiresAtMs <= wallMs) return refuse("token-refused", `join token ${token.id} has expired`, hint);
  if (token.usesLeft < 1) return refuse("token-refused", `join token ${token.id} has no uses left`, hint);
  return null;
}

/** Machines from one image share their host name: the second becomes `pi-2`. 63: the longest name there is. */
function freeName(world: World, wanted: NodeName): NodeName {
  if (!world.nodesByName.has(wanted)) return wanted;
  for (let number = 2; ; number += 1) {
    const suffix = `-${number}`;
    // A valid name, cut, with a hyphen and digits at its end is a valid name.
    const name = `${wanted.slice(0, 63 - suffix.length)}${suffix}` as NodeName;
    if (!world.nodesByName.has(name)) return name;
  }
}

function createToken(command: CommandOf<"create-token">, context: CommandContext): HandleResult {
  const { uses, expiresInMs } = command;
  if (!Number.isInteger(uses) || uses < 1 || uses > MAX_TOKEN_USES)
    return refuse(
      "invalid",
      `a join token has 1 to ${MAX_TOKEN_USES} uses, not ${uses}`,
      "give a number in between",
      "uses",
    );
  if (!Number.isInteger(expiresInMs) || expiresInMs < 1_000 || expiresInMs > MAX_TOKEN_LIFE_MS)
    return refuse("invalid", "a join token lives from one second to 366 days", "give a time in between", "expiresInMs");
  const problem = labelProblem(command.labels, "labels");
  if (problem !== null) return problem;
  assert(context.freshToken !== null, "create-token without a fresh token");
  const token: JoinToken = {
    id: context.freshToken.id,
    secretHash: context.freshToken.secretHash,
    usesLeft: uses,
    expiresAtMs: context.wallMs + expiresInMs,
    labels: sortedLabels({}, command.labels, []),
    approval: command.approval,
    createdAtMs: context.wallMs,
    createdBy: context.actor,
  };
  return ok({
    changes: [
      { kind: "token-set", token },
      { kind: "hub-event", event: { kind: "token-created", token: token.id, by: context.actor } },
    ],
    outcome: { kind: "token-created", token },
  });
}

function removeToken(command: CommandOf<"remove-token">, context: CommandContext): HandleResult {
  if (context.token === null)
    return refuse("not-found", `there is no join token ${command.id}`, "skerry token ls lists those that exist", "id");
  return ok({
    changes: [
      { kind: "token-removed", id: command.id },
      { kind: "hub-event", event: { kind: "token-removed", token: command.id, by: context.actor } },
    ],
    outcome: { kind: "token-removed", id: command.id },
  });
}
