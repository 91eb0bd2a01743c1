// Where a service runs and how often, when it is restarted, and what happens when its node falls silent.
// It must never place by something that a hub cannot know of a node.
import { DEFAULT_DISCONNECT_AFTER_MS, type Disconnect, type ServiceSpec } from "@skerry/shared/model/app.ts";
import type { Constraint } from "@skerry/shared/model/constraint.ts";
import type { Mount, Restart } from "@skerry/shared/model/container.ts";
import { type Fields, type MapSpot, oursOf, type Spot } from "./fields.ts";
import { didYouMean } from "./problem.ts";
import { placeOf } from "./tree.ts";

export type Placement = Pick<ServiceSpec, "mode" | "constraints" | "spread" | "maxReplicasPerNode">;

/** As ServiceSpec bounds it. */
const MAX_REPLICAS = 10_000;
const LEAST_AFTER_MS = 1_000;

export function compilePlacement(service: MapSpot, fields: Fields): Placement {
  const deploy = fields.map(service, "deploy");
  const placement = deploy === null ? null : fields.map(deploy, "placement");
  checkEndpointMode(deploy, fields);
  return {
    mode: compileMode(service, deploy, fields),
    constraints: placement === null ? [] : compileConstraints(placement, fields),
    spread: placement === null ? [] : compileSpread(placement, fields),
    maxReplicasPerNode: placement === null ? null : fields.integer(placement, "max_replicas_per_node", 1),
  };
}

function compileMode(service: MapSpot, deploy: MapSpot | null, fields: Fields): ServiceSpec["mode"] {
  const scale = fields.integer(service, "scale", 0, MAX_REPLICAS);
  const replicas = deploy === null ? null : fields.integer(deploy, "replicas", 0, MAX_REPLICAS);
  if (scale !== null && replicas !== null && scale !== replicas) {
    const at = fields.at(service, "scale") ?? service;
    fields.fault(at, "conflict", "`scale` and `deploy.replicas` say different things.", "Keep one.");
  }
  const count = replicas ?? scale;
  const at = deploy === null ? null : fields.at(deploy, "mode");
  const mode = at === null ? "replicated" : (fields.asText(at) ?? "replicated");
  if (at !== null && (mode === "global-job" || mode === "replicated-job")) {
    const hint = "Use `restart_policy: { condition: none }`: it runs once, and again when the file changes.";
    fields.fault(at, "value-refused", `\`mode: ${mode}\` is refused: jobs are not built yet.`, hint);
  } else if (at !== null && mode !== "global" && mode !== "replicated") {
    fields.fault(at, "value-invalid", "`mode` needs global or replicated.", didYouMean(mode, ["global", "replicated"]));
  }
  if (mode !== "global") return { kind: "replicated", replicas: count ?? 1 };
  if (count !== null) {
    const hint = "Remove the number, or write `mode: replicated`.";
    fields.fault(
      at ?? service,
      "conflict",
      "A global service runs once on each matching node: it has no number of replicas.",
      hint,
    );
  }
  return { kind: "global" };
}

function checkEndpointMode(deploy: MapSpot | null, fields: Fields): void {
  if (deploy === null) return;
  const at = fields.at(deploy, "endpoint_mode");
  const mode = at === null ? null : fields.oneOf(deploy, "endpoint_mode", ["vip", "dnsrr"]);
  if (at === null || mode !== "vip") return;
  const hint = "Write `dnsrr`, or remove it: a name resolves to the copies on the node.";
  fields.fault(at, "value-refused", "`endpoint_mode: vip` is refused: there are no virtual addresses.", hint);
}

const CONSTRAINT = /^\s*([\w.\-/]+)\s*(==|!=)\s*(.*?)\s*$/;
const ATTRIBUTES = ["node.labels.KEY", "node.hostname", "node.arch", "node.id"];
/** What people write for a CPU, and the word that Docker uses. */
const ARCH_WORDS: Readonly<Record<string, string>> = {
  x86_64: "amd64",
  "x86-64": "amd64",
  aarch64: "arm64",
  arm64v8: "arm64",
};

function compileConstraints(placement: MapSpot, fields: Fields): Constraint[] {
  const constraints: Constraint[] = [];
  for (const item of fields.items(placement, "constraints")) {
    const constraint = compileConstraint(item, fields);
    if (constraint !== null) constraints.push(constraint);
  }
  return constraints;
}

/** `node.labels.site == shop`. null: it is none, and has been told. */
export function compileConstraint(item: Spot, fields: Fields): Constraint | null {
  const text = fields.asText(item);
  if (text === null) return null;
  const found = CONSTRAINT.exec(text);
  if (found === null) {
    const hint = 'Write "node.labels.site == shop"; the operators are == and !=.';
    return fields.fault(item, "value-invalid", "This is not a constraint.", hint);
  }
  const [, name = "", operator, value = ""] = found;
  const attribute = attributeOf(name, item, fields);
  if (attribute === null) return null;
  const better = attribute.kind === "arch" ? ARCH_WORDS[value.toLowerCase()] : undefined;
  if (better !== undefined) {
    fields.fault(
      item,
      "value-invalid",
      `Docker's word for ${fields.quote(item, value)} is ${better}.`,
      `Write node.arch ${operator} ${better}.`,
    );
  }
  return { attribute, operator: operator === "!=" ? "!=" : "==", value };
}

