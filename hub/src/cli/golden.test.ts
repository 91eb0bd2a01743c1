// What people see, as files in test/golden/cli: help of every command, tables and prose at 80 columns.
// After a wanted change: vitest run -u, and read the difference.
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { BUILTIN_ROLES } from "../core/permission.ts";
import { appSummarySchema, appViewSchema, dryRunSchema } from "../http/schemas/apps.ts";
import { auditEntrySchema } from "../http/schemas/audit.ts";
import { eventViewSchema } from "../http/schemas/events.ts";
import { nodeSummarySchema, nodeViewSchema, removedNodeSchema, revokedNodeSchema } from "../http/schemas/nodes.ts";
import { apiTokenViewSchema, whoamiSchema } from "../http/schemas/people.ts";
import { whySchema } from "../http/schemas/system.ts";
import { createdTokenSchema, tokenViewSchema } from "../http/schemas/tokens.ts";
import { workloadViewSchema } from "../http/schemas/workloads.ts";
import { createdText as createdApiText } from "./commands/api-token-create.ts";
import { apiTokensTable } from "./commands/api-token-ls.ts";
import { appText } from "./commands/app-show.ts";
import { dryRunText } from "./commands/apply.ts";
import { appsTable } from "./commands/apps.ts";
import { auditLine } from "./commands/audit.ts";
import { whoText } from "./commands/auth-whoami.ts";
import { eventLine } from "./commands/events.ts";
import { revokedText } from "./commands/node-revoke.ts";
import { removedText } from "./commands/node-rm.ts";
import { nodeText } from "./commands/node-show.ts";
import { nodesTable } from "./commands/nodes.ts";
import { workloadsTable } from "./commands/ps.ts";
import { rolesText } from "./commands/role-ls.ts";
import { createdText } from "./commands/token-create.ts";
import { tokensTable } from "./commands/token-ls.ts";
import { whyText } from "./commands/why.ts";
import { EXAMPLES, leaves } from "./examples.ts";
import type { Io } from "./io.ts";
import { buildProgram } from "./program.ts";
import { age, bytes, colored, localTime, plain, table, wrap } from "./render.ts";
import { runWords } from "./testing.ts";
import { lateText, progressLines } from "./wait.ts";

const WIDTH = 80;
const GOLDEN = join(import.meta.dirname, "../../../test/golden/cli");
const utc = (): number => 0;
const never = (): never => {
  throw new Error("there is one");
};

async function golden(name: string, text: string): Promise<void> {
  for (const line of text.split("\n")) expect([...line].length, line).toBeLessThanOrEqual(WIDTH);
  await expect(text).toMatchFileSnapshot(join(GOLDEN, `${name}.txt`));
}

