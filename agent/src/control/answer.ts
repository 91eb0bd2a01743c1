// What a running agent answers on its control socket: one of two, so that a machine that waits to join can say for what.
import type { AgentStatus } from "../agent.ts";

export interface JoiningStatus {
  readonly state: "joining";
  readonly version: string;
  readonly hubUrl: string;
  /** null: the first try is under way. */
  readonly waitingFor: string | null;
  readonly nextTryInMs: number | null;
}

export type ControlAnswer = JoiningStatus | ({ readonly state: "joined" } & AgentStatus);
