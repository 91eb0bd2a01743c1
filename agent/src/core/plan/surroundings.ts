// Surroundings: networks and volumes that the wanted workloads need, and networks of ours that nobody needs any more. Pure.
// No action here or anywhere removes a volume.
import type { Lane } from "../action.ts";
import { mayMakeVolume } from "../policy.ts";
import { networkLaneKey, restOf, type Scene, volumeLaneKey } from "./scene.ts";

export function surroundingLanes(scene: Scene): readonly Lane[] {
  const lanes = [...missingNetworks(scene), ...missingVolumes(scene), ...unusedNetworks(scene)];
  const free = lanes.filter(({ key }) => !scene.context.busy.has(key) && restOf(scene, key) === null);
  return [...new Map(free.map((lane) => [lane.key, lane])).values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

function missingNetworks({ desired, observed }: Scene): readonly Lane[] {
  return desired.apps.flatMap(({ name: app, networks }) =>
    networks
      .filter(({ external, engineName }) => !external && !observed.networks.has(engineName))
      .map(
        (network): Lane => ({
          key: networkLaneKey(network.engineName),
          actions: [{ kind: "create-network", app, network }],
        }),
      ),
  );
}

function missingVolumes({ desired, observed }: Scene): readonly Lane[] {
  return desired.apps.flatMap(({ name: app, volumes }) =>
    volumes
      .filter(({ external, engineName }) => !external && !observed.volumes.has(engineName))
      .filter((volume) => mayMakeVolume(desired, volume))
      .map(
        (volume): Lane => ({
          key: volumeLaneKey(volume.engineName),
          actions: [{ kind: "create-volume", app, volume }],
        }),
      ),
  );
}

/** Ours, in no wanted app, and no container of ours is attached, wanted or not. */
function unusedNetworks({ desired, observed }: Scene): readonly Lane[] {
  const needed = new Set([
    ...desired.apps.flatMap(({ networks }) => networks.map(({ engineName }) => engineName)),
    ...desired.workloads.flatMap(({ spec }) => spec.networks.map(({ network }) => network)),
    ...observed.own.flatMap(({ summary }) => summary.networks),
  ]);
  return [...observed.networks]
    .filter(([name, { ours }]) => ours && !needed.has(name))
    .map(([name, { id }]): Lane => ({ key: networkLaneKey(name), actions: [{ kind: "remove-network", name, id }] }));
}
