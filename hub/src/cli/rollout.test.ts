// The rollout commands against a hub that answers from a table: what they ask, what they say, and how they end.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "@skerry/shared/runtime/clock.ts";
import { describe, expect, test } from "vitest";
import { revisionDiffSchema } from "../http/schemas/diff.ts";
import { type RolloutView, rolloutSummarySchema, rolloutViewSchema } from "../http/schemas/rollouts.ts";
import { diffText } from "./commands/app-diff.ts";
import { HUB_AWAY } from "./progress.ts";
import { plain } from "./render.ts";
import { headLines, historyTable, rolloutText, watchLines } from "./rollout-text.ts";
import { type Answering, type Asked, runWords, startTableHub } from "./testing.ts";
import { heldText } from "./wait.ts";

const GOLDEN = join(import.meta.dirname, "../../../test/golden/cli");
const WIDTH = 80;
const utc = (): number => 0;

/** Waits take no time: each timer moves the clock on and fires at once. */
function quickClock(): Clock {
  let now = 0;
  return {
    monotonicMs: () => now,
    wallMs: () => 0,
    setTimer: (delayMs, fire) => {
      // Deadlines of requests are longer than any wait of a command, and are cancelled.
      if (delayMs >= 30_000) return { cancel: () => undefined };
      now += delayMs;
      const handle = setImmediate(fire);
      return { cancel: () => clearImmediate(handle) };
    },
  };
}

async function ask(answer: Answering, ...words: string[]) {
  await using hub = await startTableHub(answer);
  const env = { SKERRY_HUB: hub.url, SKERRY_TOKEN: "ska1.test" };
  const ran = await runWords(words, { clock: quickClock(), env });
  return { ...ran, asked: hub.asked };
}

const ok = (body: unknown) => ({ status: 200, body });
const last = (asked: readonly Asked[]) => asked.at(-1);

const nodes = ["pi-1", "pi-2", "a-node-with-a-very-long-name", "pi-4"].map((name, at) => ({
  id: `n000000000000000${at}`,
  name,
}));
const counts = { total: 4, pending: 1, open: 1, passed: 1, failed: 0, waiting: 1 };
const view = (more: Partial<RolloutView> = {}): RolloutView =>
  rolloutViewSchema.parse({
    app: "shop",
    revision: 4,
    kind: "update",
    from: 3,
    by: "admin",
    reason: "applied",
    startedAtMs: 1_795_255_227_102,
    state: { kind: "progressing" },
    summary: "1 of 4 through; web waits for pi-2 to pass",
    awaitsResume: false,
    awaitsStart: false,
    counts,
    services: [
      {
        service: "web",
        batch: 2,
        canary: "promoted",
        reason: "waits for pi-2 to pass",
        counts,
        slots: [
          ["open", "it waits for health: good for 3 s of 30 s, and this goes on long enough to be broken"],
          ["waiting", "its node is not heard from"],
          ["pending", ""],
          ["passed", ""],
        ].map(([state, reason], at) => ({
          workload: `shop/web/${at + 1}`,
          node: nodes[(at + 1) % 4],
          state,
          revision: 4,
          reason,
        })),
        more: 3,
      },
    ],
    seq: 9,
    ...more,
  });
const done = { kind: "done", atMs: 0 } as const;