const van = { id: "n0123456789abcdef", name: "van-7" };
const shed = { id: "nfedcba9876543210", name: "greenhouse-north-of-the-river" };
const workloads = workloadViewSchema.array().parse(
  [
    {
      slot: "1",
      node: van,
      state: "running",
      health: "healthy",
      good: true,
      reason: "runs and is healthy",
      forMs: 65_000,
    },
    {
      slot: shed.id,
      service: "sensor",
      node: shed,
      state: "backing-off",
      good: false,
      forMs: 3_661_000,
      hint: "Correct the command in the file, and apply.",
      reason: "its command was not found (exit 127) after 0.2 s; the next try is in 2 m",
    },
    {
      slot: "2",
      node: null,
      state: "unplaced",
      good: false,
      forMs: null,
      reason: "2 nodes: needs 512 MB, 380 MB free; 1 node: label site=shop missing",
      hint: "Add a node that fits.",
    },
    {
      slot: "3",
      node: van,
      state: "unknown",
      last: "running",
      good: false,
      forMs: 400,
      reason: "van-7 has not been heard from for 3 m",
    },
  ].map((more) => {
    const service = "service" in more ? more.service : "web";
    const base = {
      id: `shop/${service}/${more.slot}`,
      app: "shop",
      service,
      health: null,
      ready: null,
      pullFailure: null,
      seenAgoMs: 10,
      last: null,
      hint: null,
      revision: 3,
      seenRevision: 3,
      stop: null,
    };
    return { ...base, image: "registry.example/shop/web:1.4", containerId: "c0ffee", restarts: 0, ...more };
  }),
);
const app = appViewSchema.parse({
  name: "shop",
  revision: 3,
  appliedAtMs: 1_795_255_227_102,
  appliedBy: "admin",
  condition: "troubled",
  converged: false,
  reason: "1 of 4 workloads runs; shop/sensor fails on greenhouse-north-of-the-river",
  paused: null,
  rollout: {
    app: "shop",
    revision: 3,
    kind: "update",
    from: 2,
    by: "admin",
    reason: "applied",
    startedAtMs: 1_795_255_227_102,
    state: { kind: "progressing" },
    summary: "1 of 6 through; web: its canaries are through: goes on with skerry rollout resume shop",
    awaitsResume: true,
    awaitsStart: false,
    counts: { total: 6, pending: 4, open: 0, passed: 1, failed: 0, waiting: 1 },
  },
  networks: ["shop_default"],
  volumes: ["shop_data"],
  seq: 9,
  retiring: [{ workload: "shop/old/1", node: van, reachable: false, reason: "it is no longer in the file" }],
  services: ["web", "sensor"].map((name) => ({
    name,
    image: "registry.example/shop/web:1.4",
    mode: name === "web" ? { kind: "replicated", replicas: 3 } : { kind: "global" },
    disconnect: name === "web" ? { policy: "replace", afterMs: 30_000 } : { policy: "keep", afterMs: null },
    condition: name === "web" ? "working" : "troubled",
    reason: "",
    counts: { wanted: 3, good: 1, unplaced: 1 },
    stop: null,
    workloads: workloads.filter(({ service }) => service === name),
  })),
});
const facts = {
  hostname: "van-7",
  arch: "arm64",
  os: "Debian GNU/Linux 12 (bookworm)",
  kernel: "6.6.20",
  model: "Raspberry Pi 4 Model B Rev 1.4",
  cores: 4,
  memoryBytes: 4_057_055_232,
  diskBytes: 31_268_536_320,
  engineVersion: "24.0.7",
  engineApiVersion: "1.43",
  agentVersion: "0.1.0",
  metered: true,
};
const ready = { kind: "ready", connected: true, silentForMs: 900, reason: "heard from a second ago" };
const condition = {
  kind: "engine-unreachable",
  message: "The Docker Engine does not answer; on the node: systemctl status docker.",
};
const nodes = nodeSummarySchema.array().parse(
  [
    {
      ...van,
      labels: { site: "shop", camera: "" },
      availability: "active",
      reachability: ready,
      facts,
      conditions: [],
    },
    {
      ...shed,
      labels: {},
      availability: "cordoned",
      reachability: { kind: "unreachable", connected: false, silentForMs: 432_000, reason: "not heard from for 7 m" },
      facts: null,
      conditions: [condition],
      workloads: { wanted: 3, good: 0, unknown: 3 },
    },
  ].map((node) => ({ availabilitySaid: null, joinedAtMs: 0, workloads: { wanted: 3, good: 1 }, ...node })),
);
const node = nodeViewSchema.parse({
  ...nodes[0],
  conditions: [condition],
  joinedAtMs: 1_795_000_000_000,
  reserved: { memoryBytes: 67_108_864, nanoCpus: 250_000_000 },
  figures: {
    memoryAvailableBytes: 2_000_000_000,
    diskFreeBytes: 9_000_000_000,
    load1: 0.31,
    temperatureC: 51.4,
    clockSynchronised: false,
  },
  ports: [{ port: 80, protocol: "tcp", hostIp: "", container: "shop-web-1", managed: true }],
  assigned: { epoch: 1, generation: 12 },
  accepted: { epoch: 1, generation: 11 },
  refusal: null,
  placements: workloads.filter((workload) => workload.node?.name === "van-7"),
  drain: null,
  seq: 4,
});
const rolling = nodeViewSchema.parse({
  ...node,
  conditions: [],
  placements: [],
  keyRoll: { state: "asked", atMs: 1_795_255_227_102, by: "admin" },
});
const drained = nodeViewSchema.parse({
  ...node,
  availability: "draining",
  availabilitySaid: { by: "admin", atMs: 1_795_255_227_102, reason: "a new SD card" },
  drain: {
    deadlineAtMs: 1_795_255_827_102,
    overSinceMs: null,
    done: false,
    leaving: ["shop/web/4"],
    stays: [
      {
        workload: "shop/web/1",
        kind: "no-room",
        why: "waits for room elsewhere: 2 nodes: needs 512 MB, at most 380 MB free",
        hint: "Add a node or free some room, or give the drain a --deadline.",
      },
      {
        workload: `shop/sensor/${van.id}`,
        kind: "global",
        why: "stays: its service has one copy on each node",
        hint: null,
      },
    ],
  },
});
const stopped = workloadViewSchema.parse({
  ...workloads[0],
  state: "stopped",
  reason: "shop/web stopped by admin: the fan is loud",
  hint: "To start it: skerry start shop/web",
  stop: { target: "shop/web", by: "admin", atMs: 1_795_255_227_102, reason: "the fan is loud" },
});
const event = eventViewSchema.parse({
  id: 7,
  atMs: 1_795_255_227_102,
  level: "warning",
  source: "node",
  kind: "container-exited",
  node: van,
  app: "shop",
  workload: "shop/web/1",
  text: "its command was not found (exit 127) after 0.2 s, and this sentence goes on for a while so that it must be broken",
});

