// Reaching a hub over real sockets on loopback: the websocket, joining, and every wrong thing that may answer in a hub's place.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { DialError } from "@skerry/agent/link/failure.ts";
import { hubSockets } from "@skerry/agent/link/hub-socket.ts";
import { askHub, forgetJoining, type JoinOutcome, type JoinRequest, join } from "@skerry/agent/link/join.ts";
import { networkFailure } from "@skerry/agent/link/network-failure.ts";
import { dialWebSocket } from "@skerry/agent/link/ws-dial.ts";
import { silentLog } from "@skerry/shared/runtime/log.ts";
import { seededRandom } from "@skerry/shared/runtime/random.ts";
import { publicKeyOf } from "@skerry/shared/runtime/signature.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { ManualClock, settle } from "./manual-clock.ts";

const KEY = "c".repeat(64);
const TOKEN = `skj1.plain.0123abcd.${"d".repeat(64)}`;
const ask = (asked: JoinRequest, key = KEY): Promise<JoinOutcome> => askHub(hubSockets(), asked, key);

let stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops) stop();
  stops = [];
});

async function serve(answer: RequestListener): Promise<{ readonly url: string; readonly server: Server }> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  stops.push(() => {
    server.closeAllConnections();
    server.close();
  });
  // A server that listens on TCP has such an address.
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

const page: RequestListener = (_, response) => {
  response.writeHead(200, { "content-type": "text/html" });
  response.end("<html>Please sign in</html>");
};
const json =
  (status: number, body: object): RequestListener =>
  (_, response) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  };

describe("dialling", () => {
  const failure = async (url: string): Promise<{ kind: string; message: string }> => {
    const error: unknown = await dialWebSocket(hubSockets(), { hubUrl: url, pins: [] }).then(
      () => null,
      (reason: unknown) => reason,
    );
    if (!(error instanceof DialError)) throw new Error("it did not fail as it should");
    return error.failure;
  };

  test("[K25] a hub's websocket opens, without compression, and carries text both ways", async () => {
    const { url, server } = await serve(page);
    const sockets = new WebSocketServer({ server, path: "/v1/agent" });
    sockets.on("connection", (socket, request) => {
      socket.send(`extensions ${request.headers["sec-websocket-extensions"] ?? "none"}`);
      socket.on("message", (data) => socket.send(`heard ${data.toString()}`));
    });
    const connection = await dialWebSocket(hubSockets(), { hubUrl: url, pins: [] });
    const heard: string[] = [];
    const closed = new Promise<number>((resolve) =>
      connection.listen({
        onFrame(text) {
          heard.push(text);
          if (heard.length === 1) connection.send("light");
          else connection.close(4000, "x".repeat(500));
        },
        onClose: (code) => resolve(code),
      }),
    );
    expect(await closed).toBe(4000);
    expect(heard).toEqual(["extensions none", "heard light"]);
    sockets.close();
  });

  test.each<[string, RequestListener, string]>([
    ["a sign-in page", page, "wrong-server"],
    [
      "a redirect to one",
      (_, response) => response.writeHead(302, { location: "http://127.0.0.1:1/" }).end(),
      "wrong-server",
    ],
    ["another program's 404", (_, response) => response.writeHead(404).end(), "wrong-server"],
    ["a refusal of the hub", json(401, { code: "not-authenticated" }), "not-authenticated"],
    ["a hub that is stopping", json(503, { code: "stopping" }), "broken-off"],
    [
      "a proxy without its hub",
      (_, response) => response.writeHead(502, { "content-type": "text/html" }).end(),
      "no-answer",
    ],
  ])("[K26] %s is told apart, with its own words", async (_, answer, kind) => {
    const { url } = await serve(answer);
    expect(await failure(url)).toMatchObject({ kind });
  });

  test("[K27] a closed port, a name that does not resolve and a server that speaks something else each have their own words", async () => {
    expect(await failure("http://127.0.0.1:1")).toMatchObject({
      kind: "refused",
      message: expect.stringContaining("is the hub running"),
    });
    expect((await failure("http://127.0.0.1:1")).message).toContain("http://127.0.0.1:1");
    expect(
      networkFailure("https://nowhere.invalid:7443", Object.assign(new Error(), { code: "ENOTFOUND" })),
    ).toMatchObject({
      kind: "no-such-host",
    });
    const mail = createTcpServer((socket) => socket.end("220 mail.example ESMTP\r\n"));
    await new Promise<void>((resolve) => mail.listen(0, "127.0.0.1", resolve));
    stops.push(() => mail.close());
    const { port } = mail.address() as AddressInfo;
    expect(await failure(`http://127.0.0.1:${port}`)).toMatchObject({ kind: "wrong-server" });
  });
});

