// What every end-to-end file starts from: a fleet on real engines with decoys on each of them, which must be untouched at the end.
import { afterAll, beforeAll, expect } from "vitest";
import type { Fingerprint } from "../lab/api.ts";
import { type Decoys, plantDecoys } from "../lab/decoys.ts";
import { type Fleet, type FleetNode, type FleetOptions, startFleet } from "../lab/fleet.ts";
import { BASE } from "../lab/images.ts";
import { until } from "../lab/wait.ts";

/** Three engines, a hub and three agents start on two busy cores. */
export const START_WITHIN_MS = 180_000;
/** From a change to the engines showing it, pull excluded (I10 gives 60 s). */
export const SOON_MS = 60_000;

/** Starts a fleet for this file. The returned function gives it to the tests. `engines`: whether the tests restart them. */
export function fleetForThisFile(
  options: FleetOptions = {},
  engines: "as-it-was" | "restarted" = "as-it-was",
): () => Fleet {
  let fleet: Fleet | null = null;
  let decoys: readonly Decoys[] = [];
  beforeAll(async () => {
    fleet = await startFleet({ nodes: 3, labels: (number) => ({ number: String(number) }), ...options });
    decoys = await Promise.all(fleet.nodes.map((node) => plantDecoys(node.engine.api, BASE.name)));
  }, START_WITHIN_MS);
  afterAll(async () => {
    try {
      for (const each of decoys) await each.check(engines);
    } finally {
      await fleet?.[Symbol.asyncDispose]();
    }
  }, START_WITHIN_MS);
  return () => {
    if (fleet === null) throw new Error("the fleet did not start");
    return fleet;
  };
}

/** A service that stops at once and does nothing. */
export function service(more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { image: BASE.name, stop_grace_period: "0s", ...more };
}

/** JSON is YAML. */
export const compose = (
  services: Readonly<Record<string, unknown>>,
  more: Readonly<Record<string, unknown>> = {},
): string => JSON.stringify({ services, ...more });

/** Names of the app's containers that run on that node, sorted. */
export async function runningOn(node: FleetNode, app: string): Promise<readonly string[]> {
  const containers = await node.engine.api.containers();
  return containers
    .filter((each) => each.State === "running")
    .map((each) => each.Names[0]?.slice(1) ?? "")
    .filter((name) => name.startsWith(`${app}-`))
    .sort();
}

export async function runningEverywhere(fleet: Fleet, app: string): Promise<readonly string[]> {
  return (await Promise.all(fleet.nodes.map((node) => runningOn(node, app)))).flat().sort();
}

export async function untilGood(fleet: Fleet, app: string, withinMs = SOON_MS): Promise<void> {
  await until(`the hub shows ${app} as good`, () => fleet.allGood(app), withinMs).catch(async (error: Error) => {
    const { body } = await fleet.hub.call("GET", `/v1/workloads?app=${app}&limit=50`);
    const lines = body.items?.map(
      (item: Record<string, unknown>) => `${item["id"]}: ${item["state"]} ${item["reason"]}`,
    );
    throw new Error(`${error.message}\n${lines?.join("\n") ?? JSON.stringify(body)}`);
  });
}

/** Every container of the app on every node: for "nothing was restarted". */
export async function fingerprints(fleet: Fleet, app: string): Promise<ReadonlyMap<string, Fingerprint>> {
  const found = new Map<string, Fingerprint>();
  for (const node of fleet.nodes) {
    for (const name of await runningOn(node, app))
      found.set(`${node.name}/${name}`, await node.engine.api.fingerprint(name));
  }
  return found;
}

/** Removes the app and waits until no container of it is left; its volumes stay. */
export async function removeApp(fleet: Fleet, app: string): Promise<void> {
  const { status } = await fleet.hub.call("DELETE", `/v1/apps/${app}`);
  expect(status).toBe(200);
  await until(
    `no container and no network of ${app} is left`,
    async () => {
      const containers = await Promise.all(fleet.nodes.map((node) => node.engine.api.containers()));
      const networks = await Promise.all(fleet.nodes.map((node) => node.engine.api.networks()));
      return (
        !containers.flat().some((each) => each.Names[0]?.startsWith(`/${app}-`)) &&
        !networks.flat().some((each) => each.Name.startsWith(`${app}_`))
      );
    },
    SOON_MS,
  );
}

/** The hub's view of an app's workloads. */
export async function workloads(fleet: Fleet, app: string): Promise<readonly Record<string, never>[]> {
  const { body } = await fleet.hub.call("GET", `/v1/workloads?app=${app}&limit=500`);
  return body.items;
}
