// Repairs: what is put right on a container without stopping it. Pure.
import type { Workload } from "@skerry/shared/model/assignment.ts";
import { containerName, workloadParts } from "@skerry/shared/model/names.ts";
import type { Action } from "../action.ts";
import type { OwnContainer } from "../observed.ts";
import type { Case } from "./decision.ts";
import { standingOf } from "./existing.ts";
import { giveNames, isNameless, namesMissing } from "./names.ts";
import { nameObstacle } from "./obstacles.ts";
import type { Scene } from "./scene.ts";
import { isGivenName, nextName } from "./target.ts";

export interface Repairs {
  readonly actions: readonly Action[];
  readonly found: readonly string[];
}

/** Name, networks and the aliases on them, put back without a restart. */
export function repairsOf(one: Case, own: OwnContainer): Repairs {
  const { scene, workload, existing } = one;
  const { id: containerId, name: present } = own.summary;
  const attached = new Set(own.summary.networks);
  const detached =
    workload.spec.networkMode !== "networks"
      ? []
      : workload.spec.networks.filter(({ network }) => !attached.has(network) && scene.observed.networks.has(network));
  const connects = detached.map(
    ({ network, aliases, ipv4Address, ipv6Address }): Action => ({
      kind: "connect-network",
      workload: workload.id,
      containerId,
      network,
      aliases: isNameless(one) ? [] : aliases,
      ipv4Address,
      ipv6Address,
    }),
  );
  const nameless = namesMissing(one, own);
  // It takes, or takes back, the place of another: nobody's edit.
  const ownDoing = present === nextName(workload) || standingOf(existing).length > 1;
  const name = nameToGive(scene, workload, own);
  const renames: Action[] =
    name === null ? [] : [{ kind: "rename-container", workload: workload.id, containerId, name }];
  return {
    actions: [...connects, ...giveNames(workload, own, nameless), ...renames],
    found: [
      ...detached.map(({ network }) => `it was detached from network ${network}`),
      ...(ownDoing ? [] : nameless.map(({ network }) => `it had lost its aliases on network ${network}`)),
      ...(name === null || isGivenName(workload, present) ? [] : [`it was renamed to ${present}`]),
    ],
  };
}

/** null: it has the right name, or that is not to be had now. */
export function nameToGive(scene: Scene, workload: Workload, own: OwnContainer): string | null {
  const { id, name: present } = own.summary;
  const right = containerName(workload.app, workload.service, workload.slot);
  if (present === right) return null;
  if (nameObstacle(scene, workload, [own]) === null) return right;
  const holder = scene.observed.own.find(({ summary }) => summary.name === right);
  if (holder === undefined) return null;
  const { app, service, slot } = workloadParts(holder.workload);
  // Two of ours under each other's names: one of them steps aside.
  const crossed = containerName(app, service, slot) === present && id < holder.summary.id;
  return crossed ? `${right}-${id.slice(0, 12)}` : null;
}
