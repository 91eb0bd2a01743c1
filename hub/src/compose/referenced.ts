// Which files beside a Compose file are needed to compile it, and which values its secrets and configs take: the client reads them and
// sends them along.
// It must never fail: what is wrong with the file is told when it is compiled.
import { createFields, entriesOf, type MapSpot } from "./fields.ts";
import { compileDeclared, type DeclaredValue } from "./files.ts";
import { collectNotes, compareText } from "./problem.ts";
import { parseTree } from "./tree.ts";

export interface ReferencedValue {
  /** "secrets.KEY". */
  readonly place: string;
  readonly from: Extract<DeclaredValue["from"], { readonly kind: "file" | "environment" }>;
}

/** What stands under `secrets` and `configs` and comes from the client's machine, in the file's order. */
export function referencedValues(text: string, variables: Readonly<Record<string, string>>): ReferencedValue[] {
  const notes = collectNotes();
  const tree = parseTree(text, { variables, used: new Set() }, notes);
  if (tree === null) return [];
  const found: ReferencedValue[] = [];
  for (const [place, value] of compileDeclared({ tree, path: "" }, createFields(notes)))
    if (value?.from.kind === "file" || value?.from.kind === "environment") found.push({ place, from: value.from });
  return found;
}

/** Paths as written in the file, sorted; variables filled in. */
export function referencedFiles(text: string, variables: Readonly<Record<string, string>>): string[] {
  const notes = collectNotes();
  const tree = parseTree(text, { variables, used: new Set() }, notes);
  if (tree === null) return [];
  const fields = createFields(notes);
  const services = fields.map({ tree, path: "" }, "services");
  const paths = new Set<string>();
  for (const { at } of services === null ? [] : entriesOf(services)) {
    if (at.tree.kind !== "map") continue;
    for (const path of pathsOf({ tree: at.tree, path: at.path })) paths.add(path);
  }
  return [...paths].sort(compareText);

  function pathsOf(service: MapSpot): string[] {
    const envFile = fields.at(service, "env_file");
    const isList = envFile !== null && envFile.tree.kind === "list";
    const named = isList
      ? fields
          .items(service, "env_file")
          .map((item) =>
            item.tree.kind === "map" ? fields.text({ tree: item.tree, path: item.path }, "path") : fields.asText(item),
          )
      : [envFile === null ? null : fields.asText(envFile)];
    return [...named, ...fields.textOrTexts(service, "label_file")].filter((path) => path !== null);
  }
}
