// Events as the API shows them: the hub's and the nodes' in one shape, in words. The one place that turns the hub's events into text;
// those of nodes are turned by shared/model/event.
import { type EventLevel, eventLevel, eventText, type NodeEvent } from "@skerry/shared/model/event.ts";
import type { NodeId } from "@skerry/shared/model/ids.ts";
import { workloadParts } from "@skerry/shared/model/names.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { WallMillis } from "@skerry/shared/runtime/clock.ts";
import type { HubEvent } from "../../core/change.ts";
import { shownTarget } from "../../core/why/wishes.ts";
import { counted, durationInWords } from "../../core/why/words.ts";
import type { World } from "../../core/world.ts";
import type { EventRow } from "../../store/store.ts";
import type { NodeRef } from "../schemas/common.ts";
import type { EventView, WatchedEvent } from "../schemas/events.ts";

export function eventView(world: World, row: EventRow): EventView {
  const { event } = row;
  if (event.source === "hub") return { id: row.id, ...watchedHubEvent(world, event.event, row.wallMs) };
  // A node's event was stored under its node; without one it could not have been.
  return { id: row.id, ...nodeEventView(world, row.node, event.event, row.wallMs) };
}

export function watchedHubEvent(world: World, event: HubEvent, wallMs: WallMillis): WatchedEvent {
  const workload = "workload" in event ? event.workload : null;
  const app = "app" in event ? event.app : workload === null ? null : workloadParts(workload).app;
  return {
    atMs: wallMs,
    level: hubEventLevel(event),
    source: "hub",
    kind: event.kind,
    node: "node" in event ? refOf(world, event.node) : null,
    app,
    workload,
    text: hubEventText(world, event),
  };
}

export function watchedNodeEvent(world: World, node: NodeId, event: NodeEvent, wallMs: WallMillis): WatchedEvent {
  return nodeEventView(world, node, event, wallMs);
}

function nodeEventView(world: World, node: NodeId | null, event: NodeEvent, wallMs: WallMillis): WatchedEvent {
  const workload = "workload" in event ? event.workload : null;
  return {
    atMs: wallMs,
    level: eventLevel(event),
    source: "node",
    kind: event.kind,
    node: node === null ? null : refOf(world, node),
    app: workload === null ? null : workloadParts(workload).app,
    workload,
    text: eventText(event),
  };
}

function refOf(world: World, id: NodeId): NodeRef | null {
  const node = world.nodes.get(id);
  return node === undefined ? null : { id, name: node.name };
}

function hubEventLevel(event: HubEvent): EventLevel {
  switch (event.kind) {
    case "assignment-refused":
    case "clone-detected":
    case "decision-cut-short":
    case "rollout-failed":
      return "error";
    case "rollout-paused":
    case "preempted":
    case "unschedulable":
    case "node-unreachable":
    case "node-pending":
    case "node-revoked":
    case "former-key-shown":
    case "brake-on":
      return "warning";
    default:
      return "info";
  }
}

function hubEventText(world: World, event: HubEvent): string {
  const nameOf = (node: NodeId): string => world.nodes.get(node)?.name ?? node;
  switch (event.kind) {
    case "app-applied":
      return `revision ${event.revision} applied by ${event.by}`;
    case "app-removed":
      return `removed by ${event.by}; its volumes stay`;
    case "placed":
      return `placed on ${nameOf(event.node)}: ${event.reason}`;
    case "unplaced":
      return `taken from ${nameOf(event.node)}: ${event.reason}`;
    case "unschedulable":
      return `no node can take it: ${event.reason}`;
    case "node-joined":
      return `joined (${event.by})`;
    case "node-removed":
      return `removed by ${event.by}; what runs on it was not touched`;
    case "node-revoked":
      return `${event.name} revoked by ${event.by}: its key opens nothing any more; what runs on it was not touched`;
    case "node-pending":
      return `waits for approval: skerry node approve ${nameOf(event.node)}`;
    case "node-changed":
      return `${event.what} (${event.by})`;
    case "node-ready":
      return event.silentForMs === null
        ? "ready"
        : `ready again after ${durationInWords(event.silentForMs)} of silence`;
    case "node-unreachable":
      return event.silentForMs === null
        ? "unreachable: not heard from since this hub started; nobody knows what it does"
        : `unreachable: not heard from for ${durationInWords(event.silentForMs)}; nobody knows what it does`;
    case "brake-on":
      return `${event.unreachable} of ${event.nodes} nodes vanished at once: the hub is likely the one cut off, so nothing is replaced`;
    case "brake-off":
      return "enough nodes are heard again: replacing goes on";
    case "assignment-refused":
      return `refuses its assignment (${event.reason}): ${event.message}`;
    case "clone-detected":
      return "frozen: two machines used its key, so neither is let in and both keep what they run. Was its disk copied? If the other machine is yours, switch it off and unfreeze this node; if not, revoke it and join it anew";
    case "former-key-shown":
      return `a machine at ${event.from} showed a key that ${nameOf(event.node)} has given up, and was refused. Was its disk copied before, or is this it, put back to an older state? If so, join it anew`;
    case "rollout-started":
      return `rollout of revision ${event.revision} began: ${event.reason}`;
    case "rollout-batch":
      return `${event.service}: batch ${event.batch} of its rollout, ${event.slots} ${event.slots === 1 ? "slot" : "slots"}`;
    case "rollout-paused":
      return `rollout of revision ${event.revision} paused: ${event.reason}`;
    case "rollout-resumed":
      return `rollout of revision ${event.revision} resumed by ${event.by}`;
    case "rollout-done":
      return `revision ${event.revision} is good everywhere it is wanted`;
    case "rollout-failed":
      return `revision ${event.revision} failed: ${event.reason}`;
    case "wish-changed":
      return `${shownTarget(world, event.target)} ${event.what} by ${event.by}${event.reason === "" ? "" : `: ${event.reason}`}`;
    case "preempted":
      return `taken from ${nameOf(event.node)}: ${event.by} has the higher priority and needs the room`;
    case "drained":
      return "drained: nothing is left that may move";
    case "decision-cut-short":
      return `a decision came to no end and was cut short: ${counted(event.waiting, "copy", "copies")} without a node wait for the next change. This is a mistake in the hub: please report it`;
    case "token-created":
      return `join token ${event.token} made by ${event.by}`;
    case "token-removed":
      return `join token ${event.token} withdrawn by ${event.by}`;
    case "api-token-created":
      return `API token ${event.name} (${event.token}) with role ${event.role} made by ${event.by}`;
    case "api-token-removed":
      return `API token ${event.name} (${event.token}) removed by ${event.by}`;
    case "role-changed":
      return `role ${event.role} set to ${event.permissions.join(", ")} by ${event.by}`;
    case "role-removed":
      return `role ${event.role} removed by ${event.by}`;
    case "policy-changed":
      return `policy ${event.policy} set by ${event.by}: ${event.what}`;
    case "policy-removed":
      return `policy ${event.policy} removed by ${event.by}`;
    case "policy-audited":
      return `a policy in audit mode let through what it would refuse: ${event.reason}`;
    case "user-changed":
      return `user ${event.user} ${event.what} by ${event.by}`;
    case "value-set":
      return `${event.value} set by ${event.by}`;
    case "value-removed":
      return `${event.value} removed by ${event.by}`;
    case "value-keys-rotated":
      return `a new key for secrets made by ${event.by}; ${counted(event.rewrapped, "version", "versions")} wrapped anew`;
    default:
      return assertNever(event);
  }
}
