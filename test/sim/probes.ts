// Probes of simulated services, and what a simulated container answers to them: at once, late, wrongly or never. Commands go through the
// real code and the simulated engine; for HTTP and TCP there is no network here, so the container's own state is the answer.
import type { Answer } from "@skerry/agent/core/probe.ts";
import type { Engine } from "@skerry/agent/engine/engine.ts";
import { asksThrough } from "@skerry/agent/prober/ask.ts";
import type { Ask } from "@skerry/agent/prober/prober.ts";
import type { Probe, ProbeCheck, Probes } from "@skerry/shared/model/update.ts";
import type { Chance } from "./chance.ts";
import { PROBE_COMMAND } from "./engine/life.ts";
import type { Machine } from "./engine/machine.ts";
import type { Process } from "./host.ts";

/** At least one of the three. */
export function drawProbes(chance: Chance): Probes {
  const drawn = {
    startup: chance.yes(0.3) ? drawProbe(chance, 12, 0) : null,
    readiness: chance.yes(0.6) ? drawProbe(chance, 1, 0) : null,
    // What takes its time to start is not to be given up meanwhile.
    liveness: chance.yes(0.4) ? drawProbe(chance, 3, LONGEST_START_MS) : null,
  };
  const none = drawn.startup === null && drawn.readiness === null && drawn.liveness === null;
  return none ? { ...drawn, readiness: drawProbe(chance, 1, 0) } : drawn;
}

/** See `drawLife`. */
const LONGEST_START_MS = 8_000;

function drawProbe(chance: Chance, failures: number, initialDelayMs: number): Probe {
  const checks: readonly ProbeCheck[] = [
    { kind: "http", port: 80, path: "/healthz", status: [{ from: 200, to: 399 }], headers: {} },
    { kind: "tcp", port: 80 },
    { kind: "exec", command: [PROBE_COMMAND] },
  ];
  return {
    check: chance.pick(checks),
    initialDelayMs,
    intervalMs: chance.pick([2_000, 5_000]),
    timeoutMs: 1_000,
    failureThreshold: failures + chance.int(0, 2),
    successThreshold: chance.int(1, 2),
  };
}

export interface ProbedMachine {
  readonly chance: Chance;
  readonly machine: Machine;
  readonly rough: () => boolean;
}

const LATE_GAP_MS = 20_000;

/** `process`: the agent that asks. What it asked dies with it. */
export function asksMachine({ chance, machine, rough }: ProbedMachine, process: Process, engine: Engine): Ask {
  const command = asksThrough(engine);
  let lastLateMs = Number.NEGATIVE_INFINITY;
  return (target, probe, signal) => {
    if (probe.check.kind === "exec") return command(target, probe, signal);
    return new Promise((resolve) => {
      signal.addEventListener("abort", () => resolve(null));
      const answer = (): void => {
        const said = answerOf(machine, target.containerId, chance);
        if (said !== "none") resolve(said);
      };
      // Now and then, in rough times, an answer comes later than anybody waits; never so often that a threshold is reached.
      const now = process.clock.monotonicMs();
      const late = chance.yes(rough() ? 0.03 : 0) && now > lastLateMs + LATE_GAP_MS;
      if (late) lastLateMs = now;
      process.clock.setTimer(late ? chance.between(500, 3_000) : chance.between(1, 40), answer);
    });
  };
}

/** "none": it took the connection and says nothing. */
function answerOf(machine: Machine, id: string, chance: Chance): Answer | "none" {
  const container = machine.find(id);
  if (container !== null && machine.serves(container)) return { ok: true, what: "HTTP 200", detail: "" };
  const refused = { ok: false, what: "connection refused", detail: "" };
  if (container?.status !== "running") return refused;
  return chance.pick([refused, { ok: false, what: "HTTP 503", detail: "" }, "none"] as const);
}
