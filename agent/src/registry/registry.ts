// Asks a registry how large an image is, before the engine pulls it. With the credential that the pull has, or anonymously; within a
// deadline and in bounded memory, because a registry may be anything. What it cannot tell is null: then the pull itself is watched.
import { type IncomingMessage, request as requestPlain } from "node:http";
import { type ImageName, imageName } from "@skerry/shared/model/image-name.ts";
import type { RegistryLogin } from "@skerry/shared/model/registry-login.ts";
import { isInsecure } from "./insecure.ts";
import {
  chooseImage,
  type Document,
  MANIFEST_TYPES,
  type Manifest,
  readChallenge,
  readDocument,
  readLayerIds,
  readToken,
} from "./manifest.ts";

/** All questions about one image together: on a link over which this takes longer, a minute more or less of pulling is nothing. */
const DEADLINE_MS = 15_000;
/** The most that registries take for a manifest. */
const MAX_DOCUMENT_BYTES = 4 * 1_048_576;
/** To where blobs are kept, and there to where they are kept now. */
const MAX_REDIRECTS = 3;

export interface LayerSize {
  /** As unpacked; null: not known. */
  readonly id: string | null;
  /** As sent. */
  readonly bytes: number;
}

export interface RegistryOptions {
  /** "linux/arm64". */
  readonly platform: string;
  /** Registries that the engine asks without TLS. */
  readonly insecure: readonly string[];
  /** null: anonymously. Shown when the registry asks for it, to nobody else but its own token service. */
  readonly login: RegistryLogin | null;
  readonly signal: AbortSignal;
}

/** The layers of the image that would be pulled; null: the registry does not say. Never rejects. */
export async function layersOf(reference: string, options: RegistryOptions): Promise<readonly LayerSize[] | null> {
  const name = imageName(reference);
  if (name === null) return null;
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(DEADLINE_MS)]);
  const scheme = isInsecure(name.host, options.insecure) ? "http" : "https";
  const asking = new Asking(`${scheme}://${name.host}/v2/${name.repository}`, name, options.login, signal);
  try {
    const image = await manifestOf(asking, name.version, options.platform);
    if (image === null) return null;
    const ids = readLayerIds((await asking.get(`/blobs/${image.config.digest}`, "*/*")) ?? "");
    const known = ids !== null && ids.length === image.layers.length;
    return image.layers.map(({ size }, index) => ({ id: known ? (ids[index] ?? null) : null, bytes: size }));
  } catch {
    // Whatever it was (no route, no TLS, a broken answer, too late): the engine's own try tells it in its own words.
    return null;
  }
}

async function manifestOf(asking: Asking, version: string, platform: string): Promise<Manifest | null> {
  const first = await documentAt(asking, version);
  if (first?.kind !== "index") return first?.image ?? null;
  const digest = chooseImage(first.index, platform);
  const second = digest === null ? null : await documentAt(asking, digest);
  return second?.kind === "image" ? second.image : null;
}

async function documentAt(asking: Asking, version: string): Promise<Document | null> {
  const text = await asking.get(`/manifests/${version}`, MANIFEST_TYPES);
  return text === null ? null : readDocument(text);
}

interface Received {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

/** Questions about one repository: what opened it for the first one serves the others. */
class Asking {
  readonly #base: string;
  readonly #name: ImageName;
  readonly #login: RegistryLogin | null;
  readonly #signal: AbortSignal;
  /** What the registry is shown from its first refusal on. */
  #shown: string | null = null;

  constructor(base: string, name: ImageName, login: RegistryLogin | null, signal: AbortSignal) {
    this.#base = base;
    this.#name = name;
    this.#login = login;
    this.#signal = signal;
  }

  /** null: it was not given out. */
  async get(path: string, accept: string): Promise<string | null> {
    const url = `${this.#base}${path}`;
    let answer = await this.#follow(url, accept);
    if (answer.status === 401 && this.#shown === null) {
      this.#shown = await this.#answerTo(answer.headers["www-authenticate"]);
      if (this.#shown !== null) answer = await this.#follow(url, accept);
    }
    return answer.status === 200 ? answer.text : null;
  }

  /** The Authorization header that it asks for; null: it cannot be had. */
  async #answerTo(header: string | undefined): Promise<string | null> {
    const basic = this.#login === null ? null : basicOf(this.#login);
    if (/^basic /i.test(header ?? "")) return basic;
    const token = await this.#token(header, basic);
    return token === null ? null : `Bearer ${token}`;
  }

  /** The token service's address is the registry's word: a password goes there by TLS, or where the registry itself has none. */
  async #token(header: string | undefined, basic: string | null): Promise<string | null> {
    const challenge = readChallenge(header);
    if (challenge === null) return null;
    const url = new URL(challenge.realm);
    const mayShow = basic !== null && (url.protocol === "https:" || this.#base.startsWith("http:"));
    if (challenge.service !== "") url.searchParams.set("service", challenge.service);
    url.searchParams.set("scope", challenge.scope || `repository:${this.#name.repository}:pull`);
    const answer = await getOnce(url, mayShow ? { authorization: basic } : {}, this.#signal);
    return answer.status === 200 ? readToken(answer.text) : null;
  }

  /** What it is shown is for the registry alone, never for where it sends us. */
  async #follow(from: string, accept: string): Promise<Received> {
    let url = new URL(from);
    for (let turn = 0; ; turn += 1) {
      const own = url.origin === new URL(this.#base).origin;
      const shown = own && this.#shown !== null ? { authorization: this.#shown } : {};
      const answer = await getOnce(url, { accept, ...shown }, this.#signal);
      const { location } = answer.headers;
      if (answer.status < 300 || answer.status > 399 || location === undefined || turn >= MAX_REDIRECTS) return answer;
      url = new URL(location, url);
    }
  }
}

const basicOf = ({ user, password }: RegistryLogin): string =>
  `Basic ${Buffer.from(`${user}:${password}`, "utf8").toString("base64")}`;

async function getOnce(url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Received> {
  // TLS is megabytes of code: loaded when a registry is first asked.
  const request = url.protocol === "http:" ? requestPlain : (await import("node:https")).request;
  return await new Promise((resolve, reject) => {
    // No agent: a connection that is kept for the next image is memory for nothing.
    const call = request(url, { headers: { ...headers, "user-agent": "skerry" }, signal, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MAX_DOCUMENT_BYTES) call.destroy(new Error(`an answer of over ${MAX_DOCUMENT_BYTES} bytes`));
        else chunks.push(chunk);
      });
      response.on("error", reject);
      response.on("end", () => {
        const { statusCode, headers: received } = response;
        resolve({ status: statusCode ?? 0, headers: received, text: Buffer.concat(chunks).toString("utf8") });
      });
    });
    call.on("error", reject);
    call.end();
  });
}
