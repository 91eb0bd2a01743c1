// Links are followed before anything is mounted: with real folders.
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import type { Workload } from "@skerry/shared/model/assignment.ts";
import type { Mount } from "@skerry/shared/model/container.ts";
import { RESTRICTED } from "@skerry/shared/policy/profiles.ts";
import { systemClock } from "@skerry/shared/runtime/clock.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { assignment, INSTALLATION, NODE, workload } from "../../../test/unit/agent/scenario.ts";
import { execute } from "../reconciler/execute.ts";
import type { CreateRequest, Engine } from "./engine.ts";
import { hostPaths } from "./host-paths.ts";
import { labelKey } from "./labels.ts";

let folder = "";
beforeAll(() => {
  // Unit tests have their folders below /dev, which no grant covers.
  folder = realpathSync(mkdtempSync("/tmp/skerry-paths-"));
  for (const name of ["granted/inside", "agent", "outside"]) mkdirSync(join(folder, name), { recursive: true });
  symlinkSync("/run", join(folder, "granted/to-run"));
  symlinkSync(join(folder, "outside"), join(folder, "granted/to-outside"));
  symlinkSync(join(folder, "granted/inside"), join(folder, "granted/to-inside"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What the engine is asked for, or why it is not. */
async function made(source: string, readOnly = false): Promise<string> {
  const asked: CreateRequest[] = [];
  // Nothing else of the engine is used.
  const engine = {
    createContainer: (request: CreateRequest) => {
      asked.push(request);
      return Promise.resolve("c1");
    },
  } as unknown as Engine;
  const mount: Mount = { ...{ kind: "bind", source, target: "/m", readOnly }, propagation: null, createHostPath: true };
  const grants = { ...RESTRICTED.grants, hostPaths: [{ path: folder, readOnly: false }] };
  const web = workload("web", { spec: { mounts: [mount] } });
  const wanted: Workload = { ...web, policy: { ...RESTRICTED, grants } };
  const outcome = await execute(
    {
      ...{
        clock: systemClock,
        engine,
        labelKey: labelKey({ installation: INSTALLATION, node: NODE, privateKey: "c0".repeat(32), labelSecret: null }),
      },
      ...{ hostPaths: await hostPaths([join(folder, "agent")]), desired: () => assignment([wanted]) },
    },
    { kind: "create-container", workload: wanted, name: "shop-web-1", named: true },
    { created: null, progress: () => undefined, signal: new AbortController().signal },
  );
  const [bound] = asked[0]?.spec.mounts ?? [];
  return outcome.ok ? (bound?.kind === "bind" ? bound.source : "?") : `${outcome.kind}: ${outcome.message}`;
}

test("[P319] the engine is given what a granted path leads to, also where it is not there yet", async () => {
  expect(await made(join(folder, "granted/inside"))).toBe(join(folder, "granted/inside"));
  expect(await made(join(folder, "granted/to-inside"))).toBe(join(folder, "granted/inside"));
  expect(await made(join(folder, "granted/to-inside/new/deep"))).toBe(join(folder, "granted/inside/new/deep"));
});

test("[P319] H48: a link out of what is granted, or to what is closed, is refused in words", async () => {
  expect(await made(join(folder, "granted/to-run"))).toMatch(
    /^invalid: this node refuses it by policy: `volumes` asks for \/run, which .* \(links are followed: grant the path that they lead to\)$/,
  );
  expect(await made(join(folder, "granted/to-run/docker.sock"))).toContain("refuses it by policy");
  expect(await made(join(folder, "agent"))).toContain("refuses it by policy");
  expect(await made(join(folder, "agent/ledger.db"), true)).toContain("refuses it by policy");
  // The whole has the agent's own folder in it.
  expect(await made(folder)).toContain("refuses it by policy");
});
