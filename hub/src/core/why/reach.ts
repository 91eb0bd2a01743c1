// What is known of a node that is heard, awaited or silent, why its word may not count, and what follows for what it should run. Pure.
import type { NodeId } from "@skerry/shared/model/ids.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import { blindness, isHeard } from "../condition.ts";
import { wantedService } from "../lookup.ts";
import { dueToMoveMs } from "../wants.ts";
import type { Node, Placement, SeenStatus, World } from "../world.ts";
import type { Told } from "./account.ts";
import { durationInWords } from "./words.ts";

export interface Reach {
  readonly kind: "awaited" | "ready" | "unreachable";
  readonly connected: boolean;
  /** null: it was never heard, or not since this hub started. */
  readonly silentForMs: number | null;
  readonly reason: string;
}

export function reachOf(world: World, id: NodeId, now: Millis): Reach {
  const reachability = world.reachability.get(id);
  if (reachability === undefined) {
    return { kind: "awaited", connected: false, silentForMs: null, reason: "has not connected yet" };
  }
  switch (reachability.kind) {
    case "awaited": {
      const judged = durationInWords(reachability.judgeAfterMs - now);
      const reason = `not heard from since this hub started; judged in ${judged}`;
      return { kind: "awaited", connected: false, silentForMs: null, reason };
    }
    case "ready": {
      const silentForMs = Math.max(0, now - reachability.lastHeardMs);
      const reason = reachability.connected ? "connected" : `link lost; last heard ${durationInWords(silentForMs)} ago`;
      return { kind: "ready", connected: reachability.connected, silentForMs, reason };
    }
    case "unreachable": {
      const silentForMs = reachability.lastHeardMs === null ? null : Math.max(0, now - reachability.lastHeardMs);
      const since = silentForMs === null ? "since this hub started" : `for ${durationInWords(silentForMs)}`;
      const reason = `not heard from ${since}; what it should run it most likely still runs`;
      return { kind: "unreachable", connected: false, silentForMs, reason };
    }
    default:
      return assertNever(reachability);
  }
}

/** null: the node is heard, so its word counts. */
export function silenceOf(
  world: World,
  node: Node,
  placement: Placement,
  seen: SeenStatus | null,
  now: Millis,
): Told | null {
  if (isHeard(world, node.id, seen)) return null;
  const { kind, reason, silentForMs } = reachOf(world, node.id, now);
  const blind = blindness(world, node.id);
  const last = seen === null ? "nothing was ever said of it" : `it last said: ${seen.status.state.kind}`;
  const why = kind !== "ready" ? reason : (blind?.message ?? doubt(world, node));
  return {
    state: "unknown",
    reason: `node ${node.name}: ${why}; ${last}`,
    notes: kind === "unreachable" ? [whatFollows(world, placement, now)] : [],
    hint: silenceHint(node, kind, blind !== null),
    last: seen?.status.state.kind ?? null,
    silentForMs,
  };
}

function silenceHint(node: Node, kind: Reach["kind"], isBlind: boolean): string | null {
  if (kind === "unreachable") return `Check the power and link of ${node.name}.`;
  return kind === "ready" && isBlind ? `On ${node.name}: systemctl status docker` : null;
}

/** Why the last word of a node that is heard is not taken for how things are. */
function doubt(world: World, { id }: Node): string {
  const word = world.observations.get(id)?.word ?? { kind: "awaits-report", sinceMs: null };
  switch (word.kind) {
    case "awaits-report":
      return word.sinceMs === null
        ? "it has not reported since this hub started"
        : "it has connected anew and not yet reported";
    case "awaits-word":
      return "this hub stood still and waits for its next word";
    case "current":
      return "it is heard";
    default:
      return assertNever(word);
  }
}

/** Of a copy on a silent node: its own policy says. */
function whatFollows(world: World, placement: Placement, now: Millis): string {
  const service = wantedService(world, placement.app, placement.service);
  const policy = service?.disconnect.policy ?? "keep";
  if (policy === "keep") return "nothing moves by itself: its disconnect policy is keep";
  if (service?.mode.kind === "global") return "it belongs to this node, so no other one takes it";
  if (world.wishes.get(placement.app)?.paused != null) return "nothing moves: its app is paused";
  if (world.brake !== null)
    return "nothing is replaced while most of the fleet is silent: the hub is likely the one cut off";
  const at = dueToMoveMs(world, placement);
  if (at === null) return `its disconnect policy is ${policy}, and no time tells when it has stopped there`;
  const when = at > now ? `in ${durationInWords(at - now)}` : "as soon as another node takes it";
  const how = policy === "fence" ? " (by then it has stopped itself here)" : "";
  return `a copy starts elsewhere ${when}${how}: its disconnect policy is ${policy}`;
}
