// Agent and hub over real TLS on loopback: a server with another key gets nothing, signatures are of one connection, and the address must fit
// the pins. The certificate here was good in 1990 for nobody: only its key counts.

import { createPublicKey } from "node:crypto";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import { DialError } from "@skerry/agent/link/failure.ts";
import { addressProblem, hubSockets } from "@skerry/agent/link/hub-socket.ts";
import { fitToken } from "@skerry/agent/link/hub-trust.ts";
import { askHub, type JoinRequest } from "@skerry/agent/link/join.ts";
import { dialWebSocket } from "@skerry/agent/link/ws-dial.ts";
import { attachUpgrade } from "@skerry/hub/link/ws-connection.ts";
import type { Connection } from "@skerry/shared/protocol/connection.ts";
import { readJoinToken, writeJoinToken } from "@skerry/shared/protocol/join-token.ts";
import { pinOf, readPin } from "@skerry/shared/protocol/pin.ts";
import { helloText, streamText } from "@skerry/shared/protocol/proof.ts";
import { publicKeyOf } from "@skerry/shared/runtime/signature.ts";
import { afterEach, describe, expect, test } from "vitest";
import { anIdentity } from "../contract/ledger-samples.ts";
import { until } from "../lab/wait.ts";

/** Of this test alone. */
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgEK5tzV+tgv8E9fnH
JspapsF6yCXn/2Uc7uhCswQKgjqhRANCAASg8fwmRpOw3Ic95Nzh1z5RFuVMTIPE
nfdDpyFJXugGFpj0yfzj0h5JrD/5yq3sT5ryCm4i4SUAMEB4AcdmHdCz
-----END PRIVATE KEY-----
`;
const CERT = `-----BEGIN CERTIFICATE-----
MIIBEjCBuaADAgECAgEBMAoGCCqGSM49BAMCMBExDzANBgNVBAMTBm5vYm9keTAe
Fw05MDAxMDEwMDAwMDBaFw05MTAxMDEwMDAwMDBaMBExDzANBgNVBAMTBm5vYm9k
eTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKDx/CZGk7Dchz3k3OHXPlEW5UxM
g8Sd90OnIUle6AYWmPTJ/OPSHkmsP/nKrexPmvIKbiLhJQAwQHgBx2Yd0LOjAjAA
MAoGCCqGSM49BAMCA0gAMEUCIGjRIffSIbzSeqxCFdKFcX9aTYyDTKnOMZO1R8gY
7UOkAiEAhFNyvWkBlAzh+58zA4yQv0ArlCUTcNEaahLVAnUpZjg=
-----END CERTIFICATE-----
`;
const PIN = pinOf(createPublicKey(KEY));
const OTHER_PIN = "e".repeat(64);
const SECRET = "d".repeat(64);

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

async function listening(
  server: { listen(port: number, host: string): unknown } & NodeJS.EventEmitter,
): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return ((server as unknown as { address(): unknown }).address() as AddressInfo).port;
}

/** Ends TLS and keeps every byte that is said to it. */
async function impostor(options: { maxVersion?: "TLSv1.2" } = {}): Promise<{ url: string; heard: () => string }> {
  let heard = "";
  const server = createTlsServer({ key: KEY, cert: CERT, ...options }, (socket: TLSSocket) => {
    socket.on("error", () => undefined);
    socket.on("data", (part) => {
      heard += part.toString("latin1");
    });
  });
  const port = await listening(server);
  stops.push(() => void server.close());
  return { url: `https://127.0.0.1:${port}`, heard: () => heard };
}

