// Pure functions over names: workload ids and the names that a node's engine shows. No zod here, so core may call them.
import type { AppName, ServiceName, Slot, WorkloadId } from "./ids.ts";

export function workloadId(app: AppName, service: ServiceName, slot: Slot): WorkloadId {
  // Built from three parts that are valid by type; the brand states just that.
  return `${app}/${service}/${slot}` as WorkloadId;
}

/** "app/service/slot" → its parts. */
export function workloadParts(id: WorkloadId): { app: AppName; service: ServiceName; slot: Slot } {
  const [app, service, slot] = id.split("/");
  // A WorkloadId has three parts by construction and by its schema.
  return { app: app as AppName, service: service as ServiceName, slot: slot as Slot };
}

/** A global service's slot is a node's id; on the node itself, its one copy is called number 1, as Compose users expect. */
export function slotNumber(slot: Slot): string {
  return slot.startsWith("n") ? "1" : slot;
}

/** As Compose names it: `shop-web-1`. */
export function containerName(app: AppName, service: ServiceName, slot: Slot): string {
  return `${app}-${service}-${slotNumber(slot)}`;
}

/** As Compose names it: `shop_default`; `name:` in the file overrides. */
export function scopedName(app: AppName, key: string): string {
  return `${app}_${key}`;
}
