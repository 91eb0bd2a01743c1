// `x-skerry.probes`: how the agent itself asks a workload for its health, beside the engine's own check.
// It must never let through a probe that no node could carry out, or that would cost a small machine its rest.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import type { ContainerSpec } from "@skerry/shared/model/container.ts";
import type { Probe, ProbeCheck } from "@skerry/shared/model/update.ts";
import { type Fields, type MapSpot, oursOf, type Spot } from "./fields.ts";

/** Kubernetes' figures: people know them. */
const INTERVAL_MS = 10_000;
const TIMEOUT_MS = 1_000;
const FAILURES = 3;
const SUCCESSES = 1;
/** A node starts a hundred probes a second at most, for all of its workloads. */
const LEAST_INTERVAL_MS = 1_000;
const LEAST_TIMEOUT_MS = 10;
/** Probes more seldom than hourly say nothing of now. */
const MAX_TIME_MS = 3_600_000;
const MAX_THRESHOLD = 1_000;
/** As the model bounds the list. */
const MAX_STATUS = 32;
const KINDS = ["http", "tcp", "exec"] as const;
const MAX_PORT = 65_535;

export function compileProbes(
  service: MapSpot,
  networkMode: ContainerSpec["networkMode"],
  fields: Fields,
): ServiceSpec["probes"] {
  const map = oursOf(service, "probes", fields);
  if (map === null) return null;
  const probe = (key: string): Probe | null => {
    const one = fields.map(map, key);
    return one === null ? null : compileProbe(one, key, networkMode, fields);
  };
  const probes = { startup: probe("startup"), readiness: probe("readiness"), liveness: probe("liveness") };
  return probes.startup === null && probes.readiness === null && probes.liveness === null ? null : probes;
}

function compileProbe(
  map: MapSpot,
  name: string,
  networkMode: ContainerSpec["networkMode"],
  fields: Fields,
): Probe | null {
  const check = compileCheck(map, name, fields);
  if (check !== null && check.kind !== "exec" && networkMode === "none") {
    const message = `With \`network_mode: none\` nobody can reach a ${check.kind} probe's port.`;
    fields.fault(map, "conflict", message, "Use `exec`.");
  }
  const time = (key: string, least: number): number | null => fields.durationWithin(map, key, least, MAX_TIME_MS);
  const successThreshold = fields.integer(map, "success_threshold", 1, MAX_THRESHOLD) ?? SUCCESSES;
  if (successThreshold > 1 && name !== "readiness") {
    const message = `\`success_threshold\` above 1 is for readiness: one success is enough for ${name}.`;
    fields.fault(fields.at(map, "success_threshold") ?? map, "conflict", message, "Remove it.");
  }
  const rest = {
    initialDelayMs: time("initial_delay", 0) ?? 0,
    intervalMs: time("interval", LEAST_INTERVAL_MS) ?? INTERVAL_MS,
    timeoutMs: time("timeout", LEAST_TIMEOUT_MS) ?? TIMEOUT_MS,
    failureThreshold: fields.integer(map, "failure_threshold", 1, MAX_THRESHOLD) ?? FAILURES,
    successThreshold,
  };
  return check === null ? null : { check, ...rest };
}

function compileCheck(map: MapSpot, name: string, fields: Fields): ProbeCheck | null {
  const said = KINDS.filter((kind) => fields.at(map, kind) !== null);
  const [kind, other] = said;
  const hint = 'Write `http: { port: 8080, path: /healthz }`, `tcp: 5432`, or `exec: ["cat", "/tmp/ok"]`.';
  if (kind === undefined) return fields.fault(map, "key-missing", `\`${name}\` needs http, tcp or exec.`, hint);
  if (other !== undefined) {
    const at = fields.at(map, other) ?? map;
    return fields.fault(
      at,
      "conflict",
      `\`${name}\` has both \`${kind}\` and \`${other}\`; a probe does one thing.`,
      hint,
    );
  }
  if (kind === "http") return compileHttp(map, fields);
  if (kind === "exec") return compileExec(map, fields);
  const port = fields.integer(map, "tcp", 1, MAX_PORT);
  return port === null ? null : { kind: "tcp", port };
}

function compileHttp(probe: MapSpot, fields: Fields): ProbeCheck | null {
  const map = fields.map(probe, "http");
  if (map === null) return null;
  const port = fields.integer(map, "port", 1, MAX_PORT);
  if (port === null && fields.at(map, "port") === null) {
    fields.fault(map, "key-missing", "`http` needs `port`: the port in the container.", "Write `port: 8080`.");
  }
  const path = fields.text(map, "path") ?? "/";
  if (!/^\/[\x21-\x7e]*$/.test(path)) {
    const message = "`path` needs a path that begins with a slash and has no spaces, such as /healthz.";
    fields.fault(fields.at(map, "path") ?? map, "value-invalid", message);
  }
  const headers = compileHeaders(map, fields);
  const status = compileStatus(map, fields);
  return port === null ? null : { kind: "http", port, path, status, headers };
}

function compileHeaders(map: MapSpot, fields: Fields): Record<string, string> {
  for (const { key, value, at } of fields.pairs(map, "headers")) {
    // What a node's HTTP client would refuse at each probe is refused here, once.
    const fits = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(key) && /^[\t\x20-\x7e]*$/.test(value ?? "");
    if (!fits) fields.fault(at, "value-invalid", "This is not an HTTP header.", "Write NAME: VALUE, in plain ASCII.");
  }
  return fields.record(map, "headers");
}

type Status = Extract<ProbeCheck, { kind: "http" }>["status"];
/** Kubernetes' habit: whatever is not an error. */
const ANY_GOOD: Status = [{ from: 200, to: 399 }];

function compileStatus(map: MapSpot, fields: Fields): Status {
  const at = fields.at(map, "status");
  if (at === null) return ANY_GOOD;
  const items = at.tree.kind === "list" ? fields.items(map, "status") : [at];
  const ranges = items.map((item) => compileRange(item, fields)).filter((range) => range !== null);
  if (items.length === 0 || items.length > MAX_STATUS) {
    fields.fault(
      at,
      "value-invalid",
      `\`status\` needs from 1 to ${MAX_STATUS} numbers or ranges.`,
      'Write "200-299".',
    );
  }
  return ranges;
}

function compileRange(item: Spot, fields: Fields): Status[number] | null {
  const text = fields.asText(item);
  if (text === null) return null;
  const found = /^([1-5]\d\d)(?:\s*-\s*([1-5]\d\d))?$/.exec(text);
  const from = Number(found?.[1]);
  const to = Number(found?.[2] ?? found?.[1]);
  if (found !== null && from <= to) return { from, to };
  return fields.fault(item, "value-invalid", "`status` needs a number such as 200, or a range such as 200-399.");
}

function compileExec(map: MapSpot, fields: Fields): ProbeCheck | null {
  const at = fields.at(map, "exec");
  if (at === null) return null;
  if (at.tree.kind === "list") {
    const command = fields.texts(map, "exec");
    if (command.length > 0) return { kind: "exec", command };
    return fields.fault(at, "value-invalid", "`exec` has no command.", 'Write ["cat", "/tmp/ok"].');
  }
  const line = fields.asText(at);
  // As a health check's plain text: a line for the container's own shell.
  return line === null ? null : { kind: "exec", command: ["/bin/sh", "-c", line] };
}
