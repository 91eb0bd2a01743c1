// A workload whose secrets are not on the node: it waits in plain words, and nothing that stands is touched.

import { valueKey } from "@skerry/shared/model/value-names.ts";
import { expect, test } from "vitest";
import { fileObstacle } from "./obstacles.ts";
import { NO_VALUES } from "./scene.ts";

const value = { kind: "secret", app: null, name: "db", version: "a".repeat(32) } as const;
const workload = { spec: { files: [{ value, target: "/run/secrets/db", mode: 0o444, uid: 0, gid: 0 }] } } as never;
const obstacle = (values: Partial<typeof NO_VALUES>) =>
  fileObstacle({ context: { values: { ...NO_VALUES, ...values } } } as never, workload);

test("[N260] a container waits for its secrets, and says for which and why", () => {
  expect(obstacle({})).toBe("secret db has not arrived yet: the hub gives it as soon as it is heard");
  expect(obstacle({ refused: new Map([[valueKey(value), "the hub has lost the key to it"]]) })).toBe(
    "secret db does not come: the hub has lost the key to it",
  );
  expect(obstacle({ here: new Set([valueKey(value)]) })).toBeNull();
  expect(obstacle({ here: new Set([valueKey(value)]), trouble: "no memory" })).toBe("no memory");
  expect(fileObstacle({ context: { values: NO_VALUES } } as never, { spec: { files: null } } as never)).toBeNull();
});
