// Small reads over the World that several decisions share. Pure; a missing part is null, never a guess.
import type { AppSpec, ServiceSpec } from "@skerry/shared/model/app.ts";
import type { AppName, Revision, ServiceName } from "@skerry/shared/model/ids.ts";
import type { App, Placement, World } from "./world.ts";

/** Specs are immutable, so their index by name is worked out once. A memory, not a state: forgetting it changes nothing. */
const servicesByName = new WeakMap<AppSpec, ReadonlyMap<ServiceName, ServiceSpec>>();

export function serviceOf(spec: AppSpec, name: ServiceName): ServiceSpec | null {
  let services = servicesByName.get(spec);
  if (services === undefined) {
    services = new Map(spec.services.map((service) => [service.name, service]));
    servicesByName.set(spec, services);
  }
  return services.get(name) ?? null;
}

/** The app's spec at a revision that something still stands at. */
export function specAt(app: App, revision: Revision): AppSpec | null {
  if (app.revision === revision) return app.spec;
  return app.older.find((older) => older.revision === revision)?.spec ?? null;
}

/** What a placement was made from. */
export function serviceAt(
  world: World,
  placement: Pick<Placement, "app" | "service" | "revision">,
): ServiceSpec | null {
  const app = world.apps.get(placement.app);
  const spec = app === undefined ? null : specAt(app, placement.revision);
  return spec === null ? null : serviceOf(spec, placement.service);
}

/** What the operator wants of a service now. */
export function wantedService(world: World, app: AppName, service: ServiceName): ServiceSpec | null {
  const spec = world.apps.get(app)?.spec;
  return spec === undefined ? null : serviceOf(spec, service);
}

/** An app's placements by their services. Worked out for all at once: one look at each, however many services there are. */
export function copiesByService(world: World, app: AppName): ReadonlyMap<ServiceName, readonly Placement[]> {
  const copies = new Map<ServiceName, Placement[]>();
  for (const id of world.placementsByApp.get(app) ?? []) {
    const placement = world.placements.get(id);
    if (placement === undefined) continue;
    const known = copies.get(placement.service);
    if (known === undefined) copies.set(placement.service, [placement]);
    else known.push(placement);
  }
  return copies;
}

/** Whether a copy may stand on another node instead: the file says so by its mode and its disconnect policy. */
export const isMovable = ({ mode, disconnect }: ServiceSpec): boolean =>
  mode.kind === "replicated" && disconnect.policy !== "keep";

/** Code-unit order, as everywhere: ids, names and keys. */
export const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export const sorted = <T extends string>(values: Iterable<T>): readonly T[] => [...values].sort(byText);
