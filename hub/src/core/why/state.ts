// What a node says of one workload, in words: every state with its reason, its last probe or health answer, and what to do. Pure.
import { exitInWords } from "@skerry/shared/model/exit-words.ts";
import { imageName } from "@skerry/shared/model/image-name.ts";
import { containerName } from "@skerry/shared/model/names.ts";
import type { ProbeAnswer, Pull, PullFailure, WorkloadState, WorkloadStatus } from "@skerry/shared/model/report.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import { serviceAt, specAt } from "../lookup.ts";
import { credentialFor } from "../registry.ts";
import type { Node, Placement, World } from "../world.ts";
import type { Told } from "./account.ts";
import { shownTarget } from "./wishes.ts";
import { counted, durationInWords, megabytes, megabytesExactly, rateText } from "./words.ts";

export interface Said {
  readonly world: World;
  readonly node: Node;
  readonly placement: Placement;
  readonly status: WorkloadStatus;
  /** Since the node said it. */
  readonly ageMs: number;
}

export function stateTold(said: Said): Told {
  const { state } = said.status;
  switch (state.kind) {
    case "waiting":
      return { state: "waiting", reason: state.reason, ...portTaken(said) };
    case "pulling":
      return {
        state: "pulling",
        reason: pullText(said, { ...state, forMs: said.status.forMs }),
        ...pulledBefore(said),
      };
    case "starting":
      return { state: "starting", reason: "its container is starting", because: probeLines(said.status) };
    case "running":
      return running(said, state.health);
    case "backing-off":
      return backingOff(said, state);
    case "completed":
      return {
        state: "completed",
        reason: exitInWords(state.exit),
        ...(state.exit.code === 0 ? {} : { hint: look(said) }),
      };
    case "failed":
      return {
        state: "failed",
        reason: state.reason,
        notes: endNotes(said.status, state.reason),
        hint: `It is not tried again until the file changes: correct it and apply. To try it as it is: skerry restart ${targetOf(said)}`,
      };
    case "stopped":
      return { state: "stopped", reason: "stopped, as an operator wants" };
    case "fenced":
      return {
        state: "fenced",
        reason: "stopped by its fence: the node had not heard from the hub",
        because: ["its service allows one copy only, so it may not run where the hub cannot see it"],
      };
    case "stopping":
      return { state: "stopping", reason: "being stopped" };
    default:
      return assertNever(state);
  }
}

const HEALTH = {
  none: "running",
  healthy: "running, healthy",
  starting: "running; its health check has not passed yet",
  unhealthy: "running; its health check fails",
} as const;

function running(said: Said, health: keyof typeof HEALTH): Told {
  const { ready } = said.status;
  const failing = said.status.probes.find(({ ok }) => !ok);
  const unready =
    ready === false
      ? `; not ready: ${failing === undefined ? "its probes have not answered yet" : probeText(failing)}`
      : "";
  return {
    state: "running",
    health,
    reason: HEALTH[health] + unready,
    because: probeLines(said.status).filter((line) => !unready.includes(line)),
    notes: endNotes(said.status, ""),
    hint:
      health === "unhealthy"
        ? "The events show what its health check said."
        : ready === false && failing !== undefined
          ? look(said)
          : null,
  };
}

export const probeText = ({ probe, answer, failures }: ProbeAnswer): string =>
  `${probe} probe: ${answer} (${failures} in a row)`;

const probeLines = ({ probes }: WorkloadStatus): readonly string[] => probes.filter(({ ok }) => !ok).map(probeText);

/** "its image is being pulled: 12 MB of 40 MB (30 %), 2 of 5 layers unpacked, 1.2 MB/s, about 23 s left" */
function pullText(said: Said, pull: Pull): string {
  const amounts = pullAmounts(said, pull);
  return `its image is being pulled${amounts === null ? "" : `: ${amounts}`}`;
}

