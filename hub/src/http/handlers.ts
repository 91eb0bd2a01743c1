// The handlers of all JSON routes in one table, exhaustive by its type: a route without a handler does not compile.
import type { HttpDeps } from "./deps.ts";
import type { Handlers } from "./handler.ts";
import { apiTokenHandlers } from "./routes/api-tokens.ts";
import { appHandlers } from "./routes/apps.ts";
import { auditHandlers } from "./routes/audit.ts";
import { authHandlers } from "./routes/auth.ts";
import { diffHandlers } from "./routes/diff.ts";
import { eventHandlers } from "./routes/events.ts";
import { hubKeyHandlers } from "./routes/hub-key.ts";
import { nodeHandlers } from "./routes/nodes.ts";
import { roleHandlers } from "./routes/roles.ts";
import { rolloutHandlers } from "./routes/rollouts.ts";
import { systemHandlers } from "./routes/system.ts";
import { tokenHandlers } from "./routes/tokens.ts";
import { wishHandlers } from "./routes/wishes.ts";
import { workloadHandlers } from "./routes/workloads.ts";

export function jsonHandlers(deps: HttpDeps): Handlers {
  return {
    ...appHandlers(deps),
    ...diffHandlers(deps),
    ...rolloutHandlers(deps),
    ...workloadHandlers(deps),
    ...nodeHandlers(deps),
    ...tokenHandlers(deps),
    ...hubKeyHandlers(deps),
    ...apiTokenHandlers(deps),
    ...roleHandlers(deps),
    ...authHandlers(deps),
    ...eventHandlers(deps),
    ...auditHandlers(deps),
    ...systemHandlers(deps),
    ...wishHandlers(deps),
  };
}
