// A node's judgement of what it should run now, in words: what the change-over or the gate waits for, or why it failed. Pure.
import type { AppName } from "@skerry/shared/model/ids.ts";
import type { Gate, Hold } from "@skerry/shared/model/report.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import { gateIsOf } from "../condition.ts";
import type { Told } from "./account.ts";
import { pullAmounts, pullHint, type Said } from "./state.ts";
import { durationInWords } from "./words.ts";

/** `told`: the state of what is there. Adds what that means for the revision that should be. */
export function withGate(said: Said, told: Told): Told {
  const { placement, status } = said;
  const isCurrent = status.specHash === placement.specHash;
  const gate: Gate = gateIsOf(placement, status) ? status.gate : { kind: "none" };
  switch (gate.kind) {
    case "none":
      return isCurrent || status.specHash === null ? told : { ...told, reason: replacing(said, told.reason) };
    case "passed":
      return told;
    case "failed":
      return failed(said, told, gate);
    case "open":
      return open(said, told, gate, isCurrent);
    default:
      return assertNever(gate);
  }
}

const replacing = ({ placement, status }: Said, reason: string): string =>
  `revision ${status.revision} is still there (${reason}); revision ${placement.revision} replaces it`;

function failed(said: Said, told: Told, gate: Extract<Gate, { kind: "failed" }>): Told {
  const { placement, status } = said;
  const { pullFailure } = status;
  const retry = retryHint(placement.app);
  const now = gate.reverted
    ? `revision ${status.revision} is there again (${told.reason})`
    : told.reason === gate.reason
      ? "it stays as it is for an operator"
      : told.reason;
  return {
    ...told,
    reason: `revision ${placement.revision} failed here: ${gate.reason}; ${now}`,
    hint: gate.reverted ? retry : pullFailure === null ? (told.hint ?? retry) : pullHint(said, pullFailure),
  };
}
export const retryHint = (app: AppName): string =>
  `Correct it and apply. The same content is tried again only with: skerry apply ${app} --retry`;

type Open = Extract<Gate, { readonly kind: "open" }>;

function open(said: Said, told: Told, gate: Open, isCurrent: boolean): Told {
  const { placement, status } = said;
  if (status.specHash === null) return { ...told, hint: told.hint ?? openHint(gate, said) };
  const waits = openText(gate, said);
  if (!isCurrent) {
    // In the reason itself: lists show no more than that.
    const reason = `${replacing(said, told.reason)}; ${waits}`;
    return { ...told, reason, hint: openHint(gate, said) ?? told.hint ?? null };
  }
  // Without one to go back to, a start is just a start.
  if (placement.step.previous === null || told.reason.includes(gate.reason)) return told;
  return { ...told, reason: `${told.reason}; being judged: ${waits}` };
}

/** For what a change-over, or the judgement after it, waits. */
export function openText(
  { waits, reason }: Open,
  { node, ageMs, status: { hold, pull } }: Pick<Said, "node" | "ageMs" | "status">,
): string {
  switch (waits) {
    case "image": {
      const amounts = pull === null ? null : pullAmounts({ node, ageMs }, pull);
      return `it waits for its image: ${reason}${amounts === null ? "" : `: ${amounts}`}`;
    }
    case "window":
      return `it waits for its window: ${reason}`;
    case "hold":
      return hold === null ? `its update is held: ${reason}` : heldText(hold, ageMs);
    case "start":
      return `it waits to start: ${reason}`;
    case "health":
      return `it waits for health: ${reason}`;
    case "safe-mode":
      return `its node is in safe mode and changes nothing: ${reason}`;
    case "other":
      return `it waits: ${reason}`;
    default:
      return assertNever(waits);
  }
}

/** A renewed lease is no news to the hub, its end is. */
function heldText({ owner, reason, leftMs }: Hold, ageMs: number): string {
  const left = leftMs - ageMs;
  const until = left > 0 ? `for ${durationInWords(left)} more, or longer if renewed` : "and renewed since";
  return `its update is held by ${owner} ${until}: ${reason}`;
}

function openHint({ waits }: Open, said: Said): string | null {
  const { placement, status } = said;
  switch (waits) {
    case "image":
      return status.pullFailure === null || status.pull !== null ? null : pullHint(said, status.pullFailure);
    case "window":
    case "hold":
      return `It goes on by itself. To change it at once: skerry apply ${placement.app} --force`;
    case "safe-mode":
      return "See to the machine's power; it ends by itself after a while without a restart, or on the node with: skerry agent safe-mode off";
    case "start":
    case "health":
    case "other":
      return null;
    default:
      return assertNever(waits);
  }
}
