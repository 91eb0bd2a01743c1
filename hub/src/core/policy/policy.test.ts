// Policies and what they do to placing: examples. What the validator itself says stands in shared/src/policy.
import type { ContainerSpec } from "@skerry/shared/model/container.ts";
import type { NodeId } from "@skerry/shared/model/ids.ts";
import type { PolicyFields } from "@skerry/shared/policy/policy.ts";
import { NO_GRANTS, NO_RULES } from "@skerry/shared/policy/profiles.ts";
import { expect, test } from "vitest";
import { appName, appSpec, Scenario, type ServiceShape, workload } from "../../../../test/unit/hub/scenario.ts";
import { buildAssignment } from "../assign.ts";
import type { CommandRefusal } from "../command.ts";
import { refusalSummary } from "../refusal-text.ts";
import { checkApps } from "./check.ts";

const SERIAL = { devices: [{ host: "/dev/ttyUSB0", container: "/dev/ttyUSB0", permissions: "rwm" }] };
const fields = (parts: Partial<PolicyFields>): PolicyFields => ({
  ...{ profile: "restricted", mode: "enforce", apps: [], nodeLabels: [], grants: NO_GRANTS, rules: NO_RULES },
  ...parts,
});
const GRANT = { grants: { ...NO_GRANTS, devices: ["/dev/ttyUSB*"] } };

class Site extends Scenario {
  set(name: string, parts: Partial<PolicyFields>, ifRevision: number | null = null): CommandRefusal | null {
    return this.send({ kind: "set-policy", name, fields: fields(parts), ifRevision });
  }
  meter(
    container: Partial<ContainerSpec> = SERIAL,
    shape: ServiceShape = {},
    image = "meter:1",
  ): CommandRefusal | null {
    const spec = appSpec("meter", { ...shape, image });
    const services = spec.services.map((one) => ({ ...one, container: { ...one.container, ...container } }));
    const hashed = services.map((one) => ({
      ...one,
      specHash: `${image}${container.files?.[0]?.value.version ?? ""}`
        .padEnd(64, "0")
        .replace(/[^0-9a-f]/g, "0") as never,
    }));
    return this.send({
      kind: "apply-app",
      retry: false,
      force: false,
      spec: { ...spec, services: hashed },
      source: "",
      ifRevision: null,
    });
  }
  why = (id: string): string => refusalSummary(this.world.unplaced.get(workload(id))?.refusals ?? []);
  assigned = (node: NodeId) => buildAssignment(this.world, node)?.workloads.map(({ policy }) => policy) ?? [];
}

test("[P309] what no policy allows is refused when it is applied, with field, rule and what would allow it", () => {
  const s = new Site();
  s.join();
  expect(s.meter()).toEqual({
    code: "policy",
    message: "service web: `devices` asks for /dev/ttyUSB0, which the profile restricted does not allow",
    hint: expect.stringContaining('`grants: { devices: ["/dev/ttyUSB0"] }` (skerry policy set FILE).'),
    path: "services.web.devices",
  });
  expect(s.world.apps.size).toBe(0);
  s.set("serial", { ...GRANT, apps: [appName("other")] });
  expect(s.meter()?.hint).toContain("Policy serial allows it, but is not about app meter");
  s.set("serial", { ...GRANT, apps: [appName("other"), appName("meter")] });
  expect(s.meter()).toBeNull();
  expect(Object.keys(s.placed())).toEqual(["meter/web/1"]);
});

test("[P310] a grant that is bound to nodes counts there alone, and each other node says so", () => {
  const s = new Site();
  s.join();
  s.set("serial", { ...GRANT, nodeLabels: ["gpio=yes"] });
  expect(s.meter()).toBeNull();
  expect(s.why("meter/web/1")).toBe(
    "1 node: policy: `devices` asks for /dev/ttyUSB0, which the profile restricted does not allow here; " +
      "policy serial allows it on nodes with gpio=yes",
  );
  const second = s.join({ labels: { gpio: "yes" } });
  s.decide();
  expect(s.placed()).toEqual({ "meter/web/1": 2 });
  expect(s.assigned(second)).toMatchObject([{ profile: "restricted", grants: { devices: ["/dev/ttyUSB*"] } }]);
});

test("[P310] a policy that comes later lets in what waited for it", () => {
  const s = new Site();
  s.join({ labels: { site: "farm" } });
  s.set("serial", { ...GRANT, nodeLabels: ["gpio=yes"] });
  s.meter();
  expect(s.placed()).toEqual({});
  s.set("serial", { ...GRANT, nodeLabels: ["gpio=yes", "site=farm"] });
  expect(s.placed()).toEqual({ "meter/web/1": 1 });
});

test("[P312] a policy that goes stops nothing: what runs keeps what it was given, and only a change is refused", () => {
  const s = new Site();
  const node = s.join();
  s.set("serial", GRANT);
  s.meter();
  const before = s.assigned(node);
  const assigned = s.world.nodes.get(node)?.assigned;
  expect(s.send({ kind: "remove-policy", name: "serial", ifRevision: null })).toBeNull();
  expect(s.placed()).toEqual({ "meter/web/1": 1 });
  expect([s.assigned(node), s.world.nodes.get(node)?.assigned]).toEqual([before, assigned]);
  expect(checkApps(s.world)).toMatchObject([{ app: "meter", service: "web", node: null, enforced: true }]);
  expect(s.meter(SERIAL, {}, "meter:2")?.code).toBe("policy");
  expect(
    s.send({ kind: "scale", app: appName("meter"), service: "web" as never, replicas: 2, ifRevision: null })?.code,
  ).toBe("policy");
  // What asks for less is a way out.
  expect(s.meter({}, {}, "meter:2")).toBeNull();
});