describe("joining", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(joinPath(tmpdir(), "skerry-join-"));
    stops.push(() => rmSync(folder, { recursive: true, force: true }));
  });
  const request = (hubUrl: string): JoinRequest => ({
    hubUrl,
    token: TOKEN,
    tokenText: { pin: null, id: "0123abcd" },
    name: "till",
    labels: {},
    facts: null,
  });
  const joined = {
    node: "n0123456789abcdef",
    installation: "i0123456789abcdef",
    name: "till-2",
    hubKey: "d7".repeat(32),
  };
  const parts = (clock = new ManualClock()) => ({
    ...{ clock, random: seededRandom(1), log: silentLog, folder, ask },
    onWaiting: () => undefined,
  });

  test("[K28] the key is durable before the hub hears of it, and the same at every repeat until the ledger holds it", async () => {
    const durable: string[] = [];
    const { url } = await serve((call, response) => {
      let body = "";
      call.on("data", (part) => {
        body += String(part);
      });
      call.on("end", () => {
        const file = readFileSync(joinPath(folder, "joining"), "utf8").trim();
        durable.push(JSON.parse(body).publicKey === publicKeyOf(file) ? file : "not durable");
        expect(call.headers.authorization).toBe(`Bearer ${TOKEN}`);
        json(201, joined)(call, response);
      });
    });
    const first = await join(parts(), request(url));
    expect(first).toMatchObject({ kind: "joined", identity: { ...joined, hubUrl: url } });
    await join({ ...parts(), random: seededRandom(2) }, request(url));
    forgetJoining(folder);
    await join({ ...parts(), random: seededRandom(3) }, request(url));
    expect(durable[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(durable[1]).toBe(durable[0]);
    expect(durable[2]).not.toBe(durable[0]);
  });

  test("[K29] a refusal is final and in the hub's words, with the next step", async () => {
    const refusal = { code: "join-token-refused", message: "This token is used up.", hint: "Make a new one." };
    const { url } = await serve(json(401, refusal));
    expect(await ask(request(url))).toEqual({
      kind: "refused",
      message: "the hub did not let this machine join: This token is used up. Make a new one.",
    });
  });

  test.each<[string, RequestListener]>([
    ["a sign-in page", page],
    ["too many requests", json(429, { code: "too-many-refusals", message: "Wait.", hint: "" })],
    ["a full disk on the hub", json(507, { code: "storage-full", message: "No space.", hint: "" })],
    ["an answer that is no answer", json(200, { node: 7 })],
  ])("[K30] %s is waited out", async (_, answer) => {
    const { url } = await serve(answer);
    expect(await ask(request(url))).toMatchObject({ kind: "later" });
    expect(await ask(request("http://127.0.0.1:1"))).toMatchObject({ kind: "later" });
  });

  test("[K31] an absent hub is asked again with growing pauses, and each wait is told", async () => {
    const clock = new ManualClock();
    const answers: JoinOutcome[] = [
      { kind: "later", message: "nothing listens" },
      { kind: "later", message: "nothing listens" },
      { kind: "refused", message: "no" },
    ];
    const waits: number[] = [];
    const outcome = join(
      {
        ...parts(clock),
        random: { next: () => 0.5, hex: seededRandom(1).hex },
        ask: async () => answers.shift() ?? { kind: "refused", message: "asked too often" },
        onWaiting: (_message, ms) => waits.push(ms),
      },
      request("http://127.0.0.1:1"),
    );
    await settle();
    await clock.pass(60_000);
    expect(await outcome).toEqual({ kind: "refused", message: "no" });
    expect(waits).toEqual([750, 1_500]);
  });
});
