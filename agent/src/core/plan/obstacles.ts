// Obstacles: what stands in the way of making or starting a container, in words that name it. Pure. Everything here is looked at
// before anything is stopped.
import type { Workload } from "@skerry/shared/model/assignment.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import { containerName } from "@skerry/shared/model/names.ts";
import type { PortInUse } from "@skerry/shared/model/node.ts";
import type { ValueRef } from "@skerry/shared/model/value.ts";
import { valueKey, valueWords } from "@skerry/shared/model/value-names.ts";
import type { OwnContainer } from "../observed.ts";
import { refusalText, refusedBy } from "../policy.ts";
import { networkLaneKey, restOf, type Scene, type ValuesHere, volumeLaneKey } from "./scene.ts";

/** null: what it asks of this machine is allowed. */
export const policyObstacle = ({ desired }: Scene, workload: Workload): string | null =>
  refusalText(refusedBy(workload, desired.apps));

/** null: the networks it attaches to are there. */
export function networkObstacle(scene: Scene, workload: Workload): string | null {
  if (workload.spec.networkMode !== "networks") return null;
  const wanted = scene.desired.apps.find(({ name }) => name === workload.app)?.networks ?? [];
  for (const { network } of workload.spec.networks) {
    const there = scene.observed.networks.get(network);
    const external = wanted.find(({ engineName }) => engineName === network)?.external ?? true;
    if (there !== undefined && (external || there.ours)) continue;
    if (there !== undefined) {
      return `a network named ${network} is there that Skerry did not make: remove it, or say "external: true" in the file`;
    }
    if (external)
      return `external network ${network} does not exist on this node: create it, or take it out of the file`;
    return makingText(scene, networkLaneKey(network), `network ${network}`);
  }
  return null;
}

/** null: the named volumes it mounts are there. A volume that was there before is used as it is. */
export function volumeObstacle(scene: Scene, workload: Workload): string | null {
  const wanted = scene.desired.apps.find(({ name }) => name === workload.app)?.volumes ?? [];
  for (const mount of workload.spec.mounts) {
    if (mount.kind !== "volume" || mount.source === null || scene.observed.volumes.has(mount.source)) continue;
    const { source } = mount;
    const volume = wanted.find(({ engineName }) => engineName === source);
    // Not declared: the engine makes it with the container.
    if (volume === undefined) continue;
    if (volume.external)
      return `external volume ${source} does not exist on this node: create it, or take it out of the file`;
    return makingText(scene, volumeLaneKey(source), `volume ${source}`);
  }
  return null;
}

/** null: the secrets and configs that it gets as files are on this node. */
export function fileObstacle({ context: { values } }: Scene, { spec }: Workload): string | null {
  for (const { value } of spec.files ?? []) {
    if (values.trouble !== null) return values.trouble;
    const why = absent(values, value);
    if (why !== null) return why;
  }
  return null;
}

/** null: it is on this node. */
export function absent(values: ValuesHere, value: ValueRef): string | null {
  const key = valueKey(value);
  if (values.here.has(key)) return null;
  const why = values.refused.get(key);
  if (why !== undefined) return `${valueWords(value)} does not come: ${why}`;
  return `${valueWords(value)} has not arrived yet: the hub gives it as soon as it is heard`;
}

function makingText(scene: Scene, key: string, what: string): string {
  const rest = restOf(scene, key);
  return rest === null ? `waits for its ${what}` : `its ${what} cannot be made: ${rest.reason}`;
}

/** null: the name is free or held by one of `replaced`. */
export function nameObstacle(
  scene: Scene,
  workload: Workload,
  replaced: readonly OwnContainer[],
  name = containerName(workload.app, workload.service, workload.slot),
): string | null {
  if (scene.observed.foreignNames.has(name)) {
    return `the name ${name} is taken by a container that Skerry did not make: rename or remove that one`;
  }
  const holder = scene.observed.own.find(({ summary }) => summary.name === name);
  if (holder === undefined || replaced.some(({ summary }) => summary.id === holder.summary.id)) return null;
  return `the name ${name} is still held by a container of ${holder.workload}`;
}

/** null: its host ports are free, or held by one of `mine`. */
export function portObstacle(scene: Scene, workload: Workload, mine: readonly OwnContainer[]): string | null {
  const taken = takenPort(scene, workload, mine);
  if (taken === null) return null;
  const { port, protocol, container, managed } = taken;
  if (managed && scene.exchangingPorts.has(workload.id)) return null;
  const whose = managed ? "" : ", which Skerry did not make: stop it or publish another port";
  return `port ${port}/${protocol} is taken by container ${container}${whose}`;
}

/** The first of its host ports that another container holds, one of somebody else before one of ours. */
function takenPort(scene: Scene, workload: Workload, mine: readonly OwnContainer[]): PortInUse | null {
  const myNames = new Set(mine.map(({ summary }) => summary.name));
  const taken = workload.spec.ports.flatMap(({ hostPort, protocol, hostIp }) =>
    hostPort === null
      ? []
      : scene.observed.ports.filter(
          (used) => !myNames.has(used.container) && clashes(used, { port: hostPort, protocol, hostIp }),
        ),
  );
  return taken.find(({ managed }) => !managed) ?? taken[0] ?? null;
}

/** Whose container of ours holds a port that it wants; null: nobody's, or a port is held by somebody else. */
export function portHolder(scene: Scene, workload: Workload, mine: readonly OwnContainer[]): WorkloadId | null {
  const taken = takenPort(scene, workload, mine);
  if (taken === null || !taken.managed) return null;
  return scene.observed.own.find(({ summary }) => summary.name === taken.container)?.workload ?? null;
}

function clashes(used: PortInUse, wanted: Pick<PortInUse, "port" | "protocol" | "hostIp">): boolean {
  if (used.port !== wanted.port || used.protocol !== wanted.protocol) return false;
  return isAnyAddress(used.hostIp) || isAnyAddress(wanted.hostIp) || used.hostIp === wanted.hostIp;
}

const isAnyAddress = (hostIp: string): boolean => hostIp === "" || hostIp === "0.0.0.0" || hostIp === "::";
