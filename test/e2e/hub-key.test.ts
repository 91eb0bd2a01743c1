// The hub's key on real nodes: somebody in the middle, older TLS, a hello that was recorded, and a key that is changed while a node is away.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { connect, createServer } from "node:tls";
import { makeCertificate } from "@skerry/hub/tls/certificate.ts";
import { tlsBinding } from "@skerry/shared/protocol/binding.ts";
import { helloText } from "@skerry/shared/protocol/proof.ts";
import { publicKeyOf, signText } from "@skerry/shared/runtime/signature.ts";
import { afterAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { type FleetNode, joinToken, SKERRY } from "../lab/fleet.ts";
import { freePort } from "../lab/registry.ts";
import { until } from "../lab/wait.ts";
import { compose, fingerprints, fleetForThisFile, removeApp, SOON_MS, service, untilGood } from "./site.ts";

const fleet = fleetForThisFile({ nodes: 2 });
const stops: (() => void)[] = [];
afterAll(() => {
  for (const stop of stops) stop();
});

const hubPlace = (): { host: string; port: number } => {
  const { hostname, port } = new URL(fleet().hub.url);
  return { host: hostname, port: Number(port) };
};

/** Ends TLS with a key of its own, would pass on what it hears to the hub, and keeps it. */
async function middle(): Promise<{ url: string; heard: () => string }> {
  let heard = "";
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = String(privateKey.export({ type: "pkcs8", format: "pem" }));
  const server = createServer({ key, cert: await makeCertificate(key, [], "01") }, (client) => {
    const onward = connect({ ...hubPlace(), rejectUnauthorized: false });
    for (const socket of [client, onward]) socket.on("error", () => undefined);
    client.on("data", (part) => {
      heard += part.toString("latin1");
    });
    client.pipe(onward).pipe(client);
  });
  const { host } = hubPlace();
  const port = await freePort(host);
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  stops.push(() => void server.close());
  return { url: `https://${host}:${port}`, heard: () => heard };
}

const usesLeft = async (token: string): Promise<number> => {
  const { body } = await fleet().hub.call("GET", "/v1/tokens");
  return body.items.find((each: { id: string }) => token.includes(each.id))?.usesLeft;
};

test("[K200] [K202] (H15) (H69) joining over a man in the middle is refused, and nothing of the token was sent", async () => {
  const { url, heard } = await middle();
  const token = await joinToken(fleet(), 1);
  const node = fleet().node(1);
  const stranger = fleet().lab.spawn({
    name: "stranger",
    netns: node.site.network?.netns,
    command: [
      ...[SKERRY, "agent", "--hub", url, "--token", token, "--name", "stranger"],
      ...["--data", join(fleet().lab.folder, "stranger"), "--docker", node.engine.socketPath],
    ],
  });
  await until("it says who answers", () => stranger.lines.some((line) => line.includes("wrong server")), SOON_MS);
  await stranger.stop();
  expect(heard()).toBe("");
  expect(await usesLeft(token)).toBe(1);
});

test("[L202] (H17) plain websockets and TLS 1.2 get nowhere", async () => {
  const { host, port } = hubPlace();
  const refused = async (url: string, options = {}): Promise<string> =>
    await new Promise((resolve) => {
      const socket = new WebSocket(url, { rejectUnauthorized: false, ...options });
      socket.on("open", () => resolve("open"));
      socket.on("error", (error) => resolve(error.message));
    });
  expect(await refused(`ws://${host}:${port}/v1/agent`)).not.toBe("open");
  expect(await refused(`wss://${host}:${port}/v1/agent`, { maxVersion: "TLSv1.2" })).toMatch(/protocol version/);
  const raw = connectTcp(port, host);
  raw.on("error", () => undefined);
  raw.end("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
  let answer = "";
  raw.on("data", (part) => {
    answer += part.toString("latin1");
  });
  await new Promise((resolve) => raw.once("close", resolve));
  expect(answer).not.toContain("HTTP/1.1 200");
});

/** A connection of a node's, up to the hub's challenge. */
async function challenged(): Promise<{ socket: WebSocket; nonce: string; binding: string; next: Promise<string> }> {
  const socket = new WebSocket(`${fleet().hub.url.replace("https", "wss")}/v1/agent`, { rejectUnauthorized: false });
  stops.push(() => socket.terminate());
  const upgraded = once(socket, "upgrade");
  const [message] = await once(socket, "message");
  const [{ socket: wire }] = await upgraded;
  const next = new Promise<string>((resolve) => {
    socket.once("message", (data) => resolve(JSON.parse(String(data)).type));
    socket.once("close", (code) => resolve(`closed ${code}`));
  });
  return { socket, nonce: JSON.parse(String(message)).nonce, binding: tlsBinding(wire), next };
}

test("[L200] (H18) a hello that was recorded on one connection is refused on another, also with the other's nonce", async () => {
  const key = randomBytes(32).toString("hex");
  const joining = { publicKey: publicKeyOf(key), name: "recorded" };
  const { body: signer } = await fleet().hub.call("POST", "/v1/nodes/join", joining, await joinToken(fleet(), 1));
  const helloOf = (nonce: string, binding: string | null): string => {
    const rest = { bootId: "b", runId: "r", agentVersion: "x", have: null };
    const signature = signText(key, helloText(signer, nonce, binding));
    return JSON.stringify({ type: "hello", protocol: 3, protocolMinimum: 3, node: signer.node, signature, ...rest });
  };
  const first = await challenged();
  const recorded = helloOf(first.nonce, first.binding);
  first.socket.send(recorded);
  expect(await first.next).toBe("welcome");
  first.socket.terminate();
  const second = await challenged();
  second.socket.send(recorded);
  expect(await second.next).toBe("closed 4401");
  for (const binding of [first.binding, null]) {
    const again = await challenged();
    again.socket.send(helloOf(again.nonce, binding));
    expect(await again.next).toBe("closed 4401");
  }
  expect((await fleet().hub.call("DELETE", "/v1/nodes/recorded")).status).toBe(200);
});

const wrongServer = async (node: FleetNode): Promise<boolean> =>
  (await node.status()).link.failure?.kind === "wrong-key";

test("[A205] [L201] [U202] the hub's key is changed: who heard of it goes on, who was away needs a new token and stays the node that it was", async () => {
  await fleet().apply("still", compose({ web: service({ deploy: { mode: "global" } }) }));
  await untilGood(fleet(), "still");
  const before = await fingerprints(fleet(), "still");
  const ids = async (): Promise<readonly string[]> =>
    (await fleet().hub.call("GET", "/v1/nodes")).body.items.map(({ id }: { id: string }) => id).sort();
  const nodes = await ids();
  const [heard, away] = [fleet().node(1), fleet().node(2)];
  await away.stopAgent();
  const old = await fleet().hub.pin();
  await fleet().skerry(["hub-key", "next"]);
  const shown = async (): Promise<{ next: string; unaware: string[] }> =>
    JSON.parse((await fleet().skerry(["hub-key", "show", "--json"])).stdout);
  await until("the node that is there keeps it", async () => (await shown()).unaware.join() === away.name, SOON_MS);
  const { next } = await shown();
  const refused = await fleet().skerry(["hub-key", "switch"], {}, { mayFail: true });
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining(away.name)]);
  expect(await fleet().hub.pin()).toBe(old);
  await fleet().skerry(["hub-key", "switch", "--yes"]);
  expect(await fleet().hub.pin()).toBe(next);
  await heard.stopAgent();
  heard.startAgent();
  away.startAgent();
  await until("the node that was away says why", () => wrongServer(away), SOON_MS);
  await until("the other is connected", async () => (await heard.status()).link.kind === "connected", SOON_MS);
  await fleet().hub.stop();
  await fleet().hub.start();
  await until("and again", async () => (await heard.status()).link.kind === "connected", SOON_MS);
  expect(await fingerprints(fleet(), "still")).toEqual(before);
  await away.stopAgent();
  away.startAgent(await joinToken(fleet(), 1));
  await fleet().allReady(SOON_MS);
  await untilGood(fleet(), "still");
  expect([await ids(), await fingerprints(fleet(), "still")]).toEqual([nodes, before]);
  // Started as from its unit file, without the token: what it took is its own.
  await away.stopAgent();
  away.startAgent();
  await fleet().allReady(SOON_MS);
  const log = readFileSync(join(fleet().hub.dataDir, "hub-pin"), "utf8");
  expect(log.trim()).toBe(next);
  await removeApp(fleet(), "still");
});
