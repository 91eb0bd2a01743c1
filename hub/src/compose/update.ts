// How a service is changed: `deploy.update_config`, `rollback_config`, and of `x-skerry` `rollout`, `update` and `priority`.
// It must never let through a policy that cannot be kept: two copies side by side need a thing that both may have.
import type { Disconnect, ServiceSpec } from "@skerry/shared/model/app.ts";
import type { ContainerSpec } from "@skerry/shared/model/container.ts";
import { DEFAULT_ROLLBACK, DEFAULT_ROLLOUT, DEFAULT_UPDATE } from "@skerry/shared/model/plain.ts";
import type { RolloutPolicy, UpdatePolicy } from "@skerry/shared/model/update.ts";
import { compileConstraint, labelKey } from "./deploy.ts";
import { type Fields, type MapSpot, oursOf } from "./fields.ts";
import { compileTimes } from "./window.ts";

/** What the Compose Specification, and Docker after it, has for keys that are left out of a section that is there. */
const COMPOSE_DEFAULTS: UpdatePolicy = {
  parallelism: { kind: "count", count: 1 },
  delayMs: 0,
  monitorMs: 5_000,
  failureAction: "pause",
  maxFailureRatio: 0,
  order: "stop-first",
};
/** A day: what a batch, a monitor or a deadline waits for is seen by then, or a person has looked. */
const MAX_WAIT_MS = 86_400_000;
/** A gate that is shut sooner would fail what merely starts. */
const LEAST_DEADLINE_MS = 1_000;
/** As ServiceSpec bounds it; Kubernetes' users need three or four steps. */
const MAX_PRIORITY = 1_000;

type Updates = Pick<ServiceSpec, "update" | "rollback" | "rollout" | "times">;

export function compileUpdates(
  service: MapSpot,
  container: ContainerSpec,
  disconnect: Disconnect,
  fields: Fields,
): Updates {
  const deploy = fields.map(service, "deploy");
  const section = (key: string): MapSpot | null => (deploy === null ? null : fields.map(deploy, key));
  const alone = whyOnlyOne(container, disconnect);
  const update = compilePolicy(section("update_config"), ["continue", "pause", "rollback"], alone, fields);
  const rollback = compilePolicy(section("rollback_config"), ["continue", "pause"], alone, fields);
  const policy = update ?? DEFAULT_UPDATE;
  return {
    update: policy,
    rollback: rollback ?? DEFAULT_ROLLBACK,
    rollout: compileRollout(service, policy, fields),
    times: compileTimes(service, container.mounts, fields),
  };
}

/** null: there is no such section. */
function compilePolicy(
  map: MapSpot | null,
  actions: readonly UpdatePolicy["failureAction"][],
  alone: string | null,
  fields: Fields,
): UpdatePolicy | null {
  if (map === null) return null;
  const order = fields.oneOf(map, "order", ["stop-first", "start-first"]);
  if (order === "start-first" && alone !== null) {
    const at = fields.at(map, "order") ?? map;
    fields.fault(
      at,
      "value-refused",
      `\`order: start-first\` is refused: ${alone}.`,
      "Remove it, or write stop-first.",
    );
  }
  return {
    parallelism: fields.amount(map, "parallelism", 0) ?? COMPOSE_DEFAULTS.parallelism,
    delayMs: bounded(map, "delay", 0, fields) ?? COMPOSE_DEFAULTS.delayMs,
    monitorMs: bounded(map, "monitor", 0, fields) ?? COMPOSE_DEFAULTS.monitorMs,
    failureAction: fields.oneOf(map, "failure_action", actions) ?? COMPOSE_DEFAULTS.failureAction,
    maxFailureRatio: fields.share(map, "max_failure_ratio") ?? COMPOSE_DEFAULTS.maxFailureRatio,
    order: order ?? COMPOSE_DEFAULTS.order,
  };
}

/** Why the old copy and the new one cannot stand side by side; null: they can. */
function whyOnlyOne(container: ContainerSpec, disconnect: Disconnect): string | null {
  const port = container.ports.find(({ hostPort }) => hostPort !== null);
  if (port !== undefined) return `both would need port ${port.hostPort} of the node`;
  if (container.networkMode === "host") return "with `network_mode: host` both would need the same ports of the node";
  // Nobody else has an anonymous volume: each container gets its own.
  const mount = container.mounts.find((one) => one.kind !== "tmpfs" && !one.readOnly && one.source !== null);
  if (mount !== undefined) return `both would write to ${mount.target} at the same time`;
  const fixed = container.networks.find(
    ({ ipv4Address, ipv6Address, macAddress }) => (ipv4Address ?? ipv6Address ?? macAddress) !== null,
  );
  if (fixed !== undefined) return `both would need the same address in the network ${fixed.network}`;
  if (disconnect.policy === "fence") return "`disconnect: fence` promises that there is at most one copy";
  return null;
}

