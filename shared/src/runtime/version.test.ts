// The version is written in two places; this keeps them the same.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { SKERRY_VERSION } from "./version.ts";

test("the program's version is the repository's", () => {
  const root = new URL("../../../package.json", import.meta.url);
  expect(JSON.parse(readFileSync(root, "utf8"))).toMatchObject({ version: SKERRY_VERSION });
});
