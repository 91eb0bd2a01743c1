// The hub's key and certificate on a real disk, and its port with TLS: what lasts, what is made anew, and what is refused at the door.
import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import { type AddressInfo, connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { pinOf } from "@skerry/shared/protocol/pin.ts";
import { silentLog } from "@skerry/shared/runtime/log.ts";
import { systemRandom } from "@skerry/shared/runtime/random.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeCertificate } from "./certificate.ts";
import { credentialsOf, type Front, type FrontChoice, openFront, pinsOf } from "./front.ts";
import { PIN_SETTING } from "./hub-key.ts";
import { secureServer } from "./server.ts";

let folder: string;
let settings: Map<string, string>;
const servers: Server[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "skerry-tls-"));
  settings = new Map();
});
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(folder, { recursive: true, force: true });
});

const file = (name: string): string => join(folder, name);
const mode = (name: string): number => statSync(file(name)).mode & 0o777;

const open = (choice: FrontChoice = { kind: "own" }, renew = false) =>
  openFront(choice, {
    ...{ dataDir: folder, random: systemRandom, log: silentLog, renew },
    store: {
      setting: (name) => settings.get(name) ?? null,
      setSetting: (name, value) => void settings.set(name, value),
    },
  });
async function opened(choice?: FrontChoice, renew?: boolean): Promise<Front> {
  const front = await open(choice, renew);
  if (!front.ok) throw new Error(front.error);
  return front.value;
}
async function refusal(choice?: FrontChoice): Promise<string> {
  const front = await open(choice);
  return front.ok ? "it was taken" : front.error;
}

test("[A200] a first start makes a P-256 key and a certificate for it, for their owner only, and the next one keeps both", async () => {
  const front = await opened();
  const [pin] = pinsOf(front);
  const made = credentialsOf(front);
  const certificate = new X509Certificate(made?.cert ?? "");
  const key = createPrivateKey(made?.key ?? "");
  expect(key.asymmetricKeyDetails?.namedCurve).toBe("prime256v1");
  expect(certificate.checkPrivateKey(key)).toBe(true);
  expect(certificate.checkHost("localhost")).toBe("localhost");
  expect(certificate.checkIP("127.0.0.1")).toBe("127.0.0.1");
  expect([certificate.validFromDate.getUTCFullYear(), certificate.validToDate.getUTCFullYear()]).toEqual([1970, 9999]);
  expect([mode("hub-key.pem"), mode("hub-cert.pem"), mode("hub-pin")]).toEqual([0o600, 0o600, 0o600]);
  expect(readFileSync(file("hub-pin"), "utf8")).toBe(`${pin}\n`);
  expect(pin).toBe(pinOf(createPublicKey(key)));
  const again = await opened();
  expect([pinsOf(again), credentialsOf(again)]).toEqual([[pin], made]);
});

test("[A200] a certificate that is lost, damaged or of another key is made anew from the key", async () => {
  const pins = pinsOf(await opened());
  const other = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const foreign = await makeCertificate(String(other.export({ type: "pkcs8", format: "pem" })), [], "01");
  for (const text of ["", "no certificate", foreign]) {
    writeFileSync(file("hub-cert.pem"), text);
    const front = await opened();
    expect(pinsOf(front)).toEqual(pins);
    const { key = "", cert = "" } = credentialsOf(front) ?? {};
    expect(new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))).toBe(true);
    expect(readFileSync(file("hub-cert.pem"), "utf8")).toBe(cert);
  }
});

test("[A201] a key that is gone or damaged is not made anew once nodes were given its pin", async () => {
  const [pin = ""] = pinsOf(await opened());
  writeFileSync(file("hub-key.pem"), "-----BEGIN PRI");
  expect(await refusal()).toMatch(/damaged.*backup.*--new-hub-key/s);
  rmSync(file("hub-key.pem"));
  expect(await refusal()).toContain(pin);
  const [fresh] = pinsOf(await opened(undefined, true));
  expect(fresh).not.toBe(pin);
  expect(pinsOf(await opened())).toEqual([fresh]);
});

test("[A201] what a crash left half made before anybody was given a pin is made anew", async () => {
  writeFileSync(file("hub-key.pem"), "-----BEGIN PRI");
  writeFileSync(file("hub-key.pem.new"), "x");
  const pins = pinsOf(await opened());
  expect(settings.get(PIN_SETTING)).toBe(pins[0]);
  // The key was durable, and the crash came before anything else was.
  settings.clear();
  rmSync(file("hub-cert.pem"));
  rmSync(file("hub-pin"));
  expect(pinsOf(await opened())).toEqual(pins);
});

