// `x-skerry.update`: when a node may download and when it may change over, and whether a workload may put that off.
// A window is checked with the library that opens it on the node: what is accepted here works there.
import { normalize } from "node:path/posix";
import type { Mount } from "@skerry/shared/model/container.ts";
import { HOLD_TARGET, NO_UPDATE_TIMES } from "@skerry/shared/model/plain.ts";
import type { UpdateTimes, Window } from "@skerry/shared/model/update.ts";
import { Cron } from "croner";
import { type Fields, type MapSpot, oursOf, type Spot } from "./fields.ts";

/** As ServiceSpec bounds it: a node looks at its windows once a minute or so. */
const LEAST_WINDOW_MS = 60_000;
/** A week: what is open for longer needs no window. */
const MAX_WINDOW_MS = 604_800_000;
/** `hold: true`. Long enough for a job that must not be cut off, short enough to be over by the next look. */
export const DEFAULT_HOLD_MS = 3_600_000;
const LEAST_HOLD_MS = 1_000;
/** A week, for what is on the road for days. Nothing may hold for ever. */
const MAX_HOLD_MS = 604_800_000;

export function compileTimes(service: MapSpot, mounts: readonly Mount[], fields: Fields): UpdateTimes {
  const map = oursOf(service, "update", fields);
  if (map === null) return NO_UPDATE_TIMES;
  return {
    download: compileWindow(map, "download", fields),
    apply: compileWindow(map, "apply", fields),
    hold: compileHold(map, mounts, fields),
  };
}

const EXAMPLE = 'Write `{ cron: "0 3 * * *", duration: 2h, time_zone: Europe/Berlin }`.';

function compileWindow(update: MapSpot, key: string, fields: Fields): Window | null {
  const map = fields.map(update, key);
  if (map === null) return null;
  for (const needed of ["cron", "duration"]) {
    if (fields.at(map, needed) === null) fields.fault(map, "key-missing", `\`${key}\` needs \`${needed}\`.`, EXAMPLE);
  }
  const durationMs = fields.durationWithin(map, "duration", LEAST_WINDOW_MS, MAX_WINDOW_MS);
  const timeZone = compileZone(map, fields);
  const cron = compileCron(map, timeZone ?? "UTC", fields);
  return durationMs === null || timeZone === null || cron === null ? null : { cron, durationMs, timeZone };
}

/** null: it is no time zone, and has been told. */
function compileZone(map: MapSpot, fields: Fields): string | null {
  const at = fields.at(map, "time_zone");
  if (at === null) return "UTC";
  const name = fields.asText(at);
  if (name === null) return null;
  // "+02:00" would pass for a zone, and be wrong for half of the year.
  if (/^[A-Za-z]/.test(name) && isZone(name)) return name;
  const hint = "Write an IANA name such as Europe/Berlin, or UTC.";
  return fields.fault(at, "value-invalid", `${JSON.stringify(fields.quote(at, name))} is not a time zone.`, hint);
}

function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** A leap year's first day: from here even 29 February comes within a year, and the answer does not hang on today. */
const LOOK_FROM = new Date("2028-01-01T00:00:00Z");

function compileCron(map: MapSpot, timeZone: string, fields: Fields): string | null {
  const at = fields.at(map, "cron");
  const text = at === null ? null : fields.asText(at);
  if (at === null || text === null) return null;
  const cron = text.trim().split(/\s+/).join(" ");
  const hint = 'Five fields: minute, hour, day of month, month, day of week. "0 3 * * 1-5" is 03:00 on weekdays.';
  const wrong = `${JSON.stringify(fields.quote(at, cron))} is not a cron line`;
  if (cron.split(" ").length !== 5) return fields.fault(at, "value-invalid", `${wrong}.`, hint);
  try {
    const job = new Cron(cron, { timezone: timeZone, mode: "5-part", paused: true });
    if (job.nextRun(LOOK_FROM) !== null) return cron;
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^CronPattern: /, "") : "";
    // Its words quote the line, which a variable may have filled in.
    const isWritten = at.tree.kind === "scalar" && at.tree.text === at.tree.written;
    return fields.fault(at, "value-invalid", isWritten ? `${wrong}: ${why}.` : `${wrong}.`, hint);
  }
  return fields.fault(at, "value-invalid", `${wrong} that ever comes: the window would never open.`, hint);
}

function compileHold(update: MapSpot, mounts: readonly Mount[], fields: Fields): UpdateTimes["hold"] {
  const at = fields.at(update, "hold");
  const hold = at === null ? null : readHold(update, at, fields);
  if (at === null || hold === null) return null;
  if (mounts.some(({ target }) => normalize(`${target}/`) === `${HOLD_TARGET}/`)) {
    const message = `\`hold\` needs the folder ${HOLD_TARGET} in the container, and something is mounted there.`;
    fields.fault(at, "conflict", message, "Mount that elsewhere, or remove `hold`.");
  }
  return hold;
}

function readHold(update: MapSpot, at: Spot, fields: Fields): UpdateTimes["hold"] {
  if (at.tree.kind !== "map") {
    const may = fields.boolean(update, "hold");
    return may === true ? { maxMs: DEFAULT_HOLD_MS } : null;
  }
  const map: MapSpot = { tree: at.tree, path: at.path };
  return { maxMs: fields.durationWithin(map, "max", LEAST_HOLD_MS, MAX_HOLD_MS) ?? DEFAULT_HOLD_MS };
}
