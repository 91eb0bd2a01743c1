// Rollouts as people read them: how far one has got, what each copy waits for, and what became of older ones. Pure.
import type { ServiceAhead } from "../http/schemas/apps.ts";
import type {
  RolloutBrief,
  RolloutService,
  RolloutSlot,
  RolloutSummary,
  RolloutView,
} from "../http/schemas/rollouts.ts";
import { visible } from "./escape.ts";
import { type Cell, cell, localTime, type Paint, plural, reasons, type Tint, table, wrap } from "./render.ts";
import { shortId } from "./states.ts";

type Zone = (atMs: number) => number;

const SLOT_LOOKS: Readonly<Record<RolloutSlot["state"], { readonly word: string; readonly tint: Tint }>> = {
  pending: { word: "pending", tint: "dim" },
  open: { word: "judged", tint: "busy" },
  passed: { word: "passed", tint: "good" },
  failed: { word: "failed", tint: "bad" },
  waiting: { word: "waiting", tint: "busy" },
};
/** "waiting", the longest of them. */
const SLOT_WIDTH = 7;

/** What somebody may want to do next; "" when nothing needs to be done. */
export function nextStep(rollout: RolloutBrief): string {
  const { app, state, awaitsResume, awaitsStart } = rollout;
  if (state.kind === "failed" && state.next === null) return `Look at it with: skerry why ${app}.`;
  if (state.kind !== "progressing" && state.kind !== "paused") return "";
  if (awaitsStart) return `Go on: skerry start ${app}. Go back: skerry rollout undo ${app}.`;
  if (!awaitsResume) return "";
  return `Go on: skerry rollout resume ${app}. Go back: skerry rollout undo ${app}.`;
}

export function stateCellOf(state: RolloutSummary["state"]): Cell {
  switch (state.kind) {
    case "progressing":
      return cell("under way", "busy");
    case "paused":
      return cell("paused", "busy");
    case "done":
      return cell("done", "good");
    case "failed":
      return cell("failed", "bad");
    case "superseded":
      return cell("superseded", "dim");
  }
}

/** "revision 4 of shop, an update from 3". */
function titleOf({ app, revision, kind, from }: RolloutSummary): string {
  const what = kind === "first" ? "the first" : kind === "rollback" ? "a rollback" : "an update";
  return `revision ${revision} of ${app}, ${what}${from === null || kind === "first" ? "" : ` from ${from}`}`;
}

export function rolloutText(rollout: RolloutView, width: number | null, paint: Paint, zone: Zone): string {
  const started = localTime(rollout.startedAtMs, zone(rollout.startedAtMs));
  const why = rollout.reason === "" ? "" : ` (${visible(rollout.reason)})`;
  const parts = [
    ...headLines(rollout, width, paint),
    wrap("  ", `begun ${started} by ${visible(rollout.by)}${why}`, width, "  "),
    ...rollout.services.flatMap((service) => serviceLines(service, width, paint)),
  ];
  return `${parts.join("\n")}\n`;
}

/** More lines than this would run off a small terminal, where they cannot be drawn over. */
const MAX_WATCHED = 10;

/** As it goes on: what has passed, and what has not begun, is only counted. */
export function watchLines(rollout: RolloutView, width: number | null, paint: Paint): string[] {
  const services = rollout.services.filter(({ counts }) => counts.passed < counts.total);
  const busy = services.slice(0, MAX_WATCHED).map((service) => {
    const moving = service.slots.filter(({ state }) => state !== "passed" && state !== "pending");
    return { ...service, slots: moving.slice(0, Math.ceil(MAX_WATCHED / services.length)), more: 0 };
  });
  return [...headLines(rollout, width, paint), ...busy.flatMap((service) => serviceLines(service, width, paint))]
    .join("\n")
    .split("\n");
}

export function headLines(rollout: RolloutBrief, width: number | null, paint: Paint): string[] {
  const { text, tint } = stateCellOf(rollout.state);
  const title = titleOf(rollout);
  const head = `${title[0]?.toUpperCase()}${title.slice(1)}, is ${paint(tint, text)}: ${visible(rollout.summary)}`;
  const next = nextStep(rollout);
  return [wrap("", head, width, "  "), ...(next === "" ? [] : [wrap("→ ", next, width, "  ")])];
}