test("[A205] the next key outlives a restart, and the switch is one rename", async () => {
  const front = await opened();
  if (front.kind !== "own") throw new Error("not its own");
  const [first] = pinsOf(front);
  const silently = () => undefined;
  const untold = (): void => {
    throw new Error("cannot be written down");
  };
  expect(() => front.key.prepareNext(untold)).toThrow("cannot be written down");
  expect(front.key.nextPin).toBeNull();
  const next = front.key.prepareNext(silently);
  expect(front.key.prepareNext(untold)).toBe(next);
  expect([mode("hub-key-next.pem"), pinsOf(front), pinsOf(await opened())]).toEqual([
    0o600,
    [first, next],
    [first, next],
  ]);
  // A disk that takes nothing more: nothing has changed, in memory and at rest, and it can be tried again.
  const before = front.key.credentials();
  rmSync(file("hub-pin"));
  mkdirSync(file("hub-pin"));
  await expect(front.key.switchToNext()).rejects.toThrow();
  expect([pinsOf(front), front.key.credentials()]).toEqual([[first, next], before]);
  rmSync(file("hub-pin"), { recursive: true });
  expect(pinsOf(await opened())).toEqual([first, next]);
  // Asked for twice at once, it is done once.
  await Promise.all([front.key.switchToNext(), front.key.switchToNext()]);
  expect([pinsOf(front), pinsOf(await opened())]).toEqual([[next], [next]]);
});

test("[A202] an operator's certificate is checked at start, and its key is the pin", async () => {
  const key = (name: string, options = {}): void => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    writeFileSync(file(name), privateKey.export({ type: "pkcs8", format: "pem", ...options }));
  };
  key("own.key");
  key("other.key");
  key("locked.key", { cipher: "aes-256-cbc", passphrase: "x" });
  const pem = readFileSync(file("own.key"), "utf8");
  writeFileSync(file("own.crt"), await makeCertificate(pem, [], "01"));
  writeFileSync(file("empty"), "");
  const files = (cert: string, of: string): FrontChoice => ({
    ...{ kind: "files", certFile: file(cert), keyFile: file(of), nextPin: null },
  });
  expect(pinsOf(await opened(files("own.crt", "own.key")))).toEqual([pinOf(createPublicKey(pem))]);
  expect(await refusal(files("own.crt", "other.key"))).toMatch(/is not the one of the first certificate/);
  expect(await refusal(files("own.crt", "locked.key"))).toMatch(/encrypted/);
  expect(await refusal(files("own.crt", "empty"))).toMatch(/--tls-key .*no private key/);
  expect(await refusal(files("empty", "own.key"))).toMatch(/--tls-cert .*no certificate/);
  expect(await refusal(files("nothing", "own.key"))).toMatch(/--tls-cert .*is not there/);
});

async function serve(limits?: { deadlineMs: number; atOnce: number }): Promise<number> {
  const credentials = credentialsOf(await opened());
  if (credentials === null) throw new Error("no key");
  const server = secureServer(credentials, {}, (_request, response) => response.end("light"), limits);
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

test("[L202] the port takes TLS 1.3 and nothing older, and no plain HTTP", async () => {
  const port = await serve();
  const good = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
  await once(good, "secureConnect");
  expect(good.getProtocol()).toBe("TLSv1.3");
  good.destroy();
  const old = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, maxVersion: "TLSv1.2" });
  const [error] = await once(old, "error");
  expect(String(error)).toMatch(/protocol version/);
  const plain = connectTcp(port, "127.0.0.1");
  plain.on("error", () => undefined);
  let answer = "";
  plain.on("data", (part) => {
    answer += part.toString("latin1");
  });
  plain.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await once(plain, "close");
  expect(answer).not.toContain("light");
  expect(answer).not.toContain("HTTP/1.1 200");
});

test("[L203] handshakes that are not done are cut in time, and so is what comes above their number", async () => {
  const port = await serve({ deadlineMs: 300, atOnce: 2 });
  const silent = [1, 2].map(() => connectTcp(port, "127.0.0.1"));
  const cut = silent.map((socket) => {
    socket.on("error", () => undefined);
    socket.resume();
    return once(socket, "close");
  });
  await Promise.all(silent.map((socket) => once(socket, "connect")));
  const third = connectTcp(port, "127.0.0.1");
  third.on("error", () => undefined);
  third.resume();
  await once(third, "close");
  await Promise.all(cut);
  const good = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
  await once(good, "secureConnect");
  good.destroy();
});
