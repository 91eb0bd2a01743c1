// Polices the repository: what people agreed on and correctness hangs on. Each checker is first shown a planted sample that it
// must fire on, and one that it must not.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { checkLinks } from "./docs.ts";
import { checkAllTestsRun, checkOpenings } from "./files.ts";
import { checkImports } from "./imports.ts";
import { checkCore, checkTimeAndChance } from "./purity.ts";
import { checkRules } from "./rules.ts";
import { type Finding, readTree, type Tree } from "./tree.ts";

/** Every file of the repository is parsed once: two seconds on an idle machine, many on a busy one. */
const WITHIN_MS = 60_000;

const ROOT = join(import.meta.dirname, "..", "..");
const isThere = (path: string): boolean => existsSync(join(ROOT, path));

const CHECKERS = {
  imports: checkImports,
  core: checkCore,
  "time and chance": checkTimeAndChance,
  openings: checkOpenings,
  "all tests run": checkAllTestsRun,
  rules: checkRules,
  links: (tree: Tree) => checkLinks(tree, isThere),
} satisfies Record<string, (tree: Tree) => readonly Finding[]>;
type Checker = keyof typeof CHECKERS;

const show = (findings: readonly Finding[]): readonly string[] => findings.map(({ path, says }) => `${path}: ${says}`);
const plant = (files: Readonly<Record<string, string>>): Tree => new Map(Object.entries(files));

describe("the repository", () => {
  let tree: Tree;
  beforeAll(async () => {
    tree = await readTree();
  });

  test.each(Object.keys(CHECKERS) as Checker[])(
    "%s",
    (checker) => {
      expect(tree.size).toBeGreaterThan(0);
      expect(show(CHECKERS[checker](tree))).toEqual([]);
    },
    WITHIN_MS,
  );
});