test("[P312] a copy whose node refuses the new revision stands as it was, and says so", () => {
  const s = new Site();
  s.join({ labels: { gpio: "yes" } });
  s.meter({}, { replicas: "global" });
  s.set("serial", { ...GRANT, nodeLabels: ["gpio=no"] });
  expect(s.meter(SERIAL, { replicas: "global" }, "meter:2")).toBeNull();
  const [placement] = [...s.world.placements.values()];
  expect(placement?.revision).toBe(1);
  expect(s.why(placement?.workload ?? "")).toContain("policy serial allows it on nodes with gpio=no");
});

test("[P313] audit mode allows, and tells: an event, and what the check says", () => {
  const s = new Site();
  s.join();
  s.set("watch", { mode: "audit" });
  expect(s.meter()).toBeNull();
  expect(s.log).toContainEqual({
    kind: "hub-event",
    event: { kind: "policy-audited", app: "meter", reason: expect.stringContaining("/dev/ttyUSB0"), by: "admin" },
  });
  expect(checkApps(s.world)).toMatchObject([{ app: "meter", enforced: false, violation: { rule: "devices" } }]);
});

test("[P313] a policy in audit mode on some nodes tells what its rules would refuse of the copies there", () => {
  const s = new Site();
  const farm = s.join({ labels: { site: "farm" } });
  s.meter({}, { replicas: "global" });
  s.join({ labels: { site: "shop" } });
  s.set("watch", { mode: "audit", nodeLabels: ["site=farm"], rules: { ...NO_RULES, requireMemoryLimit: true } });
  s.decide();
  expect(Object.keys(s.placed())).toHaveLength(2);
  expect(checkApps(s.world)).toMatchObject([{ app: "meter", node: farm, enforced: false }]);
  s.set("watch", { mode: "enforce", nodeLabels: ["site=farm"], rules: { ...NO_RULES, requireMemoryLimit: true } });
  expect(checkApps(s.world)).toMatchObject([{ app: "meter", node: farm, enforced: true }]);
});

test("[P311] policies are kept in the order of their names, however they were set", () => {
  const s = new Site();
  for (const name of ["b", "d", "a", "c", "b"]) s.set(name, name === "b" ? { apps: [appName("x")] } : {});
  expect([...s.world.policies.keys()]).toEqual(["a", "b", "c", "d"]);
});

test("[P314] a policy is set over the revision that was looked at, and only then", () => {
  const s = new Site();
  expect(s.set("a", {}, 1)?.code).toBe("conflict");
  expect(s.set("a", {}, 0)).toBeNull();
  expect(s.world.policies.get("a")?.revision).toBe(1);
  expect(s.set("a", {}, 0)?.message).toBe("policy a is at revision 1, not at 0: someone changed it in the meantime");
  const events = (): number => s.log.filter((change) => change.kind === "hub-event").length;
  const before = events();
  expect(s.set("a", {})).toBeNull();
  expect([s.world.policies.get("a")?.revision, events()]).toEqual([1, before]);
  expect(s.set("a", { profile: "baseline" }, 1)).toBeNull();
  expect(s.world.policies.get("a")?.revision).toBe(2);
  expect(s.send({ kind: "remove-policy", name: "b", ifRevision: null })?.code).toBe("not-found");
});

test("[P315] a node is never told to go back to what policies no longer allow", () => {
  const s = new Site();
  const node = s.join();
  s.set("serial", GRANT);
  s.meter();
  for (const placement of s.world.placements.values())
    s.apply([
      {
        kind: "gate-set",
        gate: {
          workload: placement.workload,
          revision: 1,
          specHash: placement.specHash,
          attempt: 0,
          result: { kind: "passed" },
        },
      },
    ]);
  s.decide();
  s.send({ kind: "remove-policy", name: "serial", ifRevision: null });
  expect(s.meter({}, {}, "meter:2")).toBeNull();
  s.decide();
  expect(
    buildAssignment(s.world, node)?.workloads.map(({ revision, changeOver }) => [revision, changeOver.previous]),
  ).toEqual([[2, null]]);
});

test("[P320] another version of a secret reaches what stands under the policy that let it in; a new copy is judged anew", () => {
  const s = new Site();
  const node = s.join();
  s.set("serial", GRANT);
  const uses = (version: string): Partial<ContainerSpec> => ({
    ...SERIAL,
    files: [
      {
        value: { kind: "secret", app: null, name: "db", version: version.repeat(32) },
        ...{ target: "/run/secrets/db", mode: 0o444, uid: 0, gid: 0 },
      },
    ],
  });
  expect(s.meter(uses("a"), { replicas: "global" })).toBeNull();
  const [before] = s.assigned(node);
  expect(before).toMatchObject({ grants: { devices: ["/dev/ttyUSB*"] } });
  s.send({ kind: "remove-policy", name: "serial", ifRevision: null });
  const spec = () => buildAssignment(s.world, node)?.workloads[0];
  expect(s.meter(uses("b"), { replicas: "global" })).toBeNull();
  expect(spec()).toMatchObject({ revision: 2, spec: { files: [{ value: { version: "b".repeat(32) } }] } });
  expect(s.assigned(node)).toEqual([before]);
  // Elsewhere, and with anything more, it is what it is: refused.
  const second = s.join();
  s.decide();
  expect(s.assigned(second)).toEqual([]);
  expect(s.meter({ ...uses("b"), user: "7" }, { replicas: "global" })?.code).toBe("policy");
  expect(s.meter(uses("c"), { replicas: 2 })?.code).toBe("policy");
});
