// Finds services that wait for each other in a circle: none of them would ever start.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import type { Fields, MapSpot } from "./fields.ts";
import { compareText } from "./problem.ts";

/** Tells one circle at most: removing it shows the next. */
export function checkCircles(
  services: readonly ServiceSpec[],
  places: ReadonlyMap<string, MapSpot>,
  fields: Fields,
): void {
  const waitsFor = new Map(
    services.map(({ name, container }) => [name as string, container.dependsOn.map((on) => on.service as string)]),
  );
  const done = new Set<string>();
  for (const start of [...waitsFor.keys()].sort(compareText)) {
    const circle = findCircle(start, waitsFor, done);
    if (circle === null) continue;
    const place = places.get(circle[0] ?? start);
    const message = `These services wait for each other in a circle: ${shown(circle).join(" → ")}.`;
    if (place !== undefined)
      fields.fault(fields.at(place, "depends_on") ?? place, "conflict", message, "Remove one `depends_on`.");
    return;
  }
}

/** A circle through hundreds of services is not read name by name. */
const MAX_SHOWN = 10;

function shown(circle: readonly string[]): readonly string[] {
  return circle.length <= MAX_SHOWN ? circle : [...circle.slice(0, MAX_SHOWN - 2), "…", ...circle.slice(-1)];
}

/** Depth first with a path of its own: services may be many, and the call stack is not. */
function findCircle(
  start: string,
  waitsFor: ReadonlyMap<string, readonly string[]>,
  done: Set<string>,
): string[] | null {
  const path: { name: string; next: number }[] = [{ name: start, next: 0 }];
  const onPath = new Set([start]);
  for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
    const other = waitsFor.get(top.name)?.[top.next];
    top.next += 1;
    if (other === undefined) {
      done.add(top.name);
      onPath.delete(top.name);
      path.pop();
    } else if (onPath.has(other)) {
      const from = path.findIndex(({ name }) => name === other);
      return [...path.slice(from).map(({ name }) => name), other];
    } else if (!done.has(other)) {
      path.push({ name: other, next: 0 });
      onPath.add(other);
    }
  }
  return null;
}
