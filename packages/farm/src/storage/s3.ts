import { randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { FarmError } from '../errors.js';
import { MARKER, markerId, markerText, type Storage } from './storage.js';

type Sdk = typeof import('@aws-sdk/client-s3');

interface S3Failure {
  name?: string;
  message: string;
  $metadata?: { httpStatusCode?: number };
}

/** A server that cannot be reached in this time is away, and so is one that says and takes nothing for so long. */
const CONNECT_MS = 30_000;
const SILENCE_MS = 300_000;

/** How often, and how soon, a write is tried again that met another one. */
const CONFLICTS = 50;
const CONFLICT_MS = 50;

const statusOf = (error: unknown) => (error as S3Failure).$metadata?.httpStatusCode ?? 0;

/** S3-compatible storage: `s3://BUCKET/PREFIX?endpoint=URL&region=NAME`. Credentials come from the usual places of the AWS SDK. */
export class S3Storage implements Storage {
  id = '';

  private constructor(
    readonly label: string,
    private readonly sdk: Sdk,
    private readonly client: InstanceType<Sdk['S3Client']>,
    private readonly bucket: string,
    private readonly prefix: string,
  ) {}

  /**
   * @param create makes an empty prefix a storage
   * @throws FarmError `storage-away`, `storage-unsuitable`
   */
  static async open(url: string, { create = false } = {}): Promise<S3Storage> {
    const sdk = await import('@aws-sdk/client-s3').catch((cause) => {
      throw new FarmError('storage-unsuitable', url, 'S3 needs the package @aws-sdk/client-s3: npm install it', {
        cause,
      });
    });
    const { hostname: bucket, pathname, searchParams } = new URL(url);
    const prefix = decodeURIComponent(pathname).replace(/^\/+|\/+$/g, '');
    const endpoint = searchParams.get('endpoint') ?? undefined;
    const client = new sdk.S3Client({
      region: searchParams.get('region') ?? process.env.AWS_REGION ?? 'us-east-1',
      ...(endpoint ? { endpoint, forcePathStyle: true } : {}),
      maxAttempts: 2,
      requestHandler: { connectionTimeout: CONNECT_MS, socketTimeout: SILENCE_MS },
      // Other servers than Amazon's do not all know the SDK's newer checksums; ours are in the manifest.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    });
    const storage = new S3Storage(`s3://${bucket}/${prefix}`, sdk, client, bucket, prefix);
    let found = await storage.read(MARKER);
    if (!found && create) {
      const text = new TextEncoder().encode(markerText(randomUUID()));
      await storage.create(MARKER, text);
      if (await storage.create(MARKER, text)) {
        throw new FarmError(
          'storage-unsuitable',
          storage.label,
          'the server ignores If-None-Match: conditional writes are needed',
        );
      }
      found = await storage.read(MARKER);
    }
    const id = found && markerId(found);
    if (!found) throw new FarmError('storage-away', storage.label, `no ${MARKER}: nothing was submitted to it yet`);
    if (!id) throw new FarmError('storage-unsuitable', storage.label, `${MARKER} is not the marker of a storage`);
    storage.id = id;
    return storage;
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    const body = await this.get(path);
    try {
      return await body?.transformToByteArray();
    } catch (error) {
      throw this.error(path, error);
    }
  }

  async download(path: string, file: string): Promise<boolean> {
    const body = await this.get(path);
    if (!body) return false;
    try {
      await pipeline(body as unknown as Readable, createWriteStream(file));
    } catch (error) {
      throw this.error(path, error);
    }
    return true;
  }

  async write(path: string, data: Uint8Array): Promise<void> {
    await this.put(path, { Body: data });
  }

  async upload(path: string, file: string): Promise<void> {
    const { size } = await stat(file);
    await this.put(path, { Body: createReadStream(file), ContentLength: size });
  }

  async create(path: string, data: Uint8Array): Promise<boolean> {
    for (let conflicts = 0; ; conflicts++) {
      try {
        await this.put(path, { Body: data, IfNoneMatch: '*' });
        return true;
      } catch (error) {
        const status = statusOf((error as FarmError).cause);
        if (status === 412) return false;
        // Another conditional write to it is under way, of which none may win: S3 wants it tried again.
        if (status !== 409 || conflicts >= CONFLICTS) throw error;
        await sleep(CONFLICT_MS * (1 + Math.random()));
      }
    }
  }

  async list(folder: string): Promise<string[]> {
    return (await this.contents(folder)).filter((name) => !name.endsWith('/'));
  }

  async folders(folder: string): Promise<string[]> {
    return (await this.contents(folder)).filter((name) => name.endsWith('/')).map((name) => name.slice(0, -1));
  }

  /** Names of objects, and of folders with `/` at their end, sorted. */
  private async contents(folder: string): Promise<string[]> {
    const prefix = `${this.keyOf(folder)}/`;
    const names: string[] = [];
    let token: string | undefined;
    do {
      const input = { Bucket: this.bucket, Prefix: prefix, Delimiter: '/', ContinuationToken: token };
      const page = await this.send(folder, () => this.client.send(new this.sdk.ListObjectsV2Command(input)));
      names.push(...(page.Contents ?? []).map(({ Key }) => Key!.slice(prefix.length)));
      names.push(...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix!.slice(prefix.length)));
      token = page.NextContinuationToken;
    } while (token);
    return names.sort();
  }

  async remove(path: string): Promise<void> {
    const target = { Bucket: this.bucket, Key: this.keyOf(path) };
    await this.send(path, () => this.client.send(new this.sdk.DeleteObjectCommand(target)));
  }

  close(): void {
    this.client.destroy();
  }

  private keyOf(path: string): string {
    return this.prefix ? `${this.prefix}/${path}` : path;
  }

  private async get(path: string) {
    try {
      return (await this.client.send(new this.sdk.GetObjectCommand({ Bucket: this.bucket, Key: this.keyOf(path) })))
        .Body;
    } catch (error) {
      if (statusOf(error) === 404 && (error as S3Failure).name === 'NoSuchKey') return undefined;
      throw this.error(path, error);
    }
  }

  private async put(path: string, more: Partial<import('@aws-sdk/client-s3').PutObjectCommandInput>): Promise<void> {
    const target = { Bucket: this.bucket, Key: this.keyOf(path), ...more };
    await this.send(path, () => this.client.send(new this.sdk.PutObjectCommand(target)));
  }

  private async send<Output>(path: string, send: () => Promise<Output>): Promise<Output> {
    try {
      return await send();
    } catch (error) {
      throw this.error(path, error);
    }
  }

  private error(path: string, cause: unknown): FarmError {
    const { message, name = '' } = cause as S3Failure;
    const status = statusOf(cause);
    const full = status === 507 || /quota|insufficient|storagefull/i.test(name);
    return new FarmError(full ? 'storage-full' : 'storage-away', `${this.label}/${path}`, `${name} ${message}`.trim(), {
      cause,
    });
  }
}