describe("[U3] at 80 columns", () => {
  test("apps", () =>
    golden(
      "apps",
      appsTable(
        appSummarySchema.array().parse([
          { ...app, services: 2, workloads: { wanted: 6, good: 2, unknown: 3, unplaced: 1 } },
          {
            ...app,
            name: "a-very-long-name-of-an-app",
            condition: "good",
            reason: "all 12 workloads run",
            services: 2,
            workloads: { wanted: 12, good: 12, unplaced: 0 },
          },
        ]),
        WIDTH,
        plain,
        utc,
      ),
    ));
  test("ps", () => golden("ps", workloadsTable(workloads, WIDTH, plain, { hints: false, zone: utc })));
  test("app show", () => golden("app-show", appText(app, WIDTH, plain, utc)));
  test("nodes", () => golden("nodes", nodesTable(nodes, WIDTH, plain)));
  test("node show", () => golden("node-show", nodeText(node, WIDTH, plain, utc)));
  test("node show of a drained one", () => golden("node-drained", nodeText(drained, WIDTH, plain, utc)));
  test("node show of one that is to get another key", () =>
    golden("node-rolling", nodeText(rolling, WIDTH, plain, utc)));
  test("nodes of which one is to get another key", () =>
    golden(
      "nodes-rolling",
      nodesTable(
        nodes.map((one) => ({ ...one, keyRoll: rolling.keyRoll })),
        WIDTH,
        plain,
      ),
    ));
  test("ps of what is stopped", () =>
    golden("ps-stopped", workloadsTable([stopped], WIDTH, plain, { hints: false, zone: utc })));
  test("node rm", () =>
    golden(
      "node-rm",
      removedText(
        removedNodeSchema.parse({
          node: van,
          dryRun: false,
          workloads: 3,
          moves: [
            { workload: workloads[0]?.id ?? stopped.id, to: shed, why: "" },
            {
              workload: workloads[2]?.id ?? stopped.id,
              to: null,
              why: "2 nodes: needs 512 MB, 380 MB free; 1 node: label site=shop missing",
            },
          ],
          volumesKept: ["shop_data", "shop_queue"],
          seq: 4,
        }),
        WIDTH,
      ),
    ));
  test("events", () =>
    golden(
      "events",
      `${[event, { ...event, level: "info" as const, node: null, workload: null, text: "revision 3 applied by admin" }].map((each) => eventLine(each, WIDTH, plain, utc)).join("\n")}\n`,
    ));
  test("audit", () => {
    const entry = auditEntrySchema.parse({
      ...{ number: 7, atMs: event.atMs, actor: "admin", credential: "admin-token/0123456789ab", address: "10.0.0.7" },
      ...{
        agent: null,
        what: "applyApp",
        target: "app/shop",
        targetId: null,
        before: "revision 3",
        after: "revision 4",
      },
      ...{ outcome: "done", code: null, count: 1, previous: "0".repeat(64), hash: "1".repeat(64) },
    });
    const nothing = { before: null, after: null };
    const entries = [
      entry,
      { ...entry, after: "revision 3" },
      { ...entry, ...nothing, outcome: "refused" as const, code: "revision-conflict" },
      { ...entry, ...nothing, outcome: "refused" as const, actor: null, what: null, target: null, count: 4_312 },
    ];
    return golden("audit", `${entries.map((each) => auditLine(each, WIDTH, plain, utc)).join("\n")}\n`);
  });
  test("why", () =>
    golden(
      "why",
      whyText(
        whySchema.parse({
          target: "shop/web",
          kind: "service",
          good: false,
          answer: "shop/web: 1 of 3 copies runs; one cannot be placed, and one is on a node that is not heard from.",
          lines: [
            {
              subject: "shop/web/2",
              text: "no node can take it: 2 nodes: needs 512 MB, 380 MB free; 1 node: label site=shop missing",
              hint: "Add a node that fits, or ask for less memory in deploy.resources.reservations.",
            },
            { subject: null, text: "nothing moves by itself: its disconnect policy is keep", hint: null },
          ],
          wanted: ["revision 3, applied by admin 10 min ago", "3 copies"],
          seen: ["on 2 nodes, heard within 4 s"],
          output: ["no such table: prices"],
          events: [event],
        }),
        WIDTH,
        plain,
        utc,
      ),
    ));
  test("apply --dry-run", () =>
    golden(
      "dry-run",
      dryRunText(
        dryRunSchema.parse({
          dryRun: true,
          app: "shop",
          revision: 4,
          changed: true,
          services: [],
          warnings: [],
          seq: 1,
          nodes: [
            {
              node: van,
              reachable: true,
              steps: [
                {
                  workload: "shop/web/1",
                  step: "replace",
                  why: "its image changes from web:1.4 to web:1.5, so its container is made anew",
                },
              ],
            },
            {
              node: shed,
              reachable: false,
              steps: [{ workload: `shop/sensor/${shed.id}`, step: "keep", why: "nothing changes" }],
            },
          ],
          pushesOut: [
            {
              workload: "blog/web/2",
              node: van,
              to: null,
              why: "no other node takes it: 1 node: needs 512 MB, 380 MB free",
            },
          ],
          unplaced: [{ workload: "shop/web/2", why: "3 nodes: label site=shop missing" }],
          rollout: [
            {
              service: "web",
              batches: [
                {
                  batch: 1,
                  copies: 1,
                  canary: true,
                  group: "shop",
                  slots: [{ workload: "shop/web/1", node: van }],
                  more: 0,
                  next: "goes on after 60 min of health, or with skerry rollout resume shop",
                },
                {
                  batch: 2,
                  copies: 5,
                  canary: false,
                  group: "",
                  slots: [3, 4, 5, 6].map((slot) => ({ workload: `shop/web/${slot}`, node: slot === 6 ? null : shed })),
                  more: 1,
                  next: "the next one 60 s later",
                },
              ],
              rest: { copies: 200, atMost: 5 },
              reason: "",
              away: 3,
            },
            {
              service: "sensor",
              batches: [],
              rest: { copies: 0, atMost: 0 },
              reason: "waits: its budget allows 1 down in farm, and 1 are",
              away: 0,
            },
          ],
        }),
        WIDTH,
        plain,
      ),
    ));
  test("apply --wait", () =>
    golden(
      "wait",
      `${progressLines(app, plain).slice(0, 1).join("\n")}\n${lateText("shop", app, new Map(), 90_000, plain, WIDTH)}`,
    ));
  test("token ls", () =>
    golden(
      "tokens",
      tokensTable(
        tokenViewSchema.array().parse([
          {
            id: "36af96d99330",
            usesLeft: 3,
            expiresAtMs: 0,
            expiresInMs: 86_399_800,
            labels: { site: "shop" },
            createdAtMs: 1_795_000_000_000,
            createdBy: "admin",
          },
          {
            id: "46af96d99330",
            usesLeft: 0,
            expiresAtMs: 0,
            expiresInMs: -1,
            labels: {},
            createdAtMs: 1_795_000_000_000,
            createdBy: "admin",
          },
        ]),
        WIDTH,
        plain,
        utc,
      ),
    ));

  test("api-token ls, auth whoami and role ls", () => {
    const scope = { apps: ["shop"], nodeLabels: ["site=farm"] };
    const token = { id: "36af96d99330", expiresAtMs: 0, createdAtMs: 0, createdBy: "token anna" };
    const tokens = apiTokenViewSchema.array().parse([
      {
        ...token,
        ...scope,
        name: "ci",
        role: "deployer",
        expiresInMs: 86_399_800_000,
        lastUsedAtMs: 1_795_000_000_000,
      },
      { ...token, apps: [], nodeLabels: [], name: "wall", role: "viewer", expiresInMs: -1, lastUsedAtMs: null },
    ]);
    const who = whoamiSchema.parse({
      name: "token ci",
      credential: "api-token/36af96d99330",
      roles: [{ role: "deployer", ...scope }],
      permissions: BUILTIN_ROLES.deployer,
      expiresInMs: 86_399_800,
    });
    const roles = Object.entries(BUILTIN_ROLES).map(([name, held]) => ({
      name,
      builtin: true,
      permissions: [...held],
    }));
    const own = { name: "till-staff", builtin: false, permissions: [...BUILTIN_ROLES.viewer] };
    return golden(
      "people",
      [
        apiTokensTable(tokens, WIDTH, plain, utc),
        whoText(who, WIDTH),
        rolesText([...roles, own], WIDTH, plain),
        createdApiText({ ...(tokens[0] ?? never()), token: "skt1.36af96d99330.secret" }, "https://hub:7443"),
      ].join("\n"),
    );
  });

  const commands = [
    "",
    "hub",
    "login",
    "validate",
    "apply",
    "apps",
    "app",
    "app show",
    "app diff",
    "app rm",
    "rollout",
    "rollout status",
    "rollout history",
    "rollout pause",
    "rollout resume",
    "rollout undo",
    "stop",
    "start",
    "restart",
    "scale",
    "pause",
    "unpause",
    "ps",
    "why",
    "events",
    "audit",
    "audit ls",
    "audit verify",
    "nodes",
    "node",
    "node show",
    "node label",
    "node rm",
    "cordon",
    "uncordon",
    "drain",
    "api-token",
    "api-token create",
    "api-token ls",
    "api-token rm",
    "role",
    "role set",
    "role ls",
    "role rm",
    "policy",
    "policy set",
    "policy ls",
    "policy show",
    "policy rm",
    "policy check",
    "auth",
    "auth whoami",
    "auth can-i",
    "token",
    "token create",
    "token ls",
    "token rm",
    "version",
    "completion",
  ];
  test("[U34] every command has a worked example, and no example is of a command that is not there", () => {
    const program = buildProgram({ columns: WIDTH } as Io, () => undefined);
    // What the agent takes is the agent's own to say.
    const known = leaves(program).filter(([path]) => !path.startsWith("agent") && path !== "help");
    expect(Object.keys(EXAMPLES).sort()).toEqual(known.map(([path]) => path).sort());
    for (const [path, lines] of Object.entries(EXAMPLES))
      for (const line of lines) expect(line).toContain(`skerry ${path}`);
  });

  test("help of every command", async () => {
    const pages: string[] = [];
    for (const command of commands) {
      const words = [...command.split(" ").filter(Boolean), "--help"];
      pages.push(`$ skerry ${words.join(" ")}\n${(await runWords(words, { columns: WIDTH })).out}`);
    }
    await golden("help", pages.join("\n"));
  });
});

