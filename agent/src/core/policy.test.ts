// The node's own judgement: a hub that sends what is not allowed gets nothing made, and nothing stopped for it.
import type { ContainerSpec, Mount } from "@skerry/shared/model/container.ts";
import { RESTRICTED } from "@skerry/shared/policy/profiles.ts";
import { expect, test } from "vitest";
import {
  assignment,
  container,
  context,
  hashOf,
  kinds,
  network,
  observed,
  passedMemory,
  statusOf,
  volume,
  workload,
} from "../../../test/unit/agent/scenario.ts";
import { plan } from "./plan.ts";

const SERIAL = { devices: [{ host: "/dev/ttyUSB0", container: "/dev/ttyUSB0", permissions: "rwm" }] };
const web = workload("web");
const other = workload("other");
const asking = (spec: Partial<ContainerSpec>) => ({ ...web, specHash: hashOf("b2"), spec: { ...web.spec, ...spec } });

test("[P317] a forbidden spec makes nothing, stops nothing, and holds nobody else up", () => {
  const wanted = asking({ privileged: true });
  const found = plan(
    assignment([wanted, other]),
    observed([web, other], [container(web)]),
    passedMemory(web),
    context(),
    0,
  );
  expect(kinds(found, web.id)).toBe("");
  expect(kinds(found, other.id)).toBe("create start");
  const empty = plan(assignment([wanted]), observed([web], []), new Map(), context(), 0);
  expect(statusOf(empty, web).state).toMatchObject({
    kind: "waiting",
    reason: "this node refuses it by policy: `privileged` asks for true, which the profile restricted does not allow",
  });
});

test("[P317] what the assignment's policy grants is made; what runs is left alone when that is taken back", () => {
  const granted = {
    ...asking(SERIAL),
    policy: { ...RESTRICTED, grants: { ...RESTRICTED.grants, devices: ["/dev/ttyUSB0"] } },
  };
  const made = plan(assignment([granted]), observed([web], []), new Map(), context(), 0);
  expect(kinds(made, web.id)).toBe("create start");
  const taken = { ...granted, policy: null };
  const after = plan(assignment([taken]), observed([web], [container(granted)]), passedMemory(granted), context(), 0);
  expect([kinds(after, web.id), statusOf(after, web).state.kind]).toEqual(["", "running"]);
});

test("[P318] no volume is made that only a refused workload would use, nor one for nobody that shows the machine", () => {
  const mount: Mount = {
    ...{ kind: "volume", source: "shop_data", target: "/m", readOnly: false, noCopy: false, subpath: null },
  };
  const hidden = volume("shop_data", { driverOptions: { type: "none", o: "bind", device: "/" } });
  const apps = (one: typeof hidden) => ({
    apps: [{ name: web.app, networks: [network("shop_default")], volumes: [one] }],
  });
  const lanes = (workloads: Parameters<typeof assignment>[0], one: typeof hidden): readonly string[] =>
    plan(assignment(workloads, apps(one)), observed([web], []), new Map(), context(), 0).lanes.map(({ key }) => key);
  expect(lanes([asking({ mounts: [mount] })], hidden)).not.toContain("volume:shop_data");
  expect(lanes([web], hidden)).not.toContain("volume:shop_data");
  expect(lanes([asking({ mounts: [mount] })], volume("shop_data"))).toContain("volume:shop_data");
});
