// One workload as the API shows it: what should run, what was last said of it, why, and for how long. A state is never older than it
// claims, and nothing is called good that was not said to be by a node that is heard.

import { exitInWords } from "@skerry/shared/model/exit-words.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import { containerName, workloadParts } from "@skerry/shared/model/names.ts";
import type { WorkloadState } from "@skerry/shared/model/report.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import { serviceAt, wantedService } from "../../core/lookup.ts";
import { refusalSummary } from "../../core/refusal-text.ts";
import { stopOf } from "../../core/wishes.ts";
import type { Node, Placement, SeenStatus, World } from "../../core/world.ts";
import type { WorkloadView } from "../schemas/workloads.ts";
import { blindness, isHeard, workloadCondition } from "./condition.ts";
import { nodeRef, reachabilityView } from "./nodes.ts";
import { saidText, stopView } from "./wishes.ts";
import { durationInWords } from "./words.ts";

/** null: no such slot is wanted. */
export function workloadView(world: World, id: WorkloadId, now: Millis): WorkloadView | null {
  const placement = world.placements.get(id);
  if (placement === undefined) return unplacedView(world, id);
  const view = placedView(world, placement, now);
  if (view !== null) view.good = workloadCondition(world, id) === "good";
  const unplaced = world.unplaced.get(id);
  return view === null || unplaced === undefined ? view : stuck(world, view, refusalSummary(unplaced.refusals));
}

/** It runs on as it was, for no node takes it as it should be now. */
function stuck(world: World, view: WorkloadView, why: string): WorkloadView {
  const wanted = world.apps.get(view.app)?.revision ?? view.revision;
  const reason = `${view.reason}; it stays at revision ${view.revision}, for revision ${wanted} fits nowhere: ${why}`;
  return { ...view, reason, hint: UNPLACED_HINT };
}

function unplacedView(world: World, id: WorkloadId): WorkloadView | null {
  const unplaced = world.unplaced.get(id);
  const app = unplaced === undefined ? undefined : world.apps.get(unplaced.app);
  if (unplaced === undefined || app === undefined) return null;
  return {
    ...NOTHING_SEEN,
    ...partsOf(id),
    stop: stopView(world, stopOf(world, { ...partsOf(id), node: null })),
    node: null,
    state: "unplaced",
    reason: refusalSummary(unplaced.refusals),
    hint: UNPLACED_HINT,
    revision: app.revision,
    image: wantedService(world, unplaced.app, unplaced.service)?.container.image ?? "",
  };
}

const UNPLACED_HINT = "Add a node that fits, or change what the service asks for.";

const partsOf = (id: WorkloadId) => ({ id, ...workloadParts(id) });

const NOTHING_SEEN = {
  health: null,
  good: false,
  forMs: null,
  seenAgoMs: null,
  last: null,
  seenRevision: null,
  containerId: null,
  restarts: 0,
  stop: null,
} as const;

function placedView(world: World, placement: Placement, now: Millis): WorkloadView | null {
  const node = world.nodes.get(placement.node);
  if (node === undefined) return null;
  const seen = world.observations.get(node.id)?.workloads.get(placement.workload) ?? null;
  const common = {
    ...NOTHING_SEEN,
    ...partsOf(placement.workload),
    stop: stopView(world, stopOf(world, placement)),
    node: nodeRef(node),
    revision: placement.revision,
    image: serviceAt(world, placement)?.container.image ?? "",
  };
  const silent = silenceOf(world, node, seen, now);
  if (seen === null) return told({ ...common, ...(silent ?? assigned(world, node, placement)) });
  const ageMs = seen.seenMs === null ? null : Math.max(0, now - seen.seenMs);
  const { status } = seen;
  return told({
    ...common,
    seenAgoMs: ageMs,
    forMs: ageMs === null ? null : status.forMs + ageMs,
    seenRevision: status.specHash === null ? null : status.revision,
    containerId: status.containerId,
    restarts: status.restarts,
    ...(silent ?? saidByNode(node, placement, seen, ageMs ?? 0)),
  });
}

/** A stop is told with who wants it and why, also where it has not been carried out yet. */
function told(view: WorkloadView): WorkloadView {
  if (view.stop === null) return view;
  const { target } = view.stop;
  const want = saidText(target.startsWith("node/") ? "stopped" : `${target} stopped`, view.stop);
  const hint = target.startsWith("node/")
    ? `To let it run here again: skerry uncordon ${target.slice("node/".length)}`
    : `To start it: skerry start ${target}`;
  return view.state === "stopped"
    ? { ...view, reason: want, hint: view.hint ?? hint }
    : { ...view, reason: `to be stopped (${want}); ${view.reason}`, hint: view.hint ?? hint };
}

type Shown = Pick<WorkloadView, "state" | "reason" | "hint"> & Partial<Pick<WorkloadView, "health" | "last" | "forMs">>;

