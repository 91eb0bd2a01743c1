// What a registry's documents say of an image's size. Pure; the door where its JSON becomes typed, tolerant of what it does not know.
import * as z from "zod/mini";

/** Images of hundreds of layers do not start (overlay2 stops at 128); an index lists a few dozen platforms. */
const MAX_LISTED = 1_024;

const digest = () => z.string().check(z.regex(/^sha256:[0-9a-f]{64}$/));
const size = () => z.number().check(z.gte(0));

const manifestSchema = z.object({
  config: z.object({ digest: digest(), size: size() }),
  layers: z.array(z.object({ digest: z.string(), size: size() })).check(z.maxLength(MAX_LISTED)),
});

const indexSchema = z.object({
  manifests: z
    .array(
      z.object({
        digest: digest(),
        platform: z.optional(z.object({ os: z.string(), architecture: z.string(), variant: z.optional(z.string()) })),
      }),
    )
    .check(z.maxLength(MAX_LISTED)),
});

const configSchema = z.object({
  rootfs: z.object({ diff_ids: z.array(z.string()).check(z.maxLength(MAX_LISTED)) }),
});

const tokenSchema = z.object({ token: z.optional(z.string()), access_token: z.optional(z.string()) });

/** What is asked for: documents of one image, and lists of images by platform. */
export const MANIFEST_TYPES = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

export type Manifest = z.infer<typeof manifestSchema>;
export type Document =
  | { readonly kind: "image"; readonly image: Manifest }
  | { readonly kind: "index"; readonly index: Index };
export type Index = z.infer<typeof indexSchema>;

/** null: neither, such as the old schema 1. */
export function readDocument(text: string): Document | null {
  const json = parsed(text);
  const image = manifestSchema.safeParse(json);
  if (image.success) return { kind: "image", image: image.data };
  const index = indexSchema.safeParse(json);
  return index.success ? { kind: "index", index: index.data } : null;
}

/** "linux/arm64/v8", as the file or the node says it. The digest of the image for it; null: there is none, or more than one fits. */
export function chooseImage({ manifests }: Index, platform: string): string | null {
  const [os = "", architecture = "", variant] = platform.split("/");
  const fits = manifests.filter(({ platform: has }) => has?.os === os && has.architecture === architecture);
  const exact = variant === undefined ? [] : fits.filter(({ platform: has }) => has?.variant === variant);
  const [only, ...more] = exact.length > 0 ? exact : fits;
  return only === undefined || more.length > 0 ? null : only.digest;
}

/** What each layer is once unpacked, in the manifest's order; null: it does not say. */
export function readLayerIds(text: string): readonly string[] | null {
  const config = configSchema.safeParse(parsed(text));
  return config.success ? config.data.rootfs.diff_ids : null;
}

export function readToken(text: string): string | null {
  const answer = tokenSchema.safeParse(parsed(text));
  return answer.success ? (answer.data.token ?? answer.data.access_token ?? null) : null;
}

export interface Challenge {
  readonly realm: string;
  readonly service: string;
  readonly scope: string;
}

/** `Bearer realm="…",service="…",scope="…"`. null: it asks for something else, such as a password. */
export function readChallenge(header: string | undefined): Challenge | null {
  if (header === undefined || !/^bearer /i.test(header)) return null;
  const fields = new Map([...header.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = "", value = ""]) => [name, value]));
  const realm = fields.get("realm");
  if (realm === undefined || !URL.canParse(realm)) return null;
  return { realm, service: fields.get("service") ?? "", scope: fields.get("scope") ?? "" };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
