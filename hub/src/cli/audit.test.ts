// `skerry audit` and `skerry audit verify`, against a hub that gives its log in pages of two.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { audit } from "../../../test/contract/store.ts";
import { type AuditEntry, CHAIN_START, chained } from "../store/audit-chain.ts";
import { type Answering, runWords, startTableHub } from "./testing.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "skerry-audit-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const entries: AuditEntry[] = [];
for (const record of [
  audit(),
  audit({ target: "node/van-7", what: "changeNode", before: "active", after: "cordoned" }),
  audit({ actor: null, outcome: "refused", code: "not-authenticated", before: null, after: null, agent: "\u001b[2J" }),
  audit({ actor: null, outcome: "refused", what: null, target: null, count: 4_312, before: null, after: null }),
  audit({ before: "revision 2" }),
])
  entries.push(chained(record, 1_000 * entries.length, entries.at(-1) ?? CHAIN_START));

/** Of a hub that let go of all up to `trimmed`. */
function answering(log: readonly AuditEntry[], trimmed = 0, end = log.at(-1)): Answering {
  return ({ url }) => {
    const query = new URL(url, "http://hub").searchParams;
    const size = Math.min(2, Number(query.get("limit")));
    const after = query.get("after");
    const [from, before] = [Number(after), Number(query.get("before") ?? 1_000)];
    const kept = log.filter(({ number }) => number > trimmed);
    const left =
      after === null
        ? kept.filter(({ number }) => number < before).toReversed()
        : kept.filter(({ number }) => number > from);
    const items = left.slice(0, size);
    const link = log.find(({ number }) => number === trimmed) ?? CHAIN_START;
    const body = {
      items,
      next: left.length > size ? items.at(-1)?.number : null,
      trimmed: { number: link.number, hash: link.hash },
      last: { number: end?.number ?? 0, hash: end?.hash ?? CHAIN_START.hash },
    };
    return { status: 200, body };
  };
}

async function run(words: readonly string[], answer: Answering = answering(entries)) {
  await using hub = await startTableHub(answer);
  const env = { SKERRY_HUB: hub.url, SKERRY_TOKEN: "ska1.test" };
  const ran = await runWords(["audit", ...words], { env, cwd: folder, homeDir: folder });
  return { ...ran, asked: hub.asked.map(({ url }) => url) };
}

const lines = (log: readonly unknown[]): string => log.map((entry) => `${JSON.stringify(entry)}\n`).join("");
async function file(name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text);
  return name;
}

test("[U50] `audit` shows the last entries, oldest first, in words", async () => {
  const { code, out } = await run(["-n", "4"]);
  expect(code).toBe(0);
  expect(out.split("\n").slice(0, 4)).toEqual([
    "01-01 00:00:01   admin from 10.0.0.7: changeNode node/van-7: active → cordoned",
    "01-01 00:00:02 ! nobody known from 10.0.0.7: applyApp app/shop: refused: not-authenticated",
    "01-01 00:00:03 ! nobody known from 10.0.0.7: and 4,312 more were refused",
    "01-01 00:00:04   admin from 10.0.0.7: applyApp app/shop: revision 2, as before",
  ]);
});

test("[U50] its filters are the hub's", async () => {
  const asked = async (...words: string[]) => (await run(words)).asked[0];
  expect(await asked("--app", "shop", "--refused")).toBe("/v1/audit?target=app%2Fshop&outcome=refused&limit=20");
  expect(await asked("ls", "--node", "van-7")).toContain("target=node%2Fvan-7");
  expect(await asked("--actor", "mia", "--since", "2h")).toContain("actor=mia&sinceMs=7200000");
  expect((await run(["--app", "a", "--node", "b"])).code).toBe(2);
  expect((await run(["--since", "yesterday"])).code).toBe(2);
});

test("[U50] with --json it exports all there is, one object a line, which `verify` takes without a hub", async () => {
  const { out } = await run(["--json"]);
  expect(
    out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ).toEqual(entries);
  expect(out).not.toContain("\u001b");
  const name = await file("all.jsonl", out);
  const verified = await runWords(["audit", "verify", "--file", name], { cwd: folder });
  expect(verified).toMatchObject({ code: 0, out: expect.stringContaining("The chain holds: 5 entries, 1 to 5.") });
  expect(verified.out).toContain(entries.at(-1)?.hash);
});

test("[U51] `audit verify` walks the hub's log from what it kept to its end", async () => {
  expect(await run(["verify"])).toMatchObject({ code: 0, out: expect.stringContaining("5 entries, 1 to 5") });
  const { out } = await run(["verify"], answering(entries, 2));
  expect(out).toContain("3 entries, 3 to 5. What came before entry 3 is not here.");
  expect((await run(["verify"], answering([]))).out).toContain("there are no entries");
});

const changed = entries.map((entry) => (entry.number === 3 ? { ...entry, actor: "mia" } : entry));
const remade: AuditEntry[] = [];
for (const { number, atMs } of entries)
  remade.push(chained(audit({ actor: number === 2 ? "mia" : "admin" }), atMs, remade.at(-1) ?? CHAIN_START));

test.each([
  ["was changed", answering(changed), "entry 3 was changed"],
  ["lacks one", answering(entries.toSpliced(2, 1)), "entry 4 does not follow entry 2"],
  ["lacks its end", answering(entries.slice(0, 3), 0, entries[4]), "it ends with entry 3, and its end was entry 5"],
  ["lacks all", answering([], 0, entries[4]), "it ends with entry 0, and its end was entry 5"],
])("[U51] `audit verify` of a log that %s says where, and exits 1", async (_what, answer, says) => {
  const { code, err, out } = await run(["verify"], answer);
  expect([code, out]).toEqual([1, ""]);
  expect(err).toContain(says);
});

test.each([
  ["changed", lines(changed), "line 3: entry 3 was changed"],
  ["cut", lines([entries[0], entries[2]]), "line 2: entry 3 does not follow entry 1"],
  ["no JSON", `${lines(entries.slice(0, 1))}oops\n`, "line 2: this is not an entry"],
])("[U51] a file that was %s does not hold", async (name, text, says) => {
  const { code, err } = await runWords(["audit", "verify", "--file", await file(`${name}.jsonl`, text)], {
    cwd: folder,
  });
  expect(code).toBe(1);
  expect(err).toContain(says);
});

test("[U52] a log that was made anew as a whole holds by itself, and not behind an older export", async () => {
  const name = await file("older.jsonl", lines(entries.slice(0, 3)));
  const behind = ["verify", "--file", name, "--and-hub"];
  expect((await run(behind)).out).toContain("5 entries, 1 to 5");
  expect((await run(["verify"], answering(remade))).code).toBe(0);
  const { code, err } = await run(behind, answering(remade));
  expect(code).toBe(1);
  expect(err).toContain("entry 4 does not fit the one before it");
  expect((await run(behind, answering(entries.slice(0, 2)))).err).toContain(
    "it ends with entry 3, and its end was entry 2",
  );
  expect((await run(behind, answering(remade.slice(0, 3)))).err).toContain("its entry 3 was made anew");
  expect((await run(behind, answering(entries, 4))).err).toContain("nothing links the two");
  expect((await run(["verify", "--and-hub"])).code).toBe(2);
  expect((await run(["verify", "--file", "none.jsonl"])).err).toContain("Cannot read none.jsonl");
});
