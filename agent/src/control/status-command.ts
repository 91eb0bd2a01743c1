// `skerry agent status`: asks the agent on this machine and says in plain words what it runs, why, since when the hub is silent, and what
// comes next. Works without a hub; --json gives the agent's own answer.

import { createConnection } from "node:net";
import { exitInWords } from "@skerry/shared/model/exit-words.ts";
import { workloadParts } from "@skerry/shared/model/names.ts";
import type { Pull, WorkloadState, WorkloadStatus } from "@skerry/shared/model/report.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { EndedRun } from "../core/memory.ts";
import type { ControlAnswer } from "./answer.ts";
import { controlSocket } from "./server.ts";

/** The agent answers within milliseconds unless it hangs. */
const ANSWER_DEADLINE_MS = 5_000;
const NAME_WIDTH = 28;
const INDENT = "    ";
/** Of the last lines of a run; --json gives all that are kept. */
const SHOWN_LINES = 10;

export interface Terminal {
  out(text: string): void;
  error(text: string): void;
  wallMs(): number;
}

/** The exit code. */
export async function statusCommand(dataDir: string, json: boolean, terminal: Terminal): Promise<number> {
  let text: string;
  try {
    text = await ask(controlSocket(dataDir));
  } catch (error) {
    terminal.error(`skerry agent status: ${askFailure(dataDir, error)}\n`);
    return 1;
  }
  if (json) terminal.out(text);
  // The agent beside us wrote this: the same program, on the same machine.
  else terminal.out(statusText(JSON.parse(text) as ControlAnswer, terminal.wallMs()));
  return 0;
}

/** Its whole answer. */
export function ask(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    let text = "";
    socket.setEncoding("utf8");
    socket.setTimeout(ANSWER_DEADLINE_MS, () => socket.destroy(new Error("it does not answer")));
    socket.on("data", (part) => {
      text += String(part);
    });
    socket.once("error", reject);
    socket.once("end", () => {
      if (text === "") reject(new Error("it closed the connection"));
      else resolve(text);
    });
  });
}

export function askFailure(dataDir: string, error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ENOENT") {
    return `no agent runs with the data folder ${dataDir}; start it with "skerry agent", or name its folder with --data`;
  }
  if (code === "ECONNREFUSED")
    return `the agent of ${dataDir} is not running; containers run on without it, and it should be started`;
  if (code === "EACCES") return `permission denied on ${dataDir}: ask as root`;
  return `the agent of ${dataDir} does not answer (${error instanceof Error ? error.message : String(error)})`;
}

/** For a person; 80 columns where the words allow it. */
export function statusText(status: ControlAnswer, nowWallMs: number): string {
  if (status.state === "joining") return joiningText(status);
  const lines = [
    `node      ${status.name} (${status.node}), agent ${status.version}, up ${duration(status.startedForMs)}`,
    `hub       ${status.hubUrl}: ${linkText(status)}`,
    ...heardText(status, nowWallMs),
    `engine    ${status.engine.message}`,
    `assigned  ${ledgerText(status)}`,
    ...status.conditions.map(({ kind, message }) => `problem   ${kind}: ${message}`),
    "",
    ...workloadLines(status),
  ];
  return `${lines.join("\n")}\n`;
}

function joiningText(status: Extract<ControlAnswer, { state: "joining" }>): string {
  const waiting = status.waitingFor === null ? "asking now" : status.waitingFor;
  const next = status.nextTryInMs === null ? "" : `\nnext try  in ${duration(status.nextTryInMs)}`;
  return `This machine has not joined ${status.hubUrl} yet, agent ${status.version}.\nhub       ${waiting}${next}\n`;
}

type Joined = Extract<ControlAnswer, { state: "joined" }>;

function linkText({ link }: Joined): string {
  switch (link.kind) {
    case "stopped":
      return "the agent is stopping";
    case "connected":
      return `connected for ${duration(link.forMs)}, a beat every ${duration(link.heartbeatMs)}`;
    case "connecting":
      return link.lastFailure === null ? "connecting" : `connecting; before that ${link.lastFailure.message}`;
    case "waiting":
      return `${link.failure.message}; try ${link.attempt + 1} in ${duration(link.nextTryInMs)}`;
  }
}

function heardText({ link, hubSilentForMs, lastHubContactWallMs }: Joined, nowWallMs: number): readonly string[] {
  if (link.kind === "connected") return [];
  if (hubSilentForMs !== null) return [`          not heard from for ${duration(hubSilentForMs)}`];
  if (lastHubContactWallMs === null) return ["          never heard from"];
  const at = new Date(lastHubContactWallMs).toISOString().slice(0, 19).replace("T", " ");
  // The clock may have been wrong then or now: the age is said only where it can be true.
  const ago =
    nowWallMs > lastHubContactWallMs ? ` (${duration(nowWallMs - lastHubContactWallMs)} ago by this clock)` : "";
  return [`          last heard from ${at} UTC${ago}, before this start`];
}

