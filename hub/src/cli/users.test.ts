// Users at the command line, against a real hub: nothing typed as a secret is an argument, and what lets one in is kept like any token.
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemRandom } from "@skerry/shared/runtime/random.ts";
import { TOTP } from "otpauth";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startTestHub, type TestHub } from "../../../test/unit/http-hub.ts";
import { type Ran, runWords } from "./testing.ts";

const PASSWORD = "sand under the keel";
const OTHER = "no wind since tuesday";
let hub: TestHub;
let url: string;
let homeDir: string;
beforeEach(async () => {
  hub = await startTestHub();
  url = `http://127.0.0.1:${await hub.listen()}`;
  homeDir = mkdtempSync(join(tmpdir(), "skerry-users-"));
});
afterEach(async () => {
  rmSync(homeDir, { recursive: true });
  await hub.close();
});

const asAdmin = (words: string, input = ""): Promise<Ran> =>
  runWords(words.split(" "), {
    homeDir,
    random: systemRandom,
    env: { SKERRY_HUB: url, SKERRY_TOKEN: hub.admin },
    readInput: async () => input,
  });
const run = (words: string, input = ""): Promise<Ran> =>
  runWords(words.split(" "), { homeDir, random: systemRandom, readInput: async () => input });
const kept = (): string => readFileSync(join(homeDir, ".config/skerry/contexts.json"), "utf8");

test("[U220] user adds, lists, changes and removes; login --user keeps a session, and logout ends and forgets it", async () => {
  const added = await asAdmin("user add anna --role viewer", `${PASSWORD}\n`);
  expect([added.code, added.out]).toEqual([0, expect.stringContaining(`skerry login ${url} --user anna`)]);
  expect((await asAdmin("user add bert --role viewer", "")).err).toMatch(/Standard input ends before/);
  expect((await run(`login ${url} --user anna`, "wrong wrong wrong\n")).err).toMatch(/Name, password or code is wrong/);
  const login = await run(`login ${url} --user anna`, `${PASSWORD}\n`);
  expect([login.code, login.out]).toEqual([0, expect.stringContaining("Logged in to")]);
  expect(kept()).toMatch(/"sks1\./);
  expect(kept()).not.toContain(PASSWORD);
  expect(statSync(join(homeDir, ".config/skerry/contexts.json")).mode & 0o777).toBe(0o600);
  expect((await run("auth whoami")).out).toMatch(/You are +user anna\nBy +session\//);
  expect((await asAdmin("user ls")).out).toMatch(/anna +viewer +everything +logged in +no/);
  expect((await asAdmin("user role anna operator --app shop")).out).toMatch(/anna has role operator, for app shop/);
  expect((await run("apps")).err).toMatch(/This session is over/);
  expect((await asAdmin("user disable anna")).out).toMatch(/anna is disabled/);
  expect((await asAdmin("user disable anna")).out).toMatch(/anna was disabled already/);
  expect((await asAdmin("user enable anna")).out).toMatch(/anna is enabled/);
  await run(`login ${url} --user anna`, `${PASSWORD}\n`);
  expect((await run("user passwd", `${PASSWORD}\n${OTHER}\n`)).out).toMatch(/Log in again/);
  await run(`login ${url} --user anna`, `${OTHER}\n`);
  expect((await run("logout --everywhere")).out).toMatch(/Ended 1 session\. Forgot the login/);
  expect(kept()).not.toContain("sks1.");
  expect(hub.store.sessionsOf("anna")).toEqual([]);
  expect((await asAdmin("user passwd anna", `${PASSWORD}\n`)).code).toBe(0);
  expect((await asAdmin("user rm anna")).err).toMatch(/Say --yes/);
  expect((await asAdmin("user rm anna --yes")).out).toMatch(/Removed the user anna/);
});

test("[U221] totp shows secret and recovery codes once, and a login asks for the code when there is one to ask for", async () => {
  await asAdmin("user add anna --role viewer", PASSWORD);
  await run(`login ${url} --user anna`, PASSWORD);
  let shown = "";
  const enabled = await runWords(["user", "totp", "enable"], {
    homeDir,
    inIsTerminal: true,
    out: (text) => {
      shown += text;
    },
    ask: async (question) =>
      question.startsWith("The code")
        ? new TOTP({ secret: /secret=(\w+)/.exec(shown)?.[1] ?? "" }).generate()
        : PASSWORD,
  });
  expect([enabled.code, shown]).toEqual([0, expect.stringMatching(/The second factor is on/)]);
  const codes = shown.match(/(?:[a-z2-9]{4}-){3}[a-z2-9]{4}/g) ?? [];
  expect(codes).toHaveLength(10);
  expect((await run("user totp enable")).err).toMatch(/there is no terminal/);
  expect((await run(`login ${url} --user anna`, `${PASSWORD}\n`)).err).toMatch(/ends before "Code:"/);
  expect((await run(`login ${url} --user anna`, `${PASSWORD}\n${codes[0]}\n`)).code).toBe(0);
  expect((await run("user totp recovery", `${PASSWORD}\n${codes[1]}\n`)).out).toMatch(/count no more/);
  expect((await asAdmin("user totp reset anna")).out).toMatch(/no second factor any more/);
  expect((await run("user totp disable", `${PASSWORD}\n`)).err).toMatch(
    /Anna has no second factor|anna has no second/i,
  );
});

test("[U222] setup makes the first user by the link, and says so of a link that is none or counts no more", async () => {
  const link = `${url}/setup#${hub.http.beginSetUp()}`;
  expect((await run("setup http://x --user anna", PASSWORD)).err).toMatch(/not a set-up link/);
  expect((await run(`setup ${link} --user anna`, PASSWORD)).out).toMatch(/The user anna is made, with role admin/);
  expect((await run(`setup ${link} --user eve`, PASSWORD)).err).toMatch(/does not count, or no more/);
  const typed = ["one password here", "another password"];
  const differs = await runWords(["user", "add", "bert", "--role", "viewer"], {
    homeDir,
    env: { SKERRY_HUB: url, SKERRY_TOKEN: hub.admin },
    inIsTerminal: true,
    ask: async () => typed.shift() ?? "",
  });
  expect(differs.err).toMatch(/The two differ/);
});
