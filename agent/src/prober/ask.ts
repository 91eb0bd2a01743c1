// Ask: one question to one container, without a process of the agent's own: an HTTP request or a connection to its own address on this
// node, or a command through the engine. Where its address cannot be reached from here, through the port that it publishes.
// Loaded when the first probe runs, so that a node without probes does not hold it in memory.
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import type { Probe, ProbeCheck } from "@skerry/shared/model/update.ts";
import { type Answer, unanswered } from "../core/probe.ts";
import { oneLine } from "../engine/docker-errors.ts";
import { type Engine, EngineError } from "../engine/engine.ts";
import type { Ask, ProbeTarget } from "./prober.ts";

/** Of what a command wrote, or a server said: enough to see what it complains of. */
const MAX_DETAIL = 200;
const LOOPBACK = "127.0.0.1";
/** There is no way to that address from here, whatever listens there: the next place is tried. */
const NO_WAY = new Set(["EHOSTUNREACH", "ENETUNREACH", "EHOSTDOWN", "EADDRNOTAVAIL"]);
const NO_CONNECTION: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection broken off",
  EPIPE: "connection broken off",
  HPE_INVALID_CONSTANT: "what answers does not speak HTTP",
};

interface Place {
  readonly host: string;
  readonly port: number;
}

export function asksThrough(engine: Pick<Engine, "exec">): Ask {
  return async (target, probe, signal) => {
    const { check } = probe;
    if (check.kind === "exec") return await execAnswer(engine, target, check, probe, signal);
    const places = placesOf(target, check.port);
    for (const [at, place] of places.entries()) {
      const answer = await (check.kind === "http" ? httpAnswer(place, check, signal) : tcpAnswer(place, signal));
      if (answer === null) return unanswered(probe);
      if (answer !== "no way" || at === places.length - 1) return answer === "no way" ? noWay(check.port) : answer;
    }
    return noWay(check.port);
  };
}

function noWay(port: number): Answer {
  const what = `no way from the node to port ${port} of the container: publish it, or put the service on a bridge network`;
  return { ok: false, what, detail: "" };
}

/** Where its port is to be found from this node, the best first. */
export function placesOf({ workload: { spec }, addresses }: ProbeTarget, port: number): readonly Place[] {
  if (spec.networkMode === "host") return [{ host: LOOPBACK, port }];
  const published = spec.ports.filter((one) => one.containerPort === port && one.protocol === "tcp");
  return [
    ...addresses.map((host) => ({ host, port })),
    ...published.flatMap(({ hostIp, hostPort }) =>
      hostPort === null ? [] : [{ host: isAny(hostIp) ? LOOPBACK : hostIp, port: hostPort }],
    ),
  ];
}

const isAny = (hostIp: string): boolean => hostIp === "" || hostIp === "0.0.0.0" || hostIp === "::";

async function execAnswer(
  engine: Pick<Engine, "exec">,
  { containerId }: ProbeTarget,
  { command }: Extract<ProbeCheck, { kind: "exec" }>,
  probe: Probe,
  signal: AbortSignal,
): Promise<Answer | null> {
  try {
    const { exitCode, output } = await engine.exec(containerId, command, signal);
    if (exitCode === null) return unanswered(probe);
    return { ok: exitCode === 0, what: `exit ${exitCode}`, detail: output.trim() === "" ? "" : detailOf(output) };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    // The engine is away or hangs, or the container is just ending: that says nothing of its health.
    if (error.kind !== "invalid" && error.kind !== "retry") return null;
    return signal.aborted ? null : { ok: false, what: "its command cannot be run", detail: detailOf(error.message) };
  }
}

type HttpCheck = Extract<ProbeCheck, { kind: "http" }>;

function httpAnswer(place: Place, check: HttpCheck, signal: AbortSignal): Promise<Answer | null | "no way"> {
  return new Promise((resolve) => {
    const headers = { "user-agent": "skerry-probe", connection: "close", ...check.headers };
    try {
      const call = request({ ...place, path: check.path, headers, signal, agent: false }, (response) => {
        const code = response.statusCode ?? 0;
        const ok = check.status.some(({ from, to }) => code >= from && code <= to);
        // Only the head counts; what follows may be endless.
        response.destroy();
        resolve({ ok, what: `HTTP ${code}`, detail: "" });
      });
      call.on("error", (error) => resolve(failed(error, signal)));
      call.end();
    } catch (error) {
      // A path or header that HTTP does not allow is found out here.
      if (!(error instanceof TypeError)) throw error;
      resolve({ ok: false, what: "its request cannot be made", detail: detailOf(error.message) });
    }
  });
}

function tcpAnswer(place: Place, signal: AbortSignal): Promise<Answer | null | "no way"> {
  return new Promise((resolve) => {
    const socket: Socket = connect({ ...place, signal });
    socket.once("connect", () => {
      socket.destroy();
      resolve({ ok: true, what: "connected", detail: "" });
    });
    socket.on("error", (error) => resolve(failed(error, signal)));
  });
}

function failed(error: Error, signal: AbortSignal): Answer | null | "no way" {
  if (signal.aborted) return null;
  const code = "code" in error ? String(error.code) : "";
  if (NO_WAY.has(code)) return "no way";
  const known = NO_CONNECTION[code];
  return { ok: false, what: known ?? "no connection", detail: known === undefined ? detailOf(error.message) : "" };
}

function detailOf(text: string): string {
  const line = oneLine(text);
  return line.length <= MAX_DETAIL ? line : `${line.slice(0, MAX_DETAIL)}…`;
}
