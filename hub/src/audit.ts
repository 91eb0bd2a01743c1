// What the audit log says of a command: its target, and what that was and becomes, from the World before the commit and the changes.
// In words that a person reads; what is longer is told by its hash. It must never hold a secret.

import { canonicalJson } from "@skerry/shared/model/canonical.ts";
import type { AppName } from "@skerry/shared/model/ids.ts";
import type { Policy } from "@skerry/shared/policy/policy.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import { sha256Hex } from "@skerry/shared/runtime/hash.ts";
import { isoTime } from "@skerry/shared/runtime/iso-time.ts";
import { userWords } from "./audit-users.ts";
import type { ApiToken, Change, JoinToken } from "./core/change.ts";
import type { Command, CommandContext, People } from "./core/command.ts";
import { type Role, scopeText } from "./core/permission.ts";
import { type Rollout, type Wish, wishKey } from "./core/rollout-state.ts";
import { isAboutUsers } from "./core/user-command.ts";
import { type StoredValue, sameValue } from "./core/value.ts";
import type { Node, World } from "./core/world.ts";
import type { AuditRecord } from "./store/audit-chain.ts";

export type Audited = Pick<AuditRecord, "target" | "targetId" | "before" | "after">;

/** Longer words are kept as their hash: it bounds an entry, and still tells whether two are the same. */
const MAX_WORDS = 120;

/** `changes`: what comes of the command. `context`: the tokens and roles that it is about, as they were. */
export function audited(
  world: World,
  command: Command,
  changes: readonly Change[],
  { token, people, values }: Pick<CommandContext, "token" | "people" | "values">,
): Audited {
  const app = (name: AppName, before: string | null, after: string | null): Audited =>
    entry(`app/${name}`, null, before, after);
  if (isAboutUsers(command)) {
    const { target, before, after } = userWords(command, changes, people);
    return entry(target, null, before, after);
  }
  switch (command.kind) {
    case "apply-app":
      return app(command.spec.name, ...revisions(world, command.spec.name, changes));
    case "scale":
    case "undo-rollout":
      return app(command.app, ...revisions(world, command.app, changes));
    case "remove-app":
      return app(command.app, revisions(world, command.app, changes)[0], null);
    case "pause-rollout":
    case "resume-rollout":
      return app(command.app, ...rollouts(world, command.app, changes));
    case "set-stopped":
    case "restart":
      return app(command.target.app, ...wishes(world, changes));
    case "set-paused":
      return app(command.app, ...wishes(world, changes));
    case "set-node-labels":
    case "set-availability":
    case "remove-node": {
      const node = world.nodes.get(command.node);
      const words = command.kind === "set-node-labels" ? labelWords : availabilityWords;
      const after = command.kind === "remove-node" ? undefined : (lastOf(changes, "node-set")?.node ?? node);
      return entry(`node/${node?.name ?? command.node}`, command.node, words(node), words(after));
    }
    case "approve-node":
    case "unfreeze-node":
    case "revoke-node": {
      const node = world.nodes.get(command.node);
      const after = command.kind === "revoke-node" ? "revoked" : (lastOf(changes, "node-set")?.node.standing ?? null);
      return entry(`node/${node?.name ?? command.node}`, command.node, node?.standing ?? null, after);
    }
    case "roll-node-key": {
      const node = world.nodes.get(command.node);
      return entry(`node/${node?.name ?? command.node}`, command.node, "its key", "another key asked for");
    }
    case "join-node": {
      const node = lastOf(changes, "node-set")?.node;
      const waits = node?.standing === "pending" ? ", waits for approval" : "";
      return entry(`node/${node?.name ?? command.name}`, node?.id ?? null, null, `${labelWords(node) ?? ""}${waits}`);
    }
    case "create-token": {
      const made = lastOf(changes, "token-set")?.token ?? null;
      return entry(`token/${made?.id ?? ""}`, null, null, tokenWords(made));
    }
    case "remove-token":
      return entry(`token/${command.id}`, null, tokenWords(token), null);
    case "create-api-token": {
      const made = lastOf(changes, "api-token-set")?.token;
      return entry(`api-token/${command.name}`, made?.id ?? null, null, apiTokenWords(made));
    }
    case "remove-api-token": {
      const gone = people?.tokens.find(({ id }) => id === command.id);
      return entry(`api-token/${gone?.name ?? command.id}`, command.id, apiTokenWords(gone), null);
    }
    case "set-role":
      return entry(
        `role/${command.role.name}`,
        null,
        roleWords(people, command.role.name),
        permissionWords(command.role),
      );
    case "set-policy":
    case "remove-policy": {
      const before = world.policies.get(command.name);
      const after = command.kind === "remove-policy" ? undefined : (lastOf(changes, "policy-set")?.policy ?? before);
      return entry(`policy/${command.name}`, null, policyWords(before), policyWords(after));
    }
    case "remove-role":
      return entry(`role/${command.name}`, null, roleWords(people, command.name), null);
    case "set-value":
    case "remove-value": {
      const { kind, name } = command.value;
      const before = values?.find((one) => sameValue(one, command.value));
      const after = command.kind === "remove-value" ? undefined : (lastOf(changes, "value-set")?.value ?? before);
      return entry(`${kind}/${name}`, null, storedValueWords(before), storedValueWords(after));
    }
    case "rewrap-values":
      return entry("secret-keys", null, null, `${command.items.length} versions wrapped anew`);
    default:
      return assertNever(command);
  }
}

