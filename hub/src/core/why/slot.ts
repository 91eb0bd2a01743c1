// One workload in words: what should run, what was last said of it, why, and what to do. The one place from which `ps`, the API,
// events of the watch and `why` take a workload's reason. Pure. Nothing old is told as how things are.
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import { workloadCondition } from "../condition.ts";
import { byText, serviceAt } from "../lookup.ts";
import { stopOf } from "../wishes.ts";
import type { App, Node, Placement, World } from "../world.ts";
import { type Account, account, type Told } from "./account.ts";
import { withGate } from "./gate.ts";
import { fitsNowhere, unplacedAccount } from "./placing.ts";
import { silenceOf } from "./reach.ts";
import { type Said, stateTold } from "./state.ts";
import { saidText, shownTarget } from "./wishes.ts";

/** null: no such slot is wanted. */
export function workloadAccount(world: World, id: WorkloadId, now: Millis): Account | null {
  const placement = world.placements.get(id);
  const unplaced = world.unplaced.get(id);
  if (placement === undefined) {
    if (unplaced === undefined || !world.apps.has(unplaced.app)) return null;
    return withStop(world, { ...unplaced, node: null }, unplacedAccount(world, unplaced));
  }
  const node = world.nodes.get(placement.node);
  if (node === undefined) return null;
  const seen = world.observations.get(node.id)?.workloads.get(id) ?? null;
  const told = silenceOf(world, node, placement, seen, now) ?? spoken(world, node, placement, now);
  const app = world.apps.get(placement.app);
  const base = withStop(world, placement, account(app === undefined ? told : behind(world, app, placement, told)));
  return unplaced === undefined ? base : stuck(base, placement, app, fitsNowhere(world, unplaced.refusals));
}

/** The node is heard. */
function spoken(world: World, node: Node, placement: Placement, now: Millis): Told {
  const seen = world.observations.get(node.id)?.workloads.get(placement.workload);
  if (seen === undefined) return assigned(world, node, placement);
  const ageMs = seen.seenMs === null ? 0 : Math.max(0, now - seen.seenMs);
  const said: Said = { world, node, placement, status: seen.status, ageMs };
  const told = withGate(said, stateTold(said));
  const chain =
    told.state === "waiting" ? dependencies(world, placement, now, new Set([placement.workload])) : NO_CHAIN;
  if (chain.end === null) return told;
  const hint = told.hint ?? `See: skerry why ${shownTarget(world, chain.end)}`;
  return { ...told, because: [...chain.lines, ...(told.because ?? [])], hint };
}

function assigned(world: World, node: Node, placement: Placement): Told {
  if (node.refusal !== null) {
    const reason = `node ${node.name} refuses its assignment: ${node.refusal.message}`;
    return { state: "assigned", reason, hint: `See: skerry why node/${node.name}` };
  }
  const accepted = node.accepted !== null && node.accepted.generation >= placement.sinceGeneration;
  const reachability = world.reachability.get(node.id);
  const connected = reachability?.kind === "ready" && reachability.connected;
  if (accepted)
    return {
      state: "assigned",
      reason: "taken up by the node",
      because: ["the node has made it durable and has not yet said what became of it"],
    };
  return { state: "assigned", reason: connected ? "on its way to the node" : "waits for the node's link" };
}

/** `end`: the last of those that are waited for; null: none is. */
interface Chain {
  readonly lines: readonly string[];
  readonly end: WorkloadId | null;
}
const NO_CHAIN: Chain = { lines: [], end: null };

/** A chain is read, not studied. */
const MAX_CHAIN = 4;

