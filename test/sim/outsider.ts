// People and programs that use a node's engine beside the agent: decoys that must never be touched, and squatters on names and ports.

import type { CreateRequest } from "@skerry/agent/engine/engine.ts";
import { LABEL } from "@skerry/agent/engine/labels.ts";
import { defaultContainerSpec } from "@skerry/shared/model/container.ts";
import { containerName } from "@skerry/shared/model/names.ts";
import type { Chance } from "./chance.ts";
import { imageOf } from "./engine/life.ts";
import type { SimContainer } from "./engine/machine.ts";
import type { SimNode } from "./node.ts";
import type { Site } from "./site.ts";

const SQUATTER = "sim.squatter";

function request(name: string, labels: Readonly<Record<string, string>>, port: number | null): CreateRequest {
  const ports = port === null ? [] : [{ hostPort: port, containerPort: 80, protocol: "tcp" as const, hostIp: "" }];
  const spec = { ...defaultContainerSpec, image: imageOf("steady", 1), networkMode: "bridge" as const, ports };
  return { name, spec, labels, environment: {} };
}

function place(node: SimNode, wanted: CreateRequest): SimContainer | null {
  if (!node.engine.isUp() || node.machine.find(wanted.name) !== null) return null;
  const image = wanted.spec.image;
  if (!node.machine.images.has(image))
    node.machine.images.set(image, { id: `sha256:${image}`, arch: node.config.arch });
  const container = node.machine.create(wanted, "outside");
  try {
    node.machine.start(container.id, "outside");
  } catch {
    // Its port is taken already; then it just stands there.
  }
  return container;
}

export const outsider = {
  /** Before anything else: a container, a stopped one, a network and two volumes of somebody else, some with names close to ours. */
  placeDecoys(node: SimNode): void {
    place(node, request("decoy", {}, 9_999));
    place(node, request("app1-s1-99", { [LABEL.app]: "app1" }, null));
    const stopped = place(node, request("decoy-stopped", { "com.docker.compose.project": "app1" }, null));
    if (stopped !== null) node.machine.kill(stopped.id, "outside", 0);
    node.machine.createNetwork({ engineName: "decoy_net" }, {}, "outside");
    node.machine.createVolume({ engineName: "decoy_data" }, {}, "outside");
    node.machine.createVolume({ engineName: "app1_old" }, { "com.docker.compose.project": "app1" }, "outside");
  },
  squatName(site: Site, node: SimNode, chance: Chance): void {
    const app = chance.pick(site.config.apps);
    const service = chance.pick(app.services);
    place(node, request(containerName(app.name, service.name, "1" as never), { [SQUATTER]: "yes" }, null));
  },
  squatPort(node: SimNode, chance: Chance): void {
    place(node, request(`squat-${chance.random.hex(3)}`, { [SQUATTER]: "yes" }, 8_000 + chance.int(0, 4)));
  },
  /** Copies the labels of a container of ours onto one of somebody else's. */
  forgeLabels(node: SimNode, chance: Chance): void {
    const own = [...node.machine.containers.values()].filter(({ madeBy }) => madeBy === "agent");
    if (own.length === 0) return;
    const labels = { ...chance.pick(own).labels, [SQUATTER]: "yes" };
    place(node, request(`forged-${chance.random.hex(3)}`, labels, null));
  },
  /** Squatters go; decoys stay. */
  leave(node: SimNode): void {
    for (const one of [...node.machine.containers.values()]) {
      if (one.madeBy === "outside" && one.labels[SQUATTER] === "yes" && one.status !== "removing") {
        node.machine.remove(one.id, true, "outside", () => undefined);
      }
    }
  },
};
