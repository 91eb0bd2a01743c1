// What nodes and files say: words that want to be more than words, reports about what is not theirs, files that cost more than they weigh. Against
// the hub in process with nodes that are a few calls, and the real command line in front of it.
import { nodeEventSchema } from "@skerry/shared/model/event.ts";
import type { NodeId, WorkloadId } from "@skerry/shared/model/ids.ts";
import { plainStatus } from "@skerry/shared/model/plain.ts";
import type { WorkloadStatus } from "@skerry/shared/model/report.ts";
import { decodeToHub } from "@skerry/shared/protocol/codec.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runWords } from "../../hub/src/cli/testing.ts";
import { startTestHub, type TestHub } from "../unit/http-hub.ts";

const WEB = "services:\n  web:\n    image: web:1\n";
/** Colours, a cursor that goes home, a title, markup, line breaks, text that runs backwards, a bell, a C1 control, a byte order mark. */
const NASTY =
  "\x1b[2J\x1b[31m\x1b]0;title\x07<script>alert(1)</script>\r\nSet-Cookie: a=b\u202egnp.exe\u2066\x9b31m\ufeff";
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const CONTROLS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;

let hub: TestHub;
let url: string;
let left: NodeId;
let right: NodeId;
beforeAll(async () => {
  hub = await startTestHub();
  left = await hub.join("left");
  right = await hub.join("right");
  url = `http://127.0.0.1:${await hub.listen()}`;
});
afterAll(() => hub?.close());

const skerry = (...words: readonly string[]) => runWords(words, { env: { SKERRY_HUB: url, SKERRY_TOKEN: hub.admin } });

async function workloadOf(
  app: string,
): Promise<{ readonly id: WorkloadId; readonly node: NodeId; readonly state: string; readonly good: boolean }> {
  const [item] = (await hub.call("GET", `/v1/workloads?app=${app}`)).body.items;
  return { ...item, node: item.node?.id, state: item.state.kind ?? item.state };
}

/** As its node would say it, save for what is given. */
function statusOf(id: WorkloadId, more: Partial<WorkloadStatus> = {}): WorkloadStatus {
  const placement = hub.loop.world.placements.get(id);
  return {
    ...plainStatus,
    id,
    revision: placement?.revision ?? 1,
    specHash: placement?.specHash ?? null,
    state: { kind: "running", health: "none" },
    forMs: 0,
    containerId: "c1",
    imageId: null,
    restarts: 0,
    ...more,
  } as WorkloadStatus;
}

test("(H28) a node's word counts for what is placed on it, and for nothing of another node", async () => {
  await hub.apply("shop", WEB);
  const { id, node } = await workloadOf("shop");
  const other = node === left ? right : left;
  await hub.report(other, { whole: true, workloads: [statusOf(id)] });
  expect((await workloadOf("shop")).good).toBe(false);
  await hub.report(node, { whole: true, workloads: [statusOf(id)] });
  expect((await workloadOf("shop")).good).toBe(true);
  // Nor can the other say that it failed, is gone, or stands elsewhere.
  await hub.report(other, {
    whole: false,
    workloads: [statusOf(id, { state: { kind: "failed", reason: "x", exit: null } })],
    gone: [id],
  });
  expect(await workloadOf("shop")).toMatchObject({ good: true, node });
});

test("(H35) running at an older revision is not good, whatever the node says", async () => {
  await hub.apply("till", WEB);
  const { id, node } = await workloadOf("till");
  const old = statusOf(id);
  await hub.report(node, { whole: true, workloads: [old] });
  await hub.apply("till", WEB.replace("web:1", "web:2"));
  await hub.report(node, { whole: true, workloads: [old] });
  expect((await hub.call("GET", "/v1/apps/till")).body).toMatchObject({ converged: false });
  // Nor with the newest number over the old content, or a number that does not exist yet.
  for (const revision of [2, 3, 2 ** 48]) {
    await hub.report(node, { whole: true, workloads: [{ ...old, revision }] });
    expect((await hub.call("GET", "/v1/apps/till")).body, String(revision)).toMatchObject({ converged: false });
  }
});

test("(H25) a node that says it holds what was never given out is not believed, and raises nothing", async () => {
  const before = hub.loop.world.nodes.get(left);
  const ahead = { epoch: 1, generation: 2 ** 40 };
  await expect(
    hub.frame(left, { type: "accepted", position: ahead, hash: "f".repeat(64) as WorkloadStatus["specHash"] & string }),
  ).rejects.toThrow("never assigned");
  await expect(
    hub.frame(left, { type: "accepted", position: { epoch: 2 ** 40, generation: 0 }, hash: "f".repeat(64) as never }),
  ).rejects.toThrow("never assigned");
  expect(hub.loop.world.nodes.get(left)?.assigned).toEqual(before?.assigned);
  expect(hub.loop.world.nodes.get(left)?.accepted).toEqual(before?.accepted);
});