function ledgerText({ ledger }: Joined): string {
  const held =
    ledger.position === null
      ? "nothing yet: the hub has not given this node anything to run"
      : `generation ${ledger.position.generation} of epoch ${ledger.position.epoch}`;
  const outbox = ledger.outbox === 0 ? "" : `; ${ledger.outbox} events wait for the hub`;
  return `${held}${outbox}${ledger.lost === null ? "" : `; ${ledger.lost}`}`;
}

function workloadLines({ workloads, ended }: Joined): readonly string[] {
  if (workloads.length === 0) return ["No workloads."];
  const runs = new Map(ended.map((one) => [one.id, one.runs]));
  return workloads.flatMap((status) => {
    const { app, service, slot } = workloadParts(status.id);
    const name = slot.startsWith("n") ? `${app}/${service}` : `${app}/${service}/${slot}`;
    const restarts = status.restarts === 0 ? "" : `, ${status.restarts} restarts`;
    const line = `${name.padEnd(NAME_WIDTH)}  ${stateText(status.state, duration(status.forMs))}${readyText(status)}${restarts}`;
    return [line, ...changeLines(status), ...endLines(status, runs.get(status.id) ?? [])];
  });
}

function readyText({ ready, state, probes }: WorkloadStatus): string {
  if (ready === null || state.kind !== "running") return "";
  const failing = probes.find(({ ok }) => !ok);
  if (ready) return ", ready";
  return failing === undefined ? ", not ready yet" : `, not ready: ${failing.probe} probe: ${failing.answer}`;
}

/** How far a change to another revision has come, and who holds it. */
function changeLines({ gate, hold, pull }: WorkloadStatus): readonly string[] {
  const held =
    hold === null ? [] : [`${INDENT}held by ${hold.owner} for ${duration(hold.leftMs)} more: ${hold.reason}`];
  switch (gate.kind) {
    case "none":
    case "passed":
      return held;
    case "open":
      return [`${INDENT}its newest revision: ${gate.reason}${pull === null ? "" : pulledText(pull)}`, ...held];
    case "failed": {
      const now = gate.reverted ? "; the one before runs again" : "";
      return [`${INDENT}its newest revision failed here: ${gate.reason}${now}`, ...held];
    }
    default:
      return assertNever(gate);
  }
}

/** How the last runs ended, and what the newest wrote at its end. */
function endLines({ lastEnd }: WorkloadStatus, runs: readonly EndedRun[]): readonly string[] {
  if (lastEnd === null) return [];
  const ago = lastEnd.agoMs === null ? "before the last boot" : `${duration(lastEnd.agoMs)} ago`;
  const [newest, ...older] = runs;
  return [
    `${INDENT}last run: ${lastEnd.words} after ${duration(lastEnd.exit.ranMs)}, ${ago}`,
    ...older.map(({ words, exit }) => `${INDENT}before that: ${words} after ${duration(exit.ranMs)}`),
    ...(newest?.tail ?? []).slice(-SHOWN_LINES).map((line) => `${INDENT}| ${line}`),
  ];
}

function stateText(state: WorkloadState, forTime: string): string {
  switch (state.kind) {
    case "waiting":
      return `waiting: ${state.reason}`;
    case "pulling":
      return `pulling its image${pulledText(state)}`;
    case "starting":
      return `starting for ${forTime}`;
    case "running":
      return `running for ${forTime}${state.health === "none" ? "" : `, ${state.health}`}`;
    case "backing-off":
      return `${state.reason}; try ${state.attempt} in ${duration(state.nextTryInMs)}`;
    case "completed":
      return `completed: ${exitInWords(state.exit)}`;
    case "failed":
      return `given up: ${state.reason}`;
    case "stopped":
      return "stopped, as an operator wants";
    case "fenced":
      return "stopped by its fence until the hub is heard again";
    case "stopping":
      return "stopping";
  }
}

/** ", 12 of 40 MB (30 %), 2 of 5 layers unpacked" */
function pulledText({ doneBytes, totalBytes, doneLayers, totalLayers }: Omit<Pull, "forMs">): string {
  const percent = Math.floor((100 * doneBytes) / totalBytes);
  const bytes = totalBytes === 0 ? "" : `, ${inMegabytes(doneBytes)} of ${inMegabytes(totalBytes)} MB (${percent} %)`;
  return totalLayers === 0 ? bytes : `${bytes}, ${doneLayers} of ${totalLayers} layers unpacked`;
}

const inMegabytes = (bytes: number): string => (bytes / 1_048_576).toFixed(bytes < 10_485_760 ? 1 : 0);

/** The two largest units: "3 d 4 h", "5 min", "12 s", "1.5 s". */
export function duration(ms: number): string {
  if (ms < 10_000) return `${Math.round(ms / 100) / 10} s`;
  const seconds = Math.round(ms / 1_000);
  const units: readonly (readonly [number, string])[] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3_600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ];
  const first = units.findIndex(([count]) => count > 0);
  return units
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(" ");
}
