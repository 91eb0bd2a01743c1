// Target: which spec a node works towards — the wanted one, or after a failed gate the last good one — and what is kept beside it
// meanwhile. Pure. Every other file plans for the target and knows nothing of gates.
import type { Assignment, Previous, Workload } from "@skerry/shared/model/assignment.ts";
import type { SpecHash, WorkloadId } from "@skerry/shared/model/ids.ts";
import { containerName } from "@skerry/shared/model/names.ts";
import type { GateMemory, WorkloadMemory } from "../memory.ts";
import { NOTHING_SPENT } from "../spent.ts";

export const rightName = ({ app, service, slot }: Workload): string => containerName(app, service, slot);
/** Of the one that is kept, stopped, until its successor has passed. */
export const previousName = (workload: Workload): string => `${rightName(workload)}-previous`;
/** Of the one that is made beside its predecessor, until it has passed. */
export const nextName = (workload: Workload): string => `${rightName(workload)}-next`;

/** Names that we give by turns: one of them in the place of another is no edit from outside. */
export function isGivenName(workload: Workload, name: string): boolean {
  return name === rightName(workload) || name === previousName(workload) || name === nextName(workload);
}

const withoutSuffix = (name: string): string => name.replace(/-(?:previous|next)$/, "");

/** Whether a container made under the one name may stand under the other by our own doing. */
export function isSameGivenName(made: string, present: string): boolean {
  return made === present || withoutSuffix(made) === withoutSuffix(present);
}

/** What the memory says of the wanted spec at this attempt, or an open gate. A smaller attempt than the judged one is the same. */
export function gateOf(memory: WorkloadMemory | undefined, wanted: Workload): GateMemory {
  const gate = memory?.gate ?? null;
  if (gate !== null && gate.specHash === wanted.specHash && gate.attempt >= wanted.changeOver.attempt) return gate;
  const { specHash, changeOver } = wanted;
  const blank = {
    verdict: { kind: "open" },
    own: NOTHING_SPENT,
    good: null,
    held: NOTHING_SPENT,
    heldBy: null,
  } as const;
  return { specHash, attempt: changeOver.attempt, ...blank };
}

/** What there is to go back to; null: nothing, so a gate cannot fail. */
export function previousOf({ changeOver, specHash }: Workload): Previous | null {
  return changeOver.previous === null || changeOver.previous.specHash === specHash ? null : changeOver.previous;
}

export function targetOf(wanted: Workload, { verdict }: GateMemory): Workload {
  if (verdict.kind !== "failed" || verdict.revertedTo === null) return wanted;
  const { revision, specHash, spec, probes } = verdict.revertedTo;
  return { ...wanted, revision, specHash, spec, probes };
}

/** The hash of what is kept beside the target until that has passed; null: nothing is. */
export function keptHash(wanted: Workload, gate: GateMemory): SpecHash | null {
  const decided = gate.verdict.kind === "passed" || targetOf(wanted, gate) !== wanted;
  return decided ? null : (previousOf(wanted)?.specHash ?? null);
}

/** What cannot stand twice on one node is changed over stop-first, whatever the file says. */
export function startsFirst({ changeOver, disconnect, spec }: Workload): boolean {
  return (
    changeOver.order === "start-first" &&
    disconnect.policy !== "fence" &&
    spec.networkMode !== "host" &&
    spec.ports.every(({ hostPort }) => hostPort === null) &&
    spec.networks.every(({ ipv4Address, ipv6Address, macAddress }) => !ipv4Address && !ipv6Address && !macAddress)
  );
}

/** The assignment with each workload's target in its place. The same object when nothing was reverted. */
export function targetsOf(desired: Assignment, memory: ReadonlyMap<WorkloadId, WorkloadMemory>): Assignment {
  const workloads = desired.workloads.map((wanted) => targetOf(wanted, gateOf(memory.get(wanted.id), wanted)));
  return workloads.every((target, index) => target === desired.workloads[index]) ? desired : { ...desired, workloads };
}

/** Every image that a change-over may need: of what is wanted, and of what there is to go back to. */
export function imagesOf({ workloads }: Assignment): readonly string[] {
  return workloads.flatMap(({ spec, changeOver }) =>
    changeOver.previous === null ? [spec.image] : [spec.image, changeOver.previous.spec.image],
  );
}
