// What the documents show as a Compose file must be one: people copy it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { compileCompose } from "./compile.ts";

const ROOT = join(import.meta.dirname, "../../..");

/** The YAML examples of a page; one that shows a service's part only is put into a service. */
function examplesOf(page: string): string[] {
  const text = readFileSync(join(ROOT, page), "utf8");
  return [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, example = ""]) => {
    if (example.includes("services:")) return example;
    const inside = example.replaceAll(/^/gm, "    ");
    return `services:\n  app:\n    image: app\n${inside}`;
  });
}

const examples = ["README.md", "docs/guide.md"].flatMap((page) =>
  examplesOf(page).map((text) => [page, text] as const),
);

test("[C32] there are examples on both pages", () => {
  expect(new Set(examples.map(([page]) => page)).size).toBe(2);
});

test.each(examples)("[C32] an example in %s compiles without a problem or a warning", (_page, text) => {
  const result = compileCompose({ name: "shop", text, files: {}, variables: {}, profiles: [] });
  expect(result).toMatchObject({ ok: true, value: { warnings: [] } });
});