const entry = (target: string, targetId: string | null, before: string | null, after: string | null): Audited => ({
  target,
  targetId,
  before: bounded(before),
  after: bounded(after),
});

const bounded = (words: string | null): string | null =>
  words === null || words.length <= MAX_WORDS ? words : `sha256:${sha256Hex(words)}`;

type BeforeAfter = readonly [before: string | null, after: string | null];

/** A revision never gets other content, so its number says all. */
function revisions(world: World, app: AppName, changes: readonly Change[]): BeforeAfter {
  const before = world.apps.get(app)?.revision;
  const after = lastOf(changes, "app-set")?.app.revision ?? before;
  const words = (revision: number | undefined) => (revision === undefined ? null : `revision ${revision}`);
  return [words(before), words(after)];
}

function rollouts(world: World, app: AppName, changes: readonly Change[]): BeforeAfter {
  const before = world.rollouts.get(app);
  return [rolloutWords(before), rolloutWords(lastOf(changes, "rollout-set")?.rollout ?? before)];
}

function rolloutWords(rollout: Rollout | undefined): string | null {
  if (rollout === undefined) return null;
  const services = rollout.services.flatMap(({ service, canary, forgiven }) => [
    ...(canary === "none" ? [] : [`, ${service}'s canary ${canary}`]),
    ...(forgiven === 0 ? [] : [`, ${service}'s failures forgiven: ${forgiven}`]),
  ]);
  return `revision ${rollout.revision} ${rollout.state.kind}${services.join("")}`;
}

/** A start lifts all stops below its target: all of them are told. */
function wishes(world: World, changes: readonly Change[]): BeforeAfter {
  const after = new Map<string, Wish | undefined>();
  for (const change of changes) {
    if (change.kind === "wish-set") after.set(wishKey(change.wish), change.wish);
    if (change.kind === "wish-removed") after.set(change.key, undefined);
  }
  const all = [...after];
  return [
    all.map(([key]) => `${key} ${wishWords(world.wishes.get(key))}`).join(", "),
    all.map(([key, wish]) => `${key} ${wishWords(wish)}`).join(", "),
  ];
}

function wishWords(wish: Wish | undefined): string {
  const words = [
    wish === undefined || wish.stopped === null ? "runs" : "stopped",
    ...(wish === undefined || wish.restarts === 0 ? [] : [`restart ${wish.restarts}`]),
    ...(wish === undefined || wish.paused === null ? [] : ["paused"]),
  ];
  return words.join(" ");
}

function labelWords(node: Pick<Node, "labels"> | undefined): string | null {
  if (node === undefined) return null;
  const pairs = Object.entries(node.labels).map(([key, value]) => `${key}=${value}`);
  return pairs.length === 0 ? "no labels" : pairs.sort().join(",");
}

function availabilityWords(node: Node | undefined): string | null {
  if (node === undefined) return null;
  return node.drainDeadlineMs === null
    ? node.availability
    : `${node.availability} until ${isoTime(node.drainDeadlineMs)}`;
}

function tokenWords(token: JoinToken | null): string | null {
  if (token === null) return null;
  const approval = token.approval ? ", asks for approval" : "";
  return `${token.usesLeft} uses until ${isoTime(token.expiresAtMs)}, ${labelWords(token)}${approval}`;
}

function apiTokenWords(token: ApiToken | undefined): string | null {
  if (token === undefined) return null;
  return `${token.role} for ${scopeText(token.scope)}, until ${isoTime(token.expiresAtMs)}`;
}

function roleWords(people: People | null, name: string): string | null {
  const role = people?.roles.find((each) => each.name === name);
  return role === undefined ? null : permissionWords(role);
}

/** Its revision begins anew when it was removed; the hash tells whether two are the same. */
const policyWords = (policy: Policy | undefined): string | null =>
  policy === undefined ? null : `revision ${policy.revision} ${sha256Hex(canonicalJson(policy))}`;
/** Which version, never what is in it. */
function storedValueWords(value: StoredValue | undefined): string | null {
  if (value === undefined) return null;
  const whom = value.apps.length === 0 ? "" : ` for ${value.apps.join(", ")}`;
  return `version ${value.versions.at(-1)?.version ?? "none"}${whom}`;
}

const permissionWords = ({ permissions }: Role): string => [...permissions].sort().join(" ");

function lastOf<K extends Change["kind"]>(
  changes: readonly Change[],
  kind: K,
): Extract<Change, { readonly kind: K }> | undefined {
  return changes.findLast((change): change is Extract<Change, { readonly kind: K }> => change.kind === kind);
}