function serviceLines(service: RolloutService, width: number | null, paint: Paint): string[] {
  const { counts, canary, batch, reason, slots, more } = service;
  const stage = canary === "open" ? "canary" : batch === 0 ? "not begun" : `batch ${batch}`;
  const head = `${paint("bold", visible(service.service))}: ${stage}, ${countWords(counts)}${reason === "" ? "" : `; ${visible(reason)}`}`;
  const lines = slots.map((slot) => {
    const { word, tint } = SLOT_LOOKS[slot.state];
    const node = slot.node === null ? "" : ` on ${slot.node.name}`;
    const why = slot.reason === "" ? "" : `: ${visible(slot.reason)}`;
    const what = `${visible(shortId(slot.workload))}${node}${why}`;
    return wrap(`  ${paint(tint, word.padEnd(SLOT_WIDTH))} `, what, width, " ".repeat(SLOT_WIDTH + 3));
  });
  return [wrap("", head, width, "  "), ...lines, ...(more === 0 ? [] : [`  … and ${more} more`])];
}

/** "3 of 8 passed, 1 failed, 2 judged". */
function countWords(counts: RolloutBrief["counts"]): string {
  const others = (["failed", "open", "waiting"] as const).filter((state) => counts[state] > 0);
  const more = others.map((state) => `, ${counts[state]} ${SLOT_LOOKS[state].word}`);
  return `${counts.passed} of ${plural(counts.total, "copy", "copies")} passed${more.join("")}`;
}

/** The batches to come, of a dry run. */
export function aheadLines(services: readonly ServiceAhead[], width: number | null, paint: Paint): string[] {
  if (services.length === 0) return [];
  return [
    "In batches, each after the one before has passed:",
    ...services.flatMap((one) => serviceAhead(one, width, paint)),
  ];
}

const MAX_NAMED = 3;

function serviceAhead({ service, batches, rest, reason, away }: ServiceAhead, width: number | null, paint: Paint) {
  const lines = batches.map(({ batch, copies, canary, group, slots, next }) => {
    const named = slots.slice(0, MAX_NAMED).map(({ workload, node }) => {
      return `${visible(shortId(workload))}${node === null ? "" : ` on ${node.name}`}`;
    });
    const more = copies > named.length ? ` and ${copies - named.length} more` : "";
    const what = [
      ...(canary ? ["canary"] : []),
      ...(group === null ? [] : [group === "" ? "without the label" : visible(group)]),
    ];
    const head = what.length === 0 ? "" : `${what.join(", ")}: `;
    const after = next === "" ? "" : `; ${visible(next)}`;
    return wrap(`  ${String(batch).padStart(2)}  `, `${head}${named.join(", ")}${more}${after}`, width, "      ");
  });
  const others = [
    ...(rest.copies === 0
      ? []
      : [`… and ${plural(rest.copies, "more copy", "more copies")}, at most ${rest.atMost} at a time`]),
    ...(reason === "" ? [] : [`${batches.length === 0 ? "" : "then: "}${visible(reason)}`]),
    ...(away === 0 ? [] : [`${plural(away, "copy", "copies")} on nodes that are not heard from: when those are back`]),
  ];
  return [paint("bold", visible(service)), ...lines, ...others.map((text) => wrap("  ", text, width, "    "))];
}

export function historyTable(items: readonly RolloutSummary[], width: number | null, paint: Paint, zone: Zone): string {
  const columns = [
    { title: "REVISION", shrinksTo: null },
    { title: "KIND", shrinksTo: null },
    { title: "FROM", shrinksTo: null },
    { title: "STATE", shrinksTo: null },
    { title: "BEGUN", shrinksTo: null },
    { title: "BY", shrinksTo: 6 },
  ];
  const rows = items.map((item) => [
    cell(item.revision, "bold"),
    cell(item.kind),
    cell(item.from ?? "-"),
    stateCellOf(item.state),
    cell(localTime(item.startedAtMs, zone(item.startedAtMs)).slice(0, 16)),
    cell(item.by),
  ]);
  const why = items.map((item) => ({ name: String(item.revision), reason: whyOf(item) }));
  return (
    table(columns, rows, width, paint) +
    reasons(
      why.filter(({ reason }) => reason !== APPLIED),
      width,
      paint,
    )
  );
}

/** Why most begin; not worth a line. */
const APPLIED = "applied";

/** How it ended says more than why it began. */
function whyOf({ state, reason }: RolloutSummary): string {
  switch (state.kind) {
    case "paused":
      return state.reason === "" ? `paused by ${state.by}` : state.reason;
    case "failed":
      return state.next === null ? state.reason : `${state.reason}; went back as revision ${state.next}`;
    case "superseded":
      return `revision ${state.next} came meanwhile`;
    case "progressing":
    case "done":
      return reason;
  }
}
