// Policies on the command line: a file becomes a request, mistakes are told before it is sent, and a hub's words do not control the terminal.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NO_GRANTS, NO_RULES } from "@skerry/shared/policy/profiles.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runWords, startTableHub } from "./testing.ts";

const ESC = "\u001b[2J";
const policy = {
  ...{ name: "serial", revision: 2, profile: "restricted", mode: "enforce", apps: ["meter"], nodeLabels: ["gpio=yes"] },
  ...{ grants: { ...NO_GRANTS, devices: ["/dev/ttyUSB*"] }, rules: NO_RULES },
};
const violation = {
  ...{ app: "meter", service: "web", node: null, field: "devices", rule: "devices", value: "/dev/a", hint: "" },
  ...{ message: `asks for ${ESC}`, enforced: true },
};

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "skerry-policy-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function ask(words: string, body: unknown) {
  await using hub = await startTableHub(() => ({ status: 200, body }));
  const env = { SKERRY_HUB: hub.url, SKERRY_TOKEN: "ska1.test" };
  const result = await runWords(words.split(" "), { env });
  return { ...result, asked: [...hub.asked] };
}

async function file(text: string): Promise<string> {
  const path = join(folder, "policy.yaml");
  await writeFile(path, text);
  return path;
}

test("[P314] policy set sends the file's fields, with what they are when nothing is said, and tells what is refused", async () => {
  const path = await file(
    "name: serial\napps: [meter]\ngrants: { devices: ['/dev/ttyUSB*'], hostPaths: [{ path: /srv }] }\n",
  );
  const answer = { ...policy, changed: true, dryRun: false, violations: [violation] };
  const { code, out, err, asked } = await ask(`policy set ${path} --if-revision 1`, answer);
  expect([code, err]).toEqual([0, ""]);
  expect(out).toContain("Policy serial is at revision 2.\n");
  expect(out).toContain("refused meter/web: asks for \\x1b[2J\n");
  expect(asked[0]).toMatchObject({
    method: "PUT",
    body: {
      policy: {
        ...{ profile: "restricted", mode: "enforce", apps: ["meter"], nodeLabels: [], rules: NO_RULES },
        grants: { ...NO_GRANTS, devices: ["/dev/ttyUSB*"], hostPaths: [{ path: "/srv", readOnly: true }] },
      },
      ...{ ifRevision: 1, dryRun: false },
    },
  });
});

test.each([
  ["apps: [meter]\n", "has no name"],
  ["name: serial\nprofil: baseline\n", "is not a policy"],
  ["name: serial\ngrants: { devices: [/dev/../sda] }\n", "grants.devices.0"],
  ["- a\n", "is no list of fields"],
  ["a: [\n", "neither YAML nor JSON"],
  ["name: serial\nx: &a [1]\ny: *a\n", "neither YAML nor JSON"],
])("[P305] a file that is no policy is told before anything is sent: %j", async (text, said) => {
  const { code, err, asked } = await ask(`policy set ${await file(text)}`, {});
  expect([code, asked.length]).toEqual([1, 0]);
  expect(err).toContain(said);
});

test("[P314] policies are listed, shown and removed; check ends with 1 when something is refused", async () => {
  expect((await ask("policy ls", { items: [policy] })).out).toMatch(
    /serial +restricted +enforce +meter +gpio=yes +devices/,
  );
  expect((await ask("policy show serial", policy)).out).toContain("  grants   devices: /dev/ttyUSB*\n");
  const removed = await ask("policy rm serial --dry-run", { name: "serial", dryRun: true, violations: [] });
  expect(removed.out).toContain("The policy serial would be removed.\n");
  expect((await ask("policy check", { violations: [violation] })).code).toBe(1);
  expect((await ask("policy check", { violations: [{ ...violation, enforced: false }] })).code).toBe(0);
});