describe("[U3] tables", () => {
  const columns = [
    { title: "NAME", shrinksTo: null },
    { title: "WHY", shrinksTo: 6 },
  ];
  const rows = [
    [
      { text: "a-name-that-is-long", tint: null },
      { text: "because it is so", tint: "bad" as const },
    ],
  ];
  test("cut what may be cut, and never a name", () => {
    expect(table(columns, rows, 30, plain)).toBe("NAME                  WHY\na-name-that-is-long   because…\n");
    expect(table(columns, rows, 10, plain)).toBe("NAME                  WHY\na-name-that-is-long   becau…\n");
  });
  test("cut nothing without a terminal", () => {
    expect(table(columns, rows, null, plain)).toContain("because it is so\n");
  });
  test("[U5] colours take no room", () => {
    expect(table(columns, rows, null, colored)).toContain("a-name-that-is-long   \u001b[31mbecause it is so\u001b[39m");
  });
});

test("[U3] ages, sizes and times in few characters", () => {
  expect([0, 999, 1_000, 65_000, 600_000, 3_661_000, 36_000_000, 90_000_000, 8_640_000_000, null].map(age)).toEqual([
    "0s",
    "1s",
    "1s",
    "1m5s",
    "10m",
    "1h1m",
    "10h",
    "1d1h",
    "100d",
    "-",
  ]);
  expect([0, 999, 1_024, 67_108_864, 4_057_055_232, 2e13].map(bytes)).toEqual([
    "0 B",
    "999 B",
    "1.0 KB",
    "64 MB",
    "3.8 GB",
    "18 TB",
  ]);
  expect(localTime(1_795_255_227_102, -60)).toBe("2026-11-21 11:00:27");
  expect(localTime(Number.NaN, 0)).toBe("-");
  expect(wrap("- ", "one two three four", 9, "  ")).toBe("- one two\n  three\n  four");
});