test("(H30) control characters, markup and text that runs backwards in a node's words reach no terminal and no markup", async () => {
  const { id, node } = await workloadOf("shop");
  const nasty = statusOf(id, { state: { kind: "waiting", reason: NASTY } });
  await hub
    .report(node, {
      whole: true,
      workloads: [nasty],
      conditions: [{ kind: NASTY.slice(0, 20), message: NASTY, forMs: 0 }] as never,
    })
    .catch(() => hub.report(node, { whole: true, workloads: [nasty] }));
  await hub.frame(node, {
    type: "events",
    items: [{ seq: 1, bootId: "b1", ageMs: 0, event: { kind: "engine-lost", reason: NASTY } }],
  });
  for (const words of [
    ["events"],
    ["ps"],
    ["ps", "shop"],
    ["why", "shop"],
    ["app", "show", "shop"],
    ["node", "show", "left"],
    ["nodes"],
  ]) {
    for (const more of [[], ["--json"]]) {
      const { out, err } = await skerry(...words, ...more);
      expect(out + err, [...words, ...more].join(" ")).not.toMatch(CONTROLS);
    }
  }
  expect((await skerry("events")).out).toContain("\\x1b");
  for (const path of ["/v1/events", "/v1/workloads", "/v1/why/shop", "/v1/nodes/left"]) {
    const { headers } = await hub.call("GET", path);
    expect(headers["content-type"]).toContain("application/json");
    expect(headers["x-content-type-options"]).toBe("nosniff");
  }
});

test("(H30) a word with NUL, or of 10 MB, or more words than there is room for, are refused", () => {
  const event = (reason: string): boolean => nodeEventSchema.safeParse({ kind: "engine-lost", reason }).success;
  expect(event("x")).toBe(true);
  expect(event("a\0b")).toBe(false);
  expect(event("x".repeat(4_097))).toBe(false);
  const frame = {
    type: "events",
    items: [{ seq: 1, bootId: "b", ageMs: 0, event: { kind: "engine-lost", reason: "x".repeat(10_000_000) } }],
  };
  expect(decodeToHub(JSON.stringify(frame))).toMatchObject({ ok: false });
  const many = Array.from({ length: 101 }, (_, seq) => ({
    seq,
    bootId: "b",
    ageMs: 0,
    event: { kind: "engine-lost", reason: "x" },
  }));
  expect(decodeToHub(JSON.stringify({ type: "events", items: many }))).toMatchObject({ ok: false });
});

test("(H34) a name that climbs out of its folder is a name and nothing else", async () => {
  const { node } = await workloadOf("shop");
  const climbing = statusOf("../../etc" as WorkloadId);
  await hub.report(node, { whole: false, workloads: [climbing] }).catch(() => undefined);
  expect((await hub.call("GET", "/v1/workloads")).text).not.toContain("../../etc");
  for (const path of [
    "/v1/apps/..%2F..%2Fetc/logs",
    "/v1/apps/shop/logs?service=..%2F..%2Fetc",
    "/v1/apps/shop/logs?service=web&slot=..%2F1",
  ]) {
    const { status } = await hub.call("GET", path);
    expect([400, 404], path).toContain(status);
  }
});

test("(H45) control characters in names and labels are refused; in what may hold any text they are shown as escapes", async () => {
  for (const name of ["a\x1b[31m", "a\nb", "a\u202eb", "<script>", "a b"]) {
    expect((await hub.call("PUT", `/v1/apps/${encodeURIComponent(name)}`, { compose: WEB })).status, name).toBe(400);
    const { token } = (await hub.call("POST", "/v1/tokens", {})).body;
    const body = { publicKey: "1".repeat(64), name, labels: {}, facts: null };
    expect((await hub.call("POST", "/v1/nodes/join", body, { token })).status, name).toBe(400);
  }
  for (const labels of [{ "a\x1b": "b" }, { a: "\x1b[31m" }, { a: "b\r\nc" }]) {
    expect((await hub.call("PATCH", "/v1/nodes/left", { setLabels: labels })).status).toBe(400);
  }
  const quoted = JSON.stringify(NASTY);
  const compose = `services:\n  web:\n    image: web:1\n    environment: { A: ${quoted} }\n    labels: { b: ${quoted} }\n    command: [${quoted}]\n`;
  expect((await hub.apply("loud", compose)).status).toBe(200);
  expect((await hub.apply("loud", compose.replace("web:1", "web:2"))).status).toBe(200);
  for (const words of [
    ["app", "show", "loud"],
    ["app", "diff", "loud", "1", "2"],
    ["ps", "loud"],
    ["why", "loud"],
    ["audit"],
    ["events"],
  ]) {
    const { out, err } = await skerry(...words);
    expect(out + err, words.join(" ")).not.toMatch(CONTROLS);
  }
});

