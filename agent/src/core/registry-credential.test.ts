// Registry credentials in the plan: which pull is shown which, what waits for one, and what another one sets going again.
import type { AppName } from "@skerry/shared/model/ids.ts";
import type { ValueRef } from "@skerry/shared/model/value.ts";
import { valueKey } from "@skerry/shared/model/value-names.ts";
import { expect, test } from "vitest";
import {
  assignment,
  type Faults,
  type ModelNode,
  observed,
  round,
  settle,
  statusOf,
  workload,
} from "../../../test/unit/agent/scenario.ts";
import { NO_VALUES } from "./plan/scene.ts";

const IMAGE = "r.test:5000/team/web:1";
const ref = (digit: string, name = "r.test:5000"): ValueRef => ({
  ...{ kind: "registry", app: null, name, version: digit.repeat(32) },
});
const here = (...refs: readonly ValueRef[]) => ({ values: { ...NO_VALUES, here: new Set(refs.map(valueKey)) } });
const web = workload("web", { spec: { image: IMAGE } });

/** `registries`: of the app of each workload. */
function node(registries: readonly ValueRef[], workloads = [web], image = IMAGE): ModelNode {
  const apps = [{ name: web.app, networks: [], volumes: [], registries: [...registries] }];
  return {
    desired: assignment(workloads, { apps }),
    observed: { ...observed(workloads, []), images: new Map([[image, null]]) },
    memory: new Map(),
    now: 1_000_000,
    count: 0,
  };
}
const pulls = (on: ModelNode, refs: readonly ValueRef[]) =>
  round(on, here(...refs)).plan.lanes.flatMap(({ actions }) =>
    actions.flatMap((action) => (action.kind === "pull-image" ? [action.credential] : [])),
  );
const refusing: Faults = ({ kind }) =>
  kind === "pull-image" ? { ok: false, kind: "retry", message: "refused", pullFailure: "unauthorised" } : undefined;

test("[C276] a pull is shown the credential that its app has for the image's registry, and no other", () => {
  const [own, hub] = [ref("a"), ref("b", "docker.io")];
  expect(pulls(node([own, hub]), [own, hub])).toEqual([own]);
  expect(pulls(node([hub]), [hub])).toEqual([null]);
  const plain = workload("web", { spec: { image: "web:1" } });
  expect(pulls(node([own, hub], [plain], "web:1"), [own, hub])).toEqual([hub]);
});

test("[C276] another app's credential on the same node is not shown; of several that want one image, the one that has one pulls", () => {
  const own = ref("a");
  const other = { ...workload("other", { spec: { image: IMAGE } }), app: "aaa" as AppName };
  const both = node([own], [other, web]);
  expect(pulls(both, [own])).toEqual([own]);
  const { apps } = node([own]).desired ?? {};
  expect(pulls({ ...both, desired: assignment([other], { apps: apps ?? [] }) }, [own])).toEqual([null]);
});

test("[C277] a pull waits for its credential and says so; what needs no pull waits for nothing", () => {
  const own = ref("a");
  const waiting = round(node([own]));
  expect(waiting.plan.lanes).toEqual([]);
  expect(statusOf(waiting.plan, web).state).toEqual({
    kind: "waiting",
    reason: "registry credential r.test:5000 has not arrived yet: the hub gives it as soon as it is heard",
  });
  const lost = { values: { ...NO_VALUES, refused: new Map([[valueKey(own), "the hub has lost the key to it"]]) } };
  expect(statusOf(round(node([own]), lost).plan, web).state).toMatchObject({
    reason: "registry credential r.test:5000 does not come: the hub has lost the key to it",
  });
  const there = node([own]);
  const images = new Map([[IMAGE, "sha256:there"]]);
  const settled = settle({ ...there, observed: { ...there.observed, images } }, 5);
  expect(statusOf(settled.plan, web).state.kind).toBe("running");
});

test("[C281] after a refusal another credential is tried at once, and the same one only after the back-off", () => {
  const [first, second] = [ref("a"), ref("b")];
  const refused = round(node([first]), here(first), refusing).node;
  expect(pulls(refused, [first])).toEqual([]);
  const changed = node([second]).desired;
  expect(pulls({ ...refused, desired: changed }, [second])).toEqual([second]);
  // Refused again: by this one nothing is hurried any more.
  const again = round({ ...refused, desired: changed }, here(second), refusing).node;
  expect(pulls(again, [second])).toEqual([]);
  // One that was pulled as anybody's, and has a credential now.
  const anonymous = round(node([]), {}, refusing).node;
  expect(pulls({ ...anonymous, desired: changed }, [second])).toEqual([second]);
});