function attributeOf(name: string, at: Spot, fields: Fields): Constraint["attribute"] | null {
  const label = labelKey(name);
  if (label !== null) return { kind: "label", key: label };
  switch (name) {
    case "node.hostname":
      return { kind: "hostname" };
    case "node.arch":
      return { kind: "arch" };
    case "node.id":
      return { kind: "id" };
    case "node.platform.arch":
      return fields.fault(
        at,
        "value-refused",
        `\`${name}\` is refused.`,
        "Write node.arch, with Docker's words: arm64, amd64.",
      );
    case "node.role":
      return fields.fault(at, "value-refused", "`node.role` is refused: nodes have no roles.", "Give nodes a label.");
    default: {
      const hint = /^(engine\.labels|node\.label|label|labels)\./.test(name)
        ? "Use node.labels.KEY, and `skerry node label NODE KEY=VALUE`."
        : didYouMean(name, ATTRIBUTES) || `Known: ${ATTRIBUTES.join(", ")}.`;
      return fields.fault(
        at,
        "value-invalid",
        `There is nothing to place by called \`${fields.quote(at, name)}\`.`,
        hint,
      );
    }
  }
}

export function labelKey(name: string): string | null {
  const prefix = "node.labels.";
  return name.startsWith(prefix) && name.length > prefix.length ? name.slice(prefix.length) : null;
}

function compileSpread(placement: MapSpot, fields: Fields): string[] {
  const keys: string[] = [];
  for (const item of fields.items(placement, "preferences")) {
    const map = fields.asMap(item);
    const name = map === null ? null : fields.text(map, "spread");
    const key = name === null ? null : labelKey(name);
    if (key !== null) keys.push(key);
    else if (name !== null)
      fields.fault(item, "value-invalid", "`spread` needs node.labels.KEY.", "Give nodes that label.");
  }
  return keys;
}

export function compileRestart(service: MapSpot, fields: Fields): Restart {
  const plain = plainRestart(service, fields);
  const deploy = fields.map(service, "deploy");
  const policy = deploy === null ? null : fields.map(deploy, "restart_policy");
  if (policy === null) return plain ?? { policy: "always", maxAttempts: null, delayMs: null, windowMs: null };
  if (plain !== null) {
    const at = fields.at(service, "restart") ?? service;
    const message = "`restart` has no effect here: `deploy.restart_policy` is stronger.";
    fields.notes.warning(placeOf(at.tree, at.path), "key-without-effect", message, "Remove one of them.");
  }
  const condition = fields.oneOf(policy, "condition", ["none", "on-failure", "any"]) ?? "any";
  const maxAttempts = fields.integer(policy, "max_attempts", 0);
  if (maxAttempts !== null && condition === "none") {
    fields.fault(
      policy,
      "conflict",
      "`max_attempts` needs a condition that restarts.",
      "Write `condition: on-failure`.",
    );
  }
  return {
    policy: condition === "any" ? "always" : condition === "none" ? "no" : condition,
    maxAttempts,
    delayMs: fields.durationMs(policy, "delay"),
    windowMs: fields.durationMs(policy, "window"),
  };
}

function plainRestart(service: MapSpot, fields: Fields): Restart | null {
  const at = fields.at(service, "restart");
  // `restart: no` without quotes is text to YAML 1.2, and false to older readers; both mean the same.
  const text = at === null ? null : at.tree.kind === "scalar" && at.tree.text === "false" ? "no" : fields.asText(at);
  if (at === null || text === null) return null;
  const plain = { maxAttempts: null, delayMs: null, windowMs: null };
  if (text === "no" || text === "always" || text === "unless-stopped") return { policy: text, ...plain };
  const found = /^on-failure(?::(\d{1,6}))?$/.exec(text);
  if (found !== null) {
    return { ...plain, policy: "on-failure", maxAttempts: found[1] === undefined ? null : Number(found[1]) };
  }
  const choices = ["no", "always", "on-failure", "unless-stopped"];
  const hint = didYouMean(text, choices);
  fields.fault(
    at,
    "value-invalid",
    "`restart` needs no, always, on-failure, on-failure:TIMES or unless-stopped.",
    hint,
  );
  return null;
}

/** DESIGN's defaults: what is bound to a node stays there, the rest moves. */
export function compileDisconnect(
  service: MapSpot,
  mode: ServiceSpec["mode"],
  mounts: readonly Mount[],
  fields: Fields,
): Disconnect {
  const disconnect = oursOf(service, "disconnect", fields);
  const isBound = mode.kind === "global" || mounts.some(holdsData);
  const policy =
    (disconnect === null ? null : fields.oneOf(disconnect, "policy", ["keep", "replace", "fence"])) ??
    (isBound ? "keep" : "replace");
  const afterMs = disconnect === null ? null : fields.durationMs(disconnect, "after");
  const at = (disconnect === null ? null : fields.at(disconnect, "after")) ?? disconnect ?? service;
  if (afterMs !== null && afterMs < LEAST_AFTER_MS) {
    fields.fault(
      at,
      "value-invalid",
      "`after` cannot be shorter than 1s: a link is silent that long without being lost.",
    );
    return { policy: "keep" };
  }
  if (policy === "keep") {
    if (afterMs !== null)
      fields.fault(
        at,
        "conflict",
        "`after` has no meaning with `policy: keep`: nothing moves.",
        "Remove it, or choose replace or fence.",
      );
    return { policy };
  }
  if (mode.kind === "global") {
    const message = `\`policy: ${policy}\` is for replicated services: a global one is on each node already.`;
    fields.fault(disconnect ?? service, "conflict", message, "Use `policy: keep`.");
  }
  return { policy, afterMs: afterMs ?? DEFAULT_DISCONNECT_AFTER_MS };
}

/** A writable folder of the node is data just as a volume is. */
function holdsData(mount: Mount): boolean {
  return mount.kind === "volume" || (mount.kind === "bind" && !mount.readOnly);
}
