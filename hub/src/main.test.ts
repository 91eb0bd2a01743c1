// The real hub in this process: it starts, stops and goes on, or says in one message why it cannot.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "@skerry/shared/runtime/log.ts";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { WebSocket } from "ws";
import type { HubConfig } from "./config.ts";
import { type RunningHub, startHub } from "./main.ts";

let folder: string;
const running: RunningHub[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "skerry-main-"));
});
afterEach(async () => {
  for (const hub of running.splice(0)) await hub.stop();
  rmSync(folder, { recursive: true, force: true });
});

const config = (more: Partial<HubConfig> = {}): HubConfig => ({
  dataDir: join(folder, "hub"),
  host: "127.0.0.1",
  port: 0,
  logLevel: "error",
  newAdminToken: false,
  newSigningKey: false,
  plainWords: false,
  front: { kind: "plain" },
  newHubKey: false,
  ...more,
});

async function started(more: Partial<HubConfig> = {}): Promise<RunningHub> {
  const result = await startHub(config(more), silentLog);
  if (!result.ok) throw new Error(result.error);
  running.push(result.value);
  return result.value;
}

async function refused(more: Partial<HubConfig> = {}): Promise<string> {
  const result = await startHub(config(more), silentLog);
  if (result.ok) {
    running.push(result.value);
    throw new Error("the hub started");
  }
  return result.error;
}

function get(url: string, token: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const call = request(url, { headers: { authorization: `Bearer ${token}` } }, (response) => {
      let text = "";
      response.on("data", (chunk) => {
        text += String(chunk);
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    call.on("error", reject);
    call.end();
  });
}

const tokenIn = (hub: RunningHub): string => readFileSync(hub.adminToken.file, "utf8").trim();

test("[A52] a hub starts in an empty place, serves API and agents on one port, stops, and goes on as it was", async () => {
  const first = await started();
  expect(first.adminToken).toMatchObject({ outcome: "made", file: join(folder, "hub", "admin-token") });
  expect(statSync(join(folder, "hub")).mode & 0o777).toBe(0o700);
  const token = tokenIn(first);
  const version = await get(`${first.url}/v1/version`, token);
  expect(version.status).toBe(200);
  expect((await get(`${first.url}/metrics`, token)).text).toContain("skerry_agents_connected 0");
  const agent = new WebSocket(`${first.url.replace("http", "ws")}/v1/agent`);
  await new Promise((resolve, reject) => {
    agent.on("open", resolve);
    agent.on("error", reject);
  });
  const closed = new Promise((resolve) => {
    agent.on("close", resolve);
  });
  await first.stop();
  await closed;
  await expect(get(`${first.url}/healthz`, token)).rejects.toThrow();

  const second = await started();
  expect(second.adminToken.outcome).toBe("kept");
  const installation = (text: string): string => JSON.parse(text).installation;
  expect(installation((await get(`${second.url}/v1/version`, token)).text)).toBe(installation(version.text));
});

test("[A93] who reads logs is counted in the metrics, and who is gone is not", async () => {
  const hub = await started();
  const token = tokenIn(hub);
  const metrics = async (): Promise<string> => (await get(`${hub.url}/metrics`, token)).text;
  expect(await metrics()).toContain("\nskerry_hub_log_readers 0\n");
  expect(await metrics()).toContain("\nskerry_hub_stream_sockets 0\n");
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const body = JSON.stringify({ compose: "services:\n  web:\n    image: web:1\n" });
  expect((await fetch(`${hub.url}/v1/apps/shop`, { method: "PUT", headers, body })).ok).toBe(true);
  const stop = new AbortController();
  const { authorization } = headers;
  await fetch(`${hub.url}/v1/apps/shop/logs?follow=true`, { headers: { authorization }, signal: stop.signal });
  expect(await metrics()).toContain("\nskerry_hub_log_readers 1\n");
  stop.abort();
  // The hub sees the end of a connection a moment later.
  await expect.poll(metrics).toContain("\nskerry_hub_log_readers 0\n");
});

test("[A4] --new-admin-token makes the old one worthless", async () => {
  const first = await started();
  const old = tokenIn(first);
  await first.stop();
  const second = await started({ newAdminToken: true });
  expect((await get(`${second.url}/v1/version`, old)).status).toBe(401);
  expect((await get(`${second.url}/v1/version`, tokenIn(second))).status).toBe(200);
});

test("[A51] a port in use", async () => {
  const holder = createServer();
  await new Promise<void>((resolve) => {
    holder.listen(0, "127.0.0.1", resolve);
  });
  // A listening TCP server has an address of this kind.
  const { port } = holder.address() as AddressInfo;
  const message = await refused({ port });
  expect(message).toContain(`Port ${port} on 127.0.0.1 is in use`);
  expect(message).toContain("--listen");
  await new Promise((resolve) => {
    holder.close(resolve);
  });
  await started({ port });
});

test("[A51] an address that is not of this machine", async () => {
  expect(await refused({ host: "192.0.2.1" })).toContain("This machine has no address 192.0.2.1");
});

test("[A51] a second hub on the same folder", async () => {
  const first = await started();
  expect(await refused()).toMatch(/in use by process \d+.*Only one hub may use it/s);
  expect((await get(`${first.url}/healthz`, "")).status).toBe(200);
});

test("[A51] a data folder that is a file", async () => {
  writeFileSync(join(folder, "hub"), "");
  expect(await refused()).toMatch(/data folder .*hub cannot be used.*--data/s);
});

test.each(["/sys/skerry-hub", "/proc/skerry-hub"])(
  "[A51] the data folder %s, where nobody can make one",
  async (dataDir) => {
    expect(await refused({ dataDir })).toMatch(/The data folder \/(sys|proc)\/skerry-hub cannot be .*--data/s);
  },
);

test("[A51] a damaged database", async () => {
  await (await started()).stop();
  writeFileSync(join(folder, "hub", "hub.db"), "no database at all, but long enough to be looked at".repeat(100));
  expect(await refused()).toMatch(/(damaged|not a database).*backup/s);
});

test("[A51] a database of a newer version", async () => {
  await (await started()).stop();
  const db = new Database(join(folder, "hub", "hub.db"));
  db.pragma("user_version = 9999");
  db.close();
  expect(await refused()).toMatch(/newer/);
});