/** Checker, what is planted, files, and words of the one finding; null: there must be none. */
const PLANTED: readonly (readonly [Checker, string, Readonly<Record<string, string>>, string | null])[] = [
  [
    "imports",
    "the agent imports the hub",
    { "agent/src/link/a.ts": 'import { b } from "@skerry/hub/core/b.ts";', "hub/src/core/b.ts": "" },
    "only shared may be imported",
  ],
  [
    "imports",
    "shared imports the agent",
    { "shared/src/model/a.ts": 'import type { b } from "@skerry/agent/b.ts";', "agent/src/b.ts": "" },
    "only shared may be imported",
  ],
  [
    "imports",
    "core imports the store",
    { "hub/src/core/a.ts": 'import { b } from "../store/b.ts";', "hub/src/store/b.ts": "" },
    "hub/src/core imports hub/src/store/b.ts at run time",
  ],
  [
    "imports",
    "a lazy import counts",
    { "hub/src/store/a.ts": 'const b = () => import("../http/b.ts");', "hub/src/http/b.ts": "" },
    "hub/src/store imports hub/src/http/b.ts",
  ],
  [
    "imports",
    "an inline type still runs",
    { "hub/src/core/a.ts": 'import { type B } from "../store/b.ts";', "hub/src/store/b.ts": "" },
    "at run time",
  ],
  [
    "imports",
    "types of the shell in core",
    { "agent/src/core/a.ts": 'import type { B } from "../engine/b.ts";', "agent/src/engine/b.ts": "" },
    null,
  ],
  [
    "imports",
    "core imports the clock",
    { "hub/src/core/a.ts": 'import { b } from "@skerry/shared/runtime/clock.ts";', "shared/src/runtime/clock.ts": "" },
    "at run time",
  ],
  [
    "imports",
    "core imports a result",
    {
      "hub/src/core/a.ts": 'import { b } from "@skerry/shared/runtime/result.ts";',
      "shared/src/runtime/result.ts": "",
    },
    null,
  ],
  ["imports", "a file that is gone", { "hub/src/http/a.ts": 'export * from "./b.ts";' }, "which is not there"],
  [
    "imports",
    "an entry",
    { "hub/src/control-loop.ts": 'import { b } from "./main.ts";', "hub/src/main.ts": "" },
    "imports the entry",
  ],
  [
    "imports",
    "a test",
    { "hub/src/core/a.ts": 'import { b } from "./b.test.ts";', "hub/src/core/b.test.ts": "" },
    "imports the test",
  ],

  ["core", "async", { "hub/src/core/a.ts": "export const a = async () => 1;" }, "line 1: async"],
  ["core", "a promise in a type", { "hub/src/core/a.ts": "export declare function a(): Promise<number>;" }, "Promise"],
  ["core", "the clock", { "hub/src/core/a.ts": "export const a = () => new Date(5);" }, "Date"],
  ["core", "chance", { "agent/src/core/a.ts": "export const a = () => Math.random();" }, "Math.random"],
  ["core", "output", { "agent/src/core/a.ts": "export const a = () => console.log(1);" }, "console"],
  ["core", "the environment", { "agent/src/core/a.ts": "export const a = process.env;" }, "process"],
  ["core", "state of the module", { "agent/src/core/a.ts": "let a = 1; export const b = () => a++;" }, "can change"],
  [
    "core",
    "zod by a detour",
    {
      "hub/src/core/a.ts": 'import { b } from "@skerry/shared/model/b.ts";',
      "shared/src/model/b.ts": 'import * as z from "zod/mini"; export const b = z;',
    },
    "loads zod/mini when it runs, by hub/src/core/a.ts → shared/src/model/b.ts → zod/mini",
  ],
  [
    "core",
    "the clock by a detour",
    {
      "hub/src/core/a.ts": 'import { b } from "@skerry/shared/model/b.ts";',
      "shared/src/model/b.ts": "export const b = () => Date.now();",
    },
    "shared/src/model/b.ts: line 1: Date",
  ],
  ["core", "Node", { "hub/src/core/a.ts": 'import { join } from "node:path"; join();' }, "loads node:path"],
  [
    "core",
    "types of zod schemas, and members called like globals",
    {
      "hub/src/core/a.ts":
        'import type { B } from "@skerry/shared/model/b.ts"; export const a = (b: B, process: { Date: string }) => ({ console: b, c: process.Date });',
      "shared/src/model/b.ts": 'import * as z from "zod/mini";',
    },
    "process in what core/ runs",
  ],
  ["core", "tests may do as they like", { "hub/src/core/a.test.ts": "await 1; Date.now();" }, null],

  ["time and chance", "a wall clock", { "hub/src/http/a.ts": "export const a = Date.now();" }, "line 1: Date.now"],
  ["time and chance", "a date of now", { "hub/src/http/a.ts": "export const a = new Date();" }, "new Date()"],
  [
    "time and chance",
    "a text from a number",
    { "hub/src/http/a.ts": "export const a = new Date(5).toISOString();" },
    null,
  ],
  ["time and chance", "a timer", { "agent/src/link/a.ts": "setTimeout(() => 1, 5);" }, "setTimeout"],
  [
    "time and chance",
    "a timer handed on",
    { "agent/src/link/a.ts": "export const a = { after: setTimeout };" },
    "setTimeout",
  ],
  [
    "time and chance",
    "a socket's own time-out",
    { "agent/src/link/a.ts": "declare const s: { setTimeout(n: number): void }; s.setTimeout(5);" },
    null,
  ],
  [
    "time and chance",
    "an import of timers",
    { "agent/src/link/a.ts": 'import { scheduler } from "node:timers/promises";' },
    "node:timers/promises",
  ],
  [
    "time and chance",
    "chance from crypto",
    { "hub/src/http/a.ts": 'import * as c from "node:crypto"; export const a = () => c.randomUUID();' },
    "randomUUID",
  ],
  [
    "time and chance",
    "the owners",
    { "shared/src/runtime/clock.ts": "export const a = Date.now();", "agent/src/main.ts": "setTimeout(() => 1, 5);" },
    null,
  ],

  [
    "openings",
    "no opening comment",
    { "hub/src/core/a.ts": 'import "./b.ts";\n// late' },
    "does not open with a comment",
  ],
  [
    "openings",
    "an opening comment",
    { "hub/src/core/a.ts": "// What it is for.\n", "test/a.ts": "#!/usr/bin/env node\n/** What it is for. */" },
    null,
  ],

  // Planted samples, as text: they show that the checker fires. No test of this repository is left out.
  [
    "all tests run",
    "one left out",
    { "hub/src/core/a.test.ts": 'test.skip("x", () => undefined);' },
    "test.skip leaves tests out",
  ],
  [
    "all tests run",
    "one alone",
    { "test/e2e/a.test.ts": 'describe.only("x", () => undefined);' },
    "describe.only leaves tests out",
  ],

  ["rules", "a rule without a test", { "docs/spec/a.md": "- **[X1]** Something holds." }, "no test quotes [X1]"],
  [
    "rules",
    "a quote without a rule",
    { "hub/src/core/a.test.ts": 'test("[X2] x", () => undefined);' },
    "quotes [X2], which docs/spec does not state",
  ],
  [
    "rules",
    "both",
    { "docs/spec/a.md": "- **[X3]** Something holds.", "hub/src/core/a.test.ts": 'test("[X3] x", () => undefined);' },
    null,
  ],
  [
    "rules",
    "a rule stated twice",
    {
      "docs/spec/a.md": "- **[X3]** One.",
      "docs/spec/b.md": "- **[X3]** Two.",
      "hub/src/core/a.test.ts": 'test("[X3] x", () => undefined);',
    },
    "too",
  ],

  ["links", "a page that is not there", { "docs/a.md": "See [b](b.md)." }, "links to b.md, which is not there"],
  [
    "links",
    "a heading that is not there",
    { "docs/a.md": "See [b](b.md#second).", "docs/b.md": "# First" },
    "no such heading",
  ],
  [
    "links",
    "what is there, elsewhere, or only code",
    {
      "docs/a.md": "[b](b.md#first-of-all) [x](https://example.org) `[c](d)` [l](../LICENSE)",
      "docs/b.md": "# First, of all",
    },
    null,
  ],
];

describe("each checker fires on a planted sample, and only there", () => {
  test.each(PLANTED)("%s: %s", (checker, _what, files, finding) => {
    const found = show(CHECKERS[checker](plant(files)));
    if (finding === null) expect(found).toEqual([]);
    else expect(found).toEqual([expect.stringContaining(finding)]);
  });

  test("no checker is without a sample", () => {
    const shown = new Set(PLANTED.filter(([, , , finding]) => finding !== null).map(([checker]) => checker));
    expect([...shown].sort()).toEqual(Object.keys(CHECKERS).sort());
  });
});