test("[U35] a command that is told to be run is not broken over lines where it fits on one", () => {
  const text = "To go on: skerry rollout resume shop; to go back: skerry rollout undo shop";
  expect(wrap("→ ", text, 30, "  ")).toBe(
    "→ To go on:\n  skerry rollout resume shop;\n  to go back:\n  skerry rollout undo shop",
  );
  expect(
    wrap("→ ", text, 20, "  ")
      .split("\n")
      .every((line) => line.length <= 20),
  ).toBe(true);
  expect(wrap("→ ", text, 20, "  ").replaceAll(/\n +/g, " ")).toBe(`→ ${text}`);
  expect(wrap("", "See it: skerry logs shop/web/1 (on pi-1: docker logs shop-web-1).", 40, "  ")).toBe(
    "See it: skerry logs shop/web/1 (on pi-1:\n  docker logs shop-web-1).",
  );
});

test("[U8] a created token is shown with the command to run", () => {
  const token = {
    id: "ab",
    usesLeft: 1,
    expiresAtMs: 0,
    expiresInMs: 86_400_000,
    labels: {},
    approval: false,
    createdAtMs: 0,
    createdBy: "admin",
    token: "skj1.ab.cd.ef",
  };
  expect(createdText(token, "https://hub:7443")).toContain("skerry agent --hub https://hub:7443 --token skj1.ab.cd.ef");
});

