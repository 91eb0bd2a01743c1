// Apps and nodes as the user names them. The hub judges the names: it has the rule, and one rule in two places would be two.
// It must not load the schemas: they would cost every command a fifth of its start.
import type { AppName, NodeId, NodeName, ServiceName } from "@skerry/shared/model/ids.ts";
import { isPermission, PERMISSIONS, type Permission } from "../core/permission.ts";
import { usage } from "./failure.ts";

/** The brands say "checked"; the hub checks them before it does anything. */
export function appRef(text: string): AppName {
  if (text === "" || text.includes("/"))
    throw usage(`${JSON.stringify(text)} is not an app's name.`, "skerry apps lists them.");
  return text as AppName;
}

export function nodeRef(text: string): NodeId | NodeName {
  if (text === "" || text.includes("/")) {
    throw usage(`${JSON.stringify(text)} is not a node's name or id.`, "skerry nodes lists them.");
  }
  return text as NodeName;
}

/** APP or APP/SERVICE. */
export function appOrService(text: string): { readonly app: AppName; readonly service?: ServiceName } {
  const [app = "", service, ...rest] = text.split("/");
  if (rest.length > 0 || app === "" || service === "") {
    throw usage(`${JSON.stringify(text)} is neither APP nor APP/SERVICE.`, "skerry apps lists the apps.");
  }
  return service === undefined ? { app: appRef(app) } : { app: appRef(app), service: service as ServiceName };
}

/** APP, APP/SERVICE or APP/SERVICE/SLOT; a slot is a number, or a node's name where there is one copy on each. */
export function targetRef(text: string): {
  readonly app: AppName;
  readonly service: ServiceName | null;
  readonly slot: string | null;
} {
  const [app = "", service, slot, ...rest] = text.split("/");
  if (rest.length > 0 || app === "" || service === "" || slot === "") {
    throw usage(
      `${JSON.stringify(text)} is none of APP, APP/SERVICE and APP/SERVICE/SLOT.`,
      "skerry ps lists what there is.",
    );
  }
  return { app: appRef(app), service: (service ?? null) as ServiceName | null, slot: slot ?? null };
}

/** It becomes part of an address. */
export function policyRef(text: string): string {
  if (text !== "" && !text.includes("/")) return text;
  throw usage(`${JSON.stringify(text)} is not a policy's name.`, "skerry policy ls lists them.");
}

/** "app:read". The table of them is light, so this one is judged here. */
export function permissionRef(text: string): Permission {
  if (isPermission(text)) return text;
  throw usage(`${JSON.stringify(text)} is no permission.`, `There are: ${PERMISSIONS.join(", ")}.`);
}