const PULL_FAILED: Readonly<Record<PullFailure, string>> = {
  "not-found": "the registry has no such image",
  unauthorised: "the registry does not give it out",
  "wrong-architecture": "it is not made for this node's processor",
  "too-big": "it does not fit on the disk",
  "disk-full": "the disk was full",
  untrusted: "the registry's certificate is not trusted",
  "too-many-requests": "the registry had too many requests",
  unreachable: "the registry was not reached, or the link broke",
  other: "see the events",
};

function pulledBefore(said: Said): Partial<Told> {
  const { pullFailure } = said.status;
  if (pullFailure === null) return {};
  return { because: [`the last try failed: ${PULL_FAILED[pullFailure]}`], hint: pullHint(said, pullFailure) };
}

/** How far a pull had come when the node said so, and how fast until then. null: nothing is known of it yet. */
export function pullAmounts({ node, ageMs }: Pick<Said, "node" | "ageMs">, pull: Pull): string | null {
  const { doneBytes, totalBytes, doneLayers, totalLayers } = pull;
  const layers = totalLayers === 0 ? [] : [`${doneLayers} of ${counted(totalLayers, "layer")} unpacked`];
  if (totalBytes === 0) return layers[0] ?? null;
  // Of layers that wait for their turn no engine tells the bytes, so that this need not be all.
  if (doneBytes >= totalBytes) return [`${megabytesExactly(doneBytes)} are here`, ...layers].join(", ");
  const percent = Math.floor((100 * doneBytes) / totalBytes);
  const bytes = `${megabytesExactly(doneBytes)} of ${megabytesExactly(totalBytes)} (${percent} %)`;
  return [bytes, ...layers, ...paceTexts(pull, ageMs, node.facts?.metered === true)].join(", ");
}

function paceTexts({ doneBytes, totalBytes, forMs }: Pull, ageMs: number, metered: boolean): readonly string[] {
  const silentMs = forMs + ageMs;
  // The first byte is told at the next report: until then nobody knows.
  if (doneBytes === 0)
    return silentMs > STALLED_MS + (metered ? REPORTED_METERED_MS : 0)
      ? [`nothing came for ${durationInWords(silentMs)}`]
      : [];
  if (forMs === 0) return [];
  const perMs = doneBytes / forMs;
  const leftMs = (totalBytes - doneBytes) / perMs - ageMs;
  const left = leftMs > 0 ? [`about ${durationInWords(leftMs)} left`] : [];
  return [rateText(1_000 * perMs), ...left];
}
/** Before this a registry is merely slow to begin; longer than progress waits for its report. */
const STALLED_MS = 30_000;
/** As rarely does a metered node tell progress. */
const REPORTED_METERED_MS = 300_000;

/** Whose the port is, from the node's own list: the name that `docker ps` there shows. */
function portTaken({ world, node, placement }: Said): Partial<Told> {
  const wanted = serviceAt(world, placement)?.container.ports ?? [];
  const holder = world.observations
    .get(node.id)
    ?.ports.find(
      (used) =>
        !used.managed && wanted.some(({ hostPort, protocol }) => hostPort === used.port && protocol === used.protocol),
    );
  if (holder === undefined) return {};
  const { container, port, protocol } = holder;
  const who =
    container === "" ? "a program that is no container" : `container ${container}, which Skerry did not make,`;
  return {
    because: [`${who} holds port ${port}/${protocol} on ${node.name}`],
    hint:
      container === ""
        ? `On ${node.name}: ss -lptn 'sport = :${port}'`
        : `On ${node.name}: docker stop ${container}; or publish another port.`,
  };
}

type BackingOff = Extract<WorkloadState, { readonly kind: "backing-off" }>;

function backingOff(said: Said, state: BackingOff): Told {
  const [what, hint] = stepFailed(said, state);
  const left = state.nextTryInMs - said.ageMs;
  const next = left > 0 ? `in ${durationInWords(left)}` : "now";
  return {
    state: "backing-off",
    reason: `${what}${state.reason}; try ${state.attempt} ${next}`,
    because: probeLines(said.status),
    notes: endNotes(said.status, state.reason),
    hint,
  };
}