function compileRollout(service: MapSpot, update: UpdatePolicy, fields: Fields): RolloutPolicy {
  const map = oursOf(service, "rollout", fields);
  const own = map === null ? null : bounded(map, "deadline", LEAST_DEADLINE_MS, fields);
  const deadlineMs = own ?? DEFAULT_ROLLOUT.deadlineMs;
  if (update.monitorMs >= deadlineMs) {
    const at = (map === null ? null : fields.at(map, "deadline")) ?? fields.at(service, "deploy") ?? service;
    const message =
      "`update_config.monitor` must be shorter than `x-skerry.rollout.deadline` (10m unless said): nothing could pass.";
    fields.fault(at, "conflict", message, "Shorten the one, or lengthen the other.");
  }
  if (map === null) return DEFAULT_ROLLOUT;
  return {
    canary: compileCanary(map, fields),
    batchBy: labelName(map, "batch_by", fields),
    successThreshold: fields.share(map, "success_threshold") ?? DEFAULT_ROLLOUT.successThreshold,
    budget: compileBudget(map, fields),
    deadlineMs,
  };
}

type Canary = NonNullable<RolloutPolicy["canary"]>;

function compileCanary(map: MapSpot, fields: Fields): RolloutPolicy["canary"] {
  const promoteAfterMs = bounded(map, "promote_after", 0, fields);
  const at = fields.at(map, "canary");
  if (at === null) {
    if (promoteAfterMs === null) return null;
    const message = "`promote_after` has no meaning without a `canary`.";
    return fields.fault(fields.at(map, "promote_after") ?? map, "conflict", message, "Add `canary: 1`, or remove it.");
  }
  const who = at.tree.kind === "map" ? canaryNodes(map, fields) : canaryAmount(map, fields);
  return who === null ? null : { who, promoteAfterMs };
}

function canaryAmount(map: MapSpot, fields: Fields): Canary["who"] | null {
  const amount = fields.amount(map, "canary", 1);
  return amount === null ? null : { kind: "amount", amount };
}

function canaryNodes(map: MapSpot, fields: Fields): Canary["who"] | null {
  const canary = fields.map(map, "canary");
  const at = canary === null ? null : fields.at(canary, "constraint");
  if (at === null) {
    const hint = 'Write `canary: 1`, `canary: 10%`, or `canary: { constraint: "node.labels.canary == yes" }`.';
    return fields.fault(canary ?? map, "key-missing", "`canary` needs a `constraint`, a number or a percentage.", hint);
  }
  const constraint = compileConstraint(at, fields);
  return constraint === null ? null : { kind: "nodes", constraint };
}

function compileBudget(map: MapSpot, fields: Fields): RolloutPolicy["budget"] {
  const budget = fields.map(map, "budget");
  if (budget === null) return null;
  const maxUnavailable = fields.amount(budget, "max_unavailable", 1);
  const per = labelName(budget, "per", fields);
  if (maxUnavailable !== null) return { maxUnavailable, per };
  if (fields.at(budget, "max_unavailable") !== null) return null;
  const message = "`budget` needs `max_unavailable`: how many may be not good at one time.";
  return fields.fault(budget, "key-missing", message, "Write `budget: { max_unavailable: 1 }`.");
}

/** `site`, or `node.labels.site` as constraints have it. */
function labelName(map: MapSpot, key: string, fields: Fields): string | null {
  const text = fields.text(map, key);
  if (text === null) return null;
  const name = labelKey(text) ?? text;
  if (/^[a-zA-Z0-9](?:[a-zA-Z0-9._/-]*[a-zA-Z0-9])?$/.test(name) && !name.startsWith("node.")) return name;
  const at = fields.at(map, key) ?? map;
  return fields.fault(at, "value-invalid", `\`${key}\` needs the key of a node label, such as site.`);
}

export function compilePriority(service: MapSpot, fields: Fields): number {
  const ours = fields.map(service, "x-skerry");
  return (ours === null ? null : fields.integer(ours, "priority", -MAX_PRIORITY, MAX_PRIORITY)) ?? 0;
}

function bounded(map: MapSpot, key: string, leastMs: number, fields: Fields): number | null {
  return fields.durationWithin(map, key, leastMs, MAX_WAIT_MS);
}
