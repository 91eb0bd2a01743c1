// How the tests are run: six projects, so that each can be asked for alone (`vitest run --project unit`).
// Unit, sim and mutants share threads and module graphs, which makes them quick: a test must leave no global changed.
// Contract and e2e run real engines: each file in a process of its own, with a lab of its own, and with long deadlines.
import { existsSync } from "node:fs";
import { defineConfig } from "vitest/config";

/** A unit test that needs longer than this waits for something real and belongs elsewhere. */
const UNIT_TIMEOUT_MS = 10_000;
/** Seeds run in bulk: two cores shared with other work must not make a good seed fail. */
const SIM_TIMEOUT_MS = 120_000;
/** An attempt waits for a real hub's deadlines, half a minute the longest of them, and on a busy machine for the hub itself. */
const HOSTILE_TIMEOUT_MS = 120_000;
/** Left alone, vitest keeps one core of two for itself. */
const THREADS = 2;
/** Attempts mostly wait for a hub's deadlines. */
const ATTEMPTS_AT_ONCE = 4;
/** Tests on real engines mostly wait: a file takes half a core, measured over all of them. Three at once leave two cores a quarter to spare. */
const LABS_AT_ONCE = 3;
/** A real engine on a busy machine takes seconds to start or to stop. */
const E2E_TIMEOUT_MS = 180_000;

const NEVER = ["**/node_modules/**", "**/dist/**", "**/.cache/**"];
/** Does the simulator find bugs that are planted in the product? As long as all its seeds, and asked only before a change lands. */
const MUTANTS = "test/sim/mutants.test.ts";
/** Hundreds of unit tests make a database each, and none asks whether it lasts. Linux's folder in memory saves a check four seconds. */
const MEMORY = "/dev/shm";
const IN_MEMORY: Record<string, string> = existsSync(MEMORY) ? { TMPDIR: MEMORY } : {};
const shared = { pool: "threads", isolate: false, maxWorkers: THREADS } as const;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...shared,
          name: "unit",
          env: IN_MEMORY,
          include: [
            "{shared,agent,hub}/src/**/*.test.ts",
            "test/{tidy,unit,golden,lab,demo,bench,run,proof}/**/*.test.ts",
          ],
          exclude: NEVER,
          testTimeout: UNIT_TIMEOUT_MS,
        },
      },
      {
        test: {
          ...shared,
          name: "sim",
          include: ["test/sim/**/*.test.ts"],
          exclude: [...NEVER, MUTANTS],
          testTimeout: SIM_TIMEOUT_MS,
        },
      },
      {
        test: {
          ...shared,
          name: "mutants",
          include: [MUTANTS],
          exclude: NEVER,
          testTimeout: SIM_TIMEOUT_MS,
        },
      },
      {
        test: {
          ...shared,
          name: "hostile",
          include: ["test/{hostile,fuzz}/**/*.test.ts"],
          exclude: NEVER,
          maxWorkers: ATTEMPTS_AT_ONCE,
          sequence: { groupOrder: 3 },
          testTimeout: HOSTILE_TIMEOUT_MS,
          hookTimeout: HOSTILE_TIMEOUT_MS,
        },
      },
      {
        test: {
          name: "contract",
          // A lab of real engines hears Ctrl-C only in a process of its own.
          pool: "forks",
          include: ["test/contract/**/*.test.ts"],
          exclude: NEVER,
          testTimeout: E2E_TIMEOUT_MS,
          hookTimeout: E2E_TIMEOUT_MS,
          maxWorkers: LABS_AT_ONCE,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          exclude: NEVER,
          pool: "forks",
          maxWorkers: LABS_AT_ONCE,
          sequence: { groupOrder: 2 },
          testTimeout: E2E_TIMEOUT_MS,
          hookTimeout: E2E_TIMEOUT_MS,
        },
      },
    ],
  },
});
