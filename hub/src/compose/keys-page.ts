// Writes docs/compose.md's table from the table of keys, so that the page cannot say something else than the code does.
import { keyRules } from "./keys.ts";

export function composeKeysPage(): string {
  const honoured = [...keyRules].flatMap(([path, rule]) =>
    rule.use === "honoured" ? [{ path, note: rule.note }] : [],
  );
  const refused = [...keyRules].flatMap(([path, rule]) => (rule.use === "refused" ? [{ path, ...rule }] : []));
  return [
    "# What a Compose file may say",
    "",
    "The language is the [Compose Specification](https://github.com/compose-spec/compose-spec), `deploy` included. Each of its keys is",
    "honoured as written there, or refused by name with the reason; none is ignored in silence. `skerry validate FILE` says",
    "what is wrong with a file, with line and column, and needs no hub. In the tables `*` is a name of your own and `[]` an item of a",
    "list. Keys that begin with `x-` are yours; `x-skerry` is ours.",
    "",
    'What a container may ask of its machine is for policies to allow ("What containers may ask of machines" in the [guide](guide.md)): without one',
    "the profile `restricted` holds, and `privileged`, `devices`, bind mounts, `network_mode: host` and the like are refused when the file is applied.",
    "",
    "This page is made from `hub/src/compose/keys.ts`; a test keeps it so.",
    "",
    "## Honoured",
    "",
    "| key | what to know |",
    "|---|---|",
    ...honoured.map(({ path, note }) => `| \`${path}\` | ${cell(note)} |`),
    "",
    "## Refused",
    "",
    "A refused key stands for everything below it as well.",
    "",
    "| key | why | what to do |",
    "|---|---|---|",
    ...refused.map(({ path, reason, instead }) => `| \`${path}\` | ${cell(reason)} | ${cell(instead)} |`),
    "",
  ].join("\n");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
