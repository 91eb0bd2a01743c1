// An image's name as the engine reads it: which registry, which repository there, which tag or digest. Pure.

export interface ImageName {
  /** Where it is asked for: "registry-1.docker.io", "10.0.0.9:5000". */
  readonly host: string;
  readonly repository: string;
  /** A tag, or "sha256:…". */
  readonly version: string;
}

/** What "no registry" means, and where that one answers. */
const DEFAULT = { names: ["docker.io", "index.docker.io"], host: "registry-1.docker.io", folder: "library" } as const;

/** null: not a name; the engine says why. */
export function imageName(reference: string): ImageName | null {
  const match = /^(?<path>[^@]+?)(?::(?<tag>[\w][\w.-]{0,127}))?(?:@(?<digest>sha256:[0-9a-f]{64}))?$/.exec(reference);
  const { path, tag, digest } = match?.groups ?? {};
  if (path === undefined) return null;
  const slash = path.indexOf("/");
  const first = slash < 0 ? "" : path.slice(0, slash);
  const named = first.includes(".") || first.includes(":") || first === "localhost";
  const registry = named ? first : "docker.io";
  const rest = named ? path.slice(slash + 1) : path;
  if (!/^[a-z0-9]+(?:(?:[._]|__|-+|\/)[a-z0-9]+)*$/.test(rest)) return null;
  const isDefault = DEFAULT.names.some((name) => name === registry);
  return {
    host: isDefault ? DEFAULT.host : registry,
    repository: isDefault && !rest.includes("/") ? `${DEFAULT.folder}/${rest}` : rest,
    version: digest ?? tag ?? "latest",
  };
}

/** Asked without TLS, as the engine does: loopback always, others when it was told so, as a host, host:port or network. */
export function isInsecure(host: string, insecure: readonly string[]): boolean {
  const name = host.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  if (name === "localhost" || name === "::1" || /^127\.\d+\.\d+\.\d+$/.test(name)) return true;
  return insecure.some((one) => one === host || one === name || isWithin(name, one));
}

/** IPv4 only: a network of IPv6 registries is not known to be one, and is then left to the engine. */
function isWithin(address: string, network: string): boolean {
  const [base = "", bits = ""] = network.split("/");
  const [a, b] = [numberOf(address), numberOf(base)];
  if (a === null || b === null || !/^\d{1,2}$/.test(bits)) return false;
  const size = 2 ** (32 - Number(bits));
  return Math.floor(a / size) === Math.floor(b / size);
}

function numberOf(address: string): number | null {
  const parts = address.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)) return null;
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0);
}