/** null: the node is heard, so its word counts. */
function silenceOf(world: World, node: Node, seen: SeenStatus | null, now: Millis): Shown | null {
  if (isHeard(world, node.id, seen)) return null;
  const { kind, reason, silentForMs } = reachabilityView(world, node.id, now);
  const blind = blindness(world, node.id);
  const last = seen === null ? "nothing was ever said of it" : `it last said: ${seen.status.state.kind}`;
  const why = kind !== "ready" ? reason : (blind?.message ?? doubt(world, node));
  return {
    state: "unknown",
    reason: `node ${node.name}: ${why}; ${last}`,
    hint: kind === "unreachable" ? `Check the power and link of ${node.name}.` : null,
    last: seen?.status.state.kind ?? null,
    forMs: silentForMs,
  };
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

function assigned(world: World, node: Node, placement: Placement): Shown {
  if (node.refusal !== null) {
    return {
      state: "assigned",
      reason: `node ${node.name} refuses its assignment: ${node.refusal.message}`,
      hint: `See: skerry why node/${node.name}`,
    };
  }
  const accepted = node.accepted !== null && node.accepted.generation >= placement.sinceGeneration;
  const reachability = world.reachability.get(node.id);
  const connected = reachability?.kind === "ready" && reachability.connected;
  const reason = accepted ? "taken up by the node" : connected ? "on its way to the node" : "waits for the node's link";
  return { state: "assigned", reason, hint: null };
}

function saidByNode(node: Node, placement: Placement, seen: SeenStatus, ageMs: number): Shown {
  const { status } = seen;
  const { app, service, slot } = placement;
  const look = `See what it said, on ${node.name}: docker logs ${containerName(app, service, slot)}`;
  const shown = stateShown(status.state, ageMs, look);
  const current = status.specHash === placement.specHash;
  if (current) return { ...shown, health: healthOf(status.state) };
  if (status.specHash === null) return shown;
  return {
    ...shown,
    health: healthOf(status.state),
    reason: `revision ${status.revision} is still there (${shown.reason}); revision ${placement.revision} replaces it`,
  };
}

const healthOf = (state: WorkloadState) => (state.kind === "running" ? state.health : null);

const HEALTH = {
  none: "running",
  healthy: "running, healthy",
  starting: "running; its health check has not passed yet",
  unhealthy: "running; its health check fails",
} as const;

/** `look`: how to see the container's output. */
function stateShown(state: WorkloadState, ageMs: number, look: string): Shown {
  switch (state.kind) {
    case "waiting":
      return { state: "waiting", reason: state.reason, hint: null };
    case "pulling":
      return { state: "pulling", reason: pullText(state.doneBytes, state.totalBytes), hint: null };
    case "starting":
      return { state: "starting", reason: "its container is starting", hint: null };
    case "running":
      return {
        state: "running",
        reason: HEALTH[state.health],
        hint: state.health === "unhealthy" ? "The events show what its health check said." : null,
      };
    case "backing-off":
      return backingOff(state, ageMs, look);
    case "completed":
      return { state: "completed", reason: exitInWords(state.exit), hint: null };
    case "failed":
      return {
        state: "failed",
        reason: state.reason,
        hint: "It is not tried again until the file changes: correct it and apply.",
      };
    case "stopped":
      return { state: "stopped", reason: "stopped, as an operator wants", hint: null };
    case "fenced":
      return {
        state: "fenced",
        reason: "stopped by its fence: the node had not heard from the hub",
        hint: null,
      };
    case "stopping":
      return { state: "stopping", reason: "being stopped", hint: null };
    default:
      return assertNever(state);
  }
}

type BackingOff = Extract<WorkloadState, { readonly kind: "backing-off" }>;

/** What failed, where the node's own reason does not say so, and what to do. */
function stepFailed({ during, exit }: BackingOff, look: string): readonly [string, string] {
  switch (during) {
    case "pull":
      return ["", "Check the image's name, and that the node reaches the registry."];
    case "create":
      return ["its container could not be made: ", "Correct what the message names, and apply."];
    case "start":
      return ["its container could not be started: ", "Correct what the message names, and apply."];
    case "run":
      return ["", exit?.oom === true ? MORE_MEMORY : look];
    default:
      return assertNever(during);
  }
}

const MORE_MEMORY = "Give it more with deploy.resources.limits.memory, or make it need less, and apply.";

function backingOff(state: BackingOff, ageMs: number, look: string): Shown {
  const [what, hint] = stepFailed(state, look);
  const left = state.nextTryInMs - ageMs;
  const next = left > 0 ? `in ${durationInWords(left)}` : "now";
  return { state: "backing-off", reason: `${what}${state.reason}; try ${state.attempt} ${next}`, hint };
}

function pullText(doneBytes: number, totalBytes: number): string {
  if (totalBytes <= 0) return "its image is being pulled";
  return `its image is being pulled: ${Math.min(100, Math.floor((100 * doneBytes) / totalBytes))} %`;
}
