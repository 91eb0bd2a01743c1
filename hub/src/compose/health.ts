// `healthcheck` and `logging`. It must never leave a container's logs without a bound.
import { type ContainerSpec, defaultContainerSpec, type Healthcheck } from "@skerry/shared/model/container.ts";
import { type Fields, type MapSpot, sortedRecord } from "./fields.ts";
import { placeOf } from "./tree.ts";

export function compileHealthcheck(service: MapSpot, fields: Fields): Healthcheck | null {
  const map = fields.map(service, "healthcheck");
  if (map === null) return null;
  const isDisabled = fields.boolean(map, "disable") ?? false;
  const test = compileTest(map, fields);
  if (isDisabled && test !== null && test[0] !== "NONE") {
    fields.fault(map, "conflict", "`disable: true` and a `test` exclude each other.", "Keep one of them.");
  }
  return {
    test: isDisabled ? ["NONE"] : test,
    intervalMs: interval(map, "interval", fields),
    timeoutMs: interval(map, "timeout", fields),
    startPeriodMs: interval(map, "start_period", fields),
    startIntervalMs: interval(map, "start_interval", fields),
    retries: fields.integer(map, "retries", 0, 1_000),
  };
}

/** The engine refuses shorter ones; 0 means its own default. */
function interval(map: MapSpot, key: string, fields: Fields): number | null {
  const ms = fields.durationMs(map, key);
  if (ms === 0) return null;
  if (ms === null || ms >= 1) return ms;
  return fields.fault(fields.at(map, key) ?? map, "value-invalid", `\`${key}\` cannot be shorter than 1ms.`);
}

function compileTest(map: MapSpot, fields: Fields): string[] | null {
  const at = fields.at(map, "test");
  if (at === null) return null;
  if (at.tree.kind !== "list") {
    const line = fields.asText(at);
    return line === null ? null : ["CMD-SHELL", line];
  }
  const test = fields.texts(map, "test");
  const hint = 'Write ["CMD", "wget", "-qO-", "http://127.0.0.1/"], or plain text for a shell.';
  const [form] = test;
  if (form !== "CMD" && form !== "CMD-SHELL" && form !== "NONE") {
    return fields.fault(at, "value-invalid", "A list in `test` must begin with CMD, CMD-SHELL or NONE.", hint);
  }
  if (form !== "NONE" && test.length < 2) return fields.fault(at, "value-invalid", "`test` has no command.", hint);
  if (form === "CMD-SHELL" && test.length > 2) {
    return fields.fault(
      at,
      "value-invalid",
      "CMD-SHELL takes one line: the rest would be ignored.",
      "Use CMD, or one text.",
    );
  }
  return test;
}

/** Drivers that write to the node's disk without a bound of their own. */
const UNBOUNDED = "json-file";

export function compileLogging(service: MapSpot, fields: Fields): ContainerSpec["logging"] {
  const map = fields.map(service, "logging");
  if (map === null) return defaultContainerSpec.logging;
  const driver = fields.text(map, "driver") ?? UNBOUNDED;
  const options = fields.record(map, "options");
  if (driver !== UNBOUNDED || (options["max-size"] !== undefined && options["max-size"] !== "-1")) {
    return { driver, options };
  }
  const bound = defaultContainerSpec.logging.options;
  const bounded = sortedRecord(Object.entries({ ...bound, ...options, "max-size": bound["max-size"] ?? "10m" }));
  fields.notes.warning(
    placeOf(map.tree, map.path),
    "value-changed",
    `json-file without \`max-size\` fills a node's disk: it is bounded to ${bounded["max-file"]} files of ${bounded["max-size"]}.`,
    "Set `max-size` and `max-file` yourself to choose other bounds.",
  );
  return { driver, options: bounded };
}
