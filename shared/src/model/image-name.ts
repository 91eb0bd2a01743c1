// An image's name as the engine reads it: which registry, which repository there, which tag or digest. Pure; hub and node find the registry
// that a credential is for by the same rules.

export interface ImageName {
  /** As people and credentials call it: "docker.io", "10.0.0.9:5000". */
  readonly registry: string;
  /** Where it is asked for: "registry-1.docker.io", "10.0.0.9:5000". */
  readonly host: string;
  readonly repository: string;
  /** A tag, or "sha256:…". */
  readonly version: string;
}

/** What "no registry" means, and where that one answers. */
const DEFAULT = {
  name: "docker.io",
  names: ["docker.io", "index.docker.io"],
  host: "registry-1.docker.io",
  folder: "library",
} as const;

/** Of a registry's name with its port. A DNS name may have 253, and none that is in use comes near: a cloud's longest have 70. */
const MAX_REGISTRY_CHARACTERS = 240;
/** A host's name or address, with or without a port. */
const REGISTRY = /^(?:\[[0-9a-f:]{2,45}\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::[0-9]{1,5})?$/;

/** null: not a name; the engine says why. */
export function imageName(reference: string): ImageName | null {
  const match = /^(?<path>[^@]+?)(?::(?<tag>[\w][\w.-]{0,127}))?(?:@(?<digest>sha256:[0-9a-f]{64}))?$/.exec(reference);
  const { path, tag, digest } = match?.groups ?? {};
  if (path === undefined) return null;
  const slash = path.indexOf("/");
  const first = slash < 0 ? "" : path.slice(0, slash);
  // As engines tell a registry from a folder of docker.io, which has no capitals.
  const named = /[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase();
  const registry = named ? first : DEFAULT.name;
  const rest = named ? path.slice(slash + 1) : path;
  if (!/^[a-z0-9]+(?:(?:[._]|__|-+|\/)[a-z0-9]+)*$/.test(rest)) return null;
  const isDefault = isDefaultRegistry(registry);
  return {
    registry: isDefault ? DEFAULT.name : registry.toLowerCase(),
    host: isDefault ? DEFAULT.host : registry,
    repository: isDefault && !rest.includes("/") ? `${DEFAULT.folder}/${rest}` : rest,
    version: digest ?? tag ?? "latest",
  };
}

/** The registry that somebody means by "ghcr.io", "https://index.docker.io/v1/" or "Registry.example:5000". null: it names none. */
export function registryNamed(text: string): string | null {
  const host = text
    .toLowerCase()
    .replace(/^https?:\/\//, "")
    .replace(/\/(?:v[12]\/?)?$/, "");
  if (host.length > MAX_REGISTRY_CHARACTERS || !REGISTRY.test(host)) return null;
  return isDefaultRegistry(host) || host === DEFAULT.host ? DEFAULT.name : host;
}

const isDefaultRegistry = (registry: string): boolean => DEFAULT.names.some((name) => name === registry);
