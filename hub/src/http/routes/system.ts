// The hub itself: health, version, and "why".
import { PROTOCOL_MINIMUM, PROTOCOL_VERSION } from "@skerry/shared/protocol/version.ts";
import { sightOf } from "../access.ts";
import { rightsOfCaller } from "../caller.ts";
import type { HttpDeps } from "../deps.ts";
import type { HandlersOf } from "../handler.ts";
import { health } from "../health.ts";
import { whyAnswer } from "../views/why.ts";

export function systemHandlers(deps: HttpDeps): HandlersOf<"getHealth" | "getVersion" | "why"> {
  return {
    getHealth: ({ reply }) => {
      const now = health(deps);
      if (now.status !== "ok") reply.status(503);
      return now;
    },
    getVersion: () => ({
      version: deps.version,
      api: "v1",
      protocol: { version: PROTOCOL_VERSION, minimum: PROTOCOL_MINIMUM },
      installation: deps.loop.world.installation,
      epoch: deps.loop.world.epoch,
      node: process.version,
    }),
    why: ({ params, request }) => {
      const rights = rightsOfCaller(request);
      return whyAnswer(deps, params["*"], sightOf(rights), (app) => rights.onApp("logs:read", app));
    },
  };
}