/** A hub's port, with the connections of agents that came through it. */
async function hub(): Promise<{ url: string; connections: Connection[] }> {
  const connections: Connection[] = [];
  const joined = {
    ...{ node: "n0123456789abcdef", installation: "i0123456789abcdef", name: "till" },
    hubKey: publicKeyOf("5a".repeat(32)),
  };
  const server = createServer({ key: KEY, cert: CERT, minVersion: "TLSv1.3" }, (_request, response) => {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(joined));
  });
  const link = {
    isFull: () => false,
    attach(connection: Connection) {
      connections.push(connection);
      connection.listen({ onFrame: (text) => connection.send(`heard ${text}`), onClose: () => undefined });
    },
  };
  const upgrades = attachUpgrade(server, link, null);
  const port = await listening(server);
  stops.push(() => {
    upgrades.close();
    server.closeAllConnections();
    server.close();
  });
  return { url: `https://127.0.0.1:${port}`, connections };
}

const request = (hubUrl: string, pin: string | null): JoinRequest => ({
  ...{ hubUrl, name: "till", labels: {}, facts: null },
  token: writeJoinToken({ pin, id: "0123abcd", secret: SECRET }),
  tokenText: { pin, id: "0123abcd" },
});

async function failure(hubUrl: string, pins: readonly string[]): Promise<DialError["failure"]> {
  const error: unknown = await dialWebSocket(hubSockets(), { hubUrl, pins }).then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof DialError)) throw new Error("it did not fail as it should");
  return error.failure;
}

describe("the hub's key", () => {
  test("[K201] (H24) a machine joins and connects by the pin alone, whatever the certificate says", async () => {
    const { url, connections } = await hub();
    const outcome = await askHub(hubSockets(), request(url, PIN), "c".repeat(64));
    expect(outcome).toMatchObject({ kind: "joined", identity: { hubUrl: url, pins: [PIN], tokens: ["0123abcd"] } });
    const connection = await dialWebSocket(hubSockets(), { hubUrl: url, pins: [OTHER_PIN, PIN] });
    const heard = new Promise<string>((resolve) => connection.listen({ onFrame: resolve, onClose: () => undefined }));
    connection.send("light");
    expect(await heard).toBe("heard light");
    expect(connection.binding).toMatch(/^[0-9a-f]{64}$/);
    expect(connections[0]?.binding).toBe(connection.binding);
    connection.close(1000, "");
  });

  test("[L374] frames of any length arrive whole and in order over TLS, whatever pieces they go in", async () => {
    const { url, connections } = await hub();
    const connection = await dialWebSocket(hubSockets(), { hubUrl: url, pins: [PIN] });
    // Characters of three bytes, so that pieces end in the middle of some.
    const frames = ["a", "€".repeat(100_000), "b", "x".repeat(16_000), "y".repeat(16_001), "€".repeat(300_000), "c"];
    const heard: string[] = [];
    connection.listen({ onFrame: (text) => heard.push(text), onClose: () => undefined });
    await until("the hub has it", () => connections.length === 1, 5_000);
    for (const frame of frames) connections[0]?.send(frame);
    await until("all of them came", () => heard.length === frames.length, 5_000);
    expect(heard.map((text, index) => text === frames[index])).toEqual(frames.map(() => true));
    connection.close(1000, "");
  });

  test("[K200] [K202] (H16) (H59) a server with another key gets no byte, neither of a token nor of HTTP, and that is said", async () => {
    const { url, heard } = await impostor();
    expect(await askHub(hubSockets(), request(url, OTHER_PIN), "c".repeat(64))).toMatchObject({
      kind: "later",
      message: expect.stringMatching(/^wrong server .*its key is not the pinned one.*nothing was sent/),
    });
    expect(await failure(url, [OTHER_PIN])).toMatchObject({ kind: "wrong-key" });
    expect(heard()).toBe("");
  });

  test("[K200] (H17) TLS 1.2 and plain HTTP in the hub's place are another server, and get nothing", async () => {
    const old = await impostor({ maxVersion: "TLSv1.2" });
    expect(await failure(old.url, [PIN])).toMatchObject({ kind: "wrong-server" });
    expect(old.heard()).toBe("");
    const plain = createHttpServer((_request, response) => response.end("hello"));
    const port = await listening(plain);
    stops.push(() => void plain.close());
    expect(await failure(`https://127.0.0.1:${port}`, [PIN])).toMatchObject({ kind: "wrong-server" });
  });

  test("[K203] an address must fit what is known of the hub's key", async () => {
    expect(addressProblem({ hubUrl: "https://hub:7443", pins: [PIN] })).toBeNull();
    expect(addressProblem({ hubUrl: "http://127.0.0.1:7443", pins: [] })).toBeNull();
    expect(addressProblem({ hubUrl: "http://[::1]:7443", pins: [] })).toBeNull();
    expect(addressProblem({ hubUrl: "http://hub:7443", pins: [] })).toMatch(/very machine only/);
    expect(addressProblem({ hubUrl: "http://127.0.0.1:7443", pins: [PIN] })).toMatch(/without TLS/);
    expect(addressProblem({ hubUrl: "https://hub:7443", pins: [] })).toMatch(/new join token/);
    expect(await failure("http://192.0.2.1:7443", [])).toMatchObject({ kind: "wrong-key" });
  });

  test("[K205] a new join token brings the pin and nothing else; one that was taken before says nothing new", () => {
    const hubUrl = "https://hub.example:7443";
    const node = { ...anIdentity, hubUrl, pins: [PIN], binding: "tls-exporter", tokens: ["aaaaaaaa"] } as const;
    expect(fitToken(node, null)).toBe(node);
    expect(fitToken(node, { pin: OTHER_PIN, id: "aaaaaaaa" })).toBe(node);
    // A proxy may have taken the hub's own key over: then signatures can be bound to connections no more.
    const tokens = ["aaaaaaaa", "bbbbbbbb"];
    expect(fitToken(node, { pin: PIN, id: "bbbbbbbb" })).toEqual({ ...node, binding: "none", tokens });
    // With it nobody could be dialled any more, and the good one before would not count again.
    expect(fitToken(node, { pin: null, id: "bbbbbbbb" })).toBe(node);
    expect(fitToken({ ...node, hubUrl: "http://127.0.0.1:7443" }, { pin: null, id: "bbbbbbbb" })).toMatchObject({
      pins: [],
      tokens,
    });
    const moved = fitToken(node, { pin: OTHER_PIN, id: "bbbbbbbb" });
    expect(moved).toEqual({ ...node, pins: [OTHER_PIN], binding: "none", tokens: ["aaaaaaaa", "bbbbbbbb"] });
    expect(fitToken(moved, { pin: PIN, id: "aaaaaaaa" })).toBe(moved);
  });
});

