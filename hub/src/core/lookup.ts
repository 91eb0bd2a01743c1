// Small reads over the World that several decisions share. Pure; a missing part is null, never a guess.
import type { AppSpec, ServiceSpec } from "@skerry/shared/model/app.ts";
import type { AppName, Revision, ServiceName, WorkloadId } from "@skerry/shared/model/ids.ts";
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

/** The workloads of an app that are placed, in no order. */
export function placedOf(world: World, app: AppName): readonly WorkloadId[] {
  return [...(world.copies.get(app)?.values() ?? [])].flatMap(({ all }) => [...all]);
}

/** A service's placements, in no order. */
export function copiesOf(world: World, app: AppName, service: ServiceName): readonly Placement[] {
  return [...(world.copies.get(app)?.get(service)?.all ?? [])].flatMap((id) => world.placements.get(id) ?? []);
}

/** Whether a copy may stand on another node instead: the file says so by its mode and its disconnect policy. */
export const isMovable = ({ mode, disconnect }: ServiceSpec): boolean =>
  mode.kind === "replicated" && disconnect.policy !== "keep";

/** Code-unit order, as everywhere: ids, names and keys. */
export const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export const sorted = <T extends string>(values: Iterable<T>): readonly T[] => [...values].sort(byText);
