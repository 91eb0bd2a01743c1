// For tests of the command line: a terminal that remembers, and a hub that answers from a table. Never shipped in a bundle.
import { createServer, type IncomingMessage, type Server } from "node:http";
import { systemClock } from "@skerry/shared/runtime/clock.ts";
import { seededRandom } from "@skerry/shared/runtime/random.ts";
import type { Io } from "./io.ts";
import { runCommandLine } from "./run.ts";

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function runWords(words: readonly string[], io: Partial<Io> = {}): Promise<Ran> {
  let [out, err] = ["", ""];
  const code = await runCommandLine(words, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    drained: () => Promise.resolve(),
    outIsTerminal: false,
    errIsTerminal: false,
    inIsTerminal: false,
    columns: null,
    color: false,
    env: {},
    cwd: "/",
    homeDir: "/nowhere",
    readInput: async () => "",
    ask: async () => "",
    clock: systemClock,
    random: seededRandom(1),
    zoneOffsetMinutes: () => 0,
    ...io,
  });
  return { code, out, err };
}

export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: unknown;
}
/** What to answer; a string is sent as it is, null breaks the connection off. */
export type Answering = (asked: Asked) => { readonly status: number; readonly body: unknown } | string | null;

export class TableHub implements AsyncDisposable {
  readonly asked: Asked[] = [];
  readonly #server: Server;
  constructor(server: Server) {
    this.#server = server;
  }
  get url(): string {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? `http://127.0.0.1:${address.port}` : "";
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export async function startTableHub(answer: Answering): Promise<TableHub> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString("utf8");
    const { method = "", url = "", headers } = request;
    const asked: Asked = { method, url, headers, body: text === "" ? null : JSON.parse(text) };
    hub.asked.push(asked);
    const given = answer(asked);
    if (given === null) response.destroy();
    else if (typeof given === "string") response.writeHead(200, { "content-type": "text/event-stream" }).end(given);
    else response.writeHead(given.status, { "content-type": "application/json" }).end(JSON.stringify(given.body));
  });
  const hub = new TableHub(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return hub;
}
