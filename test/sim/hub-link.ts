// The hub's link server on the simulated network, and the join call beside it, as main.ts joins them to real sockets.
import type { ControlLoop } from "@skerry/hub/control-loop.ts";
import { createLinkServer, type LinkServer } from "@skerry/hub/link/server.ts";
import type { Store } from "@skerry/hub/store/store.ts";
import type { Clock } from "@skerry/shared/runtime/clock.ts";
import type { Log } from "@skerry/shared/runtime/log.ts";
import type { Random } from "@skerry/shared/runtime/random.ts";
import type { Process } from "./host.ts";
import { bugHubConnection } from "./mutants.ts";
import type { Network } from "./network.ts";
import type { SitePart } from "./site.ts";

interface Parts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly store: Store;
  readonly loop: ControlLoop;
  readonly sign: (text: string) => string;
  readonly planted: SitePart["planted"];
}

export function startLinkServer(
  network: Network,
  process: Process,
  { clock, random, log, store, loop, sign, planted }: Parts,
): LinkServer {
  const server = createLinkServer({
    clock,
    log,
    hub: loop,
    random,
    publicKey: (node) => store.publicKey(node),
    revokedKeys: (node) => store.revokedKeysOf(node),
    sign,
    hubVersion: "0.1.0-sim",
  });
  network.listen(process, (connection, from) => server.attach(bugHubConnection(planted, connection), from));
  return server;
}