describe("rollout status", () => {
  test("[U20] it shows batches and copies, and what each waits for", async () => {
    await expect(rolloutText(view(), WIDTH, plain, utc)).toMatchFileSnapshot(join(GOLDEN, "rollout-status.txt"));
    const { code, out, asked } = await ask(() => ok(view()), "rollout", "status", "shop");
    expect([code, last(asked)?.url]).toEqual([0, "/v1/apps/shop/rollout"]);
    expect(out).toContain("Revision 4 of shop, an update from 3, is under way: 1 of 4 through");
  });

  test("[U20] ps of an app tells the rollout that is under way, and nothing of one that has ended", async () => {
    const workload = {
      app: "shop",
      service: "web",
      slot: "1",
      node: null,
      state: "running",
      health: "none",
      good: true,
    };
    const items = [{ ...workload, forMs: 0, image: "web:1", reason: "", stop: null }];
    const ps = async (more: Partial<RolloutView>, ...words: string[]) =>
      (
        await ask(
          ({ url }) => ok(url.includes("/rollout") ? view(more) : { items, next: null, seq: 1 }),
          "ps",
          ...words,
        )
      ).out;
    const head = "Revision 4 of shop, an update from 3, is under way: 1 of 4 through";
    expect(await ps({}, "shop/web")).toContain(head);
    expect(await ps({ state: done, summary: "done" }, "shop")).not.toContain("Revision 4");
    expect(await ps({})).not.toContain(head);
  });

  test("[U20] --json gives the API's own fields", async () => {
    const { out } = await ask(() => ok(view()), "rollout", "status", "shop", "--json");
    expect(JSON.parse(out)).toEqual(view());
  });

  test.each<[Partial<RolloutView>, number]>([
    [{ state: done, summary: "done" }, 0],
    [{ state: { kind: "failed", reason: "web failed", next: null, atMs: 0 }, summary: "web failed" }, 1],
    [{ state: { kind: "paused", by: "admin", reason: "lunch", atMs: 0 }, awaitsResume: true }, 3],
    [{ awaitsResume: true, summary: "its canary has run" }, 3],
    [{ awaitsStart: true, summary: "web stands stopped" }, 3],
  ])("[U21] -w ends with the truth: %j is exit code %i", async (end, code) => {
    let looks = 0;
    const answer: Answering = () => ok(++looks < 3 ? view() : view(end));
    const ran = await ask(answer, "rollout", "status", "shop", "-w");
    expect(ran.code).toBe(code);
    expect(ran.asked).toHaveLength(3);
  });

  test("[U21] -w says so when the revision is rolled back, or another one is applied", async () => {
    const ended = async (next: Partial<RolloutView>) => {
      let looks = 0;
      return await ask(
        () => ok(++looks < 2 ? view() : view({ revision: 5, ...next })),
        "rollout",
        "status",
        "shop",
        "-w",
      );
    };
    const back = await ended({ kind: "rollback", reason: "revision 4 failed: web on pi-2 exited with 1" });
    expect([back.code, back.err]).toEqual([
      1,
      expect.stringContaining("is rolled back: revision 4 failed: web on pi-2 exited"),
    ]);
    const edited = await ended({ by: "token 1a2b" });
    expect([edited.code, edited.err]).toEqual([
      1,
      expect.stringContaining("Revision 5 of shop came meanwhile, by token 1a2b"),
    ]);
  });

  test("[U21] [U33] -w sits out a hub that cannot be reached, and ends with 3 when its time is up", async () => {
    let looks = 0;
    const answer: Answering = () => (++looks === 1 || looks > 8 ? ok(view()) : null);
    const { code, err, out } = await ask(answer, "rollout", "status", "shop", "-w", "--timeout", "20s");
    // What is old is not shown as if it were new.
    expect(out.split("\n").filter((line) => line === HUB_AWAY)).toHaveLength(1);
    expect([code, err]).toEqual([3, "skerry: The rollout has not ended within 20 s.\n"]);
  });

  test("[U20] followed, only what moves is drawn: what is large must fit a screen", () => {
    const slot = view().services[0]?.slots[0];
    if (slot === undefined) throw new Error("no slot");
    const [service] = view().services;
    if (service === undefined) throw new Error("no service");
    const services = Array.from({ length: 30 }, () => ({ ...service, slots: Array.from({ length: 100 }, () => slot) }));
    expect(watchLines(view({ services }), WIDTH, plain).length).toBeLessThan(50);
  });
});

test("[U20] history lists what became of each revision", async () => {
  const { services: _services, counts: _counts, summary: _summary, seq: _seq, ...more } = view();
  const { awaitsResume: _awaitsResume, awaitsStart: _awaitsStart, ...base } = more;
  const items = rolloutSummarySchema.array().parse([
    { ...base, revision: 6, kind: "rollback", reason: "revision 5 failed: web on pi-2 exited with 1", state: done },
    { ...base, revision: 5, state: { kind: "failed", reason: "web on pi-2 exited with 1", next: 6, atMs: 0 } },
    { ...base, revision: 4, state: { kind: "superseded", next: 5, atMs: 0 } },
    { ...base, revision: 3, from: 1, state: { kind: "paused", by: "admin", reason: "lunch", atMs: 0 } },
    { ...base, revision: 1, kind: "first", from: null, state: done },
  ]);
  await expect(historyTable(items, WIDTH, plain, utc)).toMatchFileSnapshot(join(GOLDEN, "rollout-history.txt"));
  const { code, asked, out } = await ask(() => ok({ items, seq: 1 }), "rollout", "history", "shop");
  expect([code, last(asked)?.url]).toEqual([0, "/v1/apps/shop/rollouts"]);
  expect(out).toContain("failed");
});

describe("steering", () => {
  const changed = { app: "shop", revision: 5, sameAs: null, changed: true, seq: 1 };
  test.each<[string[], string, unknown, unknown, string]>([
    [["pause", "shop", "--reason", "lunch"], "/pause", { reason: "lunch" }, changed, "Revision 5 of shop is paused"],
    [["pause", "shop"], "/pause", { reason: "" }, { ...changed, changed: false }, "is paused already"],
    [["resume", "shop"], "/resume", {}, changed, "Revision 5 of shop goes on"],
    [["resume", "shop"], "/resume", {}, { ...changed, changed: false }, "nothing was held up"],
    [
      ["undo", "shop"],
      "/undo",
      { to: null, reason: "" },
      { ...changed, sameAs: 3 },
      "goes back to what revision 3 was, as revision 5",
    ],
    [["undo", "shop", "--to", "2"], "/undo", { to: 2, reason: "" }, { ...changed, sameAs: 2 }, "what revision 2 was"],
  ])("[U22] %j", async (words, path, body, answer, text) => {
    const { code, out, asked } = await ask(() => ok(answer), "rollout", ...words);
    expect(code).toBe(0);
    expect(last(asked)).toMatchObject({ method: "POST", url: `/v1/apps/shop/rollout${path}`, body });
    expect(last(asked)?.headers["idempotency-key"]).toMatch(/^[0-9a-f]{32}$/);
    expect(out).toContain(text);
  });

  test("[U22] a refusal is told with what to do, and exit code 1", async () => {
    const body = {
      code: "change-refused",
      message: "Nothing of shop is being rolled out.",
      hint: "See history.",
      path: null,
      problems: [],
    };
    const { code, err } = await ask(() => ({ status: 422, body }), "rollout", "resume", "shop");
    expect([code, err]).toEqual([1, expect.stringContaining("Nothing of shop is being rolled out.")]);
  });
});