describe("words for keys", () => {
  test("[A204] (H59) a join token is read back as it was written, and nothing else is one", () => {
    for (const pin of [PIN, null]) {
      const text = { pin, id: "0123456789ab", secret: SECRET };
      expect(readJoinToken(writeJoinToken(text))).toEqual(text);
    }
    for (const text of [
      "",
      `skj1.0123456789ab.${SECRET}`,
      `skj1.${PIN}.0123456789ab.${SECRET} `,
      `skj1.x.0123456789ab.${SECRET}`,
    ])
      expect(readJoinToken(text)).toBeNull();
  });

  test("[U201] a pin is read as other tools show it too", () => {
    const shown = PIN.toUpperCase().replace(/../g, "$&:").slice(0, -1);
    expect([readPin(` ${PIN}\n`), readPin(shown), readPin(PIN.slice(1)), readPin("x".repeat(64))]).toEqual([
      PIN,
      PIN,
      null,
      null,
    ]);
  });

  test("[L200] a signature is of one connection and of one purpose", () => {
    const of = (binding: string | null) => [
      helloText(anIdentity, SECRET, binding),
      streamText(anIdentity, SECRET, binding),
    ];
    const texts = [null, "a".repeat(64), "b".repeat(64)].flatMap(of);
    expect(new Set(texts).size).toBe(6);
  });
});
