// A crowd of simulated nodes in a process of its own: each joins over HTTP and holds a real websocket over TLS. Told to, it cuts all of
// them at once and lets them come back. Talks to the bench over IPC.
import { randomBytes } from "node:crypto";
import { Agent, request } from "node:http";
import { readJoinToken } from "@skerry/shared/protocol/join-token.ts";
import type { Signer } from "@skerry/shared/protocol/proof.ts";
import { publicKeyOf } from "@skerry/shared/runtime/signature.ts";
import { CrowdNode, dialHub, type HubDoor } from "./crowd-node.ts";
import { facts } from "./crowd-words.ts";

/** So many joins and dials under way at once while the fleet is made. */
const ARRIVING_AT_ONCE = 32;

export type ToCrowd =
  | { readonly kind: "start"; readonly url: string; readonly token: string; readonly nodes: number }
  | { readonly kind: "storm" }
  | { readonly kind: "bytes" };
export type FromCrowd =
  | { readonly kind: "ready" }
  /** Sent once per node and assignment. */
  | { readonly kind: "accepted"; readonly node: number; readonly workloads: number; readonly revision: number }
  | ({ readonly kind: "returned" } & Storm)
  | { readonly kind: "bytes"; readonly bytes: number }
  | { readonly kind: "failed"; readonly reason: string };

/** From the cut to the first answered beat of the last node. `tries`: dials over all nodes. `actions`: what nodes were told to change. */
export interface Storm {
  readonly seconds: number;
  readonly tries: number;
  readonly actions: number;
}

const crowd: CrowdNode[] = [];
/** Over all websockets, both directions. */
const payload = { bytes: 0 };
const tell = (message: FromCrowd): void => void process.send?.(message);
const fail = (error: Error): void => tell({ kind: "failed", reason: error.stack ?? error.message });

process.on("message", (message: ToCrowd) => {
  if (message.kind === "bytes") tell({ kind: "bytes", bytes: payload.bytes });
  else if (message.kind === "storm") storm().then((result) => tell({ kind: "returned", ...result }), fail);
  else start(message).catch(fail);
});
process.on("disconnect", () => process.exit(0));

async function start({ url, token, nodes }: Extract<ToCrowd, { kind: "start" }>): Promise<void> {
  const { hostname, port } = new URL(url);
  const pin = readJoinToken(token)?.pin ?? null;
  if (pin === null) throw new Error("the token names no key of the hub: the crowd speaks TLS only");
  const door: HubDoor = { host: hostname, port: Number(port), pins: [pin] };
  const numbers = Array.from({ length: nodes }, (_, index) => index + 1);
  const next = async (): Promise<void> => {
    for (let number = numbers.shift(); number !== undefined; number = numbers.shift())
      await arrive(door, token, number);
  };
  await Promise.all(Array.from({ length: ARRIVING_AT_ONCE }, next));
  tell({ kind: "ready" });
}

async function storm(): Promise<Storm> {
  const actionsOf = (): number => crowd.reduce((sum, { actions }) => sum + actions, 0);
  const before = actionsOf();
  const startedAt = performance.now();
  for (const node of crowd) node.cut();
  const tries = await Promise.all(crowd.map((node) => node.comeBack()));
  const seconds = (performance.now() - startedAt) / 1_000;
  return { seconds, tries: tries.reduce((sum, each) => sum + each, 0), actions: actionsOf() - before };
}

async function arrive(door: HubDoor, token: string, number: number): Promise<void> {
  const privateKey = randomBytes(32).toString("hex");
  const name = `crowd-${String(number).padStart(4, "0")}`;
  const body = { publicKey: publicKeyOf(privateKey), name, labels: { crowd: "yes" }, facts: facts(name) };
  // The hub's own answer.
  const { hubKey, ...signer } = JSON.parse(await join(door, token, number, body)) as Signer & { hubKey: string };
  const node = new CrowdNode({
    ...{ door, signer, privateKey, number },
    // As the hub told it.
    hubKey: hubKey as ReturnType<typeof publicKeyOf>,
    onBytes: (bytes) => {
      payload.bytes += bytes;
    },
    onAccepted: (workloads, revision) => tell({ kind: "accepted", node: number, workloads, revision }),
    onLost: (reason) => tell({ kind: "failed", reason }),
  });
  crowd.push(node);
  await node.dial();
}

async function join(door: HubDoor, token: string, number: number, body: unknown): Promise<string> {
  const socket = await dialHub(door, number);
  const agent = new Agent();
  agent.createConnection = () => socket;
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const where = { host: door.host, port: door.port, path: "/v1/nodes/join", method: "POST" };
    const call = request({ ...where, headers, agent }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => {
        socket.destroy();
        if (response.statusCode !== undefined && response.statusCode < 300) resolve(text);
        else reject(new Error(`node ${number} could not join: ${response.statusCode} ${text}`));
      });
    });
    call.on("error", reject);
    call.end(JSON.stringify(body));
  });
}
