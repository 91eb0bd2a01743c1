// What a node says of one workload, in words: every state with its reason, its last probe or health answer, and what to do. Pure.
import { exitInWords } from "@skerry/shared/model/exit-words.ts";
import { containerName } from "@skerry/shared/model/names.ts";
import type { ProbeAnswer, WorkloadState, WorkloadStatus } from "@skerry/shared/model/report.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import { serviceAt } from "../lookup.ts";
import type { Node, Placement, World } from "../world.ts";
import type { Told } from "./account.ts";
import { durationInWords, megabytes, megabytesExactly } from "./words.ts";

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
      return { state: "pulling", reason: pullText(said, state) };
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
        hint: "It is not tried again until the file changes: correct it and apply, or skerry restart.",
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

/** "12 of 40 MB (30 %), 1.2 MB/s, about 23 s left" */
function pullText(
  { status, ageMs }: Said,
  { doneBytes, totalBytes }: Extract<WorkloadState, { kind: "pulling" }>,
): string {
  if (totalBytes <= 0) return "its image is being pulled";
  const percent = Math.min(100, Math.floor((100 * doneBytes) / totalBytes));
  const amounts = `${megabytesExactly(doneBytes)} of ${megabytesExactly(totalBytes)} (${percent} %)`;
  const seconds = (status.forMs + ageMs) / 1_000;
  if (doneBytes === 0 && seconds > STALLED_S)
    return `its image is being pulled: ${amounts}; nothing came for ${durationInWords(seconds * 1_000)}`;
  if (doneBytes === 0 || seconds <= 0) return `its image is being pulled: ${amounts}`;
  const rate = doneBytes / seconds;
  const left = Math.max(0, totalBytes - doneBytes) / rate;
  return `its image is being pulled: ${amounts}, ${megabytesExactly(rate)}/s, about ${durationInWords(left * 1_000)} left`;
}
/** Before this a registry is merely slow to begin. */
const STALLED_S = 30;

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
function stepFailed(said: Said, { during, exit, reason }: BackingOff): readonly [string, string] {
  switch (during) {
    case "pull":
      return ["", pullHint(said, reason)];
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

/** By the words that agents and registries use; what is not known gets the general advice. */
const PULL_HINTS: readonly (readonly [RegExp, (said: Said) => string])[] = [
  [
    /too big|does not fit|no space left|disk is full/i,
    ({ node }) => `Free some space on ${node.name} (docker system df shows what takes it), or use a smaller image.`,
  ],
  [
    /not made for|no matching manifest|another processor/i,
    ({ node }) =>
      `Push the image for ${node.facts?.arch ?? "this node's processor"}, or keep it off ${node.name} with a constraint on node.arch.`,
  ],
  [
    /login|unauthori[sz]ed|denied|authentication/i,
    ({ node }) => `Check the image's name; if it is private, log in on ${node.name}: docker login.`,
  ],
  [
    /no such image|not found|manifest unknown/i,
    () => "Correct the image's name or tag in the file and apply, or push it.",
  ],
  [
    /cannot find|does not reach|no such host|refused|timeout|unreachable|certificate/i,
    ({ node }) => `Check that ${node.name} reaches the registry; it is tried again by itself.`,
  ],
];

function pullHint(said: Said, reason: string): string {
  const known = PULL_HINTS.find(([pattern]) => pattern.test(reason));
  return known === undefined ? "Check the image's name, and that the node reaches the registry." : known[1](said);
}

function memoryHint({ world, placement }: Said): string {
  const limit = serviceAt(world, placement)?.container.memoryBytes ?? null;
  const more = limit === null ? "Give it more" : `Give it more than ${megabytes(limit)}`;
  return `${more} with deploy.resources.limits.memory, or make it need less, and apply.`;
}

/** How to see what the container wrote. */
const look = ({ node, placement: { app, service, slot } }: Said): string =>
  `See what it said: skerry logs ${app}/${service}/${slot.startsWith("n") ? node.name : slot} (on ${node.name}: docker logs ${containerName(app, service, slot)}).`;

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