test.each<[string, string]>([
  [
    "a billion laughs",
    Array.from({ length: 30 }, (_, i) => `a${i}: &a${i} [${i === 0 ? "x" : `*a${i - 1},*a${i - 1}`}]`).join("\n"),
  ],
  ["an alias of itself", "services: &a\n  app: *a"],
  [
    "merge keys without end",
    `x: &x { a: 1 }\n${Array.from({ length: 3_000 }, (_, i) => `x${i}: &x${i} { <<: [${i === 0 ? "*x" : `*x${i - 1}, *x${i - 1}`}] }`).join("\n")}`,
  ],
  ["a JavaScript tag", "services:\n  web:\n    image: !!js/function 'function () { return 1 }'\n"],
  ["a Python tag", "services:\n  web:\n    image: !!python/object/apply:os.system ['id']\n"],
  ["a binary", "services:\n  web:\n    image: !!binary aGk=\n"],
  ["lists 20,000 deep", `services: ${"[".repeat(20_000)}`],
  ["two documents", "services:\n  web:\n    image: a\n---\nservices:\n  web:\n    image: b\n"],
])("(H51) %s is refused soon, and by a file's problems", async (_what, compose) => {
  const from = performance.now();
  const answer = await hub.apply("bomb", compose);
  expect(answer).toMatchObject({ status: 422, body: { code: "invalid-compose" } });
  expect(performance.now() - from).toBeLessThan(10_000);
  expect(answer.text.length).toBeLessThan(200_000);
});

test("(H52) values of 10 MB, and NUL in any of them, are refused", async () => {
  const long = "x".repeat(10_000_000);
  expect(
    (await hub.apply("big", `services:\n  web:\n    image: web:1\n    environment: { A: ${long} }\n`)).status,
  ).toBe(413);
  const some = "x".repeat(40_000);
  for (const line of [
    `environment: { A: ${some} }`,
    `labels: { A: ${some} }`,
    `entrypoint: [${some}]`,
    `command: [${some}]`,
  ]) {
    expect(
      (await hub.apply("big", `services:\n  web:\n    image: web:1\n    ${line}\n`)).status,
      line.slice(0, 20),
    ).toBe(422);
  }
  for (const line of [
    'environment: { A: "a\\0b" }',
    'labels: { A: "a\\0b" }',
    'command: ["a\\0b"]',
    'entrypoint: ["a\\0b"]',
    'user: "a\\0b"',
    'working_dir: "/a\\0b"',
    'volumes: ["/a\\0b:/c"]',
  ]) {
    const answer = await hub.apply("nul", `services:\n  web:\n    image: web:1\n    ${line}\n`);
    expect(answer.status, line).toBe(422);
  }
  const variables = { A: "x".repeat(32_000) };
  const many = Array.from({ length: 300 }, (_, i) => `- A${i}=$A`).join("\n    ");
  expect(
    (await hub.apply("many", `services:\n  web:\n    image: web:1\n    environment:\n    ${many}\n`, { variables }))
      .status,
  ).toBe(422);
});

test.each([
  "volumes_from: [other]",
  'volumes_from: ["container:postgres:ro"]',
  "network_mode: container:postgres",
  "network_mode: service:postgres",
  "ipc: container:postgres",
  "pid: container:postgres",
  'external_links: ["postgres"]',
])("(H53) %s, which reaches into a container that is not the app's, is refused", async (line) => {
  expect((await hub.apply("reach", `services:\n  web:\n    image: web:1\n    ${line}\n`)).status).toBe(422);
});

test.each([
  'labels: { "io.skerry.workload": "shop/web/1" }',
  'labels: ["io.skerry.node=n0000000000000001"]',
  'labels: { "io.skerry.mac": "x" }',
  "deploy: { labels: { io.skerry.app: shop } }",
])("(H54) %s, by which Skerry knows its own, is refused", async (line) => {
  const answer = await hub.apply("forged", `services:\n  web:\n    image: web:1\n    ${line}\n`);
  expect(answer.status).toBe(422);
  expect(answer.text).toMatch(/io\.skerry\.|`labels` is refused/);
});

test("(H54) so it is on networks and volumes, by interpolation, and from a file of labels", async () => {
  for (const compose of [
    `${WEB}    networks: [n]\nnetworks: { n: { labels: { io.skerry.app: shop } } }\n`,
    `${WEB}    volumes: ["v:/v"]\nvolumes: { v: { labels: { io.skerry.app: shop } } }\n`,
    `${WEB}    labels: ["\${KEY}=shop"]\n`,
    `${WEB}    label_file: ./labels\n`,
  ]) {
    const more = { variables: { KEY: "io.skerry.app" }, files: { "./labels": "io.skerry.app=shop\n" } };
    const answer = await hub.apply("forged", compose, more);
    expect(answer.status, compose).toBe(422);
    expect(answer.text).toContain("io.skerry.");
  }
});