test("[U340] a pending and a frozen node say so in the list, each with its reason", () => {
  const turned = nodeSummarySchema.array().parse([
    { ...nodes[0], name: "van-8", standing: "pending" },
    { ...nodes[0], name: "van-9", standing: "frozen" },
  ]);
  const text = nodesTable(turned, WIDTH, plain);
  expect(text).toMatch(/van-8 +pending, ready/);
  expect(text).toMatch(/van-9 +frozen/);
  expect(text).toContain("skerry node approve");
  expect(text).toContain("neither is let in");
});

test("[U341] a token that asks for approval says so, and a revocation names the secrets to change", () => {
  const token = createdTokenSchema.parse({
    ...{ id: "ab", usesLeft: 1, expiresAtMs: 0, expiresInMs: 86_400_000, labels: {}, approval: true },
    ...{ createdAtMs: 0, createdBy: "admin", token: "skj1.ab.cd" },
  });
  expect(createdText(token, "http://hub:7443")).toContain("wait for: skerry node approve NODE");
  const revoked = revokedNodeSchema.parse({
    ...{ node: { id: "n0000000000000007", name: "van-7" }, dryRun: false, workloads: 2, moves: [] },
    ...{ volumesKept: ["shop_d"], secrets: ["db-password"], moreSecrets: 0, seq: 4 },
  });
  const text = revokedText(revoked, null);
  expect(text).toContain("van-7 is revoked: its key opens nothing any more");
  expect(text).toContain("so change them: db-password.");
});
