// Runs the suites one after the other and ends with one plain line, "N passed, N failed", that a CI can read.
//   node test/run/all.ts            everything        node test/run/all.ts check        what is quick        … e2e        one suite
// It must never call a run good that vitest or a tool called bad: the exit code is 0 only when every suite's was.
import { spawn } from "node:child_process";
import { mkdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { sweep } from "../lab/lab.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const RESULTS = join(ROOT, ".cache", "results");

interface Suite {
  readonly name: string;
  readonly says: string;
  readonly command: readonly [string, ...string[]];
  /** vitest counts its tests itself; any other tool is one check that passes or fails. */
  readonly counts: "tests" | "one";
}

interface Outcome {
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  readonly seconds: number;
}

const vitest = (project: string, says: string): Suite => ({
  name: project,
  says,
  counts: "tests",
  command: [
    bin("vitest"),
    "run",
    `--project=${project}`,
    `--reporter=${process.env["CI"] ? "dot" : "default"}`,
    "--reporter=json",
    `--outputFile.json=${resultOf(project)}`,
  ],
});

const QUICK: readonly Suite[] = [
  { name: "order", says: "format and lint", counts: "one", command: [bin("biome"), "check", "--error-on-warnings"] },
  { name: "types", says: "types", counts: "one", command: [bin("tsc"), "--noEmit"] },
  vitest("unit", "unit tests, properties and tidy"),
  vitest("sim", "simulator, fixed seeds"),
];
const SLOW = vitest("mutants", "the simulator finds planted bugs");
const HOSTILE = vitest("hostile", "hostile attempts against a real hub, and fuzzing");
const REAL: readonly Suite[] = [
  vitest("contract", "contracts, against simulated and real parts"),
  vitest("e2e", "everything together, on real engines"),
];
const ALL: readonly Suite[] = [...QUICK, SLOW, HOSTILE, ...REAL];

function bin(name: string): string {
  return join(ROOT, "node_modules", ".bin", name);
}

function resultOf(project: string): string {
  return join(RESULTS, `${project}.json`);
}

function chosen(words: readonly string[]): readonly Suite[] {
  if (words.length === 0) return ALL;
  if (words.includes("check")) return QUICK;
  const suites = ALL.filter((suite) => words.includes(suite.name));
  if (suites.length === words.length) return suites;
  throw new Error(`no such suite among ${words.join(" ")}: use check, ${ALL.map((s) => s.name).join(", ")}`);
}

async function run(suite: Suite): Promise<Outcome> {
  console.log(`\n=== ${suite.name}: ${suite.says}`);
  const startedAt = performance.now();
  await rm(resultOf(suite.name), { force: true });
  const code = await exitCode(suite.command);
  const counted = suite.counts === "one" ? { passed: 1, failed: 0 } : await countTests(resultOf(suite.name));
  const seconds = (performance.now() - startedAt) / 1000;
  if (code === 0 && counted.failed === 0) return { name: suite.name, ...counted, seconds };
  // A file that does not load, or an error outside any test, fails no test but fails the run.
  if (suite.counts === "one") return { name: suite.name, passed: 0, failed: 1, seconds };
  return { name: suite.name, passed: counted.passed, failed: Math.max(1, counted.failed), seconds };
}

function exitCode([program, ...args]: readonly [string, ...string[]]): Promise<number> {
  return new Promise((resolve, reject) => {
    // The Node that was brought along comes first, whoever started this.
    const env = { ...process.env, PATH: `${dirname(bin("node"))}:${process.env["PATH"] ?? ""}` };
    const child = spawn(program, args, { cwd: ROOT, env, stdio: ["ignore", "inherit", "inherit"] });
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

async function countTests(file: string): Promise<{ passed: number; failed: number }> {
  try {
    // The shape is that of vitest's own JSON reporter, pinned by the lock file.
    const result = JSON.parse(await readFile(file, "utf8")) as { numPassedTests: number; numFailedTests: number };
    return { passed: result.numPassedTests, failed: result.numFailedTests };
  } catch {
    return { passed: 0, failed: 0 };
  }
}

async function main(): Promise<void> {
  // Ctrl-C reaches the suite too, which cleans up; this process waits for it and begins no other.
  let interrupted = false;
  process.on("SIGINT", () => {
    interrupted = true;
  });
  await mkdir(RESULTS, { recursive: true });
  const words = process.argv.slice(2);
  const suites = chosen(words);
  // `npm test` takes the time for more of them than `npm run check`.
  if (words.length === 0) {
    process.env["SKERRY_SIM_SEEDS"] ??= "100";
    process.env["SKERRY_LAW_TIMES"] ??= "3";
  }
  const outcomes: Outcome[] = [];
  for (const suite of suites) if (!interrupted) outcomes.push(await run(suite));

  if (suites.some((suite) => REAL.includes(suite))) {
    // A suite that was killed could not end its labs itself.
    for (const tag of await sweep()) console.log(`swept what the lab ${tag} left behind`);
  }

  console.log("");
  for (const { name, passed, failed, seconds } of outcomes) {
    const verdict = failed === 0 ? "ok    " : "FAILED";
    console.log(`${verdict} ${name.padEnd(9)} ${passed} passed, ${failed} failed in ${seconds.toFixed(1)} s`);
  }
  const sum = (pick: (outcome: Outcome) => number): number => outcomes.reduce((total, next) => total + pick(next), 0);
  const failed = sum((outcome) => outcome.failed);
  console.log(`${sum((outcome) => outcome.passed)} passed, ${failed} failed`);
  process.exitCode = failed === 0 && !interrupted ? 0 : 1;
}

await main();