test("[U23] app diff says per service what differs, and shows the files", async () => {
  const file = (tag: string): string => `services:\n  web:\n    image: web:${tag}\n    environment: {A: 1}\n`;
  const diff = revisionDiffSchema.parse({
    app: "shop",
    from: { revision: 3, source: file("1") },
    to: { revision: 4, source: file("2") },
    services: [
      { service: "new", change: "added", what: [] },
      { service: "old", change: "removed", what: [] },
      { service: "same", change: "unchanged", what: [] },
      { service: "web", change: "recreated", what: ["image web:1 → web:2", "environment: adds A; changes B; drops C"] },
    ],
  });
  await expect(diffText(diff, WIDTH, plain)).toMatchFileSnapshot(join(GOLDEN, "app-diff.txt"));
  const { code, asked } = await ask(() => ok(diff), "app", "diff", "shop", "3", "4");
  expect([code, last(asked)?.url]).toEqual([0, "/v1/apps/shop/diff?from=3&to=4"]);
  expect(last((await ask(() => ok(diff), "app", "diff", "shop", "3")).asked)?.url).toBe("/v1/apps/shop/diff?from=3");
  const same = { ...diff, services: [], to: { revision: 4, source: file("1") } };
  expect(diffText(same, WIDTH, plain)).toBe("Revisions 3 and 4 of shop ask for the same.\nThe files are the same.\n");
});

describe("apply --wait", () => {
  const waits = async (rollout: Partial<RolloutView>, revision: number) => {
    const app = { name: "shop", revision, converged: false, services: [], retiring: [] };
    const applied = { dryRun: false, app: "shop", revision: 4, changed: true, services: [], warnings: [], seq: 1 };
    const answer: Answering = ({ method, url }) =>
      method === "PUT" ? ok(applied) : ok(url.endsWith("/rollout") ? view({ revision, ...rollout }) : app);
    const folder = await mkdtemp(join(tmpdir(), "skerry-wait-"));
    await using hub = await startTableHub(answer);
    await writeFile(join(folder, "shop.yaml"), "name: shop\nservices: {web: {image: web}}\n");
    const env = { SKERRY_HUB: hub.url, SKERRY_TOKEN: "ska1.test" };
    const words = ["apply", "-f", "shop.yaml", "--wait", "--timeout", "5s"];
    const ran = await runWords(words, { clock: quickClock(), env, cwd: folder });
    await rm(folder, { recursive: true });
    return ran;
  };

  test("[U24] ends at once with 3 when only an operator can go on", async () => {
    const { code, err } = await waits({ awaitsResume: true, summary: "its canary has run" }, 4);
    expect([code, err]).toEqual([3, expect.stringContaining("Go on: skerry rollout resume shop.")]);
    expect(err).not.toContain("within 5 s");
  });

  test("[U24] fails when the revision is rolled back, with the reason", async () => {
    const { code, err } = await waits({ kind: "rollback", reason: "revision 4 failed: web on pi-2 exited with 1" }, 5);
    expect(code).toBe(1);
    expect(err).toContain("Revision 4 of shop is rolled back: revision 4 failed: web on pi-2 exited with 1.");
    expect(err).toContain("Revision 5 has the older content again.");
  });

  test("[U24] tells how the rollout gets on, and exits 3 when its time is up", async () => {
    const { code, out } = await waits({}, 4);
    expect(code).toBe(3);
    expect(out).toContain("shop revision 4: 0 of 0 good");
  });
});

test("[U20] a rollout that only a start can bring on says so", () => {
  const lines = headLines(view({ awaitsStart: true, summary: "0 of 4 through; web stands stopped" }), null, plain);
  expect(lines.at(-1)).toBe("→ Go on: skerry start shop. Go back: skerry rollout undo shop.");
});

test("[U24] what apply --wait says of a rollout that waits for an operator", async () => {
  const held = view({
    awaitsResume: true,
    summary: "1 of 4 through; web its canary has run: waits for skerry rollout resume shop",
  });
  await expect(heldText(held, plain, WIDTH)).toMatchFileSnapshot(join(GOLDEN, "wait-held.txt"));
});
