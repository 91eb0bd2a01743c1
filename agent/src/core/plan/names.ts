// Names: the aliases under which a container is found on its networks while it takes another's place. Start-first they lead to the old
// one until its successor has passed, then to the successor; the old one loses them before it is stopped (docs/adr/0013). Pure.
import type { Workload } from "@skerry/shared/model/assignment.ts";
import type { NetworkAttachment } from "@skerry/shared/model/container.ts";
import type { Action } from "../action.ts";
import type { OwnContainer } from "../observed.ts";
import { wantsRestart } from "../retry.ts";
import { type Case, removal } from "./decision.ts";
import { isUp } from "./existing.ts";
import type { Scene } from "./scene.ts";
import { startsFirst } from "./target.ts";

/**
 * Whoever had looked the name up before comes by within this: a first packet that met the standstill is sent again after one second.
 */
const SETTLE_MS = 2_000;

/** Not where ports are published: to be attached anew gives a port that the engine chose another number, and cuts off whoever uses it. */
function handsNamesOver(workload: Workload): boolean {
  const { networkMode, ports } = workload.spec;
  return startsFirst(workload) && networkMode === "networks" && ports.length === 0;
}

/** Whether the one that is made now must come without names, since they lead to one that serves. */
export function isMadeNameless({ workload, existing: { kept } }: Case): boolean {
  return kept !== null && isUp(kept) && handsNamesOver(workload);
}

/** Whether the names are not its own yet: until it has passed, or the one that serves under them has ended for good. */
export function isNameless({ workload, existing: { kept } }: Case): boolean {
  if (kept === null || !handsNamesOver(workload)) return false;
  return isUp(kept) || wantsRestart(workload.spec.restart, kept.details.exitCode);
}

/** Networks on which it is and others do not find it. Of one that a lane works on that may not be known: nothing is missed then. */
export function namesMissing(one: Case, own: OwnContainer): readonly NetworkAttachment[] {
  const { summary, details } = own;
  return namesDue(one, own).filter(
    ({ network }) => summary.networks.includes(network) && details.aliases[network] !== undefined,
  );
}

/** Networks on which others do not find it yet. One that is nameless rightly misses none (an older agent made it with all). */
function namesDue(one: Case, own: OwnContainer): readonly NetworkAttachment[] {
  const { scene, workload } = one;
  if (workload.spec.networkMode !== "networks" || isNameless(one)) return [];
  const found = ({ network, aliases }: NetworkAttachment): boolean =>
    own.summary.networks.includes(network) && aliases.every((alias) => aliasesOn(own, network).includes(alias));
  return workload.spec.networks.filter((wish) => scene.observed.networks.has(wish.network) && !found(wish));
}

export function giveNames(
  { id: workload }: Workload,
  own: OwnContainer,
  missing: readonly NetworkAttachment[],
): Action[] {
  const { id: containerId } = own.summary;
  return missing.map(({ network, aliases }) => ({
    ...{ kind: "change-aliases", workload, containerId, network, aliases, pinned: false },
  }));
}

/** One beside the matching one goes. What still serves under its names goes on until the matching one has them. */
export function farewell(one: Case, extra: OwnContainer, reason: string): readonly Action[] {
  const { workload, scene, existing } = one;
  const { matching } = existing;
  const goes = removal(workload.id, extra, reason);
  const networks = isUp(extra) && handsNamesOver(workload) ? namedOn(scene, extra) : [];
  if (networks.length === 0 || matching === null || !isUp(matching)) return goes;
  if (namesDue(one, matching).length > 0) return [];
  const { id: containerId } = extra.summary;
  return [
    ...networks.map((network): Action => {
      return { kind: "change-aliases", workload: workload.id, containerId, network, aliases: [], pinned: true };
    }),
    { kind: "let-settle", workload: workload.id, containerId, forMs: SETTLE_MS },
    ...goes,
  ];
}

function namedOn(scene: Scene, own: OwnContainer): readonly string[] {
  return own.summary.networks.filter(
    (network) =>
      scene.observed.networks.has(network) &&
      // An engine adds the beginning of the container's id.
      aliasesOn(own, network).some((alias) => !own.summary.id.startsWith(alias)),
  );
}

const aliasesOn = ({ details }: OwnContainer, network: string): readonly string[] => details.aliases[network] ?? [];
