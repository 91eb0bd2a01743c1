// Which names and addresses stay within this machine.

/** With or without the brackets of a URL; an IPv4 address may come as IPv6 writes it. */
export function isLoopback(host: string): boolean {
  const plain = host.replace(/^\[|\]$/g, "").replace(/^::ffff:/i, "");
  return plain === "localhost" || plain === "::1" || /^127\.\d+\.\d+\.\d+$/.test(plain);
}
