// What every command that talks to a hub begins with, and lists that come in pages.
import type { RequestOf } from "../http/api.ts";
import type { AppSummary } from "../http/schemas/apps.ts";
import type { NodeSummary } from "../http/schemas/nodes.ts";
import type { ApiTokenView } from "../http/schemas/people.ts";
import type { TokenView } from "../http/schemas/tokens.ts";
import type { UserView } from "../http/schemas/users.ts";
import type { WorkloadView } from "../http/schemas/workloads.ts";
import { type Client, createClient } from "./client.ts";
import { findTarget } from "./contexts.ts";
import { CliFailure } from "./failure.ts";
import type { HubOptions, Io } from "./io.ts";

export async function connect(io: Io, options: HubOptions): Promise<Client> {
  const target = await findTarget(options, io);
  if (!/^[\x21-\x7e]{1,256}$/.test(target.token)) {
    throw new CliFailure("The token is not one: a token is one word.", {
      hint: "Look at SKERRY_TOKEN, or log in again: skerry login URL.",
    });
  }
  return createClient(target, io);
}

/** Routes that answer with pages, and what is on them. */
interface Items {
  readonly listApps: AppSummary;
  readonly listNodes: NodeSummary;
  readonly listWorkloads: WorkloadView;
  readonly listTokens: TokenView;
  readonly listApiTokens: ApiTokenView;
  readonly listUsers: UserView;
}

/** A thousand items are some 700 KB: fewer questions, and no answer too large. */
const PAGE = 1_000;
/** A hub that gives pages without end is broken. */
const MAX_PAGES = 1_000;

export async function listAll<N extends keyof Items>(
  client: Client,
  name: N,
  query: Omit<NonNullable<RequestOf<N>["query"]>, "limit" | "after">,
): Promise<Items[N][]> {
  const items: Items[N][] = [];
  let after: string | null = null;
  for (let page = 0; page < MAX_PAGES; page++) {
    const asked = { query: { ...query, limit: PAGE, ...(after === null ? {} : { after }) } };
    // These routes take these two beside their own filters, and all answer with a page of their items; TypeScript cannot
    // see that of a route which is known by a type parameter only.
    const answer = (await client.call(name, asked as never)) as { items: Items[N][]; next: string | null };
    items.push(...answer.items);
    if (answer.next === null) return items;
    after = answer.next;
  }
  throw new CliFailure("The hub's list does not end.");
}