/** What failed, where the node's own reason does not say so, and what to do. */
function stepFailed(said: Said, { during, exit }: BackingOff): readonly [string, string] {
  switch (during) {
    case "pull":
      return ["", pullHint(said, said.status.pullFailure ?? "other")];
    case "create":
      return ["its container could not be made: ", "Correct what the message names, and apply."];
    case "start":
      return ["its container could not be started: ", "Correct what the message names, and apply."];
    case "run":
      return ["", exit?.oom === true ? memoryHint(said) : look(said)];
    default:
      return assertNever(during);
  }
}

/** One that is not for this app is as one that is not there. */
function credentialHint({ world, placement }: Pick<Said, "world" | "placement">): string {
  const app = world.apps.get(placement.app);
  const spec = app === undefined ? null : specAt(app, placement.revision);
  const image = serviceAt(world, placement)?.container.image ?? "";
  const registry = imageName(image)?.registry ?? "REGISTRY";
  const has = spec !== null && credentialFor(world, spec, image) !== null;
  return has
    ? `Check the image's name. If the password was changed or has ended, set the new one: skerry registry login ${registry} --user USER`
    : `Check the image's name. If it is private, give the app a credential: skerry registry login ${registry} --user USER --app ${placement.app}`;
}

/** What to do about an image that does not come. */
export function pullHint(said: Pick<Said, "world" | "node" | "placement">, failure: PullFailure): string {
  const { node } = said;
  switch (failure) {
    case "not-found":
      return "Correct the image's name or tag in the file and apply, or push it.";
    case "unauthorised":
      return credentialHint(said);
    case "wrong-architecture":
      return `Push the image for ${node.facts?.arch ?? "this node's processor"}, or keep it off ${node.name} with a constraint on node.arch.`;
    case "too-big":
    case "disk-full":
      return `Free some space on ${node.name} (docker system df shows what takes it), or use a smaller image.`;
    case "untrusted":
      return `Check the clock of ${node.name}, and that it trusts the registry's certificate.`;
    case "too-many-requests":
      return "It is tried again by itself. A registry of your own, or a login, has no such limit.";
    case "unreachable":
      return `Check that ${node.name} reaches the registry; it is tried again by itself.`;
    case "other":
      return `Check the image's name, and that ${node.name} reaches the registry.`;
    default:
      return assertNever(failure);
  }
}

function memoryHint({ world, placement }: Said): string {
  const limit = serviceAt(world, placement)?.container.memoryBytes ?? null;
  const more = limit === null ? "Give it more" : `Give it more than ${megabytes(limit)}`;
  return `${more} with deploy.resources.limits.memory, or make it need less, and apply.`;
}

/** As commands take it. */
const targetOf = ({ world, placement }: Said): string => shownTarget(world, placement.workload);

/** How to see what the container wrote. */
function look(said: Said): string {
  const { node, placement } = said;
  const { app, service, slot } = placement;
  return `See what it said: skerry logs ${targetOf(said)} (on ${node.name}: docker logs ${containerName(app, service, slot)}).`;
}

/** So many ends are no accident. */
const CRASH_LOOP = 3;

/** How the last run ended, unless the reason says so already; and that it is a loop. */
export function endNotes({ lastEnd, restarts, state }: WorkloadStatus, reason: string): readonly string[] {
  const times = restarts === 1 ? "once" : `${restarts} times`;
  const again =
    restarts === 0
      ? []
      : restarts >= CRASH_LOOP && state.kind === "backing-off"
        ? [`a crash loop: it has ended and was started again ${times}`]
        : [`restarted ${times}`];
  if (lastEnd === null) return again;
  const took = durationInWords(lastEnd.exit.ranMs);
  const end = reason.includes(lastEnd.words)
    ? `its last run took ${took}`
    : `its last run: ${lastEnd.words} after ${took}`;
  return [...again, end];
}
