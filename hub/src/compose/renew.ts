// An app's spec with another version of a value in it, and so with the hashes that compiling the file again would give. Pure but for the hash.
import type { AppSpec, ServiceSpec } from "@skerry/shared/model/app.ts";
import { specHashInput } from "@skerry/shared/model/assignment-hash.ts";
import type { SpecHash } from "@skerry/shared/model/ids.ts";
import type { ValueRef } from "@skerry/shared/model/value.ts";
import { sha256Hex } from "@skerry/shared/runtime/hash.ts";

/** null: the app does not use it, or has this version of it. */
export function withVersion(spec: AppSpec, ref: ValueRef): AppSpec | null {
  const services = spec.services.map((service) => renewed(spec, service, ref));
  return services.every((service, at) => service === spec.services[at]) ? null : { ...spec, services };
}

function renewed(spec: AppSpec, service: ServiceSpec, { kind, app, name, version }: ValueRef): ServiceSpec {
  const isIt = ({ value }: { readonly value: ValueRef }): boolean =>
    value.kind === kind && value.app === app && value.name === name && value.version !== version;
  const { files } = service.container;
  if (files === null || !files.some(isIt)) return service;
  const container = {
    ...service.container,
    files: files.map((file) => (isIt(file) ? { ...file, value: { ...file.value, version } } : file)),
  };
  return { ...service, container, specHash: hashOf(spec, container) };
}

/** Of the app's networks and volumes those that the container names, by their keys: as the compiler has it. */
function hashOf(spec: AppSpec, container: ServiceSpec["container"]): SpecHash {
  const attached = new Set(container.networks.map(({ network }) => network));
  const mounted = new Set(container.mounts.flatMap((mount) => (mount.kind === "volume" ? [mount.source] : [])));
  const networks = spec.networks.filter(({ engineName }) => attached.has(engineName));
  const volumes = spec.volumes.filter(({ engineName }) => mounted.has(engineName));
  // SHA-256 as hex is what the brand says.
  return sha256Hex(specHashInput(container, networks, volumes)) as SpecHash;
}