/** What it depends on and is not good on the same node; and for what that waits, and so on. `known`: those that were told of. */
function dependencies(world: World, placement: Placement, now: Millis, known: Set<WorkloadId>): Chain {
  const wanted = serviceAt(world, placement)?.container.dependsOn ?? [];
  const lines: string[] = [];
  let end: WorkloadId | null = null;
  for (const id of [...(world.placementsByNode.get(placement.node) ?? [])].sort(byText)) {
    const other = world.placements.get(id);
    const isWanted = other?.app === placement.app && wanted.some(({ service }) => service === other.service);
    if (other === undefined || !isWanted || known.has(id) || known.size > MAX_CHAIN) continue;
    const node = world.nodes.get(other.node);
    if (node === undefined || workloadCondition(world, id) === "good") continue;
    known.add(id);
    const told = stateOf(world, node, other, now);
    const rest = told.state === "waiting" ? dependencies(world, other, now, known) : NO_CHAIN;
    lines.push(
      `${other.service}: ${told.state}: ${told.reason}`,
      ...(rest.end === null ? (told.because ?? []) : rest.lines),
    );
    end = rest.end ?? id;
  }
  return { lines, end };
}

function stateOf(world: World, node: Node, placement: Placement, now: Millis): Told {
  const seen = world.observations.get(node.id)?.workloads.get(placement.workload);
  if (seen === undefined) return assigned(world, node, placement);
  return stateTold({
    world,
    node,
    placement,
    status: seen.status,
    ageMs: seen.seenMs === null ? 0 : now - seen.seenMs,
  });
}

/** It stands at an older revision: its turn has not come, and with which state of the rollout that may last. */
function behind(world: World, app: App, placement: Placement, told: Told): Told {
  const rollout = world.rollouts.get(app.name);
  if (placement.revision === app.revision || world.unplaced.has(placement.workload)) return told;
  if (rollout === undefined || rollout.revision !== app.revision) return told;
  const waits = `${told.reason}; revision ${app.revision} waits`;
  if (world.wishes.get(app.name)?.paused != null)
    return {
      ...told,
      reason: `${waits}: the app is paused`,
      hint: told.hint ?? `To go on: skerry unpause ${app.name}`,
    };
  if (rollout.state.kind === "paused")
    return {
      ...told,
      reason: `${waits}: its rollout is paused`,
      because: [...(told.because ?? []), `paused by ${rollout.state.by}: ${rollout.state.reason}`],
      hint: told.hint ?? `To go on: skerry rollout resume ${app.name}; to go back: skerry rollout undo ${app.name}`,
    };
  const canary = rollout.services.find(({ service }) => service === placement.service)?.canary === "open";
  return { ...told, reason: canary ? `${waits} for its canary` : `${waits} for its turn in the rollout` };
}

/** A stop is told with who wants it and why, also where it has not been carried out yet. */
function withStop(
  world: World,
  slot: Pick<Placement, "app" | "service" | "slot"> & { readonly node: Placement["node"] | null },
  base: Account,
): Account {
  const stop = stopOf(world, slot);
  if (stop === null) return base;
  const target = shownTarget(world, stop.target);
  const isDrain = target.startsWith("node/");
  const want = saidText(isDrain ? "stopped" : `${target} stopped`, stop.said);
  const hint = isDrain
    ? `To let it run here again: skerry uncordon ${target.slice("node/".length)}`
    : `To start it: skerry start ${target}`;
  const reason = base.state === "stopped" ? want : `to be stopped (${want}); ${base.reason}`;
  return { ...base, reason, hint: base.hint ?? hint };
}

/** It runs on as it was, for no node takes it as it should be now. */
function stuck(base: Account, placement: Placement, app: App | undefined, why: string): Account {
  const wanted = app?.revision ?? placement.revision;
  const stays =
    wanted === placement.revision
      ? `no other node takes it: ${why}`
      : `it stays at revision ${placement.revision}, for revision ${wanted} fits nowhere: ${why}`;
  return {
    ...base,
    reason: `${base.reason}; ${stays}`,
    hint:
      base.state === "unknown" && base.hint !== null
        ? `${base.hint.replace(/\.$/, "")}, or add a node that fits.`
        : "Add a node that fits, or change what the service asks for.",
  };
}

/** `web/1`, or `web on van-7` for a slot that is a node. */
export function shortName(world: World, id: WorkloadId): string {
  const [, service = "", slot = ""] = id.split("/");
  const node = world.placements.get(id)?.node;
  return slot.startsWith("n") && node !== undefined
    ? `${service} on ${world.nodes.get(node)?.name ?? slot}`
    : `${service}/${slot}`;
}
