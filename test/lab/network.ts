// The wires between the hub and the nodes: a bridge that the hub listens on, and a network namespace for each node.
// A node can be cut off in both directions or in one, and its traffic is counted. All of it is in one small network of
// its own (checked to be free), and nothing is routed anywhere else.
import { mkdir, readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { run, tryRun } from "./command.ts";

/** Where a free /24 is looked for; a site's own network is seldom here. */
const NETWORK_PREFIX = "10.213";
/** Interface names may have 15 characters, so that a tag and a node's number must fit. */
const MAX_NODES = 99;

/** Which packets of a cut node are lost. One-way: the other side cannot know, as with a half-open link. */
export type CutDirection = "both" | "to-node" | "from-node";

export interface Traffic {
  readonly toNodeBytes: number;
  readonly fromNodeBytes: number;
}

export class NodeNetwork implements AsyncDisposable {
  readonly name: string;
  /** Path of the namespace, for nsenter. */
  readonly netns: string;
  readonly address: string;
  readonly #veth: string;

  constructor(name: string, netns: string, address: string, veth: string) {
    this.name = name;
    this.netns = netns;
    this.address = address;
    this.#veth = veth;
  }

  async cut(direction: CutDirection = "both"): Promise<void> {
    if (direction === "both") return link(["set", this.#veth, "down"]);
    const chain = direction === "to-node" ? ["INPUT", "-i", "eth0"] : ["OUTPUT", "-o", "eth0"];
    await this.run("iptables", ["-w", "-I", ...chain, "-j", "DROP"]);
  }

  async heal(): Promise<void> {
    for (const chain of [
      ["INPUT", "-i", "eth0"],
      ["OUTPUT", "-o", "eth0"],
    ]) {
      await this.#tryInside("iptables", ["-w", "-D", ...chain, "-j", "DROP"]);
    }
    await link(["set", this.#veth, "up"]);
  }

  /** Since the node was made, with all headers; both ends of the wire are counted by the kernel. */
  async traffic(): Promise<Traffic> {
    const read = async (what: string): Promise<number> =>
      Number(await readFile(`/sys/class/net/${this.#veth}/statistics/${what}`, "utf8"));
    const [toNodeBytes, fromNodeBytes] = await Promise.all([read("tx_bytes"), read("rx_bytes")]);
    return { toNodeBytes, fromNodeBytes };
  }

  /** Runs a program inside the node's network. */
  run(program: string, args: readonly string[]): Promise<string> {
    return run("nsenter", [`--net=${this.netns}`, program, ...args]);
  }

  /** What a program on the node gets from an address; throws when there is no answer in time. */
  async get(url: string, withinMs = 2_000): Promise<string> {
    // The address comes as an argument of its own, and is no part of the program.
    const program = "fetch(process.argv[1], { signal: AbortSignal.timeout(Number(process.argv[2])) })";
    const print =
      ".then((r) => r.text()).then((t) => process.stdout.write(t), (e) => { console.error(e.message); process.exit(1); })";
    return this.run(process.execPath, ["-e", program + print, url, String(withinMs)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await tryRun("ip", ["netns", "del", netnsName(this.netns)]);
    await tryRun("ip", ["link", "del", this.#veth]);
  }

  #tryInside(program: string, args: readonly string[]): Promise<boolean> {
    return tryRun("nsenter", [`--net=${this.netns}`, program, ...args]);
  }
}

export class Network implements AsyncDisposable {
  readonly tag: string;
  readonly bridge: string;
  /** The hub's address: on the bridge, in the machine's own namespace. */
  readonly hubAddress: string;
  /** In CIDR notation. */
  readonly subnet: string;
  readonly #third: number;
  #nodes = 0;

  private constructor(tag: string, third: number) {
    this.tag = tag;
    this.bridge = `sk${tag}`;
    this.#third = third;
    this.hubAddress = `${NETWORK_PREFIX}.${third}.1`;
    this.subnet = `${NETWORK_PREFIX}.${third}.0/24`;
  }

  static async start(tag: string): Promise<Network> {
    const network = new Network(tag, await freeThird());
    try {
      await link(["add", network.bridge, "type", "bridge"]);
      await run("ip", ["addr", "add", `${network.hubAddress}/24`, "dev", network.bridge]);
      await link(["set", network.bridge, "up"]);
      for (const rule of rulesFor(network.bridge)) await run("iptables", ["-w", "-I", ...rule]);
      return network;
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Makes a namespace with one wire to the bridge. There is no way out: names of the internet fail at once. */
  async node(name: string): Promise<NodeNetwork> {
    this.#nodes += 1;
    const number = this.#nodes;
    if (number > MAX_NODES) throw new Error(`a lab has at most ${MAX_NODES} nodes`);
    const namespace = `skerry-${this.tag}-${name}`;
    const veth = `sk${this.tag}n${number}`;
    const address = `${NETWORK_PREFIX}.${this.#third}.${10 + number}`;
    const node = new NodeNetwork(name, `/run/netns/${namespace}`, address, veth);
    try {
      await mkdir("/run/netns", { recursive: true });
      await run("ip", ["netns", "add", namespace]);
      await link(["add", veth, "type", "veth", "peer", "name", "eth0", "netns", namespace]);
      await link(["set", veth, "master", this.bridge, "up"]);
      await node.run("ip", ["link", "set", "lo", "up"]);
      await node.run("ip", ["addr", "add", `${address}/24`, "dev", "eth0"]);
      await node.run("ip", ["link", "set", "eth0", "up"]);
      return node;
    } catch (error) {
      await node[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const rule of rulesFor(this.bridge)) await tryRun("iptables", ["-w", "-D", ...rule]);
    await tryRun("ip", ["link", "del", this.bridge]);
  }
}

/** For an engine in the machine's own network: a bridge alone, without any rule. Named as a lab's, so that a sweep finds it after a kill. */
export async function plainBridge(tag: string): Promise<AsyncDisposable & { readonly name: string }> {
  const name = `sk${tag}`;
  const address = `${NETWORK_PREFIX}.${await freeThird()}.1/24`;
  const remove = async (): Promise<void> => {
    await tryRun("ip", ["link", "del", name]);
  };
  try {
    await link(["add", name, "type", "bridge"]);
    await run("ip", ["addr", "add", address, "dev", name]);
    await link(["set", name, "up"]);
    return { name, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Whether this machine lets us make namespaces and wires at all; the reason when not. */
export async function networkImpossible(): Promise<string | null> {
  // Named like a lab's, so that a sweep finds it after a kill.
  const probe = `skerry-${process.pid}z-probe`;
  try {
    await run("ip", ["netns", "add", probe]);
    await run("nsenter", [
      `--net=/run/netns/${probe}`,
      "ip",
      "link",
      "add",
      "probe0",
      "type",
      "veth",
      "peer",
      "name",
      "probe1",
    ]);
    await run("nsenter", [`--net=/run/netns/${probe}`, "ip", "link", "add", "probe2", "type", "bridge"]);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await tryRun("ip", ["netns", "del", probe]);
  }
}

/** Removes what is left of the network of a lab that was killed. */
export async function removeNetworkOf(tag: string): Promise<void> {
  const namespaces = (await run("ip", ["netns", "list"]).catch(() => ""))
    .split("\n")
    .map((line) => line.split(" ")[0] ?? "");
  for (const name of namespaces.filter((each) => each.startsWith(`skerry-${tag}-`)))
    await tryRun("ip", ["netns", "del", name]);
  for (const rule of rulesFor(`sk${tag}`)) {
    while (await tryRun("iptables", ["-w", "-D", ...rule])) {
      // Each call removes one copy.
    }
  }
  for (const name of Object.keys(await linkNames())) {
    if (name === `sk${tag}` || name.startsWith(`sk${tag}n`)) await tryRun("ip", ["link", "del", name]);
  }
}

/** Tags of labs that have a bridge, a wire or a namespace here. */
export async function networkTags(): Promise<readonly string[]> {
  const links = Object.keys(await linkNames()).flatMap((name) => /^sk(\d+[a-z])(n\d+)?$/.exec(name)?.[1] ?? []);
  const list = await run("ip", ["netns", "list"]).catch(() => "");
  const namespaces = list.split("\n").flatMap((line) => /^skerry-(\d+[a-z])-/.exec(line)?.[1] ?? []);
  return [...links, ...namespaces];
}

async function linkNames(): Promise<Record<string, true>> {
  const text = await run("ip", ["-j", "link"]).catch(() => "[]");
  // The shape is iproute2's own JSON.
  const links = JSON.parse(text) as { ifname: string }[];
  return Object.fromEntries(links.map((each) => [each.ifname, true as const]));
}

// A firewall that drops by default, or Docker's own, would otherwise cut the nodes from each other and from the hub.
function rulesFor(bridge: string): readonly (readonly string[])[] {
  return [
    ["FORWARD", "-i", bridge, "-o", bridge, "-j", "ACCEPT"],
    ["INPUT", "-i", bridge, "-j", "ACCEPT"],
  ];
}

async function freeThird(): Promise<number> {
  const routes = await run("ip", ["route", "show", "table", "all"]);
  const own = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map((each) => each.address));
  // Two labs that start together begin their search at different places.
  const start = process.pid % 256;
  for (let step = 0; step < 256; step++) {
    const third = (start + step) % 256;
    const begins = `${NETWORK_PREFIX}.${third}.`;
    if (!routes.includes(begins) && !own.some((address) => address.startsWith(begins))) return third;
  }
  throw new Error(`no free network within ${NETWORK_PREFIX}.0.0/16 on this machine`);
}

async function link(args: readonly string[]): Promise<void> {
  await run("ip", ["link", ...args]);
}

function netnsName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
