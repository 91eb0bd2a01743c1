// Which registries are asked without TLS, by the engine's own rules. Pure. Whoever asks one of them sends what he sends in the clear.

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
